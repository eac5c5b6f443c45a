"""The e-mails, as text: how a run ended, what waits for long, what became of a sheet, and a launcher that failed.

Times are milliseconds since 1970.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snakemake_aws_common.record.live import Failure, Live, LiveJob
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.runs.words import clock, counted, dollars, duration

# Batch's reason for a head that `terraflow stop` has ended (`terraflow.runs.ending`), perhaps before it began.
STOPPED_BY = "ended by terraflow stop"
# The head's job ended, and the head had not said why.
DIED = "died"
# One job of this rule finishes the reads of one sample.
SAMPLE_RULE = "sort_index"
# Failures and waiting jobs that are shown, lines of each, and characters of a line: SNS takes 256 KiB.
SHOWN = 5
LINES = 15
WIDTH = 300
# SNS takes fewer than 100 characters.
SUBJECT = 99

TITLES = {
    abouts.DONE: "is done",
    abouts.FAILED: "failed",
    abouts.OVER_BUDGET: "is over budget",
    abouts.STOPPED: "was stopped",
    DIED: "ended without a word of its head",
}


@dataclass(frozen=True)
class Mail:
    """A message: its subject, of printable ASCII, and its body."""

    subject: str
    body: str


@dataclass(frozen=True)
class HeadJob:
    """A head's job, as AWS Batch describes it."""

    id: str
    run: str
    status: str
    reason: str = ""
    exit_code: int | None = None
    started: int | None = None
    stopped: int | None = None
    log_stream: str = ""


@dataclass(frozen=True)
class Place:
    """Where things of the stack lie."""

    bucket: str
    log_group: str


def state_of(job: HeadJob, about: About | None) -> str | None:
    """Return how a run ended; None if the job was not the run's: another head had it."""
    if job.exit_code == abouts.EXIT_HELD:
        return None
    if about is not None and about.head_job == job.id and about.state in TITLES:
        return about.state
    by_code = {code: state for state, code in abouts.EXIT_CODES.items()}
    if job.exit_code == abouts.EXIT_UNUSABLE:
        return abouts.FAILED
    if job.status == "SUCCEEDED":
        return abouts.DONE
    if job.reason.startswith(STOPPED_BY):
        return abouts.STOPPED
    return by_code.get(job.exit_code, DIED) if job.exit_code else DIED


def ended(job: HeadJob, about: About | None, live: Live | None, place: Place) -> Mail | None:
    """Return the news of a run whose head's job has ended, from what its head left; None if it was not the run's head.

    What was written for another start of the run is left aside.
    """
    state = state_of(job, about)
    if state is None:
        return None
    about = about if about is not None and about.head_job == job.id else None
    # Whoever submitted it may have another clock than the head.
    since = min(about.submitted, about.started or about.submitted) if about else job.started or 0
    live = live if live is not None and live.started >= since else None
    rows = [
        ("Samples", _samples(about, live)),
        ("Jobs", _jobs(live)),
        ("Cost", _cost(about, live)),
        ("Duration", _duration(job, about)),
        ("Started", _start(about)),
        ("Results", f"s3://{place.bucket}/runs/{job.run}/results/"),
        ("Report", f"s3://{place.bucket}/runs/{job.run}/results/report.html" if state == abouts.DONE else ""),
    ]
    parts = [f"Run {job.run} {TITLES[state]}.", _why(state, job, about, live, place), _table(rows)]
    if live:
        parts.append(_failures(live.failures))
    parts.append(_commands(state, job.run, about))
    return Mail(_subject(f"Run {job.run} {TITLES[state]}"), _joined(parts))


