"""What a test may set, and what the server remembers beside moto's own state; `clear()` forgets it all."""

import threading
from dataclasses import dataclass, field
from typing import Any

# The address under which the server takes orders from tests. No bucket can have this name.
ADMIN = "/moto-api/strict/"


@dataclass
class State:
    """Settings by name (see `DEFAULTS`), faults that wait, and the log of requests."""

    settings: dict[str, Any] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def clear(self) -> None:
        """Back to how the server starts."""
        with self.lock:
            self.settings.clear()
            self.faults.clear()
            self.requests.clear()

    def setting(self, name: str) -> Any:
        """The value a test has set, or the default."""
        return self.settings.get(name, DEFAULTS[name])


DEFAULTS: dict[str, Any] = {
    # host:port of a registry that stands behind ECR, with the user and password it takes; None: AWS's own names.
    "registry": None,
    "registry_password": "secret",
    # Fargate's quotas of a region, in vCPUs.
    "fargate_ondemand_vcpus": 6,
    "fargate_spot_vcpus": 6,
    # How many containers the machine carries at once, whatever the compute environments would allow.
    "containers": 4,
    # Seconds between the call that stops a container and the end of it (AWS: 30 after SIGTERM).
    "stop_seconds": 2,
    # Length of a job's second, for time limits, which are of 60 s at least.
    "job_second": 1.0,
    # For how long after SubmitJob neither DescribeJobs nor ListJobs know of a job.
    "invisible_seconds": 0,
    # Quotas that someone has had changed: GetServiceQuota tells of these only. Names of the settings above.
    "quotas_changed": [],
    # False: compute environments can't be made before Batch's and ECS's service-linked roles stand.
    "service_roles_at_once": True,
    # Whether calls with a role's credentials are held against the role's policies.
    "enforce_roles": True,
}

STATE = State()
