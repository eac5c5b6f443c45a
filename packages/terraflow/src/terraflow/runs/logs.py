"""terraflow logs NAME: what a run's head said, or its jobs, from CloudWatch and from the rules' log files in S3."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from snakemake_aws_common.record.attempt import Attempt
from snakemake_aws_common.record.live import Failure, LiveJob
from snakemake_aws_common.redaction import redact
from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.jobs import ACTIVE
from terraflow.launch import follow
from terraflow.runs import batch as batches
from terraflow.runs import find, matching, rule_logs, state, waiting, words
from terraflow.runs.find import Run
from terraflow.runs.matching import Match
from terraflow.runs.tail import GONE, Tail
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

EXIT_CODES = """exit codes:
  0  the logs were shown
  1  they can't be read, or there are none of this name; the message says why
  2  the command line is wrong
  3  they were shown, and they are those of a run or a job that has failed
"""
LINES = 100
# Jobs whose logs are shown; further ones are listed.
SHOWN = 5
PAUSE = 2.0


@dataclass(frozen=True)
class JobLog:
    """The logs of one attempt. `trouble` says why CloudWatch's lines are missing."""

    job: Match
    stream: str
    lines: Sequence[str]
    trouble: str
    files: Sequence[rule_logs.RuleLog]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument("name", metavar="NAME", help="of the run; `terraflow runs` lists them")
    parser.add_argument("--rule", metavar="R", help="logs of jobs of this rule, or of this group")
    parser.add_argument("--sample", metavar="S", help="logs of jobs of this sample")
    parser.add_argument("--job", metavar="ID", help="logs of this job of AWS Batch")
    parser.add_argument("--head", action="store_true", help="the head's log, also that of a run that has failed")
    parser.add_argument(
        "--lines", type=_lines, default=LINES, metavar="N", help="so many from each (default: 100); 0: all"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--follow", action="store_true", help="what is written from now on, too, until the job ends")
    how.add_argument("--json", action="store_true", help="one object, for programs")


def _lines(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text}; expected a number of lines, 0 for all")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Show logs."""
    stack = stacks.deployed()
    s3 = find.client("s3", stack)
    found = find.find(options.name, stack, s3)
    if options.rule or options.sample or options.job:
        return _jobs(options, stack, s3, found)
    if state.of(found) == state.FAILED and not options.head:
        about, live = found.about, found.live
        # Jobs that an earlier start has lost say nothing of one that was refused, or whose head could not begin.
        failures = live.failures if live and (about is None or live.started >= about.submitted) else ()
        if failures or (about is state.last_written(found) and about and not about.head_job):
            return _explain(options, found, failures)
    return _head(options, stack, s3, found)


# A run that has failed


def _explain(options: argparse.Namespace, found: Run, failures: Sequence[Failure]) -> int:
    """Show why the run's last start failed, and its jobs in the executor's words."""
    message = state.message(found)
    if options.json:
        said = {"message": redact(message), "failures": [asdict(one) for one in failures]}
        print(json.dumps({"run": found.name, "state": state.FAILED, **said}))
        return words.RUN_FAILED
    # A head's message may repeat the first failures.
    if message and not any(one.text in message for one in failures):
        print(redact(message))
    for failure in failures:
        print(f"\n{redact(failure.text)}")
    if failures:
        print(f"\n`terraflow logs {found.name} --head` shows the head's log, --rule and --sample those of jobs.")
    return words.RUN_FAILED


# The head


def _head(options: argparse.Namespace, stack: Stack, s3: "S3Client", found: Run) -> int:
    job = found.about.head_job if found.about else ""
    if options.follow:
        code = follow.follow(found.name, stack, words.console())
        return code if code in (abouts.EXIT_CODES[abouts.DONE], follow.INTERRUPTED) else words.RUN_FAILED
    lines, where, trouble = _lines_of_job(stack, job, _number(options)) if job else ([], "", "")
    if not lines:
        stored = _stored_head_log(s3, found)
        if stored is not None:
            where, lines = stored.address, list(stored.lines)[-(_number(options) or 0) :]
    if not lines and not job:
        whose = f"{state.who(found)}'s" if state.who(found) else "somebody's"
        raise UserError(
            f"The head of run {found.name} is no job of the stack but {whose} own Snakemake: its log lies in "
            ".snakemake/log of the folder where it was started. --rule and --sample show the logs of jobs."
        )
    if options.json:
        head = {"job": job, "log": where, "lines": list(map(redact, lines)), "trouble": trouble}
        print(json.dumps({"run": found.name, "state": state.of(found), "head": head}))
    else:
        if trouble:
            print(trouble)
        print(f"== head of {found.name}: {where or 'no log'}")
        _print(lines)
    return words.RUN_FAILED if state.of(found) in (state.FAILED, state.OVER_BUDGET, state.LOST) else words.FINE


def _lines_of_job(stack: Stack, job: str, number: int | None) -> tuple[list[str], str, str]:
    """Return the last lines of a job's attempts, their last stream, and why there are none."""
    try:
        described = batches.describe(find.client("batch", stack), [job]).get(job)
        streams = batches.streams_of(described) if described else []
        tail = Tail(find.client("logs", stack), stack.log_group)
        lines = [line for stream in streams for line in tail.last(stream, number)]
    except (ClientError, BotoCoreError) as error:
        return [], "", _unreadable(error)
    if described is None:
        return [], "", f"AWS Batch does not know job {job} any more, and so not its log stream."
    if not streams:
        reason = described.get("statusReason")
        return [], "", f"Job {job} has written nothing: it is {described['status']}{f' ({reason})' if reason else ''}."
    return lines[-(number or 0) :], f"{stack.log_group}, {streams[-1]}", ""


def _stored_head_log(s3: "S3Client", found: Run) -> rule_logs.RuleLog | None:
    """Return the newest log file that a head has stored."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=found.bucket, Prefix=f"{found.prefix}/{abouts.LOGS}")
    stored = [item for page in pages for item in page.get("Contents", ())]
    if not stored:
        return None
    newest = max(stored, key=lambda item: item["LastModified"])
    text = s3.get_object(Bucket=found.bucket, Key=newest["Key"])["Body"].read().decode(errors="replace")
    address = f"s3://{found.bucket}/{newest['Key']}"
    return rule_logs.RuleLog(address, tuple(text.splitlines()), round(newest["LastModified"].timestamp() * 1000))


# Jobs


def _jobs(options: argparse.Namespace, stack: Stack, s3: "S3Client", found: Run) -> int:
    going = _going(stack, s3, found)
    if found.live is None:
        _refuse_unrecorded(found, going, options)
    jobs = _matches(options, s3, found, going)
    if options.follow:
        return _follow(stack, jobs)
    logs = [_log_of(stack, s3, found, job, _number(options)) for job in jobs[:SHOWN]]
    if options.json:
        print(json.dumps({"run": found.name, "state": state.of(found), "jobs": [_mapping(one) for one in logs]}))
    else:
        for log in logs:
            _show(log)
        _list(jobs[SHOWN:], found.name)
    return words.RUN_FAILED if jobs[0].failed else words.FINE


def _refuse_unrecorded(found: Run, going: Sequence[LiveJob], options: argparse.Namespace) -> None:
    """Raise UserError if a run without a record has no job of this rule, sample and id that AWS Batch would name."""
    try:
        matching.matches((), going, options.rule, options.sample, options.job)
    except UserError as error:
        raise UserError(
            f"There is no record of run {found.name}, so that only jobs are known that have not ended. {error} The "
            f"rules' log files lie in {found.address}/{rule_logs.FOLDER}/."
        ) from None


def _going(stack: Stack, s3: "S3Client", found: Run) -> Sequence[LiveJob]:
    """Return the jobs of the run that have not ended, by its head's list or, without one, by AWS Batch's."""
    if found.live is None:
        listed = batches.active(find.client("batch", stack), stack, found.name, find.names(s3, stack.bucket))
        return [batches.as_live(job) for job in listed if not job.is_head]
    return found.live.jobs if state.of(found) in (state.RUNNING, state.LOST) else ()


def _matches(options: argparse.Namespace, s3: "S3Client", found: Run, going: Sequence[LiveJob]) -> list[Match]:
    """Return the attempts that the options name; of a large record only their lines are parsed."""
    named = [one for one in (options.rule, options.sample, options.job) if one is not None]
    looks: list[Callable[[], Sequence[Attempt]]] = [
        # The record has no job that can be followed.
        *([tuple] if options.follow else []),
        lambda: find.attempts(s3, found, named),
        # Says which names there are.
        lambda: find.attempts(s3, found),
    ]
    for look in looks[:-1]:
        with suppress(UserError):
            return matching.matches(look(), going, options.rule, options.sample, options.job)
    return matching.matches(looks[-1](), going, options.rule, options.sample, options.job)


def _log_of(stack: Stack, s3: "S3Client", found: Run, job: Match, number: int | None) -> JobLog:
    stream, lines, trouble = job.log_stream, [], ""
    try:
        if not stream and job.runs:
            described = batches.describe(find.client("batch", stack), [job.native_id]).get(job.native_id)
            stream = (batches.streams_of(described) or [""])[-1] if described else ""
        if stream:
            lines = Tail(find.client("logs", stack), stack.log_group).last(stream, number)
        else:
            trouble = "It has written nothing to CloudWatch: its container has not started."
    except (ClientError, BotoCoreError) as error:
        trouble = _unreadable(error)
    files = [
        rule_logs.RuleLog(log.address, log.lines[-(number or 0) :], log.stored)
        for rule, wildcards in job.parts
        for log in rule_logs.read(s3, found, rule, wildcards, job.begin)
    ]
    return JobLog(job, stream, lines, trouble, files)


def _follow(stack: Stack, jobs: Sequence[Match]) -> int:
    """Print what a job that runs writes, until it has ended."""
    running = [job for job in jobs if job.runs]
    if len(running) != 1:
        raise UserError(
            f"{words.counted(len(running), 'job')} of those run, and one can be followed at a time. Name it with --job:"
            if running
            else "None of those jobs runs. Without --follow their logs are shown.",
            *(f"{job.native_id}: {job.title}, {job.said}" for job in running[: 4 * SHOWN]),
        )
    [job] = running
    batch, tail = find.client("batch", stack), Tail(find.client("logs", stack), stack.log_group)

    def look() -> int | None:
        """Print what the job has written since the last look; return the exit code once it has ended."""
        described = batches.describe(batch, [job.native_id]).get(job.native_id)
        if described is None:
            raise UserError(f"AWS Batch does not know job {job.native_id} any more.")
        over = described["status"] not in ACTIVE
        for stream in batches.streams_of(described):
            lines: list[str] = []
            try:
                lines.extend(tail.lines(stream))
            finally:
                # What was read before the trouble is not read again.
                _print(lines)
        if over:
            print(f"== {job.title}: {described['status']} {described.get('statusReason', '')}".rstrip())
            return words.FINE if described["status"] == "SUCCEEDED" else words.RUN_FAILED
        return None

    while (code := waiting.patiently(look, lambda text: print(text, file=sys.stderr), PAUSE)) is None:
        time.sleep(PAUSE)
    return code


# Words


def _show(log: JobLog) -> None:
    attempt = f", attempt {log.job.attempt}" if log.job.attempt else ""
    print(f"== {log.job.title}: {log.job.said}; Batch job {log.job.native_id}{attempt}")
    if log.trouble:
        print(f"-- {log.trouble}")
    else:
        print(f"-- CloudWatch, {log.stream}")
        _print(log.lines)
    for file in log.files:
        # Another attempt of the job writes over its log file.
        later = log.job.end is not None and file.stored > log.job.end + rule_logs.RESOLUTION
        print(f"-- {file.address}{', stored later' if later else ''}")
        _print(file.lines)
    if not log.files:
        print("-- no log file of its rules in S3")
    print()


def _list(jobs: Sequence[Match], name: str) -> None:
    if jobs:
        print(f"and {words.counted(len(jobs), 'attempt')} more; `terraflow logs {name} --job ID` shows one:")
        for job in jobs[: 4 * SHOWN]:
            print(f"  {job.native_id}  {job.title}: {job.said}")


def _print(lines: Sequence[str]) -> None:
    if lines:
        # Who follows a job through a pipe waits for each line.
        print(redact("\n".join(lines)), flush=True)


def _number(options: argparse.Namespace) -> int | None:
    return options.lines or None


def _unreadable(error: Exception) -> str:
    code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code")
    if code == GONE:
        return "CloudWatch has no log of it any more; what follows is from S3."
    return f"CloudWatch's log can't be read ({error}); what follows is from S3."


def _mapping(log: JobLog) -> dict[str, Any]:
    one = asdict(log)
    one["lines"] = list(map(redact, log.lines))
    one["files"] = [{**asdict(file), "lines": list(map(redact, file.lines))} for file in log.files]
    return one
