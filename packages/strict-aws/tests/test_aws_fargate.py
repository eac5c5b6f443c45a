"""Requests that AWS refuses for Fargate, and their limits: the checks of `strict_aws.fargate`, without a server."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from strict_aws import fargate
from strict_aws.botocore_model import pairs

Request = dict[str, Any]
ROLE = "arn:aws:iam::123456789012:role/execution"


def put(request: Request, path: str, value: Any) -> None:
    """Sets what a dotted path leads to."""
    *way, last = path.split(".")
    for step in way:
        request = request.setdefault(step, {})
    request[last] = value


def size(vcpus: str, mib: str) -> list[dict[str, str]]:
    """Resource requirements."""
    return [{"type": "VCPU", "value": vcpus}, {"type": "MEMORY", "value": mib}]


def rules(count: int, **conditions: str) -> dict[str, Any]:
    """A retry strategy with so many rules."""
    return {"attempts": 2, "evaluateOnExit": [{"action": "EXIT", **conditions}] * count}


VALID_DEFINITION = {
    "jobDefinitionName": "worker",
    "type": "container",
    "platformCapabilities": ["FARGATE"],
    "containerProperties": {
        "image": "worker:1",
        "executionRoleArn": ROLE,
        "jobRoleArn": ROLE,
        "resourceRequirements": size("1", "2048"),
        "environment": [{"name": "LEVEL", "value": "1"}],
        "ephemeralStorage": {"sizeInGiB": 21},
        "volumes": [{"name": "work"}],
        "mountPoints": [{"sourceVolume": "work", "containerPath": "/work"}],
        "linuxParameters": {"initProcessEnabled": True},
        "fargatePlatformConfiguration": {"platformVersion": "1.4.0"},
        "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        "networkConfiguration": {"assignPublicIp": "ENABLED"},
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/jobs"}},
    },
    "retryStrategy": {"attempts": 10, "evaluateOnExit": [{"onStatusReason": "Host EC2*", "action": "RETRY"}] * 5},
    "timeout": {"attemptDurationSeconds": 60},
    "tags": {"team": "data"},
}
VALID_ENVIRONMENT = {
    "computeEnvironmentName": "spot",
    "type": "MANAGED",
    "computeResources": {
        "type": "FARGATE_SPOT",
        "maxvCpus": 4,
        "subnets": ["subnet-1"],
        "securityGroupIds": ["sg-1"],
    },
}

CONTAINER = "containerProperties."
DEFINITIONS = [
    ("jobDefinitionName", "spots&stripes", "up to 128 letters"),
    ("jobDefinitionName", "-worker", "up to 128 letters"),
    ("jobDefinitionName", "w" * 129, "up to 128 letters"),
    ("platformCapabilities", ["EC2", "FARGATE"], "FARGATE alone"),
    ("type", "multinode", "type container"),
    ("timeout", {"attemptDurationSeconds": 59}, "timeout of 59 s"),
    ("retryStrategy", {"attempts": 11}, "11 attempts"),
    ("retryStrategy", {"attempts": 0}, "0 attempts"),
    ("retryStrategy", rules(6, onReason="*"), "6 rules"),
    ("retryStrategy", rules(1, onReason="*Error"), "evaluateOnExit onReason"),
    ("retryStrategy", rules(1, onExitCode="1.5"), "evaluateOnExit onExitCode"),
    ("retryStrategy", rules(1) | {"attempts": None}, "attempts"),
    ("tags", {f"tag{number}": "x" for number in range(51)}, "51 tags"),
    ("tags", {"aws:team": "x"}, "tag 'aws:team'"),
    ("tags", {"team": "a|b"}, "tag 'team'"),
    (CONTAINER + "vcpus", 1, "vcpus is not for Fargate"),
    (CONTAINER + "memory", 2048, "memory is not for Fargate"),
    (CONTAINER + "instanceType", "c5.large", "instanceType is not for Fargate"),
    (CONTAINER + "ulimits", [{"name": "nofile", "softLimit": 1, "hardLimit": 1}], "ulimits is not for Fargate"),
    (CONTAINER + "linuxParameters.devices", [{"hostPath": "/dev/fuse"}], "linuxParameters.devices"),
    (CONTAINER + "linuxParameters.maxSwap", 0, "linuxParameters.maxSwap"),
    (CONTAINER + "linuxParameters.swappiness", 60, "linuxParameters.swappiness"),
    (CONTAINER + "linuxParameters.tmpfs", [{"containerPath": "/tmp", "size": 64}], "linuxParameters.tmpfs"),
    (CONTAINER + "resourceRequirements", size("3", "8192"), "3 vCPU with 8192 MiB"),
    (CONTAINER + "resourceRequirements", size("8", "60000"), "8 vCPU with 60000 MiB"),
    (CONTAINER + "resourceRequirements", size("1", "8192")[:1], "without MEMORY"),
    (CONTAINER + "ephemeralStorage", {"sizeInGiB": 20}, "ephemeral storage of 20 GiB"),
    (CONTAINER + "ephemeralStorage", {"sizeInGiB": 201}, "ephemeral storage of 201 GiB"),
    (CONTAINER + "volumes", [{"name": "work", "host": {"sourcePath": "/mnt"}}], "volumes.host is not for Fargate"),
    (CONTAINER + "mountPoints", [{"sourceVolume": "data", "containerPath": "/work"}], "there is no volume 'data'"),
    (CONTAINER + "executionRoleArn", "execution-role", "is not the ARN of a role"),
    (CONTAINER + "image", "worker image:1", "image 'worker image:1'"),
    (CONTAINER + "fargatePlatformConfiguration", {"platformVersion": "1.3.0"}, "platform version '1.3.0'"),
    (CONTAINER + "runtimePlatform.cpuArchitecture", "AARCH64", "cpuArchitecture 'AARCH64'"),
    (CONTAINER + "runtimePlatform.operatingSystemFamily", "WINDOWS_SERVER_2022_CORE", "operatingSystemFamily"),
    (CONTAINER + "networkConfiguration", {"assignPublicIp": "TRUE"}, "assignPublicIp 'TRUE'"),
    (CONTAINER + "resourceRequirement", [], "Unknown parameter"),
]


@pytest.mark.parametrize(("path", "value", "said"), DEFINITIONS)
def test_a_definition_that_aws_refuses(path: str, value: Any, said: str) -> None:
    request = copy.deepcopy(VALID_DEFINITION)
    assert fargate.check_definition(request) == []
    put(request, path, value)
    [problem] = fargate.check_definition(request)
    assert said in problem


ENVIRONMENTS = [
    ("computeEnvironmentName", "spot environment", "up to 128 letters"),
    ("computeResources.type", "EC2", "MANAGED and Fargate"),
    ("computeResources.maxvCpus", 0, "maxvCpus 0"),
    ("computeResources.subnets", [], "0 subnets"),
    ("computeResources.subnets", ["subnet-1"] * 17, "17 subnets"),
    ("computeResources.securityGroupIds", [], "0 securityGroupIds"),
    ("computeResources.instanceTypes", ["optimal"], "computeResources.instanceTypes is not for Fargate"),
    ("computeResources.minvCpus", 0, "computeResources.minvCpus is not for Fargate"),
    ("computeResources.tags", {"a": "b"}, "computeResources.tags is not for Fargate"),
]


@pytest.mark.parametrize(("path", "value", "said"), ENVIRONMENTS)
def test_a_compute_environment_that_aws_refuses(path: str, value: Any, said: str) -> None:
    request = copy.deepcopy(VALID_ENVIRONMENT)
    assert fargate.check_environment(request) == []
    put(request, path, value)
    [problem] = fargate.check_environment(request)
    assert said in problem


def order(*orders: int) -> list[dict[str, Any]]:
    """Compute environments in these places."""
    return [{"order": number, "computeEnvironment": f"environment-{number}"} for number in orders]


def limit(**changed: Any) -> list[dict[str, Any]]:
    """An end for jobs that can never start, with something changed."""
    reason = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
    return [{"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL", **changed}]


QUEUES = [
    ("jobQueueName", "", ["FARGATE"], "up to 128 letters"),
    ("computeEnvironmentOrder", order(1, 2, 3, 4), ["FARGATE"], "4 compute environments"),
    ("computeEnvironmentOrder", order(1, 1), ["FARGATE"], "of the same order"),
    ("computeEnvironmentOrder", order(1, 2), ["FARGATE", "SPOT"], "Fargate and other"),
    ("priority", 1001, ["FARGATE"], "priority 1001"),
    ("jobStateTimeLimitActions", limit(maxTimeSeconds=599), ["FARGATE"], "time limit of 599 s"),
    ("jobStateTimeLimitActions", limit(maxTimeSeconds=86_401), ["FARGATE"], "time limit of 86401 s"),
    ("jobStateTimeLimitActions", limit(reason="QUOTA"), ["FARGATE"], "time limit for QUOTA"),
    ("jobStateTimeLimitActions", limit(action="TERMINATE"), ["FARGATE"], "CANCEL of RUNNABLE alone"),
]


@pytest.mark.parametrize(("path", "value", "kinds", "said"), QUEUES)
def test_a_queue_that_aws_refuses(path: str, value: Any, kinds: list[str], said: str) -> None:
    request = {"jobQueueName": "spot", "priority": 1, "computeEnvironmentOrder": order(1, 2, 3)}
    request |= {"jobStateTimeLimitActions": limit()}
    assert fargate.check_queue(request, kinds[:1]) == []
    put(request, path, value)
    [problem] = fargate.check_queue(request, kinds)
    assert said in problem


DEFINITION = {
    "jobDefinitionName": "worker",
    "status": "ACTIVE",
    "platformCapabilities": ["FARGATE"],
    "containerProperties": {"resourceRequirements": size("1", "2048")},
}
QUEUE = {"jobQueueName": "spot", "state": "ENABLED"}
FAIR = QUEUE | {"schedulingPolicyArn": "arn:aws:batch:us-east-1:123456789012:scheduling-policy/fair"}
JOB = {"jobName": "resize", "jobQueue": "spot", "jobDefinition": "worker"}
OVERRIDES = "containerOverrides."
SUBMISSIONS = [
    ("jobName", "resize all", DEFINITION, QUEUE, "up to 128 letters"),
    ("jobName", "r" * 129, DEFINITION, QUEUE, "up to 128 letters"),
    ("jobName", "resize", DEFINITION | {"status": "INACTIVE"}, QUEUE, "worker is INACTIVE"),
    ("jobName", "resize", DEFINITION | {"platformCapabilities": ["EC2"]}, QUEUE, "a definition for EC2"),
    ("jobName", "resize", DEFINITION, QUEUE | {"state": "DISABLED"}, "spot is DISABLED"),
    ("jobName", "resize", DEFINITION, FAIR, "shareIdentifier is required"),
    ("shareIdentifier", "team", DEFINITION, QUEUE, "shareIdentifier is only for"),
    ("timeout", {"attemptDurationSeconds": 30}, DEFINITION, QUEUE, "timeout of 30 s"),
    ("retryStrategy", {"attempts": 99}, DEFINITION, QUEUE, "99 attempts"),
    ("tags", {"team": "a,b"}, DEFINITION, QUEUE, "tag 'team'"),
    ("arrayProperties", {"size": 1}, DEFINITION, QUEUE, "array of 1"),
    ("dependsOn", [{"jobId": "a"}] * 21, DEFINITION, QUEUE, "21 dependencies"),
    (OVERRIDES + "command", ["x" * 30_720], DEFINITION, QUEUE, "a request of 30821 characters"),
    (
        OVERRIDES + "environment",
        [{"name": "AWS_BATCH_JOB", "value": "x"}],
        DEFINITION,
        QUEUE,
        "the prefix AWS_BATCH is reserved",
    ),
    (OVERRIDES + "instanceType", "c5.large", DEFINITION, QUEUE, "containerOverrides.instanceType is not for Fargate"),
    (OVERRIDES + "memory", 4096, DEFINITION, QUEUE, "containerOverrides.memory is not for Fargate"),
    (OVERRIDES + "resourceRequirements", size("4", "2048"), DEFINITION, QUEUE, "4 vCPU with 2048 MiB"),
    (OVERRIDES + "resourceRequirements", size("4", "8192")[:1], DEFINITION, QUEUE, "4 vCPU with 2048 MiB"),
    (OVERRIDES + "ephemeralStorage", {"sizeInGiB": 50}, DEFINITION, QUEUE, "Unknown parameter"),
]


@pytest.mark.parametrize(("path", "value", "definition", "queue", "said"), SUBMISSIONS)
def test_a_submission_that_aws_refuses(path: str, value: Any, definition: Request, queue: Request, said: str) -> None:
    assert fargate.check_submission(JOB, DEFINITION, QUEUE, ["FARGATE_SPOT"]) == []
    request = copy.deepcopy(JOB)
    put(request, path, value)
    [problem] = fargate.check_submission(request, definition, queue, ["FARGATE_SPOT"])
    assert said in problem


def test_a_request_just_within_the_limit_is_taken() -> None:
    request = {**JOB, "containerOverrides": {"command": [""]}}
    room = 30 * 1024 - len(json.dumps(request, separators=(",", ":")))
    request["containerOverrides"] = {"command": ["x" * room]}
    assert fargate.check_submission(request, DEFINITION, QUEUE, ["FARGATE"]) == []


def test_the_pairs_of_vcpu_and_memory_are_aws_s() -> None:
    def gib(vcpus: str) -> Iterator[float]:
        return (int(mib) / 1024 for cpu, mib in pairs() if cpu == vcpus)

    assert sorted(gib("0.25")) == [0.5, 1, 2]
    assert sorted(gib("4")) == list(range(8, 31))
    assert sorted(gib("16")) == list(range(32, 121, 8))
    assert sorted(gib("32")) == [60, 120, 244]
    assert len(pairs()) == 77
