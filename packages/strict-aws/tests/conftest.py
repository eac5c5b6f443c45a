"""Fixtures for the tests of strict-aws: a bucket, queues and a definition on the shared server, and a Docker engine.

The tests use the fixtures of the package's own pytest plugin, as any user does.
"""

import json
import os
from collections.abc import Iterator
from typing import Any, NoReturn

import docker
import pytest
from docker.errors import DockerException, ImageNotFound

from strict_aws import REGION, Aws
from strict_helpers import IMAGE, TOO_LARGE, Job, Run, network_of, wait

RETRIES = {
    "attempts": 3,
    "evaluateOnExit": [
        {"onStatusReason": "Essential container in task exited*", "action": "exit"},
        {"onReason": "OutOfMemoryError*", "action": "EXIT"},
    ],
}
LIMIT = [{"reason": TOO_LARGE, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL"}]


def lack(what: str) -> NoReturn:
    """Skip the test, or fail it in CI, where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what.partition("\n")[0])


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """Return a Docker engine that has the image of the tests' jobs."""
    try:
        client = docker.from_env(timeout=120)
    except DockerException as problem:
        lack(f"No Docker engine answers (is dockerd running?)\n{problem}")
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        try:
            client.images.pull(IMAGE)
        except DockerException as problem:
            lack(f"The engine has no {IMAGE} and can't pull it\n{problem}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def data(strict_aws_server: Aws) -> str:
    """Return the name of a bucket."""
    strict_aws_server.client("s3").create_bucket(Bucket="data")
    return "data"


@pytest.fixture(scope="session")
def queues(strict_aws_server: Aws) -> None:
    """Make a role, a log group, the queues `spot`, `ondemand` and `closed`, and the definition `sh`."""
    iam, batch, logs = (strict_aws_server.client(name) for name in ("iam", "batch", "logs"))
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName="job", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    logs.create_log_group(logGroupName="/jobs")
    for name, kind in {"spot": "FARGATE_SPOT", "ondemand": "FARGATE"}.items():
        resources = {"type": kind, "maxvCpus": 4, **network_of(strict_aws_server)}
        batch.create_compute_environment(computeEnvironmentName=name, type="MANAGED", computeResources=resources)
    for name, environment, state, limits in (
        ("spot", "spot", "ENABLED", LIMIT),
        ("ondemand", "ondemand", "ENABLED", []),
        ("closed", "ondemand", "DISABLED", []),
    ):
        batch.create_job_queue(
            jobQueueName=name,
            priority=1,
            state=state,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
            jobStateTimeLimitActions=limits,
        )
    options = {"awslogs-group": "/jobs", "awslogs-region": REGION, "awslogs-stream-prefix": "sh"}
    container = {
        "image": IMAGE,
        "executionRoleArn": role,
        "jobRoleArn": role,
        "resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}],
        "environment": [{"name": "FROM_DEFINITION", "value": "kept"}],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    batch.register_job_definition(
        jobDefinitionName="sh",
        type="container",
        platformCapabilities=["FARGATE"],
        containerProperties=container,
        retryStrategy=RETRIES,
        timeout={"attemptDurationSeconds": 60},
        propagateTags=True,
    )


@pytest.fixture
def run(strict_aws: Aws, queues: None, engine: docker.DockerClient) -> Run:
    """Return a function that submits `sh -c SCRIPT` and waits for its end, or for the status `until`."""
    batch = strict_aws.client("batch")

    def call(script: str, *, until: str = "", queue: str = "spot", name: str = "job", **request: Any) -> Job:
        overrides = {"command": ["sh", "-c", script], **request.pop("overrides", {})}
        submitted = batch.submit_job(
            jobName=name, jobQueue=queue, jobDefinition="sh", containerOverrides=overrides, **request
        )
        return wait(strict_aws, submitted["jobId"], until)

    return call
