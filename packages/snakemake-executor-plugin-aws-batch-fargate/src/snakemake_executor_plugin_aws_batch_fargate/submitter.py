"""SubmitJob, from any thread: repeated while AWS is in trouble, and no job is submitted twice."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from snakemake_aws_common import patience
from snakemake_aws_common.patience import Outage

from .untyped import Client

# Seconds between two tries to submit a job while AWS is out of reach, and between two messages about it.
PAUSE = 5.0
MESSAGE = 60.0
# Seconds between two looks for jobs that were made though no answer came.
LOOK = 0.5
# Statuses of jobs that have not ended.
ACTIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
T = TypeVar("T")


class Submitter:
    """Calls SubmitJob, from any thread.

    SubmitJob is not idempotent: an attempt whose answer got lost may have made a job, which has the same name.
    """

    def __init__(
        self,
        client: Client,
        fair_share: Mapping[str, bool] | None = None,
        run: str = "",
        warn: Callable[[str], None] = print,
    ) -> None:
        """Submit for a run of that name; `fair_share` tells which queues have a scheduling policy.

        Such a queue refuses jobs without a share identifier: runs that share it get their shares of it.
        """
        self.client = client
        self._fair_share = dict(fair_share or {})
        # Letters and digits only.
        self._share = "".join(filter(str.isalnum, run)) or "run"
        self._warn = warn
        self._next_message = 0.0
        self._closed = threading.Event()
        self._trouble = Outage()
        # Names of jobs, and their queues, that may have been made though no answer came.
        self._doubtful: set[tuple[str, str]] = set()
        # Ids of jobs that were made twice, and ended.
        self.twins: list[str] = []

    @property
    def closed(self) -> bool:
        """Return whether nothing is submitted any more."""
        return self._closed.is_set()

    def close(self) -> None:
        """Submit nothing more."""
        self._closed.set()
        self.client.close()

    def submit(self, request: dict[str, Any]) -> str | None:
        """Return the id of the job; None after `close`. Raises what AWS says when it refuses or is out of reach."""
        if self._fair_share.get(request["jobQueue"]):
            request = {**request, "shareIdentifier": self._share}
        return self.patiently(self._trouble, lambda: self._made_before(request) or self._submit(request))

    def patiently(self, trouble: Outage, call: Callable[[], T]) -> T | None:
        """Return the call's result, retrying through outages; None after `close`.

        All calls that share a `trouble` share one time limit. Raises what AWS says when it refuses, or when the limit
        is over.
        """
        while not self._closed.is_set():
            try:
                result = call()
            except (ClientError, BotoCoreError) as error:
                allowed = patience.retry_seconds(error)
                if (not allowed or trouble.record_failure() >= allowed) and not self._closed.is_set():
                    raise
                self._note(error)
            else:
                trouble.record_success()
                return result
            with patience.interruptible():
                self._closed.wait(PAUSE)
        return None

    def lost(self, client: Client) -> list[str]:
        """Return ids of active jobs that were made though no answer came; `client` looks for them within seconds."""
        found = []
        until = time.monotonic() + PAUSE
        while self._doubtful:
            name, queue = next(iter(self._doubtful))
            try:
                active = _active(client, name, queue)
                found += active
                # Batch shows a job some time after its submission.
                if active or time.monotonic() > until:
                    self._doubtful.discard((name, queue))
                    continue
            except (ClientError, BotoCoreError) as error:
                if time.monotonic() > until:
                    doubtful = ", ".join(sorted(name for name, _ in self._doubtful))
                    self._warn(f"There may be Batch jobs that could not be looked for ({error}): {doubtful}")
                    self._doubtful.clear()
            time.sleep(LOOK)
        return found

    def _submit(self, request: dict[str, Any]) -> str:
        this = request["jobName"], request["jobQueue"]
        try:
            answer = self.client.submit_job(**request)
        except Exception as error:
            # A server that refuses has made nothing; what was answered to earlier tries is not known, also where the
            # lock of the run forbids the next one. Errors of connections have a response that is None.
            answer = (getattr(error, "response", None) or {}).get("ResponseMetadata", {})
            if answer.get("HTTPStatusCode", 500) >= 500 or answer.get("RetryAttempts"):
                self._doubtful.add(this)
            raise
        job_id = str(answer["jobId"])
        if answer.get("ResponseMetadata", {}).get("RetryAttempts") or this in self._doubtful:
            self._end_twins(*this, job_id)
            self._doubtful.discard(this)
        return job_id

    def _made_before(self, request: dict[str, Any]) -> str | None:
        """Return the id of a job whose submission got no answer, if there is one."""
        this = request["jobName"], request["jobQueue"]
        if this not in self._doubtful:
            return None
        found = _active(self.client, *this)
        if not found:
            # It is looked for once more beside the next one: Batch shows a job some time after its submission.
            return None
        self._doubtful.discard(this)
        self._end_twins(*this, found[0])
        return found[0]

    def _end_twins(self, name: str, queue: str, job_id: str) -> None:
        try:
            for twin in _active(self.client, name, queue):
                if twin != job_id:
                    self.client.terminate_job(jobId=twin, reason=f"submitted twice; {job_id} takes its place")
                    self.twins.append(twin)
        except (ClientError, BotoCoreError) as error:
            self._warn(
                f"AWS Batch may have made a second job {name} besides {job_id}, and it could not be looked for: {error}"
            )

    def _note(self, error: Exception) -> None:
        if time.monotonic() >= self._next_message and not self._closed.is_set():
            self._next_message = time.monotonic() + MESSAGE
            expired = patience.lacks_credentials(error)
            renewed = " Log in again, or renew the credentials of this machine: they are used." if expired else ""
            self._warn(f"AWS Batch takes no jobs just now ({error}).{renewed} It is tried again.")


def _active(client: Client, name: str, queue: str) -> list[str]:
    """Return ids of the jobs of this name that have not ended."""
    pages = client.get_paginator("list_jobs").paginate(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [name]}])
    jobs = [job for page in pages for job in page["jobSummaryList"]]
    return [job["jobId"] for job in jobs if job["jobName"] == name and job.get("status") in ACTIVE]
