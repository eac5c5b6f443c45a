"""A deployed stack without an account: S3 and CloudWatch are moto's, AWS Batch is a table of jobs.

Requests to AWS Batch are checked against botocore's model, and kept.
"""

import functools
import io
import itertools
import json
import tarfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import botocore.session
import yaml
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

REGION, BUCKET, GROUP = "us-east-1", "lab-data", "/terraflow/lab"
HEADER = "sample\tunit\tfq1\tfq2\n"
OUTPUTS: dict[str, Any] = {
    "region": REGION,
    "stack": "lab",
    "bucket": BUCKET,
    "queues": {"spot": "lab-spot", "ondemand": "lab-ondemand", "head": "lab-head"},
    "log_group": GROUP,
    "tags": {"project": "terraflow", "stack": "lab"},
    "launcher_job_definition": "lab-launcher",
    "inbox_budget": 20,
}
CONFIG = {"reference": {"fasta": "s3://lab-data/reference/g.fa"}, "calling": {"ploidy": 2, "mode": "joint"}}
ACTIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")


class Batch:
    """AWS Batch: jobs by their ids. `trouble` is raised by the next calls instead of an answer."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.trouble: list[Exception] = []
        # Jobs that end only some looks after they were told to.
        self.slow: dict[str, int] = {}
        self._ids = itertools.count(1)

    def _called(self, operation: str, **given: Any) -> None:
        validate_parameters(given, batch_model().operation_model(operation).input_shape)
        self.calls.append((operation, given))
        if self.trouble:
            raise self.trouble.pop(0)

    def asked(self, operation: str) -> list[dict[str, Any]]:
        return [given for name, given in self.calls if name == operation]

    def add(self, name: str, queue: str, status: str = "RUNNING", **more: Any) -> str:
        job = f"job-{next(self._ids)}"
        self.jobs[job] = {
            "jobId": job,
            "jobName": name,
            "jobQueue": queue,
            "status": status,
            "createdAt": now(),
            "tags": {},
            "container": {},
            **more,
        }
        return job

    def end(self, job: str, code: int | None = 0, reason: str = "Essential container in task exited") -> None:
        container = {**self.jobs[job]["container"], **({} if code is None else {"exitCode": code})}
        self.jobs[job].update(status="FAILED" if code != 0 else "SUCCEEDED", statusReason=reason, container=container)

    def submit_job(self, **given: Any) -> dict[str, str]:
        self._called("SubmitJob", **given)
        return {"jobId": self.add(given["jobName"], given["jobQueue"], "SUBMITTED", tags=given["tags"])}

    def describe_jobs(self, **given: Any) -> dict[str, Any]:
        self._called("DescribeJobs", **given)
        for job in list(self.slow):
            self.slow[job] -= 1
            if self.slow[job] < 0:
                del self.slow[job]
                self.end(job, None, "ended by Airflow")
        return {"jobs": [dict(self.jobs[job]) for job in given["jobs"] if job in self.jobs]}

    def terminate_jobs(self, **given: Any) -> dict[str, Any]:
        self._called("TerminateJobs", **given)
        for job in given["jobs"]:
            self.jobs[job]["isTerminated"] = True
            if job not in self.slow:
                self.end(job, None, given["reason"])
        return {"errors": []}

    def terminate_job(self, **given: Any) -> dict[str, Any]:
        self._called("TerminateJob", **given)
        self.jobs[given["jobId"]]["isTerminated"] = True
        self.end(given["jobId"], None, given["reason"])
        return {}

    def get_paginator(self, operation: str) -> "Batch":
        assert operation == "list_jobs"
        return self

    def paginate(self, **given: Any) -> Iterator[dict[str, Any]]:
        self._called("ListJobs", **given)
        named = [value for one in given.get("filters", ()) for value in one["values"]]
        for job in list(self.jobs.values()):
            wanted = job["jobName"].lower() == named[0].lower() if named else job["status"] == given["jobStatus"]
            if job["jobQueue"] == given["jobQueue"] and wanted:
                yield {"jobSummaryList": [{key: job[key] for key in ("jobId", "jobName", "status", "createdAt")}]}

    def active(self) -> list[str]:
        return [job for job, one in self.jobs.items() if one["status"] in ACTIVE]


class Cloud:
    """A stack with its bucket, its log group and its jobs, and what launchers and heads write there."""

    def __init__(self) -> None:
        self.s3, self.logs = client("s3"), client("logs")
        self.batch = Batch()
        self.s3.create_bucket(Bucket=BUCKET)
        self.logs.create_log_group(logGroupName=GROUP)

    def publish(self, config: Mapping[str, Any] | None = CONFIG, **outputs: Any) -> None:
        files = {"stack.json": json.dumps({**OUTPUTS, **outputs})}
        if config is not None:
            files["config/aws.yaml"] = yaml.safe_dump(dict(config))
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:xz") as archive:
            for name, text in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        self.put("workflow/0a.tar.xz", packed.getvalue())
        current = {"archive": "workflow/0a.tar.xz", "sha256": "0a", "version": "0.2.0"}
        current["config"] = "" if config is None else "config/aws.yaml"
        self.put("workflow/current.json", json.dumps(current))

    def put(self, key: str, body: str | bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode() if isinstance(body, str) else body)

    def get(self, key: str) -> str | None:
        try:
            return str(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode())
        except ClientError:
            return None

    def sheet(self, run: str, text: str = f"{HEADER}a\t1\tr.fq\t\n") -> str:
        self.put(f"raw/{run}/samples.tsv", text)
        return self.etag(run)

    def etag(self, run: str) -> str:
        return str(self.s3.head_object(Bucket=BUCKET, Key=f"raw/{run}/samples.tsv")["ETag"])

    def written(self, run: str) -> int:
        found = self.s3.head_object(Bucket=BUCKET, Key=f"raw/{run}/samples.tsv")["LastModified"]
        return round(found.timestamp() * 1000)

    def entry(self, run: str, state: str, **more: Any) -> None:
        """Write what a launcher writes of a sheet."""
        about = {"etag": self.etag(run), "modified": self.written(run), "state": state, "updated": now(), **more}
        self.put(f"raw/{run}/inbox.json", json.dumps({"first_seen": now(), "later": 1, **about}))

    def about(self, run: str, state: str, head: str = "", **more: Any) -> None:
        """Write what launchers and heads write of a run."""
        about = {"run": run, "who": "ann", "started_by": "airflow", "submitted": now(), "state": state}
        etag = self.etag(run) if self.get(f"raw/{run}/samples.tsv") else ""
        self.put(
            f"runs/{run}/head/run.json",
            json.dumps({**about, "head_job": head, "sheet_etag": etag, "samples": 3, "later": 1, **more}),
        )

    def live(self, run: str, **more: Any) -> None:
        """Write what the executor writes of a run: 2 of 7 jobs done, 3 run."""
        rules = {
            "bwa_mem": {"total": 4, "waiting": 1, "running": 2, "done": 1, "failed": 0},
            "call": {"total": 3, "waiting": 1, "running": 1, "done": 1, "failed": 0},
        }
        about = {"run": run, "state": "running", "updated": now(), "rules": rules, "jobs": [], "spent": 1.234}
        self.put(f"runs/{run}/head/live.json", json.dumps({**about, **more}))

    def head(self, run: str, state: str = "running", **more: Any) -> str:
        """Begin a head."""
        job = self.batch.add(f"{run}-head", "lab-head", container={"logStreamName": f"head/{run}"})
        self.about(run, state, job, **more)
        return job

    def launch(self, run: str) -> str:
        """End the launcher that was submitted last: it has submitted a head."""
        launcher = [id for id, job in self.batch.jobs.items() if job["jobName"] == f"{run}-launcher"][-1]
        head = self.head(run, "submitted")
        self.entry(run, "launched", message=f"Batch job {head}", starts=1)
        self.batch.end(launcher)
        return head

    def task(self, run: str, name: str = "", queue: str = "lab-spot") -> str:
        return self.batch.add(name or f"{run}-bwa_mem-0a1b2c3d4e5f", queue, tags={"terraflow:run": run})

    def say(self, stream: str, *lines: str) -> None:
        """Add lines to a log stream."""
        found = self.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=stream)["logStreams"]
        if not found:
            self.logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        events = [{"timestamp": now(), "message": line} for line in lines]
        self.logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


@functools.cache
def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


@functools.cache
def batch_model() -> Any:
    return botocore.session.get_session().get_service_model("batch")


def now() -> int:
    return round(time.time() * 1000)


def refused(code: str, operation: str = "DescribeJobs") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{code} said AWS"}}, operation)
