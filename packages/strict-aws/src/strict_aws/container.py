"""The container of one attempt on the Docker engine: its limits, its log, its end."""

import contextlib
import os
import re
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import docker
import psutil
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from strict_aws.constants import LABEL
from strict_aws.reasons import EXITED, MEMORY, NO_IMAGE, RECLAIMED, TIMED_OUT, Ended
from strict_aws.state import STATE

if TYPE_CHECKING:
    from strict_aws.jobs import FargateJob

# Value of `LABEL` on the containers of this server.
OWNER = f"{socket.gethostname()}:{os.getpid()}"
# Seconds within which the log of a container that has ended is read to its end, also on a machine that does much else.
LOGS = 120


def engine() -> docker.DockerClient:
    """Return a client of the engine. Raises DockerException if there is none."""
    return docker.from_env(timeout=120)


def remove_all() -> None:
    """Remove every container of this server."""
    with contextlib.suppress(DockerException):
        for container in _found(f"{LABEL}={OWNER}"):
            _remove(container)


def remove_orphans() -> None:
    """Remove the containers of servers of this host that were killed."""
    with contextlib.suppress(DockerException):
        for container in _found(LABEL):
            host, _, process = container.labels[LABEL].rpartition(":")
            if host == socket.gethostname() and not psutil.pid_exists(int(process)):
                _remove(container)


def _found(label: str) -> list[Any]:
    """Return the containers with a label; those of other servers may go while they are looked at."""
    found: list[Any] = engine().containers.list(all=True, filters={"label": label}, ignore_removed=True)
    return found


def _remove(container: Any) -> None:
    """Remove a container with the volumes that were made for it."""
    with contextlib.suppress(APIError):
        container.remove(force=True, v=True)


class Container:
    """A container from its start to its removal, as a context; `watch` waits for its end and raises Ended."""

    def __init__(self, job: "FargateJob", variables: dict[str, str], group: str, stream: str) -> None:
        """Name the container of a job's next attempt; `variables` are all that it gets."""
        self.job, self.variables, self.group, self.stream = job, variables, group, stream
        attempt = f"{job.job_name[:60]}-{job.job_id[:8]}-{len(job.attempts) + 1}"
        self.name = re.sub(r"[^A-Za-z0-9_.-]", "-", attempt)
        self.container: Any = None
        self.reader: threading.Thread | None = None

    def __enter__(self) -> "Container":
        """Start the container. Raises Ended if it does not start."""
        properties = self.job.properties
        try:
            client = engine()
        except DockerException as problem:
            raise Ended(f"strict-aws: no Docker engine answers: {problem}") from None
        self._need_image(client, properties["image"])
        try:
            self.container = client.containers.run(
                properties["image"],
                self.job._add_parameters_to_command(properties.get("command") or []) or None,
                name=self.name,
                detach=True,
                environment=self.variables,
                labels={LABEL: OWNER},
                network_mode="host",
                mem_limit=f"{self.job.memory_mib}m",
                memswap_limit=f"{self.job.memory_mib}m",
                init=bool((properties.get("linuxParameters") or {}).get("initProcessEnabled")),
                read_only=bool(properties.get("readonlyRootFilesystem")),
                # The folder belongs to its owner in the image if it is a VOLUME there, else to root, as on Fargate.
                volumes=[mount["containerPath"] for mount in properties.get("mountPoints") or []],
                user=properties.get("user"),
            )
        except ImageNotFound:
            raise Ended(NO_IMAGE.format(properties["image"])) from None
        except APIError as error:
            self._remove_unstarted(client)
            raise Ended(f"CannotStartContainerError: {error.explanation}", exit_code=None) from None
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        return self

    def _need_image(self, client: docker.DockerClient, image: str) -> None:
        """Pull an image from the registry behind ECR unless the engine has it. Raises Ended if there is none."""
        try:
            client.images.get(image)
        except ImageNotFound:
            if not (STATE.setting("registry") and image.startswith(STATE.setting("registry"))):
                raise Ended(NO_IMAGE.format(image)) from None
            login = {"username": "AWS", "password": STATE.setting("registry_password")}
            try:
                client.images.pull(image, auth_config=login)
            except DockerException:
                raise Ended(NO_IMAGE.format(image)) from None

    def _remove_unstarted(self, client: docker.DockerClient) -> None:
        with contextlib.suppress(DockerException):
            _remove(client.containers.get(self.name))

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Remove the container."""
        # The last lines of the log come after the container's end, and are lost with the container.
        if self.reader is not None:
            self.reader.join(LOGS)
        if self.container is not None:
            _remove(self.container)

    def watch(self, fault: dict[str, Any] | None) -> None:
        """Wait for the end, or bring it about: by TerminateJob, by the time limit, or by a fault.

        Raises Ended in any case.
        """
        started = time.monotonic()
        limit = (self.job.timeout or {}).get("attemptDurationSeconds")
        while self._running():
            lasted = time.monotonic() - started
            if self.job.stop:
                raise Ended(self.job.job_stopped_reason or "stopped", exit_code=self._stop())
            if limit and lasted > limit * STATE.setting("job_second"):
                raise Ended(TIMED_OUT, exit_code=self._stop())
            if fault and lasted >= fault.get("seconds", 0) and self._runs(fault.get("process", "")):
                if fault["job"] == "out_of_memory":
                    self.container.kill()
                    raise Ended(EXITED, MEMORY, fault.get("code", self._exit_code()))
                if fault["job"] == "lose_running":
                    self.job.lost = True
                    raise Ended("lost", exit_code=self._stop())
                raise Ended(RECLAIMED, exit_code=self._stop())
            time.sleep(0.1)
        out_of_memory = self.container.attrs["State"]["OOMKilled"]
        raise Ended(EXITED, MEMORY if out_of_memory else None, self._exit_code())

    def _running(self) -> bool:
        try:
            self.container.reload()
        except NotFound:
            return False
        return bool(self.container.status in ("created", "running"))

    def _runs(self, words: str) -> bool:
        """Return whether a command line in the container contains these words."""
        try:
            return not words or any(words in " ".join(row) for row in self.container.top()["Processes"])
        except APIError:
            return False

    def _exit_code(self) -> int:
        self.container.wait()
        with contextlib.suppress(NotFound):
            self.container.reload()
        return int(self.container.attrs["State"]["ExitCode"])

    def _stop(self) -> int:
        """Send SIGTERM, then SIGKILL if the container does not end, and return the exit code."""
        self.container.stop(timeout=STATE.setting("stop_seconds"))
        return self._exit_code()

    def _read_log(self) -> None:
        """Write the output of the container to CloudWatch Logs while it runs."""
        backend = self.job._log_backend
        with contextlib.suppress(DockerException, OSError):
            rest = b""
            for part in self.container.logs(stream=True, follow=True):
                *lines, rest = (rest + part).split(b"\n")
                self._put(backend, lines)
            self._put(backend, [rest] if rest else [])

    def _put(self, backend: Any, lines: list[bytes]) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line.decode(errors="replace").rstrip("\r")} for line in lines]
        # CloudWatch Logs takes no empty message.
        events = [event for event in events if event["message"]]
        if events:
            backend.put_log_events(self.group, self.stream, events)
