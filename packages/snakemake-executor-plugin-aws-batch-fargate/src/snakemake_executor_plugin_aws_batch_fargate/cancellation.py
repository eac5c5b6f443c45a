"""End jobs when a run is interrupted: all at once, within seconds, and none that has succeeded."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from .batches import IDS_TO_DESCRIBE, IDS_TO_TERMINATE, batches
from .failures import ENDED_BY_US
from .untyped import Client

AT_ONCE = 32
# Seconds for all of it, and between two tries of failed calls.
DEADLINE = 20.0
PAUSE = 0.5
# Rounds that first look for jobs that have ended, within half of the time; then all others are ended unseen.
LOOKS = 5


def terminate(client: Client, ids: Sequence[str], deadline: float = DEADLINE) -> dict[str, str]:
    """End jobs that are not finished; return the ids that may still run, with the error of each.

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
            asked = batches(due, IDS_TO_TERMINATE)
            calls = {pool.submit(client.terminate_jobs, jobs=batch, reason=ENDED_BY_US): batch for batch in asked}
            done, _ = wait(calls, timeout=max(0.0, until - time.monotonic()))
            for call in done:
                left = {job: why for job, why in left.items() if job not in calls[call]} | _refused(call, calls[call])
            if left:
                time.sleep(min(PAUSE, max(0.0, until - time.monotonic())))
        return left
    finally:
        # Ctrl-C does not wait for calls that hang.
        pool.shutdown(wait=False, cancel_futures=True)


def _look(client: Client, pool: ThreadPoolExecutor, ids: Sequence[str], until: float) -> dict[str, str]:
    """Return the status of jobs that Batch could be asked about, "" for a job that it does not know."""
    asked = batches(ids, IDS_TO_DESCRIBE)
    calls: dict[Future[Any], list[str]] = {pool.submit(client.describe_jobs, jobs=batch): batch for batch in asked}
    done, _ = wait(calls, timeout=max(0.0, until - time.monotonic()) / 2)
    seen: dict[str, str] = {}
    for call in done:
        if call.exception() is None:
            seen |= dict.fromkeys(calls[call], "") | {job["jobId"]: job["status"] for job in call.result()["jobs"]}
    return seen


def _refused(call: "Future[Any]", ids: Sequence[str]) -> dict[str, str]:
    """Return the jobs that a TerminateJobs did not end, and why: an answer of 200 may hold errors of single jobs."""
    if error := call.exception():
        return dict.fromkeys(ids, str(error))
    return {one["job"]: f"{one.get('code')}: {one.get('message')}" for one in call.result().get("errors") or []}
