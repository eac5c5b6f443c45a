"""The message about a job that failed."""

from collections.abc import Iterable

from snakemake_aws_common.redaction import redact

from .failures import Again, Failure
from .logs import Log
from .request import Submission
from .rule_logs import RuleLog
from .untyped import Job


def failure_message(
    job: Job,
    job_id: str,
    submission: Submission,
    failure: Failure,
    log: Log | None,
    files: Iterable[RuleLog] = (),
    secrets: Iterable[str] = (),
) -> str:
    """Return the message: rule and wildcards, cause, advice, Batch's reasons, ends of logs, and where the rest is."""
    cause = failure.cause
    shape = submission.shape
    rows = [
        ("what to do", cause.advice),
        ("Batch job", f"{job_id} ({submission.request['jobName']})"),
        ("queue", f"{submission.request['jobQueue']}, {counted(failure.attempts, 'attempt')} there"),
        ("size", f"{shape.vcpus:g} vCPU, {shape.memory_mib} MiB of memory, {shape.disk_gib} GiB of disk"),
        ("exit code", "none" if failure.code is None else str(failure.code)),
        ("reason", "; ".join(failure.reasons) or "none given"),
        ("run again", again(job, cause.again)),
    ]
    lines = [f"{submission.title} failed on AWS Batch. {cause.meaning}"]
    lines += [f"{name}: {value}" for name, value in rows]
    if log is not None:
        if log.lines:
            lines += _quoted(f"last {counted(len(log.lines), 'line')} of its log stream:", log.lines)
        elif log.trouble:
            lines.append(f"log stream: {log.trouble}")
        if where := log.where():
            lines += ["all of its log stream:", *(f"    {line}" for line in where)]
    for file in files:
        lines += _quoted(f"end of {file.address}:", file.lines)
    return redact("\n        ".join(lines), secrets)


def again(job: Job, decided: Again) -> str:
    """Return whether the job runs again, as Snakemake counts."""
    if decided is Again.NO:
        return "no, since the cause stays"
    if job.attempt <= job.restart_times:
        return f"yes, as attempt {job.attempt + 1} of {job.restart_times + 1}"
    if job.restart_times == 0:
        return "no, since `retries` is 0 for it"
    return f"no, this was attempt {job.attempt} of {job.restart_times + 1}"


def _quoted(title: str, lines: Iterable[str]) -> list[str]:
    return [title, *(f"    | {line}" for line in lines)]


def counted(number: int, thing: str) -> str:
    """Return '1 line', '2 lines'."""
    return f"{number} {thing}" + ("" if number == 1 else "s")
