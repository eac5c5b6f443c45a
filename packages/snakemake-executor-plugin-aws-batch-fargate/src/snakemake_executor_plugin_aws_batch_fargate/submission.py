"""Submitting jobs: what is asked of Batch, and that no job is submitted twice."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from snakemake.common.tbdstring import TBDString
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import patience
from snakemake_aws_common.patience import Outage

from . import command, names, shapes
from .outside import Client, Job, Path

# AWS Batch: the shortest timeout.
SHORTEST_TIMEOUT = 60
UNITS_PER_VCPU = 1024
ANYTHING = shapes.Least()
# Seconds between two tries to submit a job while AWS is out of reach.
PAUSE = 5.0
T = TypeVar("T")
ACTIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")


@dataclass
class Submission:
    """A job on its way to Batch, and later in it."""

    identity: names.Identity
    request: dict[str, Any]
    shape: shapes.Shape
    on_demand: bool = False
    # The name of the job if an earlier head submitted it.
    earlier: str = ""
    # What was seen of it: its last status, since when, and how often Batch did not know it.
    status: str = ""
    since: float = 0.0
    missing: int = 0


@dataclass(frozen=True)
class Stack:
    """Where jobs go."""

    queue: str
    ondemand_queue: str | None
    definitions: Mapping[int, str]
    run: str
    tags: Mapping[str, str]
    # GiB of disk of a definition that only a rule's batch_job_definition names.
    disk_of: Callable[[str], int]


def shape_of(job: Job, stack: Stack, least: shapes.Least = ANYTHING) -> shapes.Shape:
    """The shape of a job, from its threads, `mem_mb` and `disk_mb`; of a group from what Snakemake makes of its jobs'.

    A megabyte is taken as a MiB, so that a job gets no less than asked in either reading. `batch_cpu_units` (1,024 to
    a vCPU) takes the place of threads, for jobs that need less than one vCPU.
    Raises WorkflowError, naming the rule, what it asked for, and the limit, when no shape holds it.
    """
    units = _number(job, "batch_cpu_units", 0)
    vcpus = units / UNITS_PER_VCPU if units else max(1, int(job.threads))
    memory = max(_number(job, "mem_mb", 0), _number(job, "mem_mib", 0), least.memory_mib)
    named = job.resources.get("batch_job_definition")
    disks = [stack.disk_of(str(named))] if named else list(stack.definitions)
    disk = (_disk_of_group(job) if job.is_group() else _disk(job)) / 1024
    if job.attempt > 1:
        # What a rule asks for grows with attempts, whatever ran out: that there is no more disk is no reason to fail.
        disk = min(disk, max(disks) - shapes.IMAGE_GIB)
    disk = max(disk, least.disk_gib)
    try:
        return shapes.fit(vcpus, memory, disk, disks)
    except shapes.ShapeError as error:
        again = f" (this is attempt {job.attempt}; resources may grow with attempts)" if job.attempt > 1 else ""
        raise WorkflowError(
            f"{describe(job)} is larger than Fargate allows{again}: {error}. It asked for {vcpus:g} vCPU, "
            f"{memory} MiB of memory and {disk:.1f} GiB of disk. Lower threads, mem_mb or disk_mb of the rule "
            "(in its resources, or with set-threads and set-resources in a profile), or cut its work into more jobs"
            + (f", or take rules out of the group {names.rule_of(job)}." if job.is_group() else ".")
        ) from error


def request_of(
    job: Job, stack: Stack, identity: names.Identity, shape: shapes.Shape, container: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of SubmitJob, for the first queue."""
    request: dict[str, Any] = {
        "jobName": names.job_name(stack.run, job, identity),
        "jobQueue": stack.queue,
        "jobDefinition": str(job.resources.get("batch_job_definition") or stack.definitions[shape.disk_gib]),
        "containerOverrides": container,
        "tags": names.job_tags(stack.run, job, stack.tags),
        "propagateTags": True,
    }
    minutes = _number(job, "runtime", 0)
    if minutes:
        request["timeout"] = {"attemptDurationSeconds": max(SHORTEST_TIMEOUT, minutes * 60)}
    return request


def prepare(
    job: Job,
    stack: Stack,
    text: str,
    environment: Mapping[str, str],
    sender: command.Sender | None,
    least: Mapping[str, shapes.Least] | None = None,
    identity: names.Identity | None = None,
) -> Submission:
    """All that SubmitJob needs to know; `least` is what jobs must have, by the outputs in their identity.

    Raises WorkflowError for what can't be submitted.
    """
    identity = identity or names.identity(stack.run, job)
    shape = shape_of(job, stack, (least or {}).get(identity.outputs, ANYTHING))
    container = command.overrides(text, shape.requirements, environment, sender)
    return Submission(identity, request_of(job, stack, identity, shape, container), shape)


def describe(job: Job) -> str:
    """A job in a message: rule and wildcards."""
    wildcards = ", ".join(f"{name}={value}" for name, value in names.wildcards_of(job).items())
    kind = "Group" if job.is_group() else "Rule"
    return f"{kind} {names.rule_of(job)}" + (f" ({wildcards})" if wildcards else "")


