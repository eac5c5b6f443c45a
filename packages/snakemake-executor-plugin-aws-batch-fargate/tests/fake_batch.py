"""An AWS in the test's own process: Batch is a dictionary of jobs that tests look into and change.

S3, STS, IAM, ECR and CloudWatch are moto's.
"""

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

REGION = "us-east-1"


ACCOUNT = "123456789012"


ROLE = f"arn:aws:iam::{ACCOUNT}:role"


Environ = dict[str, Any]


Fault = tuple[int, str]


def rule_in(tags: dict[str, str]) -> str:
    """The rule that a job's tags name, whatever their prefix."""
    return next((value for name, value in tags.items() if name.rpartition(":")[2] == "rule"), "")


@dataclass
class FakeBatch:
    """The calls of AWS Batch that the executor makes."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    # Called with operation and arguments: an HTTP status and an error code make the call fail.
    fault: Callable[[str, dict[str, Any]], Fault | None] = lambda operation, body: None
    # Says of a job why TerminateJobs does not end it, in an answer of 200.
    refuses_to_end: Callable[[str], str | None] | None = None
    # Called in a thread with each job that was submitted.
    engine: Callable[[dict[str, Any]], None] | None = None
    threads: list[threading.Thread] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        for name, kind in (("spot", "FARGATE_SPOT"), ("ondemand", "FARGATE")):
            self.environments[name] = {
                "computeEnvironmentName": name,
                "state": "ENABLED",
                "status": "VALID",
                "computeResources": {"type": kind},
            }
            self.queues[name] = {
                "jobQueueName": name,
                "state": "ENABLED",
                "status": "VALID",
                "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": name}],
            }
        for disk in (20, 50):
            self.define(f"worker-{disk}gib", disk)

    def define(self, name: str, disk: int, **container: Any) -> None:
        """A job definition as the stack makes it."""
        self.definitions[name] = {
            "jobDefinitionName": name,
            "revision": 1,
            "status": "ACTIVE",
            "platformCapabilities": ["FARGATE"],
            "containerProperties": {
                "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/lab:worker-1",
                "executionRoleArn": f"{ROLE}/execution",
                "jobRoleArn": f"{ROLE}/job",
                "ephemeralStorage": {"sizeInGiB": disk} if disk > 20 else {},
                **container,
            },
        }

    def count(self, operation: str) -> int:
        """How often it was called."""
        return Counter(name for _, name, _ in self.calls)[operation]

    def submitted(self, rule: str | None = None) -> list[dict[str, Any]]:
        """Jobs in the order in which they came, of a rule or all."""
        with self.lock:
            return [job for job in self.jobs.values() if rule in (None, rule_in(job["tags"]))]

    def end(self, job: dict[str, Any], status: str, code: int | None = None, reason: str = "", **more: Any) -> None:
        """A job ends as AWS would say it."""
        with self.lock:
            if job["status"] in ("SUCCEEDED", "FAILED"):
                return
            container = job["container"] | ({} if code is None else {"exitCode": code})
            if said := more.pop("container_reason", None):
                container["reason"] = said
            job |= {"statusReason": reason, "container": container, **more}
            job["stoppedAt"] = int(time.time() * 1000)
            job["attempts"] = [{"container": container, "statusReason": reason}] * more.get("tries", 1)
            job["status"] = status

    def answer(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return what AWS answers."""
        with self.lock:
            return dict(getattr(self, f"_{operation}")(body))

    def _submitjob(self, body: dict[str, Any]) -> dict[str, Any]:
        number = len(self.jobs) + 1
        job_id = f"00000000-0000-0000-0000-{number:012d}"
        self.jobs[job_id] = job = {
            **body,
            "jobId": job_id,
            "createdAt": int(time.time() * 1000),
            "status": "SUBMITTED",
            "container": {"logStreamName": f"worker/default/{number}"},
            "attempts": [],
        }
        if self.engine:
            self.threads.append(threading.Thread(target=self.engine, args=(job,), daemon=True))
            self.threads[-1].start()
        return {"jobId": job_id, "jobName": body["jobName"], "jobArn": f"arn:aws:batch:::job/{job_id}"}

    def _describejobs(self, body: dict[str, Any]) -> dict[str, Any]:
        assert len(body["jobs"]) <= 100
        keep = (
            *("jobId", "jobName", "jobQueue", "jobDefinition", "tags", "createdAt", "startedAt", "stoppedAt"),
            *("status", "statusReason", "container", "attempts", "isTerminated"),
        )
        found = [self.jobs[job] for job in body["jobs"] if job in self.jobs]
        return {"jobs": [{name: job[name] for name in keep if name in job} for job in found]}

    def _listjobs(self, body: dict[str, Any]) -> dict[str, Any]:
        here = [job for job in self.jobs.values() if job["jobQueue"] == body["jobQueue"]]
        if filters := body.get("filters"):
            (wanted,) = filters[0]["values"]
            name, many, _ = wanted.partition("*")
            here.reverse()
            here = [job for job in here if job["jobName"] == wanted or (many and job["jobName"].startswith(name))]
        else:
            here = [job for job in here if job["status"] == body.get("jobStatus", "RUNNING")]
        start = int(body.get("nextToken", 0))
        page = [
            {name: job[name] for name in ("jobId", "jobName", "createdAt", "status", "isTerminated") if name in job}
            for job in here[start : start + 100]
        ]
        return {"jobSummaryList": page, **({"nextToken": str(start + 100)} if len(here) > start + 100 else {})}

    def _terminatejob(self, body: dict[str, Any]) -> dict[str, Any]:
        job = self.jobs[body["jobId"]]
        job["terminations"] = [*job.get("terminations", []), job["status"]]
        self.end(job, "FAILED", 143, body["reason"], isTerminated=True)
        return {}

    def _terminatejobs(self, body: dict[str, Any]) -> dict[str, Any]:
        assert len(body["jobs"]) <= 50
        errors = []
        for job_id in body["jobs"]:
            if self.refuses_to_end and (why := self.refuses_to_end(job_id)):
                errors.append({"job": job_id, "code": why, "message": f"{why} for {job_id}"})
            elif self.jobs[job_id]["status"] not in ("SUCCEEDED", "FAILED"):
                self._terminatejob({"jobId": job_id, "reason": body["reason"]})
        refused = {error["job"] for error in errors}
        return {"successful": [job for job in body["jobs"] if job not in refused], "errors": errors}

    def _getjobqueuesnapshot(self, body: dict[str, Any]) -> dict[str, Any]:
        here = [job for job in self.jobs.values() if (job["jobQueue"], job["status"]) == (body["jobQueue"], "RUNNABLE")]
        front = [{"jobArn": f"arn:aws:batch:::job/{job['jobId']}", "earliestTimeAtPosition": 1} for job in here[:100]]
        return {"frontOfQueue": {"jobs": front}}

    def _describejobqueues(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"jobQueues": [self.queues[name] for name in body["jobQueues"] if name in self.queues]}

    def _describecomputeenvironments(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"computeEnvironments": [self.environments[name] for name in body["computeEnvironments"]]}

    def _describejobdefinitions(self, body: dict[str, Any]) -> dict[str, Any]:
        found = self.definitions.get(body["jobDefinitionName"])
        return {"jobDefinitions": [found] if found and found["status"] == body["status"] else []}


