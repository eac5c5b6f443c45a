"""Jobs of AWS Batch: the launcher of a run, its head, and the jobs that the head has submitted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from terraflow_airflow.order import Order
from terraflow_airflow.stack import Stack

ACTIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
ENDED = ("SUCCEEDED", "FAILED")
# Source: AWS Batch API reference, DescribeJobs and TerminateJobs.
DESCRIBED, TERMINATED = 100, 50

Job = Mapping[str, Any]


def head_name(run: str) -> str:
    """Return the name of a run's heads among Batch's jobs."""
    return f"{run}-head"


def launcher_name(run: str) -> str:
    """Return the name of the launchers that are started here for a run."""
    return f"{run}-launcher"


def start_launcher(batch: Any, stack: Stack, order: Order, by: str) -> str:  # noqa: ANN401
    """Submit a launcher that looks at one sheet, and return its job; `by` is what `terraflow inbox --by` takes."""
    budget = order.budget if order.budget is not None else stack.budget
    command = ["terraflow", "inbox", "--bucket", stack.bucket, "--by", by]
    command += [] if budget is None else ["--budget", f"{budget:.10g}"]
    answer = batch.submit_job(
        jobName=launcher_name(order.name),
        jobQueue=stack.head_queue,
        # By name: the newest revision.
        jobDefinition=stack.launcher,
        containerOverrides={"command": [*command, order.name]},
        tags={**stack.tags, "terraflow:run": order.name, "terraflow:rule": "launcher"},
        propagateTags=True,
    )
    return str(answer["jobId"])


def describe(batch: Any, ids: Sequence[str]) -> dict[str, Job]:  # noqa: ANN401
    """Return what Batch says of jobs, by id; those that it does not know are left out."""
    asked = [list(ids[first : first + DESCRIBED]) for first in range(0, len(ids), DESCRIBED)]
    return {job["jobId"]: job for some in asked for job in batch.describe_jobs(jobs=some)["jobs"]}


def active_heads(batch: Any, stack: Stack, run: str, known: Iterable[str] = ()) -> list[Job]:  # noqa: ANN401
    """Return the run's heads that have not ended; `known` are ids that a list may lack, since they are fresh."""
    return _active(batch, stack, head_name(run), known)


def active_launchers(batch: Any, stack: Stack, run: str, known: Iterable[str] = ()) -> list[Job]:  # noqa: ANN401
    """Return the launchers of the run alone that have not ended."""
    return _active(batch, stack, launcher_name(run), known)


def active_tasks(batch: Any, stack: Stack, run: str, known: Iterable[str] = ()) -> list[Job]:  # noqa: ANN401
    """Return the run's jobs that have not ended, but for its heads and launchers."""
    begin = f"{run}-"
    listed = [
        job["jobId"]
        for queue in stack.queues
        for status in ACTIVE
        for job in _listed(batch, jobQueue=queue, jobStatus=status)
        if job["jobName"].startswith(begin)
    ]
    found = describe(batch, list(dict.fromkeys([*listed, *known])))
    # Jobs of a run `main-2` begin with `main-`, too.
    return [job for job in found.values() if job["status"] in ACTIVE and _run_of(job) == run]


def terminate(batch: Any, ids: Sequence[str], reason: str) -> dict[str, str]:  # noqa: ANN401
    """Ask Batch to end jobs, and return those that it refuses to end, with the reason."""
    refused: dict[str, str] = {}
    if not hasattr(batch, "terminate_jobs"):
        # aiobotocore may hold back a botocore that has it.
        for job in ids:
            try:
                batch.terminate_job(jobId=job, reason=reason)
            except ClientError as error:
                refused[job] = str(error)
        return refused
    for first in range(0, len(ids), TERMINATED):
        answer = batch.terminate_jobs(jobs=list(ids[first : first + TERMINATED]), reason=reason)
        refused |= {one["job"]: f"{one.get('code')}: {one.get('message')}" for one in answer.get("errors") or ()}
    return refused


def streams_of(job: Job) -> list[str]:
    """Return the log streams of all attempts of a job, in their order; none if no container has started."""
    attempts = [one.get("container") or {} for one in job.get("attempts") or ()]
    containers = [*attempts, job.get("container") or {}]
    return list(dict.fromkeys(str(one["logStreamName"]) for one in containers if one.get("logStreamName")))


def is_being_ended(job: Job) -> bool:
    """Return whether somebody has told Batch to end the job."""
    return bool(job.get("isTerminated") or job.get("isCancelled"))


def _active(batch: Any, stack: Stack, name: str, known: Iterable[str]) -> list[Job]:  # noqa: ANN401
    named = [{"name": "JOB_NAME", "values": [name]}]
    # Batch's filter takes Cohort7 and cohort7 for one name.
    listed = [
        job["jobId"]
        for job in _listed(batch, jobQueue=stack.head_queue, filters=named)
        if job["jobName"] == name and job["status"] in ACTIVE
    ]
    found = describe(batch, list(dict.fromkeys([*listed, *filter(None, known)])))
    return [job for job in found.values() if job["status"] in ACTIVE]


def _listed(batch: Any, **asked: Any) -> Iterator[Job]:  # noqa: ANN401
    pages = batch.get_paginator("list_jobs").paginate(**asked)
    return (job for page in pages for job in page["jobSummaryList"])


def _run_of(job: Job) -> str:
    tags = job.get("tags") or {}
    return str(tags.get("terraflow:run") or tags.get("snakemake:run") or "")
