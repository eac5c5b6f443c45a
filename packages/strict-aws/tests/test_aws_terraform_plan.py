"""Batch resources of a Terraform plan, and the checks on them."""

import json
from typing import Any

from strict_aws import fargate
from strict_aws.terraform_plan import planned

UNKNOWN = "(known after apply)"
CONTAINER = {
    "image": "worker:1",
    "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
}
VALUES = {
    "aws_batch_job_definition": {
        "name": "worker",
        "type": "container",
        "platform_capabilities": ["FARGATE"],
        "container_properties": json.dumps(CONTAINER),
        "retry_strategy": [{"attempts": 3, "evaluate_on_exit": []}],
        "timeout": [{"attempt_duration_seconds": 30}],
        "tags_all": {"team": "data"},
    },
    "aws_batch_compute_environment": {
        "name": "spot",
        "type": "MANAGED",
        "state": "ENABLED",
        "compute_resources": [{"type": "FARGATE_SPOT", "max_vcpus": 4, "min_vcpus": 0, "security_group_ids": ["sg-1"]}],
    },
    "aws_batch_job_queue": {
        "name": "spot",
        "priority": 1,
        "state": "ENABLED",
        "compute_environment_order": [{"order": 1}],
        "job_state_time_limit_action": [],
    },
}


def plan_of(values: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a plan with one resource of each kind; the subnets are not known yet."""
    resources = [{"address": f"{kind}.this", "type": kind, "values": given} for kind, given in values.items()]
    unknown = {"compute_resources": [{"subnets": True}]}
    change = {"address": "aws_batch_compute_environment.this", "change": {"after_unknown": unknown}}
    return {"planned_values": {"root_module": {"resources": resources}}, "resource_changes": [change]}


def test_a_plan_is_checked_before_it_is_applied() -> None:
    plan = plan_of(VALUES)
    definition = planned(plan, "aws_batch_job_definition")["aws_batch_job_definition.this"]
    environment = planned(plan, "aws_batch_compute_environment")["aws_batch_compute_environment.this"]
    queue = planned(plan, "aws_batch_job_queue")["aws_batch_job_queue.this"]
    assert environment["computeResources"] == {
        "type": "FARGATE_SPOT",
        "maxvCpus": 4,
        "securityGroupIds": ["sg-1"],
        "subnets": [UNKNOWN],
    }
    assert fargate.check_environment(environment) == []
    assert fargate.check_queue(queue, ["FARGATE_SPOT"]) == []
    assert fargate.check_definition(definition) == [
        "1 vCPU with 512 MiB: Fargate has no such pair",
        "timeout of 30 s, at least 60",
    ]
