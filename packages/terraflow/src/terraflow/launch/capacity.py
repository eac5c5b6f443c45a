"""How many vCPUs the jobs of a run can have at a time: the least of the stack's limit and the account's quota."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from terraflow import checks
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient
    from mypy_boto3_service_quotas.client import ServiceQuotasClient

# Service Quotas' code of Fargate Spot's vCPUs.
SPOT_QUOTA = "L-36FBB829"


@dataclass(frozen=True)
class Capacity:
    """The vCPUs of Fargate Spot at a time, and what limits them; None is unknown."""

    vcpus: float | None
    limit: str = ""


def of_spot(stack: Stack, client: Callable[[str], Any] | None = None) -> Capacity:
    """Ask AWS Batch for max_vcpus, and Service Quotas for the account's quota; what can't be asked does not count."""

    def quickly(service: str) -> Any:  # noqa: ANN401
        config = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=2, read_timeout=5)
        session: Any = boto3.session.Session(region_name=stack.region)
        return session.client(service, config=config)

    client = client or quickly
    limits: list[tuple[float, str]] = []
    for ask, service, words in ((_most, "batch", "spot_max_vcpus"), (_quota, "service-quotas", "the account's quota")):
        try:
            if number := ask(client(service), stack):
                limits.append((number, words))
        except (BotoCoreError, ClientError):
            continue
    return Capacity(*min(limits)) if limits else Capacity(None)


def _most(batch: "BatchClient", stack: Stack) -> float:
    queues = batch.describe_job_queues(jobQueues=[stack.queues["spot"]])["jobQueues"]
    names = [one["computeEnvironment"] for queue in queues for one in queue["computeEnvironmentOrder"]]
    if not names:
        return 0
    found = batch.describe_compute_environments(computeEnvironments=names)["computeEnvironments"]
    return sum(one["computeResources"].get("maxvCpus", 0) for one in found)


def _quota(quotas: "ServiceQuotasClient", _: Stack) -> float:
    return checks.quota_of(quotas, SPOT_QUOTA)
