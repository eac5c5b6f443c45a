"""Reasons that AWS has given in real accounts for jobs that did not end well, and what is made of them."""

from typing import Any

import pytest

from snakemake_executor_plugin_aws_batch_fargate import failures
from snakemake_executor_plugin_aws_batch_fargate.failures import Again

EXITED = {"statusReason": "Essential container in task exited"}


# Reason, exit code, cause, and what is done about it.
REASONS = [
    (
        "Rate limit exceeded while preparing network interface to be attached to instance",
        None,
        "start-up",
        Again.SNAKEMAKE,
    ),
    ("Network interface provision complete error timeout expired", None, "start-up", Again.SNAKEMAKE),
    ("Timeout waiting for network interface provisioning to complete.", None, "start-up", Again.SNAKEMAKE),
    ("Timeout waiting for EphemeralStorage provisioning to complete.", None, "start-up", Again.SNAKEMAKE),
    ("Capacity is unavailable at this time. Please try again later", None, "start-up", Again.SNAKEMAKE),
    ("ResourceInitializationError: failed to validate logger args", None, "start-up", Again.SNAKEMAKE),
    (
        "TaskFailedToStart: Unexpected EC2 error while attempting to Create Network Interface",
        None,
        "start-up",
        Again.SNAKEMAKE,
    ),
    ("CannotPullContainerError: ref pull has been retried 5 time(s)", None, "image pull", Again.NO),
    ("Your Spot Task was interrupted.", 137, "Spot reclaim", Again.ON_DEMAND),
    ("OutOfMemoryError: container killed due to memory usage", 1, "out of memory", Again.SNAKEMAKE),
    ("OutOfMemoryError: container killed due to memory usage", 137, "out of memory", Again.SNAKEMAKE),
    ("Container Overrides length must be at most 8192", None, "overrides too long", Again.NO),
    ("Tags can not be more than 50", None, "too many tags", Again.NO),
    ("Too many tags: the limit is 50", None, "too many tags", Again.NO),
    ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", None, "misconfigured", Again.NO),
    ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", None, "misconfigured", Again.NO),
    ("ECS words that nobody has seen", None, "stopped", Again.SNAKEMAKE),
]


@pytest.mark.parametrize(("reason", "code", "cause", "again"), REASONS)
@pytest.mark.parametrize("where", ["job", "container"])
def test_reasons(reason: str, code: int | None, cause: str, again: Again, where: str) -> None:
    """AWS says it of the job, or of its container beside a status reason that says nothing."""
    said = {"container": {"reason": reason}} | (EXITED if code is not None else {})
    description: dict[str, Any] = {"statusReason": reason} if where == "job" else said
    description = {
        **description,
        "container": {**description.get("container", {}), **({"exitCode": code} if code else {})},
    }
    failure = failures.explain(description, [])
    assert (failure.cause.name, failure.cause.again) == (cause, again)


def test_what_batch_ends_while_it_waits_is_no_person_s_doing() -> None:
    """A queue that cancels misconfigured jobs leaves them cancelled, with the reason."""
    why = "Canceled by JobStateTimeLimit action due to reason: MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
    description = {"statusReason": why, "isCancelled": True, "isTerminated": True, "container": {}}
    assert failures.explain(description, []).cause.name == "misconfigured"
    assert failures.explain({**description, "statusReason": "not needed"}, []).cause.name == "ended"


# Lines by which a container's storage says why it could not fetch or store.
STORAGE = [
    (
        's3://data/x arrived damaged or cut off, 5 times (Read timeout on endpoint URL: "https://s3"). Nothing',
        "network",
    ),
    (
        "S3 has more requests than it takes, also for s3://data/x: run again with fewer jobs at a time (--jobs).",
        "network",
    ),
    ("S3 cannot be reached for s3://data/x: Could not connect. Check the network and the endpoint.", "network"),
    ("S3 failed with s3://data/x: SSLError: SSL validation failed for https://s3 EOF occurred", "network"),
    ("S3 failed with s3://data/x: ProxyConnectionError: Failed to connect to proxy URL", "network"),
    ("S3 failed with s3://data/x: CredentialRetrievalError: Error when retrieving credentials", "network"),
]


@pytest.mark.parametrize(("line", "cause"), STORAGE)
def test_trouble_with_s3_is_no_fault_of_the_tool(line: str, cause: str) -> None:
    failure = failures.explain({**EXITED, "container": {"exitCode": 1}}, ["WorkflowError:", line])
    assert (failure.cause.name, failure.cause.again) == (cause, Again.SNAKEMAKE)


def test_a_container_without_credentials_needs_a_role() -> None:
    line = "There are no AWS credentials to reach s3://data/x with: run `aws configure`, set AWS_PROFILE"
    assert failures.explain({"container": {"exitCode": 1}}, [line]).cause.name == "no credentials"
