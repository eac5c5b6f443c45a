"""The server's own state beside moto's: settings, faults that wait, and the log of requests."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Settings by name, with the values that a server starts with. docs/settings.md describes them to users.
DEFAULTS: dict[str, Any] = {
    # HOST:PORT of a registry that stands behind ECR, and the password that it takes from the user AWS.
    "registry": None,
    "registry_password": "secret",
    # Fargate's quotas of an account in a region, in vCPUs.
    "fargate_ondemand_vcpus": 6,
    "fargate_spot_vcpus": 6,
    # Names of those two settings whose quota somebody has had changed: GetServiceQuota knows no others.
    "quotas_changed": [],
    # Containers that run at once, whatever the compute environments would allow.
    "containers": 4,
    # Seconds between SIGTERM and SIGKILL for a container that is stopped (AWS: 30).
    "stop_seconds": 2,
    # Real seconds in a second of a time limit. AWS's shortest limits are 60 s for a job, 600 s for a queue.
    "job_second": 1.0,
    # Seconds after SubmitJob in which DescribeJobs and ListJobs do not know of the job.
    "invisible_seconds": 0,
    # False: the first compute environment of an account fails, since its service-linked roles are not usable yet.
    "service_roles_at_once": True,
    # True if calls with the credentials of a role or policy need its permissions.
    "enforce_roles": True,
}


@dataclass
class State:
    """Settings that differ from `DEFAULTS`, faults that wait, and records of requests; hold `lock` to use them."""

    settings: dict[str, Any] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def clear(self) -> None:
        """Return to the state in which the server starts."""
        with self.lock:
            self.settings.clear()
            self.faults.clear()
            self.requests.clear()

    def setting(self, name: str) -> Any:
        """Return the value of a setting."""
        return self.settings.get(name, DEFAULTS[name])

    def change(self, values: Mapping[str, Any]) -> None:
        """Change settings. Raises ValueError for an unknown name or a value of another type, and then changes none."""
        for name, value in values.items():
            if name not in DEFAULTS:
                raise ValueError(f"there is no setting {name!r}; there are {', '.join(DEFAULTS)}")
            kinds = _kinds(DEFAULTS[name])
            if type(value) not in kinds:
                expected = " or ".join(kind.__name__ for kind in kinds)
                raise ValueError(f"setting {name} is {value!r}, but has to be of type {expected}")
        with self.lock:
            self.settings.update(values)


def _kinds(default: object) -> tuple[type, ...]:
    """Return the types that a setting takes, from its default."""
    if default is None:
        return str, type(None)
    return (int, float) if type(default) in (int, float) else (type(default),)


STATE = State()
