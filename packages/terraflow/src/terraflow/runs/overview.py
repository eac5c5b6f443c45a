"""How a run does, gathered once for people and for programs."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from snakemake_aws_common import prices
from snakemake_aws_common.record.attempt import Attempt
from snakemake_aws_common.record.live import Failure, Live, LiveJob, RuleCount
from terraflow.runs import batch as batches
from terraflow.runs import forecast, state
from terraflow.runs.batch import BatchJob
from terraflow.runs.find import Run
from terraflow.stack import Stack

# Reads attempts from the record.
Record: TypeAlias = Callable[[], Sequence[Attempt]]
RUNNABLE = "RUNNABLE"
# Statuses in which a job has a machine.
ON_A_MACHINE = ("STARTING", "RUNNING")
ENDED = ("SUCCEEDED", "FAILED")


@dataclass(frozen=True)
class Head:
    """Who conducts the run: a job of the head queue, a Snakemake elsewhere, or nobody."""

    works: bool
    # The process that holds the lock, and its folder.
    who: str = ""
    place: str = ""
    # The head's Batch job, if it is one, and what Batch says of it; "" if Batch was not asked or does not know it.
    job: str = ""
    status: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Waiting:
    """Jobs of one status that wait in one queue, and why."""

    status: str
    queue: str
    reason: str
    jobs: int
    since: int | None
    # Place of the first of them in the queue; None if it is not among the first hundred, or could not be asked.
    position: int | None = None


@dataclass(frozen=True)
class Overview:
    """How a run does. Times are milliseconds since 1970, money is US dollars; None is unknown."""

    run: str
    state: str
    message: str
    who: str
    started_by: str
    started: int | None
    ended: int | None
    now: int
    # When the head wrote what is shown here.
    updated: int | None
    head: Head
    has_record: bool
    rules: Mapping[str, RuleCount] = field(default_factory=dict)
    running: Sequence[LiveJob] = ()
    waiting: Sequence[Waiting] = ()
    failures: Sequence[Failure] = ()
    spent: float | None = None
    budget: float | None = None
    # What its jobs were expected to cost, on Spot, before it began; neither this nor `spent` has the head in it.
    estimate: float | None = None
    expected_end: int | None = None
    # What could not be found out, and why.
    unknown: Sequence[str] = ()


def of(
    run: Run,
    stack: Stack,
    batch: Any,  # noqa: ANN401
    late: Record,
    attempts: Record,
    runs: Callable[[], Collection[str]],
    now: int,
) -> Overview:
    """Return how a run does; AWS Batch is asked about what the record does not hold, if it can be.

    `late` reads the last attempts that have ended, `attempts` all of them; `runs` gives the names of all runs.
    """
    unknown: list[str] = []
    head = _head(run, batch, state.of(run), unknown)
    known = _state(state.of(run), head)
    written = state.last_written(run)
    seen = Overview(
        run=run.name,
        state=known,
        message=state.message(run) if known not in (state.RUNNING, state.SUBMITTED) else "",
        who=state.who(run),
        started_by=run.about.started_by if run.about else "",
        started=state.started(run),
        ended=written.ended if written and known not in (state.RUNNING, state.LOST) else None,
        now=now,
        updated=run.live.updated if run.live else None,
        head=head,
        has_record=run.has_record,
        estimate=_without_head(run),
    )
    hours = _estimated(run, "hours")
    if known == state.RUNNING and hours is not None and seen.started is not None:
        # Until something is done, which tells more.
        seen = replace(seen, expected_end=seen.started + round(hours * 3_600_000))
    if run.live is None:
        jobs = _ask(lambda: batches.active(batch, stack, run.name, runs()), unknown, "its jobs")
        return _from_batch(seen, jobs or [], unknown)
    seen = replace(seen, spent=_cost(run.live, attempts, stack, now))
    return _from_record(seen, run.live, run, batch, late, unknown)


def _state(written: str, head: Head) -> str:
    """Return the state of a run, of which its head's job may tell more than what the head has written."""
    if written == state.SUBMITTED and head.status in ENDED:
        return state.LOST
    if written == state.LOST and head.status and head.status not in ENDED:
        # Batch starts it again.
        return state.SUBMITTED
    return written


