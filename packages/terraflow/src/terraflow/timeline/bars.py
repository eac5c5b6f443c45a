"""The bars of the page: one for each attempt that the record has, and one for each job that has not ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from snakemake_aws_common.record import attempt as states
from snakemake_aws_common.record.attempt import Attempt
from snakemake_aws_common.record.live import Live, LiveJob
from terraflow.timeline import phases
from terraflow.timeline.phases import Span

# Group of the jobs that work for all samples.
SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Bar:
    """An attempt of a job. Times are milliseconds since 1970, sizes bytes, `cost` US dollars or None if unknown."""

    native_id: str
    attempt: int
    # The rule, or the name of the group.
    process: str
    sample: str
    # The wildcards but the sample; several bars of a sample and a rule may have the same.
    rest: str
    status: str
    exit: int | None
    reason: str
    queue: str
    spot: bool
    cpus: float
    memory: int
    disk: int
    peak_rss: int | None
    # Its submission, or the end of the attempt before it.
    begin: int
    # When it began to use vCPUs of the account; None if it never did.
    taken: int | None
    end: int
    spans: tuple[Span, ...]
    steps: tuple[str, ...]
    cost: float | None

    @property
    def failed(self) -> bool:
        """Whether it ended without success."""
        return self.status in (states.FAILED, states.ABORTED)


def bars(
    attempts: Sequence[Attempt], live: Live | None, cost: Callable[[Attempt], float | None], seen: int | None = None
) -> list[Bar]:
    """Return the bars of a run, by their beginnings; `cost` gives what an attempt costs in dollars.

    Batch gives all attempts at a job the time when the job was submitted: a bar begins where the one before it ends.
    Jobs that have not ended last until `seen`, by default until the head looked.
    """
    ends: dict[str, int] = {}
    found = []
    for one in sorted(attempts, key=attrgetter("attempt")):
        bar = _of_attempt(one, max(one.submit, ends.get(one.native_id, one.submit)), cost(one))
        ends[one.native_id] = bar.end
        found.append(bar)
    if live is not None:
        now = live.updated if seen is None else seen
        done = {one.native_id for one in attempts if one.status == states.COMPLETED}
        for job in live.jobs if live.ended is None else ():
            # A job that ends is in the record a moment before it leaves the list of those that run.
            if job.native_id not in done and ends.get(job.native_id, 0) < live.updated:
                found.append(_of_live(job, max(job.submit, ends.get(job.native_id, 0)), now))
    return sorted(found, key=attrgetter("begin", "process", "rest", "native_id"))


def _of_attempt(one: Attempt, begin: int, cost: float | None) -> Bar:
    peaks = [step.peak_rss for step in one.steps if step.peak_rss is not None]
    return Bar(
        native_id=one.native_id,
        attempt=one.attempt,
        process=one.process,
        sample=one.wildcards.get("sample", SHARED),
        rest=_rest(one.wildcards),
        status=one.status,
        exit=one.exit,
        reason=one.reason,
        queue=one.queue,
        spot=one.spot,
        cpus=one.cpus,
        memory=one.memory,
        disk=one.disk,
        peak_rss=max(peaks, default=None),
        begin=begin,
        taken=one.starting if one.starting is not None else one.start,
        end=max(phases.end_of(one), begin),
        spans=tuple(phases.spans_of(one, begin)),
        steps=tuple(" ".join([step.process, *step.wildcards.values()]) for step in one.steps),
        cost=cost,
    )


def _of_live(job: LiveJob, begin: int, now: int) -> Bar:
    works = job.status in ("STARTING", "RUNNING")
    return Bar(
        native_id=job.native_id,
        attempt=0,
        process=job.process,
        sample=job.wildcards.get("sample", SHARED),
        rest=_rest(job.wildcards),
        status=job.status,
        exit=None,
        reason=job.reason,
        queue=job.queue,
        spot=job.spot,
        cpus=job.cpus,
        memory=job.memory,
        disk=job.disk,
        peak_rss=None,
        begin=begin,
        taken=min(max(job.since, begin), now) if works else None,
        end=max(now, begin),
        spans=tuple(phases.spans_of_live(job, begin, now)),
        steps=(),
        cost=None,
    )


def _rest(wildcards: Mapping[str, str]) -> str:
    return " ".join(value for name, value in wildcards.items() if name != "sample")


def labels(found: Sequence[Bar]) -> list[str]:
    """Return what tells a bar from the others of its sample and rule: no two bars have all three alike."""
    seen: set[tuple[str, str, str]] = set()
    given = []
    for one in found:
        text = one.rest if one.attempt <= 1 else f"{one.rest} (attempt {one.attempt})".strip()
        other, number = text, 1
        while (one.sample, one.process, other) in seen:
            number += 1
            other = f"{text} #{number}".strip()
        seen.add((one.sample, one.process, other))
        given.append(other)
    return given
