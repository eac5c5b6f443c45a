"""Ending jobs when a run is interrupted: all at once, within seconds, and none that has succeeded."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from .failures import ENDED_BY_US
from .outside import Client

AT_ONCE = 32
IDS_PER_CALL = 100
# Seconds for all of it, and between two tries of calls that failed.
DEADLINE = 20.0
PAUSE = 0.5


def terminate(client: Client, ids: Sequence[str], deadline: float = DEADLINE) -> dict[str, str]:
    """Ends jobs that are not finished. The answer: ids that may still run, and what went wrong with each.

    The client should try each call only once and give up early (`client.hasty`): failed calls are repeated here, in
    rounds, until the deadline in seconds.
    """
    until = time.monotonic() + deadline
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        left = dict.fromkeys(_unfinished(client, pool, ids, until), "it was not reached in time")
        while left and time.monotonic() < until:
            calls = {pool.submit(client.terminate_job, jobId=job, reason=ENDED_BY_US): job for job in left}
            done, _ = wait(calls, timeout=max(0.0, until - time.monotonic()))
            for call in done:
                error = call.exception()
                if error is None:
                    del left[calls[call]]
                else:
                    left[calls[call]] = str(error)
            if left:
                time.sleep(min(PAUSE, max(0.0, until - time.monotonic())))
        return left
    finally:
        # Whoever pressed Ctrl-C does not wait for calls that hang.
        pool.shutdown(wait=False, cancel_futures=True)


def _unfinished(client: Client, pool: ThreadPoolExecutor, ids: Sequence[str], until: float) -> list[str]:
    """Without those that have ended since the last look; where that can't be found out, all are kept."""
    batches = [list(ids[start : start + IDS_PER_CALL]) for start in range(0, len(ids), IDS_PER_CALL)]
    calls: list[Future[Any]] = [pool.submit(client.describe_jobs, jobs=batch) for batch in batches]
    done, _ = wait(calls, timeout=max(0.0, until - time.monotonic()) / 2)
    answers = [call.result() for call in done if call.exception() is None]
    ended = {job["jobId"] for answer in answers for job in answer["jobs"] if job["status"] in ("SUCCEEDED", "FAILED")}
    return [job for job in ids if job not in ended]
