"""`make deploy` over a stack that the first release made: its changes, and that no resource is lost.

`landed_state.json` is the Terraform state of that release's stack with its defaults, applied to the tests' AWS; without
outputs, data sources and what providers keep for themselves.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stacks import Stack

STATE = Path(__file__).parent / "landed_state.json"
Changes = dict[str, list[str]]


def changes(plan: dict[str, Any]) -> Changes:
    """Actions by address, of what is not left alone."""
    found = {change["address"]: change["change"]["actions"] for change in plan["resource_changes"]}
    return {address: actions for address, actions in found.items() if actions not in (["no-op"], ["read"])}


@pytest.fixture(scope="module")
def replan(new_stack: Callable[[], Stack]) -> Callable[..., Changes]:
    """Plans over the old state, without looking into the account."""
    stack = new_stack()
    shutil.copy(STATE, stack.folder / "terraform.tfstate")

    def plan(**variables: Any) -> Changes:
        return changes(stack.plan("-refresh=false", **variables))

    return plan


def test_nothing_is_taken_away_and_nothing_moves(replan: Callable[..., Changes]) -> None:
    planned = replan()
    # A definition's retry rules can't be changed in its place: it gets another revision.
    replaced = {address for address, actions in planned.items() if actions != ["update"]}
    assert {address.partition(".")[0] for address in replaced} == {"aws_batch_job_definition"}
    assert all(planned[address] == ["delete", "create"] for address in replaced)
    kinds = {address.partition(".")[0] for address in planned}
    assert kinds <= {
        "aws_batch_job_definition",
        "aws_batch_job_queue",
        "aws_iam_policy",
        "aws_iam_role_policy",
        "aws_s3_bucket_lifecycle_configuration",
    }
    # The old state was really read: these are the changes of this release.
    assert {"aws_batch_job_definition", "aws_s3_bucket_lifecycle_configuration"} <= kinds


def test_without_heads_only_theirs_goes(replan: Callable[..., Changes]) -> None:
    gone = {address for address, actions in replan(head_jobs=False).items() if actions == ["delete"]}
    assert gone == {
        'aws_batch_compute_environment.this["head"]',
        'aws_batch_job_definition.this["head"]',
        'aws_batch_job_queue.this["head"]',
        "aws_iam_role.head[0]",
        "aws_iam_role_policy.head[0]",
        'aws_vpc_endpoint.interface["batch"]',
    }


def test_the_state_holds_what_may_not_be_lost() -> None:
    addresses = {f"{r['type']}.{r['name']}" for r in json.loads(STATE.read_text())["resources"]}
    assert {"aws_s3_bucket.data", "aws_ecr_repository.this", "aws_cloudwatch_log_group.jobs"} <= addresses
