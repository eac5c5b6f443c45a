"""The stack as Fargate takes it: nothing is wrong with it in any form, and each fault in a broken one is found."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stacks import Deployed, Stack

from strict_aws import Aws, fargate, terraform_plan

Plan = dict[str, Any]


def problems(plan: Plan) -> list[str]:
    """All that is wrong with what a plan will leave standing."""
    definitions = terraform_plan.planned(plan, "aws_batch_job_definition").values()
    environments = terraform_plan.planned(plan, "aws_batch_compute_environment").values()
    queues = terraform_plan.planned(plan, "aws_batch_job_queue").values()
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
    """Return the stack with its defaults."""
    return replan()


def test_the_stack_is_fit_for_fargate(plan: Plan) -> None:
    assert problems(plan) == []


def test_so_is_a_public_stack_on_arm_with_every_size_of_disk(replan: Callable[..., Plan]) -> None:
    sizes = [20, 21, 50, 100, 199, 200]
    changed = replan(architecture="ARM64", network="public", disk_gib=sizes, attempts=10, timeout_hours=1)
    assert problems(changed) == []
    containers = [
        d["containerProperties"] for d in terraform_plan.planned(changed, "aws_batch_job_definition").values()
    ]
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
    environments = terraform_plan.planned(changed, "aws_batch_compute_environment").values()
    assert all(sorted(environment["computeResources"]["subnets"]) == ids for environment in environments)


# Changes of terraform/batch.tf, and what has to be said of each. Terraform takes all of it.
BROKEN = [
    ("executionRoleArn = aws_iam_role.execution.arn", "privileged = true", "privileged is not for Fargate"),
    ("executionRoleArn = aws_iam_role.execution.arn", "privileged = true", "no executionRoleArn"),
    ('["FARGATE"]', '["EC2"]', "platformCapabilities ['EC2']"),
    ('["FARGATE"]', '["EC2"]', "a definition for EC2 on a queue of FARGATE"),
    ('memory, "2048")', 'memory, "512")', "1 vCPU with 512 MiB"),
    ("sizeInGiB = each.value.disk_gib", "sizeInGiB = each.value.disk_gib + 150", "ephemeral storage of 350 GiB"),
    ('type = "MEMORY"', 'type = "GPU", value = "1" }, { type = "MEMORY"', "GPU: Fargate has none"),
    ("{ initProcessEnabled = true }", "{ sharedMemorySize = 64 }", "linuxParameters.sharedMemorySize is not for"),
    ('"awslogs"\n', '"json-file"\n', "log driver 'json-file'"),
    ('"AWS_DEFAULT_REGION"', '"AWS_BATCH_REGION"', "environment variable AWS_BATCH_REGION"),
    ("jobRoleArn ", "jobRole    ", 'Unknown parameter in containerProperties: "jobRole"'),
]


@pytest.fixture(scope="module")
def broken_stack(deployed_stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the findings for a copy of the stack with every change of `BROKEN`."""
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
