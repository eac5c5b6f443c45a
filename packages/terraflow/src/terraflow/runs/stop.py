"""terraflow stop NAME: end a run, its head and all its jobs, wherever the head is."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING

from terraflow import approval
from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.heads import leaving
from terraflow.heads.objects import AboutObject
from terraflow.heads.submit import is_unseen
from terraflow.jobs import listed
from terraflow.runs import find, state, words
from terraflow.runs.batch import BatchJob
from terraflow.runs.ending import Ending
from terraflow.runs.find import Run

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient

EXIT_CODES = """exit codes:
  0  nothing of the run is under way any more
  1  some jobs could not be ended, or nothing was; the message says which, and why
  2  the command line is wrong
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument("name", metavar="NAME", help="of the run; `terraflow runs` lists them")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument("--json", action="store_true", help="what was ended and what was not, for programs")


def run(options: argparse.Namespace) -> int:
    """End the run."""
    stack = stacks.deployed()
    s3, batch = find.client("s3", stack), find.client("batch", stack)
    found = find.find(options.name, stack, s3, find.read_readable)
    for text in found.unreadable:
        print(text, file=sys.stderr)
    ending = Ending(stack, options.name, s3, batch, lambda text: print(text, file=sys.stderr))
    jobs = ending.jobs()
    _refuse_unseen_head(found, jobs, AboutObject(s3, stack.bucket, options.name), batch)
    if not jobs and not found.has_head:
        return _report(options, ended=[], left={}, said=f"Nothing of run {found.name} is under way: {_is(found)}.")
    approval.confirm(question(found, jobs), "yes", approved=options.yes, option="--yes")
    done = ending.end(jobs)
    if done.left:
        _report(options, **asdict(done), said="")
        raise UserError(
            f"{words.counted(len(done.left), 'job')} of run {found.name} may still run, and cost money. Call this "
            "again, or end them in the console of AWS Batch:",
            *listed([f"{job}: {reason}" for job, reason in sorted(done.left.items())]),
        )
    said = f"Run {found.name} is stopped; {words.counted(len(done.ended), 'job')} ended. What is done stays."
    code = _report(options, **asdict(done), said=said)
    if found.has_record:
        # The head that would have left them is gone.
        with redirect_stdout(sys.stderr):
            leaving.leave(stack, found.name)
    return code


def question(found: Run, jobs: Sequence[BatchJob]) -> str:
    """Return what is ended, before the user says yes."""
    heads = [job.id for job in jobs if job.is_head]
    tasks = [job for job in jobs if not job.is_head]
    running = sum(job.status == "RUNNING" for job in tasks)
    parts = [f"its head (Batch job {', '.join(heads)})"] if heads else []
    if not heads and found.has_head and found.lock:
        parts.append(f"the head of {found.lock.holder.who} in {found.lock.holder.folder}, which loses the run")
    if tasks:
        parts.append(f"{words.counted(len(tasks), 'job')}, of which {running:,} run")
    who = state.who(found)
    return (
        f"This ends run {found.name}{f' of {who}' if who else ''}: {', and '.join(parts)}. What is done stays, and a "
        "later start goes on from there."
    )


def _refuse_unseen_head(found: Run, jobs: Sequence[BatchJob], about: AboutObject, batch: "BatchClient") -> None:
    """Raise UserError if a head was submitted so recently that Batch may not know its job yet."""
    if found.about is None or found.has_head or any(job.is_head for job in jobs):
        return
    written = about.read()
    if written is not None and is_unseen(written, batch):
        raise UserError(
            f"Run {found.name} was submitted {written.age:.0f} s ago by {written.about.who}, and its head is not there "
            "yet. Nothing was ended: try again in a minute or two."
        )


def _is(found: Run) -> str:
    known = state.of(found)
    return {
        state.UNKNOWN: "nobody has written how it ended",
        state.UNREADABLE: "how it ended can't be read",
        state.LOST: "its head is lost, and no job runs",
        state.FAILED: "it has failed",
        state.SUBMITTED: "its head has ended before it began",
    }.get(known, f"it is {known}")


def _report(options: argparse.Namespace, ended: Sequence[str], left: dict[str, str], said: str) -> int:
    if options.json:
        print(json.dumps({"run": options.name, "ended": ended, "left": left}, indent=2))
    elif said:
        print(said)
    return words.FINE