def waits(run: str, head: HeadJob | None, jobs: Sequence[LiveJob], now: int, place: Place) -> Mail:
    """Return the news of a run in which nothing works: its head waits, or all its jobs that are in Batch do."""
    parts = [f"Run {run} waits: nothing of it works, and nothing has begun for long."]
    if head is not None:
        parts.append(f"Its head, Batch job {head.id}, waits in RUNNABLE. {_reason(head.reason)}".rstrip())
    else:
        rows = [
            f"  {_named(job.process, job.wildcards)}: {duration(now - job.since)} in RUNNABLE, {job.cpus:g} vCPU on "
            f"{job.queue.rpartition('/')[2]}. {_reason(job.reason)}".rstrip()
            for job in sorted(jobs, key=lambda one: one.since)[:SHOWN]
        ]
        more = [f"  and {len(jobs) - SHOWN} more"] if len(jobs) > SHOWN else []
        parts.append("\n".join([f"{counted(len(jobs), 'job')} in RUNNABLE:", *rows, *more]))
    parts.append(
        "Usual causes: the account's quota of Fargate vCPUs is used up or smaller than a job, Spot has no capacity, or "
        "the stack's limits (spot_max_vcpus, ondemand_max_vcpus, head_max_vcpus) are too low. The run goes on by "
        "itself when there is room; waiting costs nothing but the head."
    )
    parts.append(_table([("Results", f"s3://{place.bucket}/runs/{run}/results/")]))
    parts.append(f"To look closer:\n  terraflow status {run}\n  terraflow stop {run}")
    return Mail(_subject(f"Run {run} waits"), _joined(parts))


def sheet(name: str, message: str, missing: Sequence[str], place: Place) -> Mail:
    """Return the news of a sheet in the inbox for which no run was started."""
    key = f"s3://{place.bucket}/raw/{name}/samples.tsv"
    rest = f"s3://{place.bucket}/raw/{name}/inbox.json"
    parts = [f"No run was started for {key}.", _first(message, rest)]
    if missing:
        more = [f"  and {len(missing) - LINES:,} more: {rest} has all"] if len(missing) > LINES else []
        parts.append("\n".join(["Missing:", *(f"  {_cut(one)}" for one in missing[:LINES]), *more]))
    parts.append("Put it right and bring the sheet again the way it came: that starts the run.")
    return Mail(_subject(f"No run was started for raw/{name}/samples.tsv"), _joined(parts))


def launcher_failed(job: HeadJob, place: Place, *, of_airflow: bool) -> Mail:
    """Return the news of a launcher that failed: sheets may lie in the inbox that nobody looks at.

    Airflow's are for one run; others are for all, and one is started each hour.
    """
    failed, again = (
        (f"The launcher of run {job.run}, which Airflow has started, failed.", "The run's task in Airflow says more.")
        if of_airflow
        else ("The launcher of runs failed, so sheets in the inbox may wait.", "It is started again each hour.")
    )
    parts = [
        failed,
        _table([("Batch job", job.id), ("Reason", _ended_words(job)), ("Log", _log(job, place))]),
        f"{again} A second message follows tomorrow at the earliest.",
    ]
    return Mail(_subject("The launcher of runs failed"), _joined(parts))


def launcher_waits(job: HeadJob) -> Mail:
    """Return the news of a launcher that has not begun: nobody looks at sheets in the inbox."""
    parts = [
        f"The launcher of runs, Batch job {job.id}, waits in RUNNABLE for long, so nobody looks at sheets in the "
        "inbox.",
        _reason(job.reason),
        "Usual causes: as many heads work as head_max_vcpus allows, each with one vCPU, or the account's quota of "
        "Fargate vCPUs is used up. It goes on by itself when there is room. A second message follows tomorrow at the "
        "earliest.",
    ]
    return Mail(_subject("The launcher of runs waits"), _joined(parts))


def _why(state: str, job: HeadJob, about: About | None, live: Live | None, place: Place) -> str:
    """Return why a run ended, in the words of its head, or in Batch's for one that said nothing."""
    said, rest = (about.message, abouts.NAME) if about and about.message else ("", "head/live.json")
    said = _first(said or (live.message if live else ""), f"s3://{place.bucket}/runs/{job.run}/{rest}")
    if state == DIED or (not said and state != abouts.DONE):
        words = [f"AWS Batch says of the head's job {job.id}: {_ended_words(job)}", f"Log: {_log(job, place)}"]
        return "\n".join([*([said] if said else []), *words])
    return said


def _samples(about: About | None, live: Live | None) -> str:
    count = live.rules.get(SAMPLE_RULE) if live else None
    total = about.samples if about else None
    if count is None:
        return f"{total:,}" if total and about and about.state == abouts.DONE else ""
    left = count.total - count.done
    if total is None:
        return f"{count.done:,} of {count.total:,} that were to do"
    return f"{total - left:,} of {total:,} done"


