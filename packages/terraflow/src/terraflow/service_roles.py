"""The roles that AWS Batch and ECS act with in an account, made before Terraform needs them.

An account that never used these services gets them with its first compute environment, which can then fail because they
can't be used yet.
"""

from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError, WaiterError

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient

SERVICES = {"AWSServiceRoleForBatch": "batch.amazonaws.com", "AWSServiceRoleForECS": "ecs.amazonaws.com"}
# What AWS says while a role that is there can't be used yet.
NOT_READY = "Unable to assume the service linked role"


def make_missing() -> tuple[list[str], list[str]]:
    """Names of the roles that were made, and why others could not be; those that stand are left alone."""
    iam = boto3.client("iam")
    made, problems = [], []
    for role, service in SERVICES.items():
        if _stands(iam, role):
            continue
        try:
            iam.create_service_linked_role(AWSServiceName=service)
            iam.get_waiter("role_exists").wait(RoleName=role, WaiterConfig={"Delay": 2, "MaxAttempts": 30})
            made.append(role)
        except iam.exceptions.InvalidInputException:
            # It stands, and these credentials may not see it.
            continue
        except (ClientError, WaiterError) as error:
            problems.append(f"Role {role} could not be made ({error}); AWS may make it by itself.")
    return made, problems


def _stands(iam: "IAMClient", role: str) -> bool:
    try:
        iam.get_role(RoleName=role)
    except ClientError:
        return False
    return True
