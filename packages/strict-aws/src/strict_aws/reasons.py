"""How attempts end, in AWS's own words, and which ends AWS Batch answers with another attempt."""

import json
from collections.abc import Mapping
from typing import Any

# Status reasons of Batch, and the reason of a container that ran out of memory.
EXITED = "Essential container in task exited"
RECLAIMED = "Your Spot Task was interrupted."
TIMED_OUT = "Job attempt duration exceeded timeout"
MEMORY = "OutOfMemoryError: Container killed due to memory usage"
# Status reasons of jobs that Batch takes and ECS refuses: they fail without an attempt.
OVERRIDE_LIMIT, TAG_LIMIT = 8192, 50
LONG_OVERRIDES = f"Container Overrides length must be at most {OVERRIDE_LIMIT}"
MANY_TAGS = f"The combined tags of job and job definition are more than {TAG_LIMIT}"
# Status reasons of a job that is too large for its queue: while it waits, and once its queue has ended it.
TOO_LARGE = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
TOO_LARGE_WAITS = f"{TOO_LARGE} - CE(s) associated with the job queue cannot meet the CPU requirement of the job."
CANCELED = "Canceled by JobStateTimeLimit action due to reason: {}"
# Status reasons of a task that does not start.
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
    """The end of an attempt: the status reason, and the container's reason and exit code if it has them."""

    def __init__(self, status_reason: str, reason: str | None = None, exit_code: int | None = None) -> None:
        """Keep what Batch reports of the attempt."""
        super().__init__(status_reason)
        self.status_reason, self.reason, self.exit_code = status_reason, reason, exit_code

    def container(self) -> dict[str, Any]:
        """Return exit code and reason as DescribeJobs and ListJobs have them: absent where there is none."""
        reported = {"exitCode": self.exit_code, "reason": self.reason}
        return {name: value for name, value in reported.items() if value is not None}


def matches(pattern: str | None, value: object) -> bool:
    """Return whether a value fits a pattern of Batch: the whole text, or its start if the pattern ends with `*`.

    No pattern fits everything.
    """
    if pattern is None:
        return True
    text = "" if value is None else str(value)
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def retried(strategy: dict[str, Any], ended: Ended) -> bool:
    """Return whether a failed attempt is repeated: the first rule of `evaluateOnExit` that fits decides, else yes.

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


def refused(overrides: Mapping[str, Any], added: Mapping[str, str], tags: int) -> str | None:
    """Return why a job that Batch has taken fails without a task, or None if it does not.

    `added` are the variables that Batch adds to the overrides. `tags` counts the tags of the job and of its definition;
    one that both have counts twice, since AWS does not say that it doesn't.
    Source: users' reports of "Container Overrides length must be at most 8192"; botocore, `tags` of SubmitJob.
    """
    environment = [*(overrides.get("environment") or []), *({"name": n, "value": v} for n, v in added.items())]
    if len(json.dumps({**overrides, "environment": environment}, separators=(",", ":"))) > OVERRIDE_LIMIT:
        return LONG_OVERRIDES
    return MANY_TAGS if tags > TAG_LIMIT else None
