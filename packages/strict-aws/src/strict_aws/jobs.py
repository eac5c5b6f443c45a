"""Jobs on Fargate: each attempt is a container on the Docker engine, reported as AWS reports it."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from moto.batch.models import BatchBackend, Job, JobDefinition, JobQueue
from moto.batch.utils import JobStatus
from moto.logs.exceptions import ResourceNotFoundException
from moto.settings import moto_server_port

from strict_aws import credentials
from strict_aws.capacity import CAPACITY
from strict_aws.constants import ADMIN
from strict_aws.container import Container, remove_all
from strict_aws.faults import take_for_job
from strict_aws.reasons import (
    NO_CAPACITY,
    NO_IMAGE,
    NO_INTERFACE,
    NO_LOGS,
    NO_NETWORK,
    TIMED_OUT,
    Ended,
    refused,
    retried,
)
from strict_aws.state import STATE

log = logging.getLogger("strict_aws.jobs")

# Status reasons of a task that does not start, by fault.
UNSTARTED = {"pull": NO_IMAGE, "network": NO_NETWORK, "interface": NO_INTERFACE, "capacity": NO_CAPACITY}


def now() -> int:
    """Return the time as AWS writes it: milliseconds since 1970."""
    return int(time.time() * 1000)


# Each is called with a job that has another status.
changed: list[Callable[["FargateJob"], object]] = []


class FargateJob(Job):
    """A job of moto's, which is a thread, with the container, attempts and description of a job on Fargate."""

    def __init__(
        self, request: dict[str, Any], definition: JobDefinition, queue: JobQueue, backend: BatchBackend
    ) -> None:
        """Take a SubmitJob request that has been checked."""
        super().__init__(
            request["jobName"],
            definition,
            queue,
            backend,
            log_backend=backend.logs_backend,
            container_overrides=request.get("containerOverrides"),
            eks_properties_override=None,
            depends_on=request.get("dependsOn"),
            parameters=request.get("parameters"),
            all_jobs=backend._jobs,
            timeout=request.get("timeout") or definition.timeout,
            array_properties={},
            tags=request.get("tags"),
        )
        self.request = request
        self.lost = False
        self.properties = self._merged(definition.container_properties or {}, request.get("containerOverrides") or {})
        self.retry_strategy = request.get("retryStrategy") or definition.retry_strategy or {"attempts": 1}
        self.propagate_tags = request.get("propagateTags", definition.propagate_tags or False)
        resources = {entry["type"]: entry["value"] for entry in self.properties["resourceRequirements"]}
        self.vcpus, self.memory_mib = float(resources["VCPU"]), int(resources["MEMORY"])
        self.task: dict[str, Any] = {}
        self.ended: Ended | None = None
        self.milliseconds: dict[str, int] = {"createdAt": now()}
        self.status = JobStatus.SUBMITTED

    @staticmethod
    def _merged(own: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
        """Return a definition's container properties with a submission's overrides, lists merged by name or type."""
        merged = dict(own)
        for key, name in (("environment", "name"), ("resourceRequirements", "type")):
            entries = {entry[name]: entry for entry in own.get(key) or []}
            entries |= {entry[name]: entry for entry in overrides.get(key) or []}
            merged[key] = list(entries.values())
        if "command" in overrides:
            merged["command"] = overrides["command"]
        return merged

    # moto's threads and its waits read and write the status under this name.
    @property
    def _status(self) -> Any:
        return self.__dict__.get("status_now")

    @_status.setter
    def _status(self, status: Any) -> None:
        before, self.__dict__["status_now"] = self._status, status
        # The last thing that is set while a job is made.
        if "milliseconds" in self.__dict__ and (status != before or status == JobStatus.SUBMITTED):
            for tell in changed:
                tell(self)

    # The job in AWS's answers.

    def describe_short(self) -> dict[str, Any]:
        """Return the job as ListJobs has it."""
        short = {
            "jobId": self.job_id,
            "jobArn": self.arn,
            "jobName": self.job_name,
            "jobDefinition": self.job_definition.arn,
            "status": str(getattr(self._status, "value", self._status)),
            "isCancelled": False,
            "isTerminated": self.stop,
            **self.milliseconds,
        }
        if self.job_stopped_reason is not None:
            short["statusReason"] = self.job_stopped_reason
        container = self._exit()
        return short | ({"container": container} if container else {})

    def _exit(self) -> dict[str, Any]:
        return self.ended.container() if self.ended else {}

    def describe(self) -> dict[str, Any]:
        """Return the job as DescribeJobs has it."""
        # First of all: a job that goes on meanwhile does not have a status that the rest knows nothing of.
        short = self.describe_short()
        command = self._add_parameters_to_command(self.properties.get("command") or [])
        container = {
            **self.properties,
            **self.task,
            **self._exit(),
            "command": command,
            "networkInterfaces": [],
        }
        described = short | {
            "jobQueue": self.job_queue.arn,
            "attempts": self.attempts,
            "retryStrategy": {"evaluateOnExit": [], **self.retry_strategy},
            "dependsOn": self.depends_on or [],
            "parameters": self.parameters,
            "container": container,
            "platformCapabilities": self.job_definition.platform_capabilities,
            "propagateTags": self.propagate_tags,
            "tags": self.backend.list_tags_for_resource(self.arn),
        }
        return described | ({"timeout": self.timeout} if self.timeout else {})

    # A job's life.

    def run(self) -> None:
        """Make attempts until one succeeds or none is left."""
        try:
            self._live()
        except Exception:
            log.exception("job %s", self.job_name)
            self._end(Ended("strict-aws failed; the reason is in its log"))

    def _live(self) -> None:
        self._status = JobStatus.PENDING
        if self.depends_on and not self._wait_for_dependencies():
            return
        if take_for_job(self.job_name, "lose"):
            self.lost = True
            return
        if refusal := self._refusal():
            return self._end(Ended(refusal))
        while True:
            self._status = JobStatus.RUNNABLE
            environment = CAPACITY.enter(self)
            if environment is None:
                return self._end(Ended(self.job_stopped_reason or "stopped"))
            try:
                ended = self._attempt(environment)
            finally:
                CAPACITY.leave(environment, self.vcpus)
            if self.lost:
                return None
            attempts = int(self.retry_strategy.get("attempts") or 1)
            done = ended.exit_code == 0 or self.stop or ended.status_reason == TIMED_OUT
            if done or len(self.attempts) >= attempts or not retried(self.retry_strategy, ended):
                return self._end(ended)

    def _end(self, ended: Ended) -> None:
        self.ended = ended
        self.job_stopped_reason = self.job_stopped_reason if self.stop else ended.status_reason
        self.milliseconds["stoppedAt"] = now()
        succeeded = ended.exit_code == 0 and not self.stop
        self.job_stopped = True
        self._status = JobStatus.SUCCEEDED if succeeded else JobStatus.FAILED

    def terminate(self, reason: str) -> None:
        """End the job with a reason, as TerminateJob and CancelJob do; leave a job that has ended as it is."""
        if not self.job_stopped and not self.stop:
            self.job_stopped_reason = reason
            self.stop = True

    @property
    def invisible(self) -> bool:
        """Return whether Batch knows nothing of the job: it lost it, or took it less than `invisible_seconds` ago."""
        young = now() - self.milliseconds["createdAt"] < 1000 * STATE.setting("invisible_seconds")
        return self.lost or young

    def _refusal(self) -> str | None:
        """Return why ECS refuses a job that Batch has taken, or None."""
        longest = max((environment.name for environment in self.job_queue.environments), key=len)
        tags = [len(self.backend.list_tags_for_resource(arn)) for arn in (self.arn, self.job_definition.arn)]
        return refused(self.request.get("containerOverrides") or {}, self._variables_of_batch(longest), sum(tags))

    def _variables_of_batch(self, environment: str) -> dict[str, str]:
        """Return the variables that Batch adds to those of a task."""
        return {
            "AWS_BATCH_JOB_ID": self.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(len(self.attempts) + 1),
            "AWS_BATCH_JQ_NAME": self.job_queue.name,
            "AWS_BATCH_CE_NAME": environment,
        }

    def _attempt(self, environment: Any) -> Ended:
        """Make one attempt and return how it ended."""
        self._status = JobStatus.STARTING
        started, task = now(), uuid.uuid4().hex
        arn = f"arn:aws:ecs:{self.backend.region_name}:{self.backend.account_id}"
        self.task = {"taskArn": f"{arn}:task/{environment.ecs_name}/{task}"}
        spot = environment.compute_resources["type"] == "FARGATE_SPOT"
        try:
            fault = take_for_job(self.job_name, *UNSTARTED)
            if fault:
                raise Ended(UNSTARTED[fault["job"]].format(self.properties["image"]))
            group, stream = self._log_stream(task)
            self.task["logStreamName"] = stream
            with Container(self, self._environment(environment), group, stream) as container:
                # First the time: a job that runs, and the event that says so, have one.
                self.milliseconds["startedAt"] = started = now()
                self._status = JobStatus.RUNNING
                words = ("out_of_memory", "lose_running", *(["reclaim"] if spot else []))
                container.watch(take_for_job(self.job_name, *words))
        except Ended as ended:
            self.attempts.append(
                {
                    "container": self.task | ended.container() | {"networkInterfaces": []},
                    "startedAt": started,
                    "stoppedAt": now(),
                    "statusReason": ended.status_reason,
                }
            )
            return ended
        raise AssertionError("Container.watch ends with Ended")

    def _log_stream(self, task: str) -> tuple[str, str]:
        """Return group and stream of the log as Fargate names them. Raises Ended if the group is missing."""
        options = (self.properties.get("logConfiguration") or {}).get("options") or {}
        group = options.get("awslogs-group", "/aws/batch/job")
        stream = f"{options.get('awslogs-stream-prefix', self.job_definition.name)}/default/{task}"
        if group not in self._log_backend.groups:
            if group != "/aws/batch/job" and options.get("awslogs-create-group") != "true":
                raise Ended(NO_LOGS.format(group))
            self._log_backend.create_log_group(group, {})
        try:
            self._log_backend.create_log_stream(group, stream)
        except ResourceNotFoundException:
            raise Ended(NO_LOGS.format(group)) from None
        return group, stream

    def _environment(self, environment: Any) -> dict[str, str]:
        """Return the variables in the container: the job's own, Batch's, and the address of the role's credentials."""
        endpoint = f"http://127.0.0.1:{moto_server_port()}"
        variables = {entry["name"]: entry["value"] for entry in self.properties["environment"]}
        variables |= self._variables_of_batch(environment.name) | {
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "AWS_REGION": self.backend.region_name,
            "AWS_DEFAULT_REGION": self.backend.region_name,
            "AWS_EC2_METADATA_DISABLED": "true",
            # Not Fargate's: leads the SDKs to this server.
            "AWS_ENDPOINT_URL": endpoint,
        }
        if role := self.properties.get("jobRoleArn"):
            # On Fargate the address is relative to 169.254.170.2, which the container of a test can't reach.
            variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{endpoint}{ADMIN}credentials/{credentials.issue(role)}"
        return variables


def stop_all() -> None:
    """End all jobs and remove their containers, also those that a failed thread has left."""
    for job in [thread for thread in threading.enumerate() if isinstance(thread, FargateJob)]:
        job.stop = True
    remove_all()