def _head(run: Run, batch: Any, known: str, unknown: list[str]) -> Head:  # noqa: ANN401
    holder = run.lock.holder if run.lock and run.has_head else None
    found = Head(run.has_head, holder.who if holder else "", holder.folder if holder else "")
    job = run.about.head_job if run.about else ""
    # The head of a run that has ended is of no interest.
    if not job or known not in (state.SUBMITTED, state.RUNNING, state.LOST):
        return found
    described = _ask(lambda: batches.describe(batch, [job]), unknown, "the head's job") or {}
    if job not in described:
        return found if found.works else replace(found, job=job)
    one = batches.job_of(described[job], run.name)
    # A lock may be that of a Snakemake elsewhere, which has gone on after the job.
    if found.works and one.has_ended:
        return found
    return replace(found, job=job, status=one.status, reason=one.reason)


def _from_record(
    seen: Overview,
    live: Live,
    run: Run,
    batch: Any,  # noqa: ANN401
    late: Record,
    unknown: list[str],
) -> Overview:
    # What a head of an earlier start has written is past once the run is submitted anew.
    begun = state.last_written(run) is not run.about or state.of(run) != state.SUBMITTED
    going = live.jobs if begun and seen.state in (state.SUBMITTED, state.RUNNING, state.LOST) else ()
    waiting: dict[tuple[str, str, str], list[LiveJob]] = defaultdict(list)
    for job in going:
        if job.status not in ON_A_MACHINE:
            waiting[job.status, job.queue, job.reason].append(job)
    queues = sorted({job.queue for job in going if job.status == RUNNABLE})
    fronts = _ask(lambda: batches.fronts(batch, queues), unknown, "places in queues") or {} if queues else {}
    left = forecast.milliseconds_left(live, late(), seen.now) if seen.state == state.RUNNING else None
    budget = run.about.budget if run.about and run.about.budget is not None else live.budget
    return replace(
        seen,
        rules=live.rules if begun else {},
        running=sorted((job for job in going if job.status in ON_A_MACHINE), key=lambda job: job.since),
        waiting=[
            Waiting(
                status, queue, reason, len(jobs), min(job.since for job in jobs), _place(jobs, fronts.get(queue, ()))
            )
            for (status, queue, reason), jobs in sorted(waiting.items())
        ],
        failures=live.failures if begun else (),
        budget=budget,
        expected_end=seen.expected_end if left is None else seen.now + left,
        unknown=unknown,
    )


def _from_batch(seen: Overview, jobs: Sequence[BatchJob], unknown: Sequence[str]) -> Overview:
    """Add what Batch knows of the jobs of a run without a record: those that have not ended."""
    tasks = [job for job in jobs if not job.is_head]
    rules: dict[str, RuleCount] = {}
    waiting: dict[tuple[str, str, str], list[BatchJob]] = defaultdict(list)
    for job in tasks:
        count, runs = rules.get(job.process, RuleCount()), job.status in ON_A_MACHINE
        rules[job.process] = replace(count, waiting=count.waiting + (not runs), running=count.running + runs)
        if not runs:
            waiting[job.status, job.queue, job.reason].append(job)
    return replace(
        seen,
        rules=rules,
        running=[batches.as_live(job) for job in tasks if job.status in ON_A_MACHINE],
        waiting=[
            Waiting(status, queue, reason, len(some), min((job.created or seen.now) for job in some))
            for (status, queue, reason), some in sorted(waiting.items())
        ],
        unknown=unknown,
    )


def _without_head(run: Run) -> float | None:
    """Return what the run's jobs were expected to cost; None without an estimate."""
    spot = _estimated(run, "spot")
    return None if spot is None else spot - (_estimated(run, "head") or 0.0)


def _estimated(run: Run, what: str) -> float | None:
    """Return a number of the estimate in run.json (`terraflow.costs.expected`); None without one."""
    value = ((run.about.estimate if run.about else None) or {}).get(what)
    return float(value) if isinstance(value, int | float) else None


def _place(jobs: Sequence[LiveJob], front: Sequence[str]) -> int | None:
    """Return the place of the first of these jobs among those at the front of their queue."""
    ids = {job.native_id for job in jobs}
    return next((place for place, job in enumerate(front, start=1) if job in ids), None)


def _cost(live: Live, attempts: Record, stack: Stack, now: int) -> float:
    """Return what the run has cost so far, by its record if the head did not count."""
    if live.spent is not None:
        return live.spent
    rates, _ = prices.load_or_stand_in(stack.region)
    return prices.total(prices.cost_of(one, rates, now) for one in attempts()).total


def _ask(call: Callable[[], Any], unknown: list[str], what: str) -> Any:  # noqa: ANN401
    """Return what Batch answers; None if it does not, with the reason in `unknown`."""
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        unknown.append(f"{what}: {error}")
        return None
