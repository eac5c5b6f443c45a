"""Shows the log of a run's head until it ends, and returns its exit code."""

import time
from typing import Any

from rich.console import Console

from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.runs import batch as batches
from terraflow.runs import find, waiting
from terraflow.runs.tail import Tail
from terraflow.stack import Stack

PAUSE = 2.0
# Seconds for which Batch may not know a job that was just submitted.
UNSEEN = 60.0
ENDED = ("SUCCEEDED", "FAILED")
# The exit code of a program that was ended by Ctrl-C.
INTERRUPTED = 130


def follow(name: str, stack: Stack, out: Console, pause: float = PAUSE) -> int:
    """Print what the head of the run says until it has ended, and return its exit code; Ctrl-C ends the following only.

    Raise UserError if the run's head is no job of the stack.
    """
    try:
        return _follow(name, stack, out, pause)
    except KeyboardInterrupt:
        out.print(
            f"\nFollowing ended; run {name} goes on. `terraflow logs {name} --follow` follows it again, "
            f"`terraflow stop {name}` ends it."
        )
        return INTERRUPTED


def _follow(name: str, stack: Stack, out: Console, pause: float) -> int:
    about = waiting.patiently(lambda: _about(name, stack), out.print, pause)
    if about is None or not about.head_job:
        raise UserError(
            f"The head of run {name} is no job of the stack's head queue, so its log can't be followed from here. "
            f"`terraflow status {name}` shows what it does."
        )
    batch, tail = find.client("batch", stack), Tail(find.client("logs", stack), stack.log_group)
    status, begun = "", time.monotonic()

    def look() -> int | None:
        """Print what the head has said since the last look; return its exit code once it has ended."""
        nonlocal status
        found = batch.describe_jobs(jobs=[about.head_job])["jobs"]
        if not found:
            if status or time.monotonic() - begun > UNSEEN:
                raise UserError(f"AWS Batch does not know {about.head_job}, the head of run {name}, any more.")
            return None
        job = found[0]
        if job["status"] != status:
            status = job["status"]
            out.print(" ".join(filter(None, [f"(head: {status})", job.get("statusReason", "")])))
        for stream in batches.streams_of(job):
            for line in tail.lines(stream):
                out.print(line)
        return _exit_code(_about(name, stack) or about, job, out) if status in ENDED else None

    while (code := waiting.patiently(look, out.print, pause)) is None:
        time.sleep(pause)
    return code


def _about(name: str, stack: Stack) -> About | None:
    return find.read(find.client("s3", stack), stack.bucket, name).about


def _exit_code(about: About, job: dict[str, Any], out: Console) -> int:
    """Return the exit code of a head that has ended, and print why if it could not say so itself."""
    if about.message:
        out.print(about.message)
    if about.head_job == job["jobId"] and about.exit_code is not None:
        return about.exit_code
    code = (job.get("container") or {}).get("exitCode")
    if code is None:
        code = abouts.EXIT_CODES[abouts.DONE if job["status"] == "SUCCEEDED" else abouts.FAILED]
    if code:
        out.print(f"The head has ended: {job.get('statusReason') or 'AWS Batch gives no reason'}.")
    return int(code)
