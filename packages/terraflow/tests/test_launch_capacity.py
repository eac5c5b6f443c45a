"""How many vCPUs a run can have: the least of what the stack and the account allow, as far as one may ask."""

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from run_objects import STACK
from terraflow.launch.capacity import Capacity, of_spot


class NoSuchResourceException(ClientError):
    """What Service Quotas says of a quota that nobody has had changed."""


class Quotas:
    """Service Quotas: a quota that was changed, or its default only."""

    class exceptions:
        NoSuchResourceException = NoSuchResourceException

    def __init__(self, changed: float | None, default: float = 6) -> None:
        self.changed, self.default = changed, default

    def get_service_quota(self, ServiceCode: str, QuotaCode: str) -> Mapping[str, Any]:
        assert (ServiceCode, QuotaCode) == ("fargate", "L-36FBB829")
        if self.changed is None:
            raise NoSuchResourceException({"Error": {"Code": "NoSuchResourceException", "Message": ""}}, "x")
        return {"Quota": {"Value": self.changed}}

    def get_aws_default_service_quota(self, **_: str) -> Mapping[str, Any]:
        return {"Quota": {"Value": self.default}}


class Environments:
    """AWS Batch with the spot queue's compute environment."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def describe_job_queues(self, jobQueues: list[str]) -> Mapping[str, Any]:
        assert jobQueues == ["terraflow-spot"]
        return {"jobQueues": [{"computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "spot-1"}]}]}

    def describe_compute_environments(self, computeEnvironments: list[str]) -> Mapping[str, Any]:
        assert computeEnvironments == ["spot-1"]
        return {"computeEnvironments": [{"computeResources": {"maxvCpus": self.limit}}]}


DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "x")
FAR = EndpointConnectionError(endpoint_url="https://servicequotas.us-east-1.amazonaws.com")


@pytest.mark.parametrize(
    ("batch", "quotas", "capacity"),
    [
        (Environments(256), Quotas(None), Capacity(6, "the account's quota")),
        (Environments(256), Quotas(1000), Capacity(256, "spot_max_vcpus")),
        (Environments(256), Quotas(96), Capacity(96, "the account's quota")),
        (Environments(256), DENIED, Capacity(256, "spot_max_vcpus")),
        (Environments(256), FAR, Capacity(256, "spot_max_vcpus")),
        (DENIED, Quotas(96), Capacity(96, "the account's quota")),
        (DENIED, FAR, Capacity(None)),
    ],
)
def test_the_least_counts_of_what_may_be_asked(batch: Any, quotas: Any, capacity: Capacity) -> None:
    def client(service: str) -> Any:
        found = {"batch": batch, "service-quotas": quotas}[service]
        if isinstance(found, Exception):
            raise found
        return found

    assert of_spot(STACK, client) == capacity
