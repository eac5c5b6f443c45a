"""Compute environments of Batch, and the service-linked roles that they need."""

from typing import Any

from moto.batch.exceptions import ClientException
from moto.batch.models import BatchBackend
from moto.iam.exceptions import NotFoundException
from moto.iam.models import SERVICE_NAME_CONVERSION

from strict_aws.state import STATE

SERVICE_ROLES = {"AWSServiceRoleForBatch": "batch", "AWSServiceRoleForECS": "ecs"}
UNUSABLE = "Unable to assume the service linked role. Please verify that the ECS service linked role exists"


def linked_role(backend: BatchBackend) -> str:
    """Return the ARN of Batch's service-linked role; make it and ECS's with the first environment of the account.

    While the setting `service_roles_at_once` is off, they are not usable at once, and that environment fails.
    """
    iam = backend.iam_backend
    with STATE.lock:
        missing = []
        for name, service in SERVICE_ROLES.items():
            try:
                iam.get_role(name)
            except NotFoundException:
                missing.append(name)
                path = f"/aws-service-role/{service}.amazonaws.com/"
                iam.create_role(name, "{}", path, None, "Made by AWS", [], "3600")
        if missing and not STATE.setting("service_roles_at_once"):
            raise ClientException(UNUSABLE)
        return str(iam.get_role("AWSServiceRoleForBatch").arn)


def patch() -> None:
    """Make moto take compute environments that AWS takes, keep changes of them, and name their roles as AWS does."""
    SERVICE_NAME_CONVERSION.update(batch="Batch", ecs="ECS")
    create, update = BatchBackend.create_compute_environment, BatchBackend.update_compute_environment
    describe = BatchBackend.describe_compute_environments

    def create_compute_environment(
        self: BatchBackend,
        compute_environment_name: str,
        _type: str,
        state: str,
        compute_resources: dict[str, Any],
        service_role: str | None,
        tags: dict[str, str] | None = None,
    ) -> Any:
        role = service_role or linked_role(self)
        return create(self, compute_environment_name, _type, state or "ENABLED", compute_resources, role, tags)

    def update_compute_environment(
        self: BatchBackend, compute_environment_name: str, compute_resources: Any = None, **rest: Any
    ) -> Any:
        done = update(self, compute_environment_name, compute_resources=compute_resources, **rest)
        # moto ignores changes of the resources.
        environment = self.get_compute_environment(compute_environment_name)
        if environment and compute_resources:
            environment.compute_resources |= compute_resources
        return done

    def describe_compute_environments(self: BatchBackend, environments: list[str] | None = None) -> Any:
        found = describe(self, environments)
        for environment in found:
            environment["containerOrchestrationType"] = "ECS"
        return found

    BatchBackend.create_compute_environment = create_compute_environment  # type: ignore[method-assign]
    BatchBackend.update_compute_environment = update_compute_environment  # type: ignore[method-assign,assignment]
    BatchBackend.describe_compute_environments = describe_compute_environments  # type: ignore[method-assign]
