"""Real heads of Snakemake with the executor on a fake AWS, whose jobs are processes here or end at once."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3

from fake_batch import REGION, FakeAws, FakeBatch, serving

SNAKEFILE = """
rule all:
    input:
        "results/all.txt",

rule make:
    output:
        "results/{sample}.txt",
    log:
        "logs/{sample}.log",
    params:
        word=config.get("word", "hello"),
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        disk_mb=1000,
        runtime=10,
    shell:
        "(echo begin; echo token=abc.def; test {wildcards.sample} != bad || {{ echo 'reads are damaged'; exit 3; }}; "
        "echo {params.word} > {output}) > {log} 2>&1"

rule gather:
    input:
        [f"results/{sample}.txt" for sample in config["samples"].split("+")],
    output:
        "results/all.txt",
    shell:
        "cat {input} > {output}"
"""
BUCKET = "data"


class Site:
    """A working directory, an AWS, and Snakemake in and on them."""

    def __init__(self, folder: Path, aws: FakeAws) -> None:
        self.folder, self.aws, self.batch = folder, aws, aws.batch
        self.config = {"samples": "a+b", "word": "hello"}
        self.storage = "s3"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | aws.env
        self.env |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "HOME": str(folder)}
        self.env["PATH"] = f"{Path(sys.executable).parent}:{self.env['PATH']}"
        (folder / "Snakefile").write_text(SNAKEFILE)

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "tests", "aws_secret_access_key": "tests"}
        return boto3.client(service, endpoint_url=self.aws.endpoint, region_name=REGION, **keys)  # type: ignore[call-overload]

    def command(self, *more: str, **config: str) -> list[str]:
        settings = {
            "region": REGION,
            "queue": "spot",
            "ondemand-queue": "ondemand",
            "job-definitions": "20=worker-20gib 50=worker-50gib",
            "poll-seconds": "0.5",
            # As profiles/aws has them.
            "tag-prefix": "terraflow:",
            "tag-wildcards": "sample",
            "temporary-tags": "terraflow:lifetime=intermediate",
        }
        given = self.config | config
        return [
            *(sys.executable, "-m", "snakemake", "--executor", "aws-batch-fargate", "--jobs", "100", "--nocolor"),
            *(part for name, value in settings.items() for part in (f"--aws-batch-fargate-{name}", value)),
            *("--default-storage-provider", self.storage, "--default-storage-prefix", f"s3://{BUCKET}/runs/main"),
            *("--workflow-profile", "none", "--rerun-incomplete", "--nolock", "--latency-wait", "2"),
            *(["--config"] if given else []),
            *(f"{name}={value}" for name, value in given.items()),
            *more,
        ]

    def run(self, *more: str, check: int = 0, **config: str) -> str:
        done = subprocess.run(
            self.command(*more, **config), cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=600
        )
        text = done.stdout + done.stderr
        assert done.returncode == check, text
        return text

    def start(self, *more: str, **config: str) -> "subprocess.Popen[str]":
        log = (self.folder / "head.log").open("w")
        return subprocess.Popen(
            self.command(*more, **config), cwd=self.folder, env=self.env, stdout=log, stderr=log, text=True
        )

    def said(self) -> str:
        """Return what the head that was started last has said."""
        return (self.folder / "head.log").read_text()

    def objects(self) -> dict[str, str]:
        s3 = self.client("s3")
        found = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        read = {}
        for key in [entry["Key"] for entry in found]:
            # A head at work may have removed it since.
            with suppress(s3.exceptions.NoSuchKey):
                read[key] = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode(errors="replace")
        return read

    def clean(self) -> None:
        """Wait for the jobs that still run, and delete the bucket."""
        for thread in self.batch.threads:
            thread.join(120)
        s3 = self.client("s3")
        for key in self.objects():
            s3.delete_object(Bucket=BUCKET, Key=key)
        s3.delete_bucket(Bucket=BUCKET)

    def process(self, job: dict[str, Any]) -> None:
        """Run a job's command as Fargate does: in an empty folder, with its output sent to CloudWatch."""
        job["status"] = "RUNNING"
        folder = self.folder / "tasks" / job["jobId"]
        folder.mkdir(parents=True)
        command = job["containerOverrides"]["command"]
        env = self.env | {"AWS_BATCH_JOB_ID": job["jobId"], "AWS_BATCH_JOB_ATTEMPT": "1"}
        job["startedAt"] = int(time.time() * 1000)
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        logs, stream = self.client("logs"), job["container"]["logStreamName"]
        logs.create_log_stream(logGroupName="/aws/batch/job", logStreamName=stream)
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in (done.stdout + done.stderr).splitlines() if line]
        if events:
            logs.put_log_events(logGroupName="/aws/batch/job", logStreamName=stream, logEvents=events)
        reason = "Essential container in task exited"
        self.batch.end(job, "FAILED" if done.returncode else "SUCCEEDED", done.returncode, reason)

    def succeed(self, job: dict[str, Any]) -> None:
        """Put a job's output into S3, and end the job."""
        name = job["tags"].get("terraflow:sample", "all")
        self.client("s3").put_object(Bucket=BUCKET, Key=f"runs/main/results/{name}.txt", Body=b"made")
        self.batch.end(job, "SUCCEEDED", 0)

    def markers(self) -> int:
        """How many outputs Snakemake has marked as unfinished."""
        folder = self.folder / ".snakemake" / "incomplete"
        return len(list(folder.iterdir())) if folder.exists() else 0

    def wait(self, true: Callable[[], bool], head: "subprocess.Popen[str]") -> None:
        end = time.monotonic() + 300
        while not true():
            assert time.monotonic() < end and head.poll() is None, (self.folder / "head.log").read_text()
            time.sleep(0.05)


@contextmanager
def serving_heads() -> Iterator[FakeAws]:
    """Start an AWS with the roles of jobs."""
    with serving() as aws:
        keys = {"aws_access_key_id": "tests", "aws_secret_access_key": "tests"}
        iam = boto3.client("iam", endpoint_url=aws.endpoint, region_name=REGION, **keys)  # type: ignore[call-overload]
        for name in ("execution", "job"):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({}))
        yield aws


@contextmanager
def new_site(server: FakeAws, folder: Path) -> Iterator[Site]:
    """Make a working directory on an AWS without jobs, and with a bucket and a log group."""
    server.batch.__dict__.update(FakeBatch().__dict__)
    # These tests need no particular image.
    for definition in server.batch.definitions.values():
        definition["containerProperties"]["image"] = "debian:trixie-slim"
    made = Site(folder, server)
    s3 = made.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    # The released storage plugin deletes a bucket that it has emptied.
    s3.put_object(Bucket=BUCKET, Key="keep", Body=b"")
    logs = made.client("logs")
    if not logs.describe_log_groups()["logGroups"]:
        logs.create_log_group(logGroupName="/aws/batch/job")
    for stream in logs.describe_log_streams(logGroupName="/aws/batch/job")["logStreams"]:
        logs.delete_log_stream(logGroupName="/aws/batch/job", logStreamName=stream["logStreamName"])
    yield made
    made.clean()


@contextmanager
def inventory_site(server: FakeAws, folder: Path, snakefile: str) -> Iterator[Site]:
    """The same for a Snakefile without configuration, with the storage plugin s3-inventory."""
    with new_site(server, folder) as made:
        made.storage = "s3-inventory"
        made.config = {}
        (folder / "Snakefile").write_text(snakefile)
        yield made
