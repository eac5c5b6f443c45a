"""AWS's own roles for Batch and ECS: made where they are missing, left alone where they stand."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.iam.models import SERVICE_NAME_CONVERSION

from terraflow import service_roles

BOTH = ["AWSServiceRoleForBatch", "AWSServiceRoleForECS"]


@pytest.fixture
def iam(account: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An account without roles, and with AWS's names for them."""
    for service, name in {"batch": "Batch", "ecs": "ECS"}.items():
        monkeypatch.setitem(SERVICE_NAME_CONVERSION, service, name)
    client = boto3.client("iam")
    monkeypatch.setattr(service_roles.boto3, "client", lambda _: client)
    return client


def roles(iam: Any) -> dict[str, Any]:
    """The account's roles with their ids."""
    return {role["RoleName"]: role["RoleId"] for role in iam.list_roles()["Roles"]}


def test_both_are_made_once(iam: Any) -> None:
    assert service_roles.create_missing() == (BOTH, [])
    before = roles(iam)
    assert sorted(before) == BOTH
    assert service_roles.create_missing() == ([], [])
    assert roles(iam) == before


def test_one_that_stands_is_left_alone(iam: Any) -> None:
    iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    before = roles(iam)
    assert service_roles.create_missing() == (BOTH[:1], [])
    assert roles(iam)["AWSServiceRoleForECS"] == before["AWSServiceRoleForECS"]


@pytest.mark.parametrize(
    ("code", "problems"),
    [
        # They stand, and these credentials may not see them.
        ("InvalidInput", 0),
        ("AccessDenied", 2),
    ],
)
def test_those_that_can_not_be_made_are_told(
    iam: Any, monkeypatch: pytest.MonkeyPatch, code: str, problems: int
) -> None:
    def refuse(**_: str) -> None:
        raise iam.exceptions.from_code(code)({"Error": {"Code": code, "Message": "no"}}, "CreateServiceLinkedRole")

    def hide(**_: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole")

    monkeypatch.setattr(iam, "create_service_linked_role", refuse)
    monkeypatch.setattr(iam, "get_role", hide)
    created, told = service_roles.create_missing()
    assert created == [] and len(told) == problems
    assert all("could not be made" in problem and code in problem for problem in told)
