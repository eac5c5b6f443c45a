"""The Fargate checker: finds nothing wrong with the stack in any form, and each fault in a stack that is broken."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployed, Stack
from strict_aws import fargate
from strict_aws.process import Aws

Plan = dict[str, Any]
Request = dict[str, Any]


def problems(plan: Plan) -> list[str]:
    """All that is wrong with what a plan will leave standing."""
    definitions = fargate.planned(plan, "aws_batch_job_definition").values()
    environments = fargate.planned(plan, "aws_batch_compute_environment").values()
    queues = fargate.planned(plan, "aws_batch_job_queue").values()
    assert (len(definitions), len(environments), len(queues)) >= (3, 3, 3)
    kinds = [environment["computeResources"]["type"] for environment in environments]
    found = [problem for definition in definitions for problem in fargate.check_definition(definition)]
    found += [problem for environment in environments for problem in fargate.check_environment(environment)]
    for queue in queues:
        found += fargate.check_queue(queue, kinds[:1])
        for definition in definitions:
            job = {
                "jobName": "job",
                "jobQueue": queue["jobQueueName"],
                "jobDefinition": definition["jobDefinitionName"],
            }
            found += fargate.check_submission(job, definition, queue, kinds[:1])
    return found


@pytest.fixture(scope="module")
def replan(deployed_stack: Deployed) -> Callable[..., Plan]:
    """Plans a change of the applied stack, whose names are known, without making it."""

    def plan(**variables: Any) -> Plan:
        return deployed_stack.stack.plan("-refresh=false", "-lock=false", **variables)

    return plan


@pytest.fixture(scope="module")
def plan(replan: Callable[..., Plan]) -> Plan:
    """The stack with its defaults."""
    return replan()


def test_the_stack_is_fit_for_fargate(plan: Plan) -> None:
    assert problems(plan) == []


def test_so_is_a_public_stack_on_arm_with_every_size_of_disk(replan: Callable[..., Plan]) -> None:
    sizes = [20, 21, 50, 100, 199, 200]
    changed = replan(architecture="ARM64", network="public", disk_gib=sizes, attempts=10, timeout_hours=1)
    assert problems(changed) == []
    containers = [d["containerProperties"] for d in fargate.planned(changed, "aws_batch_job_definition").values()]
    assert {container["runtimePlatform"]["cpuArchitecture"] for container in containers} == {"ARM64"}
    assert {container["networkConfiguration"]["assignPublicIp"] for container in containers} == {"ENABLED"}
    assert {c["ephemeralStorage"]["sizeInGiB"] for c in containers if "ephemeralStorage" in c} == set(sizes) - {20}


def test_so_is_a_stack_in_a_network_of_one_s_own(replan: Callable[..., Plan], aws: Aws) -> None:
    ec2 = aws.client("ec2")
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    ids = sorted(subnet["SubnetId"] for subnet in subnets)
    changed = replan(existing_network={"vpc_id": vpc["VpcId"], "subnet_ids": ids})
    assert problems(changed) == []
    environments = fargate.planned(changed, "aws_batch_compute_environment").values()
    assert all(sorted(environment["computeResources"]["subnets"]) == ids for environment in environments)


# What is changed in terraform/batch.tf, and what has to be said of it. Terraform takes all of it.
BROKEN = [
    ("executionRoleArn = aws_iam_role.execution.arn", "privileged = true", "privileged is not for Fargate"),
    ("executionRoleArn = aws_iam_role.execution.arn", "privileged = true", "no executionRoleArn"),
    ('["FARGATE"]', '["EC2"]', "platformCapabilities ['EC2']"),
    ('["FARGATE"]', '["EC2"]', "a definition for EC2 on a queue of FARGATE"),
    ('value = "2048"', 'value = "512"', "1 vCPU with 512 MiB"),
    ("sizeInGiB = each.value.disk_gib", "sizeInGiB = each.value.disk_gib + 150", "ephemeral storage of 350 GiB"),
    ('type = "MEMORY"', 'type = "GPU", value = "1" }, { type = "MEMORY"', "GPU: Fargate has none"),
    ("{ initProcessEnabled = true }", "{ sharedMemorySize = 64 }", "linuxParameters.sharedMemorySize is not for"),
    ('"awslogs"\n', '"json-file"\n', "log driver 'json-file'"),
    ('"AWS_DEFAULT_REGION"', '"AWS_BATCH_REGION"', "environment variable AWS_BATCH_REGION"),
    ("jobRoleArn ", "jobRole    ", 'Unknown parameter in containerProperties: "jobRole"'),
]


@pytest.fixture(scope="module")
def broken_stack(deployed_stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is said of a copy of the stack with every change of `BROKEN` made."""
    folder: Path = tmp_path_factory.mktemp("broken") / "terraform"
    shutil.copytree(deployed_stack.stack.folder, folder, symlinks=True)
    batch = folder / "batch.tf"
    text = batch.read_text()
    for old, new in dict.fromkeys((old, new) for old, new, _ in BROKEN):
        assert old in text, f"terraform/batch.tf has no {old!r} any more"
        text = text.replace(old, new)
    batch.write_text(text)
    return problems(Stack(folder, deployed_stack.stack.env).plan("-refresh=false", "-lock=false"))