def _jobs(live: Live | None) -> str:
    if live is None or not live.rules:
        return ""
    counts = live.rules.values()
    failed = sum(count.failed for count in counts)
    text = f"{sum(count.done for count in counts):,} of {sum(count.total for count in counts):,} done"
    return text + (f", {failed:,} failed" if failed else "")


def _cost(about: About | None, live: Live | None) -> str:
    spent = live.spent if live else None
    expected: Mapping[str, Any] = (about.estimate if about else None) or {}
    parts = [f"{dollars(spent)} for its jobs" if spent is not None else ""]
    if "spot" in expected and "on_demand" in expected:
        # What is spent has no head in it.
        head = expected.get("head", 0.0)
        spot, demand = (dollars(expected[name] - head) for name in ("spot", "on_demand"))
        parts.append(
            f"expected {spot} on Spot or {demand} on demand" + (f", and {dollars(head)} for the head" * bool(head))
        )
    if about and about.budget is not None:
        parts.append(f"budget {dollars(about.budget)}")
    return "; ".join(part for part in parts if part)


def _duration(job: HeadJob, about: About | None) -> str:
    start, end = (about.started if about else None) or job.started, (about.ended if about else None) or job.stopped
    if start is None or end is None:
        return ""
    return f"{duration(end - start)}, {clock(start)} to {clock(end)}"


def _start(about: About | None) -> str:
    if about is None:
        return ""
    who = f" ({about.who})" if about.who not in ("", about.started_by) else ""
    return f"{clock(about.submitted)}, {about.started_by}{who}"


def _failures(failures: Sequence[Failure]) -> str:
    texts = []
    for failure in failures[:SHOWN]:
        lines = [_cut(line) for line in failure.text.strip().splitlines()]
        cut = [*lines[:LINES], *(["…"] if len(lines) > LINES else [])]
        head = f"{_named(failure.process, failure.wildcards)} failed:"
        texts.append("\n".join([head, *(f"  {line}" for line in cut)]))
    if len(failures) > SHOWN:
        texts.append(f"and {counted(len(failures) - SHOWN, 'job')} more failed")
    return "\n\n".join(texts)


def _commands(state: str, run: str, about: About | None) -> str:
    commands = {
        abouts.DONE: [f"terraflow fetch {run}", f"terraflow cost {run}"],
        abouts.OVER_BUDGET: [f"terraflow cost {run}", f"terraflow run --name {run} --budget USD"],
    }.get(state, [f"terraflow logs {run}", f"terraflow status {run}"])
    head = "Next:" if state == abouts.DONE else "To look closer:"
    text = "\n".join([head, *(f"  {command}" for command in commands)])
    if state == abouts.OVER_BUDGET and about and about.sheet:
        text += "\nOr raise inbox_budget, and upload the sheet again."
    return text


def _named(process: str, wildcards: Mapping[str, str]) -> str:
    tag = ", ".join(f"{name}={value}" for name, value in wildcards.items())
    return _cut(f"{process} ({tag})" if tag else process)


def _reason(reason: str) -> str:
    return _cut(f"AWS Batch says: {reason}") if reason else ""


def _ended_words(job: HeadJob) -> str:
    code = f"exit code {job.exit_code}" if job.exit_code is not None else ""
    return ", ".join(part for part in (_cut(job.reason), code) if part) or "nothing"


def _log(job: HeadJob, place: Place) -> str:
    return f"CloudWatch, {place.log_group}, {job.log_stream}" if job.log_stream else f"CloudWatch, {place.log_group}"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    given = [(head, text) for head, text in rows if text]
    width = max((len(head) for head, _ in given), default=0)
    return "\n".join(f"{head:<{width}}  {text}" for head, text in given)


def _first(text: str, rest: str) -> str:
    """Return the first lines of a text; `rest` is the address of what has all of it."""
    lines = text.splitlines()
    more = [f"and {counted(len(lines) - LINES, 'more line')}: {rest} has all"] if len(lines) > LINES else []
    return "\n".join([*map(_cut, lines[:LINES]), *more])


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _subject(text: str) -> str:
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in f"[terraflow] {text}")
    return plain if len(plain) <= SUBJECT else f"{plain[: SUBJECT - 3]}..."
