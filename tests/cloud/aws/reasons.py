"""How attempts end, in AWS's own words, and which ends AWS Batch lets a job try again."""

from typing import Any

# AWS's own words: Batch's status reason, and the container's reason where there is one.
EXITED = "Essential container in task exited"
RECLAIMED = "Your Spot Task was interrupted."
TIMED_OUT = "Job attempt duration exceeded timeout"
MEMORY = "OutOfMemoryError: Container killed due to memory usage"
NO_IMAGE = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {}: not found"
)
NO_NETWORK = (
    "ResourceInitializationError: unable to pull secrets or registry auth: connection issue between task and ECR"
)
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
