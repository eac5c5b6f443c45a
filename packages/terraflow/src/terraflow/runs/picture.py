"""An overview as text: a few lines, and tables of rules, of what runs, and of what waits."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from snakemake_aws_common.record.live import LiveJob
from terraflow.runs import state, words
from terraflow.runs.overview import ENDED, Overview

# Jobs that are shown in a list, at most and at least, and lines that the heads of all tables and lists take.
SHOWN = 10
LEAST = 3
TITLES = 17
# A head writes every few seconds.
OLD = 60_000
COLOURS = {state.DONE: "green", state.RUNNING: "cyan", state.SUBMITTED: "cyan"}
NO_RECORD = (
    "There is no record of this run: no job was submitted yet, or by a version that kept none. AWS Batch knows only "
    "what has not ended."
)


def of(seen: Overview, height: int | None = None) -> RenderableType:
    """Return the picture; fewer jobs are shown where a screen of `height` lines would not hold them."""
    parts: list[RenderableType] = list(_lines(seen))
    room = SHOWN
    if height is not None:
        lists = (bool(seen.running) + bool(seen.failures)) or 1
        taken = len(parts) + len(seen.rules) + len(seen.waiting) + TITLES
        room = max(LEAST, min(SHOWN, (height - taken) // lists))
    if seen.rules:
        parts += ["", _rules(seen)]
    if seen.running:
        parts += ["", f"Running: {words.counted(len(seen.running), 'job')}", *_running(seen, room)]
    if seen.waiting:
        waiting = sum(one.jobs for one in seen.waiting)
        parts += ["", f"Waiting in AWS Batch: {words.counted(waiting, 'job')}", _waiting(seen)]
    if seen.failures:
        parts += ["", f"Failed: {words.counted(len(seen.failures), 'job')}", *_failures(seen, room)]
    return Group(*parts)


def _lines(seen: Overview) -> Iterator[RenderableType]:
    how = f" ({seen.started_by})" if seen.started_by not in ("", seen.who) else ""
    by = f", by {seen.who}{how}" if seen.who else ""
    ran = ""
    if seen.started is not None:
        until = seen.ended if seen.ended is not None else seen.now
        ran = f", started {words.clock(seen.started)}, {words.duration(until - seen.started)}"
        ran += " ago" if seen.ended is None else " long"
    yield Text.assemble(
        f"Run {seen.run}: ", (seen.state, COLOURS.get(seen.state, "red") + " bold"), f"{ran}{by}"
    )  # fmt: skip
    # A head's message may repeat the failures, which are shown below.
    if seen.message and not any(one.text in seen.message for one in seen.failures):
        yield Text(seen.message)
    if seen.state in (state.SUBMITTED, state.RUNNING, state.LOST, state.UNKNOWN):
        yield Text(f"Head: {_head(seen)}")
    if seen.spent is not None:
        most = f" of at most {words.dollars(seen.budget)}" if seen.budget is not None else ""
        guess = f"; {words.dollars(seen.estimate)} were expected in all" if seen.estimate is not None else ""
        yield Text(f"Cost so far, without the head: {words.dollars(seen.spent)}{most}{guess}")
    if seen.expected_end is not None:
        left = words.duration(seen.expected_end - seen.now)
        yield Text(f"Expected end: about {words.clock(seen.expected_end)}, in {left}")
    if seen.updated is not None and seen.state in (state.RUNNING, state.LOST) and seen.now - seen.updated > OLD:
        yield Text(f"As of {words.clock(seen.updated)}: the head has written nothing since.")
    if not seen.has_record:
        yield Text(NO_RECORD)
    for one in seen.unknown:
        yield Text(f"Not known: {one}")


def _head(seen: Overview) -> str:
    """Return who conducts the run, or what becomes of that."""
    head = seen.head
    said = f": {head.reason}" if head.reason else ""
    if head.works:
        return f"works, as Batch job {head.job}" if head.job else f"works, as {head.who} in {head.place}"
    if head.status in ENDED:
        return f"has ended without a word (Batch job {head.job}, {head.status}{said}). `terraflow run` goes on with it."
    if head.status:
        return f"waits to start, as Batch job {head.job} ({head.status}{said})"
    goes_on = f"`terraflow run --name {seen.run}` or `snakemake --profile aws` goes on with it."
    if not seen.has_record:
        return f"nobody holds the run's lock, and only heads of version 0.1 work without it. {goes_on}"
    return f"nobody conducts it. {goes_on}"


def _rules(seen: Overview) -> RenderableType:
    heads = ("RULE", "WAITING", "RUNNING", "DONE", "FAILED", "ALL")
    rows = [
        (rule, *(f"{one:,}" for one in (count.waiting, count.running, count.done, count.failed, count.total)))
        for rule, count in seen.rules.items()
    ]
    counts = seen.rules.values()
    sums = (sum(getattr(one, name) for one in counts) for name in ("waiting", "running", "done", "failed", "total"))
    rows.append(("sum", *(f"{one:,}" for one in sums)))
    if not seen.has_record:
        # Nothing is known of those that have ended.
        heads, rows = heads[:3], [row[:3] for row in rows]  # type: ignore[assignment]
    return words.table(heads, rows, right=heads[1:])


def _running(seen: Overview, room: int) -> Iterator[RenderableType]:
    rows = [
        (_title(job), job.status, words.duration(seen.now - job.since), job.queue, job.native_id)
        for job in seen.running[:room]
    ]
    yield words.table(("JOB", "STATUS", "FOR", "QUEUE", "BATCH JOB"), rows, right=("FOR",))
    yield from _more(len(seen.running) - room)


def _waiting(seen: Overview) -> RenderableType:
    rows = [
        (
            one.status,
            f"{one.jobs:,}",
            words.duration(None if one.since is None else seen.now - one.since),
            one.queue,
            f"{one.position}" if one.position else words.UNKNOWN,
            one.reason or "AWS Batch gives no reason",
        )
        for one in seen.waiting
    ]
    return words.table(("STATUS", "JOBS", "LONGEST", "QUEUE", "PLACE", "WHY"), rows, right=("JOBS", "LONGEST", "PLACE"))


def _failures(seen: Overview, room: int) -> Iterator[RenderableType]:
    for failure in seen.failures[:room]:
        yield Text(f"  {failure.text.partition(chr(10))[0]}")
    yield from _more(len(seen.failures) - room)
    yield Text(f"`terraflow logs {seen.run}` says why.")


def _more(number: int) -> Sequence[RenderableType]:
    return [Text(f"and {number:,} more")] if number > 0 else []


def _title(job: LiveJob) -> str:
    wildcards = ", ".join(f"{name}={value}" for name, value in job.wildcards.items())
    return f"{job.process} ({wildcards})" if wildcards else job.process
