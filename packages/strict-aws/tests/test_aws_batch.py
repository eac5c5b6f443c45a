"""Batch: requests that it refuses, definitions and compute environments."""

import copy
from typing import Any

import pytest

from strict_aws import Aws
from strict_helpers import ROLE, code, network_of

CONTAINER = {
    "image": "worker",
    "executionRoleArn": ROLE,
    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}],
}
DEFINITION = {
    "jobDefinitionName": "worker",
    "type": "container",
    "platformCapabilities": ["FARGATE"],
    "containerProperties": CONTAINER,
}


def test_the_first_environment_may_fail_without_service_roles(fresh_strict_aws: Aws) -> None:
    fresh_strict_aws.set(service_roles_at_once=False)
    batch = fresh_strict_aws.client("batch")
    resources = {"type": "FARGATE", "maxvCpus": 4, **network_of(fresh_strict_aws)}
    request = {"type": "MANAGED", "computeResources": resources}
    with pytest.raises(batch.exceptions.ClientException, match="Unable to assume the service linked role"):
        batch.create_compute_environment(computeEnvironmentName="first", **request)
    batch.create_compute_environment(computeEnvironmentName="second", **request)


def test_batch_makes_its_service_linked_role(strict_aws: Aws, queues: None) -> None:
    found = strict_aws.client("batch").describe_compute_environments(computeEnvironments=["spot"])
    [environment] = found["computeEnvironments"]
    assert environment["serviceRole"].endswith("role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch")


def test_a_definition_is_refused_with_all_that_is_wrong(strict_aws: Aws, queues: None) -> None:
    batch, request = strict_aws.client("batch"), copy.deepcopy(DEFINITION)
    request["containerProperties"] |= {"privileged": True, "executionRoleArn": ""}  # type: ignore[operator]
    with pytest.raises(batch.exceptions.ClientException) as caught:
        batch.register_job_definition(**request)
    message = caught.value.response["Error"]["Message"]
    assert "privileged is not for Fargate" in message
    assert "no executionRoleArn" in message


def test_environments_and_queues_are_refused(strict_aws: Aws, queues: None) -> None:
    batch = strict_aws.client("batch")
    resources = {"type": "FARGATE", "maxvCpus": 4, "subnets": [], "securityGroupIds": ["sg-1"]}
    environment = {"computeEnvironmentName": "x", "type": "MANAGED", "computeResources": resources}
    assert code(batch.create_compute_environment, **environment) == "ClientException"
    order = [{"order": 1, "computeEnvironment": "ondemand"}] * 4
    queue = {"jobQueueName": "x", "priority": 1, "computeEnvironmentOrder": order}
    assert code(batch.create_job_queue, **queue) == "ClientException"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"jobQueue": "closed"}, "closed is DISABLED"),
        ({"jobQueue": "missing"}, "missing not found"),
        ({"jobDefinition": "missing"}, "missing does not exist"),
        ({"jobDefinition": "sh:9"}, "sh:9 does not exist"),
        ({"timeout": {"attemptDurationSeconds": 1}}, "timeout of 1 s"),
        ({"containerOverrides": {"command": ["x" * 31000]}}, "at most 30720"),
    ],
)
def test_a_submission_is_refused(strict_aws: Aws, queues: None, changed: dict[str, Any], said: str) -> None:
    batch = strict_aws.client("batch")
    with pytest.raises(batch.exceptions.ClientException) as caught:
        batch.submit_job(**{"jobName": "job", "jobQueue": "spot", "jobDefinition": "sh"} | changed)
    assert said in caught.value.response["Error"]["Message"]


def test_the_newest_active_revision_is_meant(strict_aws: Aws, queues: None) -> None:
    batch = strict_aws.client("batch")
    for _ in range(2):
        batch.register_job_definition(**{**DEFINITION, "jobDefinitionName": "twice"})
    batch.deregister_job_definition(jobDefinition="twice:2")
    strict_aws.set(containers=0)
    submitted = batch.submit_job(jobName="job", jobQueue="spot", jobDefinition="twice")
    [job] = batch.describe_jobs(jobs=[submitted["jobId"]])["jobs"]
    assert job["jobDefinition"].endswith("job-definition/twice:1")
    batch.terminate_job(jobId=submitted["jobId"], reason="seen")
    batch.deregister_job_definition(jobDefinition="twice:1")
    request = {"jobName": "job", "jobQueue": "spot", "jobDefinition": "twice"}
    with pytest.raises(batch.exceptions.ClientException, match="twice is INACTIVE"):
        batch.submit_job(**request)


def test_a_revision_is_as_its_own_request_describes_it(strict_aws: Aws) -> None:
    batch, name = strict_aws.client("batch"), {"jobDefinitionName": "revised"}
    batch.register_job_definition(**DEFINITION | name, timeout={"attemptDurationSeconds": 60}, propagateTags=True)
    batch.register_job_definition(**DEFINITION | name, retryStrategy={"attempts": 2})
    first, second = (
        batch.describe_job_definitions(jobDefinitions=[f"revised:{revision}"])["jobDefinitions"][0]
        for revision in (1, 2)
    )
    assert (first["revision"], first["timeout"]) == (1, {"attemptDurationSeconds": 60})
    assert (second["revision"], second["retryStrategy"]["attempts"]) == (2, 2)
    assert first["propagateTags"] is True and second["propagateTags"] is False
    assert "timeout" not in second and "retryStrategy" not in first


def test_a_changed_environment_keeps_the_change(strict_aws: Aws, queues: None) -> None:
    batch, resources = strict_aws.client("batch"), {"type": "FARGATE", "maxvCpus": 4, **network_of(strict_aws)}
    batch.create_compute_environment(computeEnvironmentName="grows", type="MANAGED", computeResources=resources)
    batch.update_compute_environment(computeEnvironment="grows", computeResources={"maxvCpus": 9})
    [grown] = batch.describe_compute_environments(computeEnvironments=["grows"])["computeEnvironments"]
    assert grown["computeResources"]["maxvCpus"] == 9


def test_a_queue_has_its_time_limits(strict_aws: Aws, queues: None) -> None:
    batch = strict_aws.client("batch")
    [queue] = batch.describe_job_queues(jobQueues=["spot"])["jobQueues"]
    [limit] = queue["jobStateTimeLimitActions"]
    assert (limit["maxTimeSeconds"], limit["action"]) == (600, "CANCEL")
    wrong = {"jobQueue": "ondemand", "jobStateTimeLimitActions": [limit | {"maxTimeSeconds": 1}]}
    assert code(batch.update_job_queue, **wrong) == "ClientException"
    [queue] = batch.describe_job_queues(jobQueues=["ondemand"])["jobQueues"]
    assert queue["jobStateTimeLimitActions"] == []


def test_describe_jobs_takes_a_hundred(strict_aws: Aws) -> None:
    batch = strict_aws.client("batch")
    assert batch.describe_jobs(jobs=["a"] * 100)["jobs"] == []
    assert code(batch.describe_jobs, jobs=["a"] * 101) == "ClientException"