class Submitter:
    """Calls SubmitJob, from any thread.

    SubmitJob is not idempotent: an attempt whose answer got lost may have made a job, which has the same name.
    """

    def __init__(
        self, client: Client, fair_share: Mapping[str, bool] | None = None, warn: Callable[[str], None] = print
    ) -> None:
        """`fair_share` says of each queue whether it has a scheduling policy, and so wants a share identifier."""
        self.client = client
        self.fair_share = dict(fair_share or {})
        self._warn = warn
        self._next_word = 0.0
        self._closed = threading.Event()
        self._trouble = Outage()
        # Names of jobs, and their queues, that may have been made though no answer came.
        self._doubtful: set[tuple[str, str]] = set()

    @property
    def closed(self) -> bool:
        """Whether nothing is submitted any more."""
        return self._closed.is_set()

    def close(self) -> None:
        """Submit nothing more."""
        self._closed.set()
        self.client.close()

    def submit(self, request: dict[str, Any]) -> str | None:
        """The id of the job; None after `close`. Raises what AWS says when it refuses, or is out of reach for long."""
        if self.fair_share.get(request["jobQueue"]):
            # Letters and digits only; runs that share a queue get their shares of it.
            run = "".join(filter(str.isalnum, request["tags"]["terraflow:run"]))
            request = {**request, "shareIdentifier": run or "run"}
        return self.patiently(self._trouble, lambda: self._made_before(request) or self._submit(request))

    def patiently(self, trouble: Outage, call: Callable[[], T]) -> T | None:
        """What the call gives, which is repeated while AWS is in trouble, no longer for many calls than for one.

        `trouble` is what these calls share. None after `close`. Raises what AWS says when it refuses, or is out of
        reach for long.
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
            self._closed.wait(PAUSE)
        return None

    def lost(self, client: Client) -> list[str]:
        """Ids of active jobs that were made though no answer came, as far as `client` can find them within seconds."""
        found = []
        until = time.monotonic() + PAUSE
        while self._doubtful:
            name, queue = next(iter(self._doubtful))
            try:
                found += _active(client, name, queue)
                self._doubtful.discard((name, queue))
            except (ClientError, BotoCoreError) as error:
                if time.monotonic() > until:
                    doubtful = ", ".join(sorted(name for name, _ in self._doubtful))
                    self._warn(f"There may be Batch jobs that could not be looked for ({error}): {doubtful}")
                    self._doubtful.clear()
                time.sleep(0.5)
        return found

    def _submit(self, request: dict[str, Any]) -> str:
        this = request["jobName"], request["jobQueue"]
        try:
            answer = self.client.submit_job(**request)
        except (ClientError, BotoCoreError) as error:
            # A server that refuses has made nothing; what was answered to earlier tries is not known.
            answer = getattr(error, "response", {}).get("ResponseMetadata", {})
            if answer.get("HTTPStatusCode", 500) >= 500 or answer.get("RetryAttempts"):
                self._doubtful.add(this)
            raise
        job_id = str(answer["jobId"])
        if answer.get("ResponseMetadata", {}).get("RetryAttempts"):
            self._end_twins(*this, job_id)
        return job_id

    def _made_before(self, request: dict[str, Any]) -> str | None:
        """The job of a try whose answer got lost."""
        this = request["jobName"], request["jobQueue"]
        if this not in self._doubtful:
            return None
        found = _active(self.client, *this)
        self._doubtful.discard(this)
        if not found:
            return None
        self._end_twins(*this, found[0])
        return found[0]

    def _end_twins(self, name: str, queue: str, job_id: str) -> None:
        try:
            for twin in _active(self.client, name, queue):
                if twin != job_id:
                    self.client.terminate_job(jobId=twin, reason=f"submitted twice; {job_id} takes its place")
        except (ClientError, BotoCoreError) as error:
            self._warn(
                f"AWS Batch may have made a second job {name} besides {job_id}, and it could not be looked for: {error}"
            )

    def _note(self, error: Exception) -> None:
        if time.monotonic() >= self._next_word and not self._closed.is_set():
            self._next_word = time.monotonic() + 60
            expired = patience.lacks_credentials(error)
            renewed = " Log in again, or renew the credentials of this machine: they are used." if expired else ""
            self._warn(f"AWS Batch takes no jobs just now ({error}).{renewed} It is tried again.")


def _active(client: Client, name: str, queue: str) -> list[str]:
    """Ids of jobs of this name that have not ended."""
    pages = client.get_paginator("list_jobs").paginate(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [name]}])
    jobs = [job for page in pages for job in page["jobSummaryList"]]
    return [job["jobId"] for job in jobs if job["jobName"] == name and job.get("status") in ACTIVE]


def _disk(job: Job) -> int:
    return max(_number(job, "disk_mb", 0), _number(job, "disk_mib", 0))


def _disk_of_group(group: Job) -> float:
    """Megabytes for all that the jobs of a group read and write, since it stays until the last of them has ended.

    Snakemake would take the largest of those that run at a time. What several jobs read lies there once only, and is
    in the disk_mb of each.
    """
    members = names.members(group)
    own = {names.key(path) for member in members for path in member.output}
    read: dict[str, float] = {}
    written = 0.0
    for member in members:
        inputs = {names.key(path): _megabytes(path) for path in member.input if names.key(path) not in own}
        written += max(0, _disk(member) - sum(inputs.values()))
        read |= inputs
    return written + sum(read.values())


def _megabytes(path: Path) -> float:
    """Of a file in a storage. What else there is (the workflow's own files) is small."""
    return float(path.storage_object.size()) / 2**20 if getattr(path, "is_storage", False) else 0


def _number(job: Job, name: str, default: int) -> int:
    value = job.resources.get(name, default)
    # Not known before inputs are there that another job of its group makes; Snakemake leaves it out, too.
    if value is None or isinstance(value, TBDString):
        return default
    try:
        return math.ceil(float(value))
    except (TypeError, ValueError, OverflowError):
        raise WorkflowError(f"{describe(job)} has {name}={value!r}, which is not a number.") from None
