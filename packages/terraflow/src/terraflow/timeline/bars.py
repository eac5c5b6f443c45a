"""The bars of the page: one for each attempt that the record has, and one for each job that has not ended."""

from collections.abc import Callable, Container, Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from snakemake_aws_common.record import attempt as states
from snakemake_aws_common.record.attempt import Attempt
from snakemake_aws_common.record.ended import has_ended
from snakemake_aws_common.record.live import Live, LiveJob
from terraflow import samples as names
from terraflow.timeline import phases

UNSUCCESSFUL = (states.FAILED, states.ABORTED)


class Bar(NamedTuple):
    """An attempt and its place in time, in milliseconds since 1970; `cost` is US dollars, None if unknown."""

    one: Attempt
    # Its submission, or the end of the attempt before it.
    begin: int
    # Of an attempt that has not ended, when it was last seen.
    end: int
    cost: float | None
    # The sample that it works for, or `shared`; and its other wildcards, which several bars may have alike.
    sample: str
    rest: str
    # When it began to use vCPUs of the account; None if it never did.
    taken: int | None

    @property
    def failed(self) -> bool:
        """Whether it ended without success."""
        return self.one.status in UNSUCCESSFUL

    @property
    def peak_rss(self) -> int | None:
        """The most memory that any of its rules used."""
        steps = self.one.steps
        if len(steps) == 1:
            return steps[0].peak_rss
        return max([step.peak_rss for step in steps if step.peak_rss is not None], default=None)


def bars(
    attempts: Sequence[Attempt],
    live: Live | None,
    cost: Callable[[Attempt], float | None],
    going: Sequence[Attempt] = (),
    seen: int | None = None,
) -> list[Bar]:
    """Return the bars of a run, by their beginnings; `cost` gives what an attempt costs in dollars.

    Batch gives all attempts at a job the time when the job was submitted: a bar begins where the one before it ends.
    Jobs in `live` last until `seen`, by default until the head looked; those in `going` run.
    """
    jobs = live.jobs if live is not None and live.ended is None else ()
    samples = names.names_of(one.wildcards for some in (attempts, jobs) for one in some)
    samples |= names.names_of(step.wildcards for one in attempts for step in one.steps)
    last: dict[str, Bar] = {}
    found = []
    for one in sorted(attempts, key=attrgetter("attempt")):
        before = last.get(one.native_id)
        begin = one.submit if before is None else max(one.submit, before.end)
        last[one.native_id] = bar = _bar(one, begin, max(begin, phases.end_of(one)), cost(one), samples)
        found.append(bar)
    if live is not None and jobs:
        now = live.updated if seen is None else seen
        running = {one.native_id: one for one in going}
        for job in jobs:
            before = last.get(job.native_id)
            if has_ended(job, before.one if before else None, live):
                continue
            begin = max(job.submit, before.end if before else 0)
            one = running.get(job.native_id) or _as_attempt(job, before.one.attempt + 1 if before else 1)
            found.append(_bar(one, begin, max(now, begin), cost(one) if one.start is not None else None, samples))
    return sorted(found, key=attrgetter("begin", "one.process", "rest", "one.native_id"))


def _bar(one: Attempt, begin: int, end: int, cost: float | None, samples: Container[str]) -> Bar:
    wildcards = one.wildcards
    sample = names.sample_of(wildcards, samples)
    told = (names.SAMPLE, names.CALLSET) if wildcards.get(names.CALLSET) == sample else (names.SAMPLE,)
    return Bar(
        one,
        begin,
        end,
        cost,
        sample=names.group_of(sample),
        rest=" ".join([value for name, value in wildcards.items() if name not in told]),
        taken=one.start if one.starting is None else one.starting,
    )


def _as_attempt(job: LiveJob, number: int) -> Attempt:
    """Return a job that has not ended as an attempt: what it did before its status is not known."""
    return Attempt(
        native_id=job.native_id, attempt=number, name="", process=job.process, wildcards=job.wildcards,
        is_group=job.is_group, hash="", status=job.status, exit=None, reason=job.reason, queue=job.queue, spot=job.spot,
        definition="", log_stream="", cpus=job.cpus, memory=job.memory, disk=job.disk, submit=job.submit, runnable=None,
        starting=job.since if job.status == "STARTING" else None,
        start=job.since if job.status == "RUNNING" else None, complete=None, head="",
    )  # fmt: skip


def labels(found: Sequence[Bar]) -> list[str]:
    """Return what tells a bar from the others of its sample and rule: no two bars have all three alike."""
    seen: set[tuple[str, str, str]] = set()
    given = []
    for bar in found:
        one, rest, sample = bar.one, bar.rest, bar.sample
        text = rest if one.attempt <= 1 else f"{rest} (attempt {one.attempt})".strip()
        other, number = text, 1
        while (sample, one.process, other) in seen:
            number += 1
            other = f"{text} #{number}".strip()
        seen.add((sample, one.process, other))
        given.append(other)
    return given


def ordered(samples: Iterable[str]) -> list[str]:
    """Return samples in order; `shared` is the last one."""
    return sorted(samples, key=_last)


def _last(name: str) -> tuple[bool, str]:
    return name == names.SHARED, name
