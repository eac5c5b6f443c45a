"""Ends a run: its launcher and its head, and then whatever jobs the head has left. What is done stays.

A head that is told to end ends its own jobs within 20 seconds. Jobs are ended here when no head works that could do it,
such as when the head has died, or was killed before it could. A head that somebody starts meanwhile is left alone, and
so are the jobs, which it goes on with.
"""

import time
from collections.abc import Callable
from typing import Any

from terraflow_airflow import jobs, runs
from terraflow_airflow.aws import TROUBLE, Account
from terraflow_airflow.errors import OrderError
from terraflow_airflow.jobs import Job
from terraflow_airflow.stack import Stack

REASON = "ended by Airflow"
PAUSE = 2.0
# Seconds that this may take, and looks in a row that have to show nothing: Batch shows a job some time after its
# submission.
WITHIN, LOOKS = 75.0, 3
# Seconds in which a launcher that is told to end may still submit a head; one of a launcher that begins takes longer.
LATE = 5.0


def end(
    account: Account,
    find: Callable[[], Stack],
    run: str,
    say: Callable[[str], None],
    *,
    within: float = WITHIN,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, str]:
    """End all jobs of a run, and return those that may still run, with the reason. Never raise for trouble with AWS.

    `find` returns the stack; it is called again when it raises OrderError, or for trouble with AWS.
    """
    began = clock()
    asked: set[str] = set()
    refused: dict[str, str] = {}
    quiet = 0
    while True:
        try:
            going = _going(account.batch, account.s3, find(), run, began)
            if fresh := [job for job in going if job not in asked or job in refused]:
                refused = jobs.terminate(account.batch, fresh, REASON)
                if said := [job for job in fresh if job not in asked]:
                    say(f"Told to end: {', '.join(said[:10])}{f' and {len(said) - 10} more' if said[10:] else ''}")
                asked.update(fresh)
            left = {job: refused.get(job, "it has not ended yet") for job in going}
            quiet = 0 if going else quiet + 1
        except (*TROUBLE, OrderError) as error:
            say(f"Run {run} can't be ended yet: {error}")
            left, quiet = {f"all jobs of run {run}": str(error)}, 0
        if quiet >= LOOKS:
            say(f"Run {run} is ended. What is done stays, and a later start goes on from there.")
            return {}
        if clock() - began >= within:
            listed = [f"  {job}: {why}" for job, why in left.items()]
            say("\n".join([f"Run {run} may still run: `terraflow stop {run}` ends it", *listed]))
            return left
        sleep(PAUSE)


def _going(batch: Any, s3: Any, stack: Stack, run: str, began: float) -> list[str]:  # noqa: ANN401
    """Return the ids of what has to end next: launchers and heads, and if there are none, the run's other jobs.

    Launchers and heads that somebody has started since `began`, in seconds since 1970, are left alone, and so are the
    jobs of the run then.
    """
    of_run = runs.Run(s3, stack.bucket, run)
    about = of_run.about()
    launchers = jobs.active_launchers(batch, stack, run)
    heads = jobs.active_heads(batch, stack, run, [about.head_job] if about else [])
    if launchers or heads:
        return _until(launchers, began) + _until(heads, began + LATE)
    live = of_run.live()
    return [job["jobId"] for job in jobs.active_tasks(batch, stack, run, live.jobs if live else ())]


def _until(found: list[Job], seconds: float) -> list[str]:
    return [job["jobId"] for job in found if (job.get("createdAt") or 0) <= seconds * 1000]
