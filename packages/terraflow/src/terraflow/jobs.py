"""Lists the jobs on the stack's queues that have not ended."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_batch.literals import JobStatusType

ACTIVE: Sequence["JobStatusType"] = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
SHOWN = 20


def active(region: str | None, queues: Sequence[str]) -> list[str]:
    """Return the id and name of each job on these queues that has not ended; queues that do not exist have none."""
    client = boto3.client("batch", region_name=region)
    existing = client.describe_job_queues(jobQueues=queues)["jobQueues"] if queues else []
    return [
        f"{job['jobId']} {job['jobName']}"
        for queue in (queue["jobQueueName"] for queue in existing)
        for status in ACTIVE
        for page in client.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status)
        for job in page["jobSummaryList"]
    ]


def listed(jobs: Sequence[str]) -> list[str]:
    """Return the first jobs, and how many more there are."""
    return [*jobs[:SHOWN], *([f"and {len(jobs) - SHOWN} more"] if len(jobs) > SHOWN else [])]
