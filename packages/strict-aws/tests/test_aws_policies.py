"""IAM's rules of evaluation, as `strict_aws.policies` applies them."""

from typing import Any

import pytest

from strict_aws import policies
from strict_aws.policies import Verdict, judge


def policy(effect: str = "Allow", action: Any = "s3:GetObject", resource: Any = "*", **more: Any) -> policies.Policy:
    """A policy of one statement."""
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [{k: v for k, v in statement.items() if v is not None}]}


def conditional(operator: str, key: str, *values: str) -> policies.Policy:
    """A permission under a condition."""
    return policy(Condition={operator: {key: list(values)}})


OBJECT = "arn:aws:s3:::data/raw/a"
RULES = [
    ([policy()], {}, Verdict.ALLOWED),
    ([], {}, Verdict.NOT_ALLOWED),
    ([policy(), policy("Deny")], {}, Verdict.DENIED),
    ([policy(action="S3:getobject")], {}, Verdict.ALLOWED),
    ([policy(action="s3:Get*")], {}, Verdict.ALLOWED),
    ([policy(action="s3:GetObjec?")], {}, Verdict.ALLOWED),
    ([policy(action="s3:GetObjectTagging")], {}, Verdict.NOT_ALLOWED),
    ([policy(action=None, NotAction="s3:Delete*")], {}, Verdict.ALLOWED),
    ([policy(action=None, NotAction=["s3:Get*"])], {}, Verdict.NOT_ALLOWED),
    ([policy(resource="arn:aws:s3:::data/raw/*")], {}, Verdict.ALLOWED),
    ([policy(resource="arn:aws:s3:::data/*")], {}, Verdict.ALLOWED),
    ([policy(resource="arn:aws:s3:::data")], {}, Verdict.NOT_ALLOWED),
    ([policy(resource="arn:aws:s3:::dat[a]/raw/a")], {}, Verdict.NOT_ALLOWED),
    ([policy(resource="arn:*/raw/a")], {}, Verdict.NOT_ALLOWED),
    ([policy(resource=None, NotResource="arn:aws:s3:::data/runs/*")], {}, Verdict.ALLOWED),
    ([conditional("StringEquals", "aws:SourceAccount", "1", "2")], {"aws:sourceaccount": "2"}, Verdict.ALLOWED),
    ([conditional("StringEquals", "aws:SourceAccount", "1")], {}, Verdict.NOT_ALLOWED),
    ([conditional("StringEqualsIfExists", "aws:SourceAccount", "1")], {}, Verdict.ALLOWED),
    ([conditional("StringNotEquals", "aws:SourceAccount", "1", "2")], {"aws:SourceAccount": "2"}, Verdict.NOT_ALLOWED),
    ([conditional("StringNotEquals", "aws:SourceAccount", "1")], {}, Verdict.ALLOWED),
    ([conditional("StringLike", "s3:prefix", "runs/*")], {"s3:prefix": "runs/"}, Verdict.ALLOWED),
    ([conditional("StringLike", "s3:prefix", "runs/*")], {"s3:prefix": "raw/"}, Verdict.NOT_ALLOWED),
    ([conditional("Bool", "aws:SecureTransport", "true")], {"aws:SecureTransport": "false"}, Verdict.NOT_ALLOWED),
    (
        [conditional("ArnLike", "aws:SourceArn", "arn:aws:ecs:*:1:*")],
        {"aws:SourceArn": "arn:aws:ecs:x:1:task/y"},
        Verdict.ALLOWED,
    ),
    (
        [conditional("ArnLike", "aws:SourceArn", "arn:aws:ecs:*:1:*")],
        {"aws:SourceArn": "arn:aws:ecs:x:2:1:y"},
        Verdict.NOT_ALLOWED,
    ),
    (
        [conditional("ForAllValues:StringEquals", "aws:TagKeys", "team", "cost")],
        {"aws:TagKeys": ["team", "cost"]},
        Verdict.ALLOWED,
    ),
    (
        [conditional("ForAllValues:StringEquals", "aws:TagKeys", "team")],
        {"aws:TagKeys": ["team", "cost"]},
        Verdict.NOT_ALLOWED,
    ),
    # A missing key passes ForAllValues, as IAM documents.
    ([conditional("ForAllValues:StringEquals", "aws:TagKeys", "team")], {"aws:TagKeys": []}, Verdict.ALLOWED),
    ([conditional("ForAllValues:StringEquals", "aws:TagKeys", "team")], {}, Verdict.ALLOWED),
    (
        [conditional("ForAnyValue:StringEquals", "aws:TagKeys", "team")],
        {"aws:TagKeys": ["team", "cost"]},
        Verdict.ALLOWED,
    ),
    ([conditional("ForAnyValue:StringEquals", "aws:TagKeys", "team")], {}, Verdict.NOT_ALLOWED),
    ([conditional("Null", "aws:TagKeys", "true")], {}, Verdict.ALLOWED),
]


@pytest.mark.parametrize(("held_policies", "context", "verdict"), RULES)
def test_a_policy_is_evaluated_as_iam_does(
    held_policies: list[policies.Policy], context: dict[str, Any], verdict: Verdict
) -> None:
    assert judge(held_policies, "s3:GetObject", OBJECT, context) is verdict


@pytest.mark.parametrize(
    "unknown",
    [
        conditional("NumericLessThan", "s3:max-keys", "10"),
        policy(resource="arn:aws:s3:::data/${aws:username}/*"),
        policy(Conditions={}),
    ],
)
def test_an_unknown_element_is_an_error(unknown: policies.Policy) -> None:
    with pytest.raises(ValueError):
        judge([unknown], "s3:GetObject", OBJECT, {"s3:max-keys": "5"})
