"""How jobs are doing: few calls, fewer while nothing changes, and a message when jobs wait for too long."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from snakemake_aws_common import patience

from .batches import IDS_TO_DESCRIBE, batches
from .request import Submission, submission_of
from .untyped import Client

CALLS_AT_ONCE = 8
# So many looks in a row in which Batch does not know a job make it lost.
MISSING_LOOKS = 5
# The factor by which the time between two looks grows while nothing changes, and its limit in seconds: a job is
# submitted when the end of the one before is seen.
GROWTH = 1.5
LONGEST = 3.0
CALLS_PER_SECOND = 10
# Seconds between two looks, whatever the setting.
SHORTEST_POLL = 0.1
# Seconds that a job may wait in one of these before a message says so.
BEFORE_RUNNING = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING")
WAITING = 900
# Seconds between two messages about trouble.
MESSAGE = 60


class Watch:
    """Asks Batch about jobs."""

    def __init__(
        self,
        client: Client,
        poll_seconds: float,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`warn` gets messages about trouble that may pass."""
        self._client = client
        self._poll = max(SHORTEST_POLL, poll_seconds)
        self._warn = warn
        self._clock = clock
        self._trouble_since: float | None = None
        self._next_message = 0.0
        self.interval = self._poll

    def look(self, ids: Sequence[str]) -> tuple[dict[str, Mapping[str, Any]], set[str]]:
        """Return the descriptions of jobs by id, and the ids that Batch could not be asked about.

        One call describes 100 jobs. Of a job that goes on only status and reason are kept. Raises WorkflowError when
        Batch was out of reach for long.
        """
        asked = batches(ids, IDS_TO_DESCRIBE)
        found: dict[str, Mapping[str, Any]] = {}
        not_asked: set[str] = set()
        trouble: Exception | None = None
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            for batch, answer in zip(asked, pool.map(self._describe, asked), strict=True):
                if isinstance(answer, Exception):
                    trouble = answer
                    not_asked.update(batch)
                else:
                    found.update(answer)
        self._note(trouble, all_failed=len(not_asked) == len(ids))
        return found, not_asked

    def close(self) -> None:
        """End looks that are under way soon, without a message."""
        self._warn = lambda _: None
        self._client.close()

    def plan(self, changed: bool, active: int) -> float:
        """Return the seconds until the next look: the setting's after a change, then growing."""
        self.interval = self._poll if changed else max(self._poll, min(self.interval * GROWTH, LONGEST))
        return max(self.interval, active / IDS_TO_DESCRIBE / CALLS_PER_SECOND)

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
        if now >= self._next_message:
            self._next_message = now + MESSAGE
            renewed = " Log in again, or renew the credentials of this machine: they are used." if expired else ""
            self._warn(
                f"AWS Batch can't be asked about the jobs just now ({trouble}).{renewed} It is tried for "
                f"{allowed / 60:g} min."
            )


class Waiting:
    """Notices jobs that wait for long before they run. Batch itself gives no reason for most of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Count seconds by `clock`."""
        self._clock = clock
        self._pause = float(WAITING)
        self._next_message = 0.0

    def message(self, jobs: Sequence[Submission]) -> str | None:
        """Return a message about jobs that wait for long; None if none does, or if it was just given."""
        now = self._clock()
        stuck = [job for job in jobs if job.status in BEFORE_RUNNING and now - job.since >= WAITING]
        if not stuck or now < self._next_message:
            return None
        # The longer it lasts, the rarer the message.
        self._next_message = now + self._pause
        self._pause *= 2
        longest = min(stuck, key=lambda job: job.since)
        vcpus = max(job.shape.vcpus for job in stuck)
        reasons = sorted({job.reason for job in stuck if job.reason})
        running = sum(job.status in ("STARTING", "RUNNING") for job in jobs)
        states = ", ".join(sorted({job.status for job in stuck}))
        lines = [
            f"Jobs that have waited in {states} for more than {WAITING // 60} minutes: {len(stuck)}, the "
            f"longest for {(now - longest.since) / 60:.0f}: {longest.title}. "
            f"Jobs that are running or starting: {running}.",
            *(f"AWS Batch says: {reason}" for reason in reasons),
            f"The largest of those that wait needs {vcpus:g} vCPU. A job waits for ever, without a reason, if that is "
            "more than the account's quota of Fargate vCPUs (6 in a new account; Spot and on-demand have one each), or "
            "than the compute environment's maximum. If others run, it may just wait for them; on Spot, for capacity.",
            "See the quota: aws service-quotas list-service-quotas --service-code fargate",
        ]
        return "\n".join(lines)


class Failed(NamedTuple):
    """A job that has failed, and its description, which is empty if Batch does not know the job any more."""

    info: SubmittedJobInfo
    description: Mapping[str, Any]


@dataclass
class Seen:
    """Jobs by what a look at them has shown."""

    succeeded: list[SubmittedJobInfo] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    going: list[SubmittedJobInfo] = field(default_factory=list)
    # True if any of them has another status than before.
    changed: bool = False


def sort(jobs: Sequence[SubmittedJobInfo], found: Mapping[str, Mapping[str, Any]], not_asked: Collection[str]) -> Seen:
    """Sort jobs by what `Watch.look` has found, and note in their submissions what was seen."""
    seen = Seen()
    for info in jobs:
        submission = submission_of(info)
        description = found.get(str(info.external_jobid))
        if description is None:
            submission.missing += info.external_jobid not in not_asked
            submission.reason = ""
            if submission.missing >= MISSING_LOOKS:
                seen.failed.append(Failed(info, {}))
            else:
                seen.going.append(info)
            continue
        submission.missing = 0
        status, submission.reason = description["status"], str(description.get("statusReason") or "")
        if status != submission.status:
            seen.changed = True
            submission.status, submission.since = status, time.monotonic()
        if status == "SUCCEEDED":
            seen.succeeded.append(info)
        elif status == "FAILED":
            seen.failed.append(Failed(info, description))
        else:
            seen.going.append(info)
    return seen


def _kept(job: Mapping[str, Any]) -> Mapping[str, Any]:
    if job["status"] in ("SUCCEEDED", "FAILED"):
        return job
    return {"status": job["status"], "statusReason": job.get("statusReason", "")}
