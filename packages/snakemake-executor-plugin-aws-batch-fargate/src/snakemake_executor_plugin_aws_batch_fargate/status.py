"""How jobs are doing: few calls, fewer while nothing changes, and a word when jobs wait for too long."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import patience

from .outside import Client
from .submission import Submission

# AWS: ids in one DescribeJobs.
IDS_PER_CALL = 100
CALLS_AT_ONCE = 8
# So many looks in a row in which Batch does not know a job make it lost.
MISSING_LOOKS = 5
# What the time between two looks grows by while nothing changes, and its limit in seconds: a job is submitted when the
# end of the one before is seen.
GROWTH = 1.5
LONGEST = 3.0
CALLS_PER_SECOND = 10
# Seconds between two looks, whatever the setting.
SHORTEST_POLL = 0.1
# How long a job may wait in one of these before something is said, in seconds.
BEFORE_RUNNING = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING")
WAITING = 900


class Watch:
    """Asks Batch about jobs."""

    def __init__(
        self,
        client: Client,
        poll_seconds: float,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`warn` is told of trouble that may pass."""
        self._client = client
        self._poll = max(SHORTEST_POLL, poll_seconds)
        self._warn = warn
        self._clock = clock
        self._trouble_since: float | None = None
        self._next_word = 0.0
        self.interval = self._poll

    def look(self, ids: Sequence[str]) -> tuple[dict[str, Mapping[str, Any]], set[str]]:
        """What Batch says about jobs, by id, and the ids that could not be asked for. One call for each 100.

        Of jobs that go on only status and reason are kept. Raises WorkflowError when Batch was out of reach for long.
        """
        batches = [ids[start : start + IDS_PER_CALL] for start in range(0, len(ids), IDS_PER_CALL)]
        found: dict[str, Mapping[str, Any]] = {}
        not_asked: set[str] = set()
        trouble: Exception | None = None
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            for batch, answer in zip(batches, pool.map(self._describe, batches), strict=True):
                if isinstance(answer, Exception):
                    trouble = answer
                    not_asked.update(batch)
                else:
                    found.update(answer)
        self._note(trouble, all_failed=len(not_asked) == len(ids))
        return found, not_asked

    def close(self) -> None:
        """Looks that are under way end soon, and nothing is said about that."""
        self._warn = lambda _: None
        self._client.close()

    def plan(self, changed: bool, active: int) -> float:
        """Seconds until the next look: the setting's after a change, then growing."""
        self.interval = self._poll if changed else max(self._poll, min(self.interval * GROWTH, LONGEST))
        return max(self.interval, active / IDS_PER_CALL / CALLS_PER_SECOND)

    def _describe(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]] | Exception:
        try:
            answer = self._client.describe_jobs(jobs=list(ids))
        except (ClientError, BotoCoreError) as error:
            return error
        return {job["jobId"]: _kept(job) for job in answer["jobs"]}

    def _note(self, trouble: Exception | None, all_failed: bool) -> None:
        if trouble is None:
            self._trouble_since = None
            return
        now = self._clock()
        if self._trouble_since is None or not all_failed:
            self._trouble_since = now
        allowed = patience.retry_seconds(trouble) or patience.UNREACHABLE
        expired = patience.lacks_credentials(trouble)
        if now - self._trouble_since >= allowed:
            renew = "Renew the credentials of this machine, then s" if expired else "S"
            raise WorkflowError(
                f"AWS Batch could not be asked about the jobs for {allowed / 60:g} min: {trouble}\n"
                f"They run on. {renew}tart the same command again, with the same run name, to wait for them."
            )
        if now >= self._next_word:
            self._next_word = now + 60
            renewed = " Log in again, or renew the credentials of this machine: they are used." if expired else ""
            self._warn(
                f"AWS Batch can't be asked about the jobs just now ({trouble}).{renewed} It is tried for "
                f"{allowed / 60:g} min."
            )


class Waiting:
    """Notices jobs that wait for long before they run. Batch itself gives no reason for most of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """The clock counts seconds."""
        self._clock = clock
        self._pause = float(WAITING)
        self._next_word = 0.0

    def word(self, jobs: Sequence[tuple[str, Submission, str]]) -> str | None:
        """What to tell the user, at most once in a while. `jobs`: description, submission and reason of each job."""
        now = self._clock()
        stuck = [job for job in jobs if job[1].status in BEFORE_RUNNING and now - job[1].since >= WAITING]
        if not stuck or now < self._next_word:
            return None
        # Said rarer the longer it lasts.
        self._next_word = now + self._pause
        self._pause *= 2
        name, submission, _ = min(stuck, key=lambda job: job[1].since)
        vcpus = max(job[1].shape.vcpus for job in stuck)
        reasons = sorted({reason for *_, reason in stuck if reason})
        running = sum(job[1].status in ("STARTING", "RUNNING") for job in jobs)
        states = ", ".join(sorted({job[1].status for job in stuck}))
        lines = [
            f"Jobs that have waited in {states} for more than {WAITING // 60} minutes: {len(stuck)}, the "
            f"longest for {(now - submission.since) / 60:.0f}: {name}. Jobs that are running or starting: {running}.",
            *(f"AWS Batch says: {reason}" for reason in reasons),
            f"The largest of those that wait needs {vcpus:g} vCPU. A job waits for ever, without a reason, if that is "
            "more than the account's quota of Fargate vCPUs (6 in a new account; Spot and on-demand have one each), or "
            "than the compute environment's maximum. If others run, it may just wait for them; on Spot, for capacity.",
            "See the quota: aws service-quotas list-service-quotas --service-code fargate",
        ]
        return "\n".join(lines)


def _kept(job: Mapping[str, Any]) -> Mapping[str, Any]:
    if job["status"] in ("SUCCEEDED", "FAILED"):
        return job
    return {"status": job["status"], "statusReason": job.get("statusReason", "")}