@pytest.mark.parametrize("said", [said for _, _, said in BROKEN])
def test_a_broken_stack_is_caught(broken_stack: list[str], said: str) -> None:
    assert any(said in problem for problem in broken_stack), broken_stack


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
    ("tags", {"aws:rule": "x"}, "tag 'aws:rule'"),
    ("tags", {"rule": "a|b"}, "tag 'rule'"),
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
def test_a_definition_that_aws_refuses(plan: Plan, path: str, value: Any, said: str) -> None:
    requests = fargate.planned(plan, "aws_batch_job_definition")
    request = copy.deepcopy(dict(requests['aws_batch_job_definition.this["report"]']))
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
def test_a_compute_environment_that_aws_refuses(plan: Plan, path: str, value: Any, said: str) -> None:
    request = copy.deepcopy(dict(next(iter(fargate.planned(plan, "aws_batch_compute_environment").values()))))
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
def test_a_queue_that_aws_refuses(plan: Plan, path: str, value: Any, kinds: list[str], said: str) -> None:
    request = copy.deepcopy(dict(next(iter(fargate.planned(plan, "aws_batch_job_queue").values()))))
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
JOB = {"jobName": "main-bwa_mem-a", "jobQueue": "spot", "jobDefinition": "worker"}
OVERRIDES = "containerOverrides."
SUBMISSIONS = [
    ("jobName", "main bwa_mem", DEFINITION, QUEUE, "up to 128 letters"),
    ("jobName", "m" * 129, DEFINITION, QUEUE, "up to 128 letters"),
    ("jobName", "main", DEFINITION | {"status": "INACTIVE"}, QUEUE, "worker is INACTIVE"),
    ("jobName", "main", DEFINITION | {"platformCapabilities": ["EC2"]}, QUEUE, "a definition for EC2"),
    ("jobName", "main", DEFINITION, QUEUE | {"state": "DISABLED"}, "spot is DISABLED"),
    ("jobName", "main", DEFINITION, FAIR, "shareIdentifier is required"),
    ("shareIdentifier", "lab", DEFINITION, QUEUE, "shareIdentifier is only for"),
    ("timeout", {"attemptDurationSeconds": 30}, DEFINITION, QUEUE, "timeout of 30 s"),
    ("retryStrategy", {"attempts": 99}, DEFINITION, QUEUE, "99 attempts"),
    ("tags", {"sample": "a,b"}, DEFINITION, QUEUE, "tag 'sample'"),
    ("arrayProperties", {"size": 1}, DEFINITION, QUEUE, "array of 1"),
    ("dependsOn", [{"jobId": "a"}] * 21, DEFINITION, QUEUE, "21 dependencies"),
    (OVERRIDES + "command", ["x" * 30_720], DEFINITION, QUEUE, "a request of 30829 characters"),
    (OVERRIDES + "environment", [{"name": "AWS_BATCH_JOB", "value": "x"}], DEFINITION, QUEUE, "AWS_BATCH is AWS's own"),
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


def test_the_table_of_sizes_is_aws_s() -> None:
    def gib(vcpus: str) -> Iterator[float]:
        return (int(mib) / 1024 for cpu, mib in fargate.pairs() if cpu == vcpus)

    assert sorted(gib("0.25")) == [0.5, 1, 2]
    assert sorted(gib("4")) == list(range(8, 31))
    assert sorted(gib("16")) == list(range(32, 121, 8))
    assert sorted(gib("32")) == [60, 120, 244]
    assert len(fargate.pairs()) == 77
