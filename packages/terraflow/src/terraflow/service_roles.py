"""Creates the service-linked roles of AWS Batch and ECS before Terraform needs them.

AWS creates them with an account's first compute environment, which then can fail because they can't be used yet.
"""

from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError, WaiterError

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient

SERVICES = {"AWSServiceRoleForBatch": "batch.amazonaws.com", "AWSServiceRoleForECS": "ecs.amazonaws.com"}
# AWS's message while a role exists and can't be used yet.
NOT_READY = "Unable to assume the service linked role"


def create_missing() -> tuple[list[str], list[str]]:
    """Create the roles that the account lacks; return their names, and why others could not be created."""
    iam = boto3.client("iam")
    created, problems = [], []
    for role, service in SERVICES.items():
        if _exists(iam, role):
            continue
        try:
            iam.create_service_linked_role(AWSServiceName=service)
            iam.get_waiter("role_exists").wait(RoleName=role, WaiterConfig={"Delay": 2, "MaxAttempts": 30})
            created.append(role)
        except iam.exceptions.InvalidInputException:
            # It exists, and these credentials may not see it.
            continue
        except (ClientError, WaiterError) as error:
            problems.append(f"Role {role} could not be made ({error}); AWS may make it by itself.")
    return created, problems


def _exists(iam: "IAMClient", role: str) -> bool:
    try:
        iam.get_role(RoleName=role)
    except ClientError:
        return False
    return True
