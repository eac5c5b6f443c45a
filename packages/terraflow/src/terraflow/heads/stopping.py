"""The last seconds of a head that was told to end: jobs of the run that Snakemake has left are ended, or named."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from snakemake_aws_common import head
from snakemake_aws_common.lock_object import LockObject
from terraflow.errors import UserError
from terraflow.runs import batch as batches
from terraflow.stack import Stack

REASON = "the head of the run was told to end"
# Source: AWS Batch API reference, TerminateJobs.
TERMINATED = 50
PAUSE = 0.5
LEFT = "they are left to another head, which holds the lock of the run as far as one can see"
# Looks in a row that have to show nothing: Batch shows a job some time after its submission.
LOOKS = 3


class Stopping:
    """Ends the jobs of one run; `left` returns the seconds that are left for it.

    `has_lock` returns whether this head certainly has the lock, by what its Snakemake has noted. Otherwise S3 is asked.
    """

    def __init__(
        self,
        stack: Stack,
        run: str,
        left: Callable[[], float],
        has_lock: Callable[[], bool] = lambda: False,
        s3: Any = None,  # noqa: ANN401
        batch: Any = None,  # noqa: ANN401
    ) -> None:
        """Ask AWS nothing yet."""
        self._stack, self._run, self._left, self._has_lock = stack, run, left, has_lock
        self._batch = batch or _client("batch", stack)
        self._lock = LockObject(s3 or _client("s3", stack), stack.bucket, f"runs/{run}/{head.NAME}")
        self._why = {f"all jobs of run {run}": "AWS has not answered in time"}
        self._thread = threading.Thread()

    def no_other_works(self) -> bool:
        """Return whether no other head has the run. One that renews its lock no more has it until its lease ends."""
        if self._has_lock():
            return True
        state, _ = self._lock.read()
        return state is None or state.left <= 0 or state.holder.is_dead()

    def end_jobs(self, is_ours: Callable[[], bool] = lambda: True) -> dict[str, str]:
        """End all jobs of the run but heads; return in time those that may still run, with the reason.

        A job counts as ended when Batch has taken the order to end it: its container has 30 seconds of its own.
        Jobs are another head's as soon as it has taken the run; they are left also where S3 does not say whose.
        `is_ours` is asked first, in the same way, whether the run is this head's.
        """
        # A call that hangs is not waited for.
        self._thread = threading.Thread(target=self._end_jobs, args=[is_ours], daemon=True)
        self._thread.start()
        self._thread.join(max(0.0, self._left()))
        return self._why

    def _end_jobs(self, is_ours: Callable[[], bool]) -> None:
        try:
            if not is_ours():
                self._why = {}
                return
        except (ClientError, BotoCoreError, UserError) as error:
            self._why = dict.fromkeys(self._why, str(error))
            return
        why: dict[str, str] = {}
        ordered: set[str] = set()
        quiet = 0
        while True:
            try:
                found = batches.active(self._batch, self._stack, self._run)
                jobs = [job.id for job in found if not job.is_head and job.id not in ordered]
                # Asked after Batch: what another head submits once it has the lock is not among these jobs.
                if jobs and not self.no_other_works():
                    self._why = {f"jobs of run {self._run}": f"{LEFT}; `terraflow stop {self._run}` ends them"}
                    return
                quiet, why = (0, why) if jobs else (quiet + 1, {})
                for first in range(0, len(jobs), TERMINATED):
                    some = jobs[first : first + TERMINATED]
                    errors = self._batch.terminate_jobs(jobs=some, reason=REASON).get("errors") or ()
                    refused = {one["job"]: f"{one.get('code')}: {one.get('message')}" for one in errors}
                    ordered |= set(some) - refused.keys()
                    why = {job: text for job, text in why.items() if job not in some} | refused
            except (ClientError, BotoCoreError) as error:
                why = dict.fromkeys(why or [f"all jobs of run {self._run}"], str(error))
            if quiet == LOOKS or self._left() <= PAUSE:
                self._why = why
                return
            self._why = why or self._why
            time.sleep(PAUSE)

    def release_lock(self) -> None:
        """Remove the lock of a Snakemake that was killed: the next head need not wait for its end."""
        if self._thread.is_alive():
            # It may be ending jobs still, which are this head's as long as it has the lock.
            return
        with contextlib.suppress(ClientError, BotoCoreError):
            state, _ = self._lock.read()
            if state is not None and state.holder.is_dead():
                self._lock.delete(state.etag)


def _client(service: str, stack: Stack) -> Any:  # noqa: ANN401
    config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
    client: Any = boto3.client
    return client(service, region_name=stack.region, config=config)
