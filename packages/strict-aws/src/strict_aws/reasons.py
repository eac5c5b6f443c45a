"""How attempts end, in AWS's own words, and which ends AWS Batch lets a job try again."""

import json
from collections.abc import Mapping
from typing import Any

# AWS's own words: Batch's status reason, and the container's reason where there is one.
EXITED = "Essential container in task exited"
RECLAIMED = "Your Spot Task was interrupted."
TIMED_OUT = "Job attempt duration exceeded timeout"
MEMORY = "OutOfMemoryError: Container killed due to memory usage"
# Of jobs that Batch took and ECS refuses: they fail without an attempt.
OVERRIDE_LIMIT, TAG_LIMIT = 8192, 50
LONG_OVERRIDES = f"Container Overrides length must be at most {OVERRIDE_LIMIT}"
MANY_TAGS = f"The combined tags of job and job definition are more than {TAG_LIMIT}"
# Of jobs at the head of a queue that can never start, and of those that their queue has ended for it.
TOO_LARGE = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
TOO_LARGE_TOLD = f"{TOO_LARGE} - CE(s) associated with the job queue cannot meet the CPU requirement of the job."
LIMITED = "Canceled by JobStateTimeLimit action due to reason: {}"
NO_IMAGE = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {}: not found"
)
NO_NETWORK = (
    "ResourceInitializationError: unable to pull secrets or registry auth: connection issue between task and ECR"
)
NO_INTERFACE = "Rate limit exceeded while preparing network interface to be attached to instance"
NO_CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
NO_LOGS = "ResourceInitializationError: failed to validate logger args: The specified log group does not exist: {}"


class Ended(Exception):
    """How an attempt ended."""

    def __init__(self, status_reason: str, reason: str | None = None, exit_code: int | None = None) -> None:
        super().__init__(status_reason)
        self.status_reason, self.reason, self.exit_code = status_reason, reason, exit_code


def matches(pattern: str | None, value: object) -> bool:
    """AWS's patterns: whole, or the start if `*` ends them; no pattern fits everything."""
    if pattern is None:
        return True
    text = "" if value is None else str(value)
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def retried(strategy: dict[str, Any], ended: Ended) -> bool:
    """Whether a failed attempt is repeated: the first rule of `evaluateOnExit` that fits decides, none means yes.

    Source: AWS Batch User Guide, "Automated job retries".
    """
    for rule in strategy.get("evaluateOnExit") or []:
        if (
            matches(rule.get("onStatusReason"), ended.status_reason)
            and matches(rule.get("onReason"), ended.reason)
            and matches(rule.get("onExitCode"), ended.exit_code)
        ):
            return bool(rule["action"].upper() == "RETRY")
    return True


def refused(overrides: Mapping[str, Any], batch_s: Mapping[str, str], tags: int) -> str | None:
    """Why a job that Batch has taken fails without a task; `batch_s` are Batch's variables among the overrides.

    `tags` are the job's and the definition's; what both have counts twice, which AWS does not deny.

    Source: users' reports of "Container Overrides length must be at most 8192"; botocore, `tags` of SubmitJob.
    """
    environment = [*(overrides.get("environment") or []), *({"name": n, "value": v} for n, v in batch_s.items())]
    if len(json.dumps({**overrides, "environment": environment}, separators=(",", ":"))) > OVERRIDE_LIMIT:
        return LONG_OVERRIDES
    return MANY_TAGS if tags > TAG_LIMIT else None
