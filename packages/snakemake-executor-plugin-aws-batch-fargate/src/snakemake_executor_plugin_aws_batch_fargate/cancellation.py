"""Ending jobs when a run is interrupted: all at once, within seconds, and none that has succeeded."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from .failures import ENDED_BY_US
from .outside import Client

AT_ONCE = 32
# AWS: ids in one DescribeJobs, and in one TerminateJobs.
IDS_PER_LOOK = 100
IDS_PER_END = 50
# Seconds for all of it, and between two tries of calls that failed.
DEADLINE = 20.0
PAUSE = 0.5
# So many rounds, or half of the time, for finding out which have ended; then the others are ended unseen.
LOOKS = 5


def terminate(client: Client, ids: Sequence[str], deadline: float = DEADLINE) -> dict[str, str]:
    """Ends jobs that are not finished. The answer: ids that may still run, and what went wrong with each.

    The client should try each call only once and give up early (`client.hasty`): failed calls are repeated here, in
    rounds, until the deadline in seconds.
    """
    start = time.monotonic()
    until = start + deadline
    pool = ThreadPoolExecutor(AT_ONCE)
    left = dict.fromkeys(ids, "it was not reached in time")
    looks = 0
    try:
        while left and time.monotonic() < until:
            if looks < LOOKS and time.monotonic() < start + deadline / 2:
                looks += 1
                seen = _look(client, pool, list(left), until)
                left = {job: why for job, why in left.items() if seen.get(job) not in ("SUCCEEDED", "FAILED")}
                due = [job for job in left if job in seen]
            else:
                due = list(left)
            batches = _batches(due, IDS_PER_END)
            calls = {pool.submit(client.terminate_jobs, jobs=batch, reason=ENDED_BY_US): batch for batch in batches}
            done, _ = wait(calls, timeout=max(0.0, until - time.monotonic()))
            for call in done:
                left = {job: why for job, why in left.items() if job not in calls[call]} | _refused(call, calls[call])
            if left:
                time.sleep(min(PAUSE, max(0.0, until - time.monotonic())))
        return left
    finally:
        # Whoever pressed Ctrl-C does not wait for calls that hang.
        pool.shutdown(wait=False, cancel_futures=True)


def _look(client: Client, pool: ThreadPoolExecutor, ids: Sequence[str], until: float) -> dict[str, str]:
    """Status of jobs, "" of those that Batch does not know; without those that it could not be asked about."""
    batches = _batches(ids, IDS_PER_LOOK)
    calls: dict[Future[Any], list[str]] = {pool.submit(client.describe_jobs, jobs=batch): batch for batch in batches}
    done, _ = wait(calls, timeout=max(0.0, until - time.monotonic()) / 2)
    seen: dict[str, str] = {}
    for call in done:
        if call.exception() is None:
            seen |= dict.fromkeys(calls[call], "") | {job["jobId"]: job["status"] for job in call.result()["jobs"]}
    return seen


def _refused(call: "Future[Any]", ids: Sequence[str]) -> dict[str, str]:
    """Jobs that a TerminateJobs did not end, and why: an answer of 200 may hold errors of single jobs."""
    if error := call.exception():
        return dict.fromkeys(ids, str(error))
    return {one["job"]: f"{one.get('code')}: {one.get('message')}" for one in call.result().get("errors") or []}


def _batches(ids: Sequence[str], size: int) -> list[list[str]]:
    return [list(ids[start : start + size]) for start in range(0, len(ids), size)]
