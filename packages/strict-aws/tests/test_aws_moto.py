"""moto without the strictness takes what AWS refuses: the column "moto" of docs/strictness.md."""

import copy
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from strict_aws import REGION
from test_aws_fargate import (
    DEFINITIONS,
    ENVIRONMENTS,
    QUEUES,
    VALID_DEFINITION,
    VALID_ENVIRONMENT,
    Request,
    limit,
    order,
    put,
)

# Requests that moto 5.2.5 refuses itself, by the words that strict-aws has for it.
REFUSED = ("tag 'aws:team'", "tag 'team'", "without MEMORY", "Unknown parameter")


@pytest.fixture(scope="module")
def batch() -> Iterator[Any]:
    """Return a client of moto's Batch that leaves all checks to it."""
    with pytest.MonkeyPatch.context() as patched, mock_aws():
        patched.delenv("AWS_ENDPOINT_URL", raising=False)
        unchecked = Config(parameter_validation=False)
        yield boto3.client("batch", REGION, config=unchecked, aws_access_key_id="a", aws_secret_access_key="b")


def test_moto_takes_definitions_that_aws_refuses(batch: Any) -> None:
    wrong = [(path, value) for path, value, said in DEFINITIONS if said not in REFUSED]
    assert len(wrong) > len(DEFINITIONS) - 6
    for path, value in wrong:
        request: Request = copy.deepcopy(VALID_DEFINITION)
        put(request, path, value)
        batch.register_job_definition(**request)


def test_moto_takes_environments_and_queues_that_aws_refuses(batch: Any) -> None:
    trust = {"RoleName": "batch", "AssumeRolePolicyDocument": "{}"}
    role = boto3.client("iam", REGION).create_role(**trust)["Role"]["Arn"]
    ec2 = boto3.client("ec2", REGION)
    network = {
        "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
        "securityGroupIds": [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
    }
    valid = copy.deepcopy(VALID_ENVIRONMENT) | {"serviceRole": role}
    valid["computeResources"] |= network
    taken = [one for one in ENVIRONMENTS if one[0] in ("computeResources.maxvCpus", "computeResources.tags")]
    assert len(taken) == 2
    for number, (path, value, _) in enumerate(taken):
        request: Request = copy.deepcopy(valid) | {"computeEnvironmentName": f"wrong-{number}"}
        put(request, path, value)
        batch.create_compute_environment(**request)
    for number in range(1, 5):
        batch.create_compute_environment(**valid | {"computeEnvironmentName": f"environment-{number}"})
    for number, (path, value, _, _) in enumerate(QUEUES):
        queue: Request = {"jobQueueName": f"queue-{number}", "priority": 1, "computeEnvironmentOrder": order(1, 2)}
        queue |= {"state": "ENABLED", "jobStateTimeLimitActions": limit()}
        put(queue, path, value)
        batch.create_job_queue(**queue)
