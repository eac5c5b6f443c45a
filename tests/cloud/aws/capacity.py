"""Which job may start: first in, first out in each queue, within the vCPUs of its compute environments and the account.

A job that can never have its vCPUs waits in RUNNABLE for ever and says nothing, and so does all that comes after it in
its queue, as on AWS.
"""

import threading
from typing import Any

from aws.state import STATE

QUOTAS = {"FARGATE": "fargate_ondemand_vcpus", "FARGATE_SPOT": "fargate_spot_vcpus"}


class Capacity:
    """What is in use, and who waits."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: dict[str, list[Any]] = {}
        self.used: dict[str, float] = {}
        self.containers = 0

    def enter(self, job: Any) -> Any:
        """Waits for room; gives the compute environment, or nothing if the job was told to stop."""
        queue = self.waiting.setdefault(job.job_queue.arn, [])
        with self.changed:
            queue.append(job)
            try:
                while not job.stop:
                    if queue[0] is job and (environment := self._room(job)):
                        self._take(environment, job.vcpus)
                        return environment
                    self.changed.wait(0.2)
                return None
            finally:
                queue.remove(job)
                self.changed.notify_all()

    def leave(self, environment: Any, vcpus: float) -> None:
        """Gives the room back."""
        with self.changed:
            self._take(environment, -vcpus)
            self.changed.notify_all()

    def _take(self, environment: Any, vcpus: float) -> None:
        for holder in (environment.arn, environment.compute_resources["type"]):
            self.used[holder] = self.used.get(holder, 0) + vcpus
        self.containers += 1 if vcpus > 0 else -1

    def _room(self, job: Any) -> Any:
        """The first environment of the job's queue that has room for it."""
        if self.containers >= STATE.setting("containers"):
            return None
        for environment in job.job_queue.environments:
            resources = environment.compute_resources
            limits = {environment.arn: resources["maxvCpus"]}
            limits[resources["type"]] = STATE.setting(QUOTAS[resources["type"]])
            fits = all(self.used.get(holder, 0) + job.vcpus <= limit for holder, limit in limits.items())
            if environment.state == "ENABLED" and fits:
                return environment
        return None


CAPACITY = Capacity()
