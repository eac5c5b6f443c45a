"""The present state of a run: one object, which the head writes anew as jobs move on, every few seconds at most.

Times are milliseconds since 1970, sizes are bytes, money is US dollars; None is unknown.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

RUNNING = "running"
DONE = "done"
FAILED = "failed"
# No further job was submitted, since the run would have cost more than allowed.
OVER_BUDGET = "over budget"
# Ended by a person.
STOPPED = "stopped"


@dataclass(frozen=True)
class RuleCount:
    """Jobs of one rule, without those that were done before this head began."""

    total: int = 0
    waiting: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0


@dataclass(frozen=True)
class LiveJob:
    """A job that is in Batch and has not ended."""

    native_id: str
    process: str
    wildcards: Mapping[str, str]
    is_group: bool
    status: str
    # When it was first seen in this status, and what Batch says about it.
    since: int
    reason: str
    queue: str
    spot: bool
    cpus: float
    memory: int
    disk: int
    submit: int
    # The rules in it, each with its wildcards.
    steps: tuple[tuple[str, Mapping[str, str]], ...] = ()


@dataclass(frozen=True)
class Failure:
    """Why a job has failed, in the executor's words."""

    native_id: str
    process: str
    wildcards: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Live:
    """State of a run, as its head saw it when it wrote this."""

    run: str
    head: str
    who: str
    state: str
    started: int
    updated: int
    ended: int | None = None
    rules: Mapping[str, RuleCount] = field(default_factory=dict)
    jobs: tuple[LiveJob, ...] = ()
    failures: tuple[Failure, ...] = ()
    budget: float | None = None
    # The cost of all attempts of all heads, those that run included.
    spent: float | None = None
    message: str = ""


def to_json(live: Live) -> bytes:
    """Return it as JSON."""
    return json.dumps(asdict(live), separators=(",", ":")).encode()


def from_json(body: bytes) -> Live:
    """Return what `to_json` wrote; fields that a later version has added are left out."""
    given = _known(Live, json.loads(body))
    given["rules"] = {rule: RuleCount(**_known(RuleCount, count)) for rule, count in given.get("rules", {}).items()}
    given["jobs"] = tuple(
        LiveJob(**{**_known(LiveJob, job), "steps": tuple((name, tags) for name, tags in job.get("steps", ()))})
        for job in given.get("jobs", ())
    )
    given["failures"] = tuple(Failure(**_known(Failure, failure)) for failure in given.get("failures", ()))
    return Live(**given)


def _known(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in kind.__dataclass_fields__ if name in given}  # type: ignore[attr-defined]
