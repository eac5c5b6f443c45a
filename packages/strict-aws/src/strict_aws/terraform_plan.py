"""Batch resources of a Terraform plan as requests, for the checks of `fargate.py`."""

import json
import re
from collections.abc import Mapping
from typing import Any

from strict_aws.botocore_model import Request


def _camel(name: str) -> str:
    return {"max_vcpus": "maxvCpus", "min_vcpus": "minvCpus", "desired_vcpus": "desiredvCpus"}.get(
        name, re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
    )


def _request(values: Any) -> Any:
    """Return planned values under AWS's names, without those that are not set."""
    if isinstance(values, list):
        return [_request(value) for value in values]
    if not isinstance(values, dict):
        return values
    return {_camel(key): _request(value) for key, value in values.items() if value not in (None, [], {}, "")}


def planned(plan: Mapping[str, Any], kind: str) -> dict[str, Request]:
    """Return the resources of a kind that a plan leaves standing, as requests, by their address.

    `plan` is what `terraform show -json` prints; `kind` is `aws_batch_job_definition`, `aws_batch_compute_environment`
    or `aws_batch_job_queue`. A value that Terraform knows only after the apply is "(known after apply)".
    """
    resources = plan["planned_values"]["root_module"]["resources"]
    unknown = {change["address"]: change["change"]["after_unknown"] for change in plan.get("resource_changes", [])}
    convert = {
        "aws_batch_job_definition": _definition,
        "aws_batch_compute_environment": _compute_environment,
        "aws_batch_job_queue": _queue,
    }[kind]
    return {
        resource["address"]: convert(_filled(resource["values"], unknown.get(resource["address"])))
        for resource in resources
        if resource["type"] == kind
    }


def _filled(values: Any, unknown: Any) -> Any:
    """Return planned values with "(known after apply)" for those that are not known yet."""
    if unknown is True:
        return "(known after apply)"
    if isinstance(unknown, dict):
        known = values or {}
        return {key: _filled(known.get(key), unknown.get(key)) for key in known.keys() | unknown.keys()}
    if isinstance(unknown, list) and isinstance(values, list) and len(unknown) == len(values):
        return [_filled(value, word) for value, word in zip(values, unknown, strict=True)]
    return values


def _definition(values: Mapping[str, Any]) -> Request:
    # The JSON has AWS's own names, and keys that AWS does not know have to stay for the checks to find.
    container = json.loads(values["container_properties"]) if values.get("container_properties") else None
    keep = ("type", "platform_capabilities", "propagate_tags", "scheduling_priority", "parameters")
    request: dict[str, Any] = {_camel(key): values[key] for key in keep if values.get(key)}
    request |= {"jobDefinitionName": values["name"], "tags": values.get("tags_all") or {}}
    for block in ("retry_strategy", "timeout"):
        if values.get(block):
            request[_camel(block)] = _request(values[block][0])
    return request | ({"containerProperties": container} if container else {})


def _compute_environment(values: Mapping[str, Any]) -> Request:
    prefix = values.get("compute_environment_name_prefix")
    name = values.get("compute_environment_name") or values.get("name") or f"{prefix}20000101000000000000000001"
    resources = _request(values["compute_resources"][0]) if values.get("compute_resources") else {}
    # Terraform's plan has 0 for figures that are not set, which it does not send.
    resources = {key: value for key, value in resources.items() if key == "maxvCpus" or value != 0}
    for key in ("subnets", "securityGroupIds"):
        if isinstance(resources.get(key), str):
            resources[key] = [resources[key]]
    tags = values.get("tags_all") or {}
    request = {"computeEnvironmentName": name, "type": values["type"], "computeResources": resources, "tags": tags}
    return request | ({"state": values["state"]} if values.get("state") else {})


def _queue(values: Mapping[str, Any]) -> Request:
    order = [
        {"order": entry["order"], "computeEnvironment": entry.get("compute_environment") or f"unknown-{index}"}
        for index, entry in enumerate(values.get("compute_environment_order") or [])
    ]
    request = {"jobQueueName": values["name"], "priority": values["priority"], "computeEnvironmentOrder": order}
    limits = {"jobStateTimeLimitActions": _request(values.get("job_state_time_limit_action") or [])}
    return request | limits | {"state": values["state"], "tags": values.get("tags_all") or {}}
