"""A run's jobs in AWS Batch that have not ended: for runs without a record, and for ending them."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

from snakemake_aws_common.record.live import LiveJob
from terraflow.jobs import ACTIVE
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_batch.literals import JobStatusType

# A client of AWS Batch.
Client: TypeAlias = Any
CALLS = 16
# Source: AWS Batch API reference, DescribeJobs.
DESCRIBED = 100
# Keys of tags by which jobs say what they are: the stack's, and those of the executor without the stack's settings.
PREFIXES = ("terraflow:", "snakemake:")
HEAD = "head"
SAMPLE = "sample"


@dataclass(frozen=True)
class BatchJob:
    """A job as Batch describes it. Times are milliseconds since 1970."""

    id: str
    name: str
    # The rule, the id of a group, or "head".
    process: str
    # Empty if it belongs to no sample, or to several.
    sample: str
    status: str
    reason: str
    queue: str
    created: int | None
    started: int | None

    @property
    def is_head(self) -> bool:
        """Whether it conducts the run."""
        return self.process == HEAD

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status not in ACTIVE


def active(batch: Client, stack: Stack, run: str, runs: Collection[str] | None = None) -> list[BatchJob]:
    """Return the jobs of a run on the stack's queues that have not ended, heads first.

    Jobs are the run's by their tags. A job without them is the run's by its name, unless that begins with a longer name
    in `runs`, all runs of the bucket: those of `main-2` begin with `main-`, too. If `runs` is None, it is nobody's.
    """
    begin = f"{run}-"

    def listed(asked: tuple[str, "JobStatusType"]) -> list[str]:
        queue, status = asked
        pages = batch.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status)
        return [job["jobId"] for page in pages for job in page["jobSummaryList"] if job["jobName"].startswith(begin)]

    with ThreadPoolExecutor(CALLS) as pool:
        ids = dict.fromkeys(one for found in pool.map(listed, product(stack.queues.values(), ACTIVE)) for one in found)
    described = describe(batch, list(ids)).values()
    jobs = (job_of(one, run) for one in described if _is_of(one, run, runs))
    return sorted((job for job in jobs if not job.has_ended), key=lambda job: (not job.is_head, job.created or 0))


def describe(batch: Client, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return what Batch says of jobs, by id; those that it does not know are left out."""
    asked = [list(ids[first : first + DESCRIBED]) for first in range(0, len(ids), DESCRIBED)]
    with ThreadPoolExecutor(CALLS) as pool:
        answers = list(pool.map(lambda some: batch.describe_jobs(jobs=some)["jobs"], asked))
    return {job["jobId"]: job for answer in answers for job in answer}


def job_of(description: Mapping[str, Any], run: str) -> BatchJob:
    """Return the job that DescribeJobs has described."""
    name = description["jobName"]
    return BatchJob(
        id=description["jobId"],
        name=name,
        process=_tag(description, "rule") or name.removeprefix(f"{run}-").partition("-")[0],
        sample=_tag(description, SAMPLE),
        status=description["status"],
        reason=str(description.get("statusReason") or ""),
        queue=str(description.get("jobQueue", "")).rpartition("/")[2],
        created=description.get("createdAt"),
        started=description.get("startedAt"),
    )


def as_live(job: BatchJob) -> LiveJob:
    """Return a job as a head would list it, as far as Batch tells: resources are unknown, and 0."""
    return LiveJob(
        native_id=job.id,
        process=job.process,
        wildcards={SAMPLE: job.sample} if job.sample else {},
        is_group=False,
        status=job.status,
        since=job.started or job.created or 0,
        reason=job.reason,
        queue=job.queue,
        spot=False,
        cpus=0,
        memory=0,
        disk=0,
        submit=job.created or 0,
    )


def streams_of(description: Mapping[str, Any]) -> list[str]:
    """Return the log streams of all attempts of a job, in their order; none if no container has started."""
    attempts = [one.get("container") or {} for one in description.get("attempts") or ()]
    containers = [*attempts, description.get("container") or {}]
    return list(dict.fromkeys(str(one["logStreamName"]) for one in containers if one.get("logStreamName")))


def fronts(batch: Client, queues: Iterable[str]) -> dict[str, list[str]]:
    """Return the ids of the first hundred jobs that wait in each queue, in order."""
    answers = {queue: batch.get_job_queue_snapshot(jobQueue=queue).get("frontOfQueue", {}) for queue in queues}
    return {queue: [job["jobArn"].rpartition("/")[2] for job in one.get("jobs", ())] for queue, one in answers.items()}


def _is_of(description: Mapping[str, Any], run: str, runs: Collection[str] | None) -> bool:
    tagged = _tag(description, "run")
    if tagged or runs is None:
        return tagged == run
    name, longer = description["jobName"], tuple(f"{other}-" for other in runs if other.startswith(f"{run}-"))
    return not name.startswith(longer) and bool(re.search(r"-[0-9a-f]{12}(-[0-9a-f]{6,8}){0,2}$", name))


def _tag(description: Mapping[str, Any], name: str) -> str:
    tags = description.get("tags") or {}
    return next((str(tags[prefix + name]) for prefix in PREFIXES if tags.get(prefix + name)), "")
