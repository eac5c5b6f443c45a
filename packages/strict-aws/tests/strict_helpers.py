"""Names and small functions that several test files use."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from strict_aws import ACCOUNT, Aws

ONCE = Config(retries={"total_max_attempts": 1})
ROLE = f"arn:aws:iam::{ACCOUNT}:role/job"
IMAGE = "debian:trixie-slim"
TOO_LARGE = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
Job = dict[str, Any]
Run = Callable[..., Job]


def code(call: Callable[..., Any], **request: Any) -> str:
    """Return the code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Code"])


def status(call: Callable[..., Any], **request: Any) -> int:
    """Return the HTTP status of a call."""
    try:
        return int(call(**request)["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def network_of(aws: Aws) -> dict[str, list[str]]:
    """Return a subnet and a security group for a compute environment."""
    ec2 = aws.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])["SecurityGroups"]
    return {"subnets": [subnet["SubnetId"]], "securityGroupIds": [groups[0]["GroupId"]]}


def wait(aws: Aws, job_id: str, until: str = "") -> Job:
    """Return a job's description once it has ended or has the status `until`."""
    for _ in range(3000):
        [job] = aws.client("batch").describe_jobs(jobs=[job_id])["jobs"]
        if job["status"] in ("SUCCEEDED", "FAILED", until):
            return dict(job)
        time.sleep(0.1)
    raise AssertionError(f"still {job['status']} after 300 s")


def log_of(aws: Aws, job: Job) -> list[str]:
    """Return the lines that a job has printed."""
    stream = job["container"]["logStreamName"]
    events = aws.client("logs").get_log_events(logGroupName="/jobs", logStreamName=stream, startFromHead=True)
    return [event["message"] for event in events["events"]]
