"""IAM policies, evaluated as AWS does: an explicit deny wins over an allow, and without either nothing is allowed.

Knows the elements that one account needs: Effect, Action and NotAction, Resource and NotResource, Principal (in bucket
policies and trust policies) and Condition. An unknown element, operator or policy variable raises ValueError.
Source: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements".
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any

Policy = Mapping[str, Any]
# Condition keys of a call; several values only for keys such as aws:TagKeys.
Context = Mapping[str, str | list[str]]


class Verdict(Enum):
    """Result of the evaluation of a call."""

    ALLOWED = "allowed"
    DENIED = "explicitly denied"
    NOT_ALLOWED = "implicitly denied"


def parse(document: str | Policy) -> Policy:
    """Return a policy from its JSON text."""
    policy: Policy = json.loads(document) if isinstance(document, str) else document
    return policy


def judge(
    identity: Iterable[Policy],
    action: str,
    resource: str,
    context: Context | None = None,
    *,
    resource_policies: Iterable[Policy] = (),
    principal: str = "",
) -> Verdict:
    """Evaluate a call: the caller's identity policies, and the policies of the resource that name the `principal`.

    `context` has the condition keys of the call; their case does not matter.
    """
    context = {key.lower(): value for key, value in (context or {}).items()}
    fitting = [s["Effect"] for s in _statements(identity) if _fits(s, action, resource, context)]
    for statement in _statements(resource_policies):
        if _principal_fits(statement, principal) and _fits(statement, action, resource, context):
            fitting.append(statement["Effect"])
    if "Deny" in fitting:
        return Verdict.DENIED
    return Verdict.ALLOWED if "Allow" in fitting else Verdict.NOT_ALLOWED


def wildcard_actions(policies: Iterable[Policy]) -> list[str]:
    """Return the allowed actions that contain a wildcard, and every NotAction, which is a wildcard by nature."""
    allowing = [statement for statement in _statements(policies) if statement["Effect"] == "Allow"]
    named = [action for statement in allowing for action in _list(statement.get("Action"))]
    turned = [f"not {action}" for statement in allowing for action in _list(statement.get("NotAction"))]
    return [action for action in named if "*" in action or "?" in action] + turned


def _list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _statements(policies: Iterable[Policy]) -> Iterator[Policy]:
    for policy in policies:
        for statement in _list(policy["Statement"]):
            unknown = statement.keys() - STATEMENT
            if unknown:
                raise ValueError(f"unknown element of a statement: {', '.join(sorted(unknown))}")
            yield statement


STATEMENT = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition"}


def _fits(statement: Policy, action: str, resource: str, context: Context) -> bool:
    # A trust policy belongs to a role and names no resource.
    own = "Principal" in statement and not {"Resource", "NotResource"} & statement.keys()
    return (
        _named(statement, "Action", lambda pattern: like(pattern.lower(), action.lower()))
        and (own or _named(statement, "Resource", _arn(resource)))
        and all(
            _condition(operator, key, _list(values), context)
            for operator, keys in (statement.get("Condition") or {}).items()
            for key, values in keys.items()
        )
    )


def _named(statement: Policy, element: str, fits: Callable[[str], bool]) -> bool:
    """Return whether an element fits, or whether its Not… form does not."""
    turned = f"Not{element}" in statement
    patterns = _list(statement[f"Not{element}" if turned else element])
    return any(fits(pattern) for pattern in patterns) != turned


def _arn(resource: str) -> Callable[[str], bool]:
    return lambda pattern: arn_like(pattern, resource)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    if "${" in pattern:
        raise ValueError(f"policy variables are not supported: {pattern}")
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(letter, re.escape(letter)) for letter in pattern), re.DOTALL)


def like(pattern: str, value: str) -> bool:
    """Return whether a value fits a pattern with IAM's wildcards: `*` for any characters, `?` for one."""
    return _pattern(pattern).fullmatch(value) is not None


def arn_like(pattern: str, arn: str) -> bool:
    """Return whether an ARN fits a pattern, part by part of its six; `*` alone fits every resource."""
    if pattern == "*":
        return True
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) == 6 and all(map(like, patterns, parts))


def _principal_fits(statement: Policy, principal: str) -> bool:
    named = statement["Principal"]
    if named == "*":
        return True
    return any(value in ("*", principal) for values in named.values() for value in _list(values))


def _bool(wanted: str, value: str) -> bool:
    return wanted.lower() == value.lower()


def _ignoring_case(wanted: str, value: str) -> bool:
    return wanted.casefold() == value.casefold()


def _equal(wanted: str, value: str) -> bool:
    return wanted == value


OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _ignoring_case,
    "StringLike": like,
    "ArnEquals": arn_like,
    "ArnLike": arn_like,
    "Bool": _bool,
}
NEGATIVE = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def _condition(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    """Evaluate one operator on one key. A missing key fails a positive operator and passes a negative one."""
    given = context.get(key.lower())
    if operator == "Null":
        return [str(value).lower() for value in wanted] == [str(given is None).lower()]
    quantifier, _, name = operator.rpartition(":")
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    turned = name in NEGATIVE
    compare = OPERATORS.get(NEGATIVE.get(name, name))
    if compare is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise ValueError(f"unknown condition operator: {operator}")
    if given is None:
        return if_exists or turned or quantifier == "ForAllValues"
    found = [any(compare(str(want), value) for want in wanted) != turned for value in _list(given)]
    return all(found) if quantifier == "ForAllValues" or (turned and not quantifier) else any(found)
