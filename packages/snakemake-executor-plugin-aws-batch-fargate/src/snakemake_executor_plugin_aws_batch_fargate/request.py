"""The request that submits a job: built from the job and the settings, without asking anybody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from . import names, resources, settings
from .shapes import Shape
from .untyped import Job

# AWS Batch: the shortest timeout, in seconds.
SHORTEST_TIMEOUT = 60


@dataclass(frozen=True)
class Target:
    """Where the jobs of a run go, and what all of them carry."""

    queue: str
    ondemand_queue: str | None
    # Job definitions by GiB of disk.
    definitions: Mapping[int, str]
    run: str
    region: str | None = None
    tags: names.Tags = field(default_factory=names.Tags)
    # Tags of objects on S3 that nobody needs after the run.
    temporary_tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def queues(self) -> list[str]:
        """Return the queues that are named, each once."""
        return list(dict.fromkeys(queue for queue in (self.queue, self.ondemand_queue) if queue))


def target_of(given: settings.ExecutorSettings) -> Target:
    """Return what the settings say about it. Raises WorkflowError, naming the setting that is wrong."""
    return Target(
        queue=given.queue or "",
        ondemand_queue=given.ondemand_queue,
        definitions=settings.parse_definitions(given.job_definitions),
        run=settings.checked_run_name(given.run_name),
        region=given.region or boto3.session.Session().region_name,
        tags=_tags_of(given),
        temporary_tags=settings.parse_temporary_tags(given.temporary_tags),
    )


def _tags_of(given: settings.ExecutorSettings) -> names.Tags:
    prefix = settings.checked_tag_prefix(given.tag_prefix)
    wildcards = settings.parse_wildcards(given.tag_wildcards, prefix)
    more = settings.parse_tags(given.tags)
    settings.check_number_of_tags(prefix, wildcards, more)
    return names.Tags(prefix, wildcards, more)


@dataclass
class Submission:
    """A job on its way to Batch, and later in it."""

    # Rule and wildcards, for messages.
    title: str
    identity: names.Identity
    request: dict[str, Any]
    shape: Shape
    on_demand: bool = False
    # The name of the job if an earlier head submitted it.
    earlier: str = ""
    # The last look at it: its status, the reason, since when, and how often Batch did not know it.
    status: str = ""
    reason: str = ""
    since: float = 0.0
    missing: int = 0
    # When it was first seen in a status, by the number of the attempt, and when it was given to Batch: milliseconds
    # since 1970.
    seen: dict[tuple[int, str], int] = field(default_factory=dict)
    submitted: int = 0
    # When it began to run, while it does.
    started: int | None = None


def build(job: Job, target: Target, identity: names.Identity, shape: Shape, container: Mapping[str, Any]) -> Submission:
    """Return the submission of a job of that shape; `container` are its `containerOverrides`.

    Raises WorkflowError if the job's `runtime` is not a number.
    """
    request: dict[str, Any] = {
        "jobName": names.job_name(target.run, job, identity),
        "jobQueue": target.queue,
        "jobDefinition": definition_of(job) or target.definitions[shape.disk_gib],
        "containerOverrides": dict(container),
        "tags": names.job_tags(target.run, job, target.tags),
        "propagateTags": True,
    }
    minutes = resources.number(job, "runtime", 0)
    if minutes:
        request["timeout"] = {"attemptDurationSeconds": max(SHORTEST_TIMEOUT, minutes * 60)}
    return Submission(names.describe(job), identity, request, shape)


def info_of(job: Job, submission: Submission, job_id: str) -> SubmittedJobInfo:
    """Return what Snakemake keeps of a job that is in Batch."""
    return SubmittedJobInfo(job, job_id, {"submission": submission})


def submission_of(info: SubmittedJobInfo) -> Submission:
    """Return the submission in what Snakemake keeps of a job."""
    submission: Submission = info.aux["submission"]
    return submission


def definition_of(job: Job) -> str:
    """Return the job definition that the rule itself names in `batch_job_definition`, if any."""
    return str(job.resources.get("batch_job_definition") or "")
