"""Capacity: which job may start, first in, first out in each queue, within the vCPUs of its environments and quotas.

A job that can never have its vCPUs waits in RUNNABLE, and so does every job behind it in its queue, as on AWS. If the
queue's environments are too small for it, its status reason says so, and a queue with a time limit for that reason ends
the job. AWS gives no reason for a quota that is used up or too small.
"""

import threading
import time
from typing import Any

from strict_aws.reasons import CANCELED, TOO_LARGE, TOO_LARGE_WAITS
from strict_aws.state import STATE

QUOTAS = {"FARGATE": "fargate_ondemand_vcpus", "FARGATE_SPOT": "fargate_spot_vcpus"}
# `jobStateTimeLimitActions` of the queues, by ARN.
LIMITS: dict[str, list[dict[str, Any]]] = {}


class Capacity:
    """vCPUs and containers in use, and the jobs that wait, by queue."""

    def __init__(self) -> None:
        """Begin with nothing in use."""
        self.changed = threading.Condition()
        self.waiting: dict[str, list[Any]] = {}
        self.used: dict[str, float] = {}
        self.containers = 0

    def enter(self, job: Any) -> Any:
        """Wait for room and return the compute environment that has it, or None if the job was told to stop."""
        queue, stuck_since = self.waiting.setdefault(job.job_queue.arn, []), 0.0
        with self.changed:
            queue.append(job)
            try:
                while not job.stop:
                    if queue[0] is job and (environment := self._room(job)):
                        self._take(environment, job.vcpus)
                        return environment
                    if queue[0] is job and self._too_large(job):
                        stuck_since = stuck_since or time.monotonic()
                        self._stuck(job, time.monotonic() - stuck_since)
                    self.changed.wait(0.2)
                return None
            finally:
                queue.remove(job)
                self.changed.notify_all()

    @staticmethod
    def _too_large(job: Any) -> bool:
        return all(job.vcpus > environment.compute_resources["maxvCpus"] for environment in job.job_queue.environments)

    @staticmethod
    def _stuck(job: Any, seconds: float) -> None:
        """Give the job its reason for waiting, and end it if its queue limits the time for that."""
        if not job.stop:
            job.job_stopped_reason = TOO_LARGE_WAITS
        for limit in LIMITS.get(job.job_queue.arn, []):
            if limit["reason"] == TOO_LARGE and seconds > limit["maxTimeSeconds"] * STATE.setting("job_second"):
                job.terminate(CANCELED.format(TOO_LARGE))

    def leave(self, environment: Any, vcpus: float) -> None:
        """Give the room back."""
        with self.changed:
            self._take(environment, -vcpus)
            self.changed.notify_all()

    def _take(self, environment: Any, vcpus: float) -> None:
        for holder in (environment.arn, environment.compute_resources["type"]):
            self.used[holder] = self.used.get(holder, 0) + vcpus
        self.containers += 1 if vcpus > 0 else -1

    def _room(self, job: Any) -> Any:
        """Return the first environment of the job's queue that has room for it, or None."""
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