@dataclass
class FakeAws:
    """The server's address, and its Batch."""

    endpoint: str
    batch: FakeBatch

    @property
    def env(self) -> dict[str, str]:
        """Environment in which AWS is this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
            "AWS_SECRET_ACCESS_KEY": "the-secret-key-of-the-tests",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[FakeAws]:
    """An AWS for the length of a `with`."""
    batch = FakeBatch()
    moto, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def application(environ: Environ, start_response: Callable[..., Any]) -> Any:
        path = environ["PATH_INFO"]
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if not path.startswith("/v1/") or environ["REQUEST_METHOD"] != "POST":
            environ["wsgi.input"] = io.BytesIO(sent)
            # One at a time: moto looks whether an object fits a condition, and stores it in a later step.
            with turn:
                return moto(environ, start_response)
        body = json.loads(sent or b"{}")
        operation = path.removeprefix("/v1/")
        with batch.lock:
            batch.calls.append((time.monotonic(), operation, body))
        headers = [("Content-Type", "application/json")]
        if failure := batch.fault(operation, body):
            status, code = failure
            start_response(f"{status} Failed", [*headers, ("x-amzn-errortype", code)])
            return [json.dumps({"message": f"made to fail with {code}"}).encode()]
        start_response("200 OK", headers)
        return [json.dumps(batch.answer(operation, body)).encode()]

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield FakeAws(f"http://127.0.0.1:{server.port}", batch)
    finally:
        server.shutdown()
        server.server_close()
