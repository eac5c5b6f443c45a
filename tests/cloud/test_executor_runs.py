"""Snakemake itself with the executor: real heads, and jobs that are processes here or put their outputs on S3 at once.

A whole run; failures as the user reads them; more memory on the next attempt; a long command through S3; Ctrl-C; a head
that is killed and started again; a stack that is not right; a dry run.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from executor_fakes import REGION, FakeAws, FakeBatch, serving

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
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | aws.env
        self.env |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "HOME": str(folder)}
        self.env["PATH"] = f"{Path(sys.executable).parent}:{self.env['PATH']}"
        (folder / "Snakefile").write_text(SNAKEFILE)

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "tests", "aws_secret_access_key": "tests"}
        return boto3.client(service, endpoint_url=self.aws.endpoint, region_name=REGION, **keys)  # type: ignore[call-overload]

    def command(self, *more: str, samples: str = "a+b", word: str = "hello") -> list[str]:
        settings = {
            "region": REGION,
            "queue": "spot",
            "ondemand-queue": "ondemand",
            "job-definitions": "20=worker-20gib 50=worker-50gib",
            "poll-seconds": "0.5",
        }
        return [
            *(sys.executable, "-m", "snakemake", "--executor", "aws-batch-fargate", "--jobs", "100", "--nocolor"),
            *(part for name, value in settings.items() for part in (f"--aws-batch-fargate-{name}", value)),
            *("--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{BUCKET}/runs/main"),
            *("--workflow-profile", "none", "--rerun-incomplete", "--nolock", "--latency-wait", "2"),
            *("--config", f"samples={samples}", f"word={word}", *more),
        ]

    def run(self, *more: str, check: int = 0, **config: str) -> str:
        done = subprocess.run(
            self.command(*more, **config), cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120
        )
        text = done.stdout + done.stderr
        assert done.returncode == check, text
        return text

    def start(self, **config: str) -> "subprocess.Popen[str]":
        log = (self.folder / "head.log").open("w")
        return subprocess.Popen(
            self.command(**config), cwd=self.folder, env=self.env, stdout=log, stderr=log, text=True
        )

    def objects(self) -> dict[str, str]:
        s3 = self.client("s3")
        found = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {
            entry["Key"]: s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read().decode(errors="replace")
            for entry in found
        }

    def clean(self) -> None:
        """Waits for what still runs, and empties the bucket."""
        for thread in self.batch.threads:
            thread.join(30)
        s3 = self.client("s3")
        for key in self.objects():
            s3.delete_object(Bucket=BUCKET, Key=key)
        s3.delete_bucket(Bucket=BUCKET)

    def process(self, job: dict[str, Any]) -> None:
        """Does what Fargate does: runs the command in an empty folder, and keeps what it writes in CloudWatch."""
        job["status"] = "RUNNING"
        folder = self.folder / "tasks" / job["jobId"]
        folder.mkdir(parents=True)
        command = job["containerOverrides"]["command"]
        done = subprocess.run(command, cwd=folder, env=self.env, capture_output=True, text=True)
        logs, stream = self.client("logs"), job["container"]["logStreamName"]
        logs.create_log_stream(logGroupName="/aws/batch/job", logStreamName=stream)
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in (done.stdout + done.stderr).splitlines() if line]
        if events:
            logs.put_log_events(logGroupName="/aws/batch/job", logStreamName=stream, logEvents=events)
        reason = "Essential container in task exited"
        self.batch.end(job, "FAILED" if done.returncode else "SUCCEEDED", done.returncode, reason)

    def succeed(self, job: dict[str, Any]) -> None:
        """The job's outputs are there at once."""
        name = job["tags"].get("terraflow:sample", "all")
        self.client("s3").put_object(Bucket=BUCKET, Key=f"runs/main/results/{name}.txt", Body=b"made")
        self.batch.end(job, "SUCCEEDED", 0)

    def wait(self, true: Callable[[], bool], head: "subprocess.Popen[str]") -> None:
        end = time.monotonic() + 60
        while not true():
            assert time.monotonic() < end and head.poll() is None, (self.folder / "head.log").read_text()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeAws]:
    with serving() as aws:
        for name in ("execution", "job"):
            boto3.client(
                "iam",
                endpoint_url=aws.endpoint,
                region_name=REGION,
                aws_access_key_id="tests",
                aws_secret_access_key="tests",
            ).create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({}))
        yield aws


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    server.batch.__dict__.update(FakeBatch().__dict__)
    # The image is not what these tests are about.
    for definition in server.batch.definitions.values():
        definition["containerProperties"]["image"] = "debian:trixie-slim"
    made = Site(tmp_path, server)
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


def test_a_whole_run(site: Site) -> None:
    site.batch.engine = site.process
    text = site.run()
    assert site.objects()["runs/main/results/all.txt"] == "hello\nhello\n"
    assert sorted(job["tags"]["terraflow:rule"] for job in site.batch.submitted()) == ["gather", "make", "make"]
    assert {job["status"] for job in site.batch.submitted()} == {"SUCCEEDED"}
    assert site.batch.count("terminatejob") == 0
    for job in site.batch.submitted():
        assert "pip install" not in json.dumps(job["containerOverrides"])
        assert len(json.dumps(job["containerOverrides"])) <= 8192
        assert f": Batch job {job['jobId']} ({job['jobName']})" in text
    assert "Nothing to be done" in site.run()


def test_a_failure_as_the_user_reads_it(site: Site) -> None:
    site.batch.engine = site.process
    text = site.run("--retries", "2", "--keep-going", samples="bad+a", check=1)
    (bad,) = [job for job in site.batch.submitted() if job["tags"].get("terraflow:sample") == "bad"]
    for line in (
        "Rule make (sample=bad) failed on AWS Batch. The tool failed.",
        f"Batch job: {bad['jobId']} ({bad['jobName']})",
        "exit code: 1",
        "reason: Essential container in task exited",
        "run again: no, since the cause stays",
        "    | reads are damaged",
        f"aws logs tail /aws/batch/job --log-stream-names {bad['container']['logStreamName']}",
        "    | token=[hidden]",
        "end of s3://data/runs/main/logs/bad.log:",
        "--region us-east-1",
    ):
        assert line in text
    # Snakemake shows the command, of which the secret is no part in earnest.
    assert "    | token=abc.def" not in text
    assert "runs/main/results/a.txt" in site.objects()


def test_out_of_memory_is_tried_again_with_more(site: Site) -> None:
    def engine(job: dict[str, Any]) -> None:
        if len(site.batch.submitted(job["tags"]["terraflow:rule"])) == 1:
            reason = "OutOfMemoryError: Container killed due to memory usage"
            site.batch.end(job, "FAILED", 137, "Essential container in task exited", container_reason=reason)
        else:
            site.succeed(job)

    site.batch.engine = engine
    text = site.run("--retries", "1", samples="a")
    first, second = site.batch.submitted("make")
    memory = [job["containerOverrides"]["resourceRequirements"][1]["value"] for job in (first, second)]
    assert memory == ["3072", "6144"]
    assert "It ran out of memory." in text and "run again: yes, as attempt 2 of 2" in text


def test_a_group_of_many_jobs_travels_through_s3(site: Site) -> None:
    site.batch.engine = site.process
    samples = "+".join(f"{'x' * 220}{n}" for n in range(16))
    site.run("--groups", "make=together", "--group-components", "together=16", samples=samples)
    group, _ = site.batch.submitted()
    assert group["tags"]["terraflow:rule"] == "together"
    command = group["containerOverrides"]["command"]
    assert command[:3] == ["python", "-m", "snakemake_executor_plugin_aws_batch_fargate.command"]
    key = command[3].removeprefix(f"s3://{BUCKET}/")
    assert key.startswith("runs/main/.commands/")
    assert len(site.objects()[key]) > 8192
    tags = site.client("s3").get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
    assert tags == [{"Key": "terraflow:lifetime", "Value": "intermediate"}]
    assert site.objects()["runs/main/results/all.txt"] == "hello\n" * 16


def test_ctrl_c_ends_all_jobs_within_seconds(site: Site) -> None:
    site.batch.engine = lambda job: job.update(status="RUNNING")
    head = site.start(samples="+".join(f"s{n}" for n in range(20)))
    site.wait(lambda: len(site.batch.submitted()) == 20, head)
    time.sleep(1)
    start = time.monotonic()
    head.send_signal(signal.SIGINT)
    assert head.wait(30) != 0
    print(f"returned {time.monotonic() - start:.1f} s after Ctrl-C")
    assert time.monotonic() - start < 10
    assert {job["status"] for job in site.batch.submitted()} == {"FAILED"}
    assert "Ending 20 Batch jobs" in (site.folder / "head.log").read_text()


def test_a_killed_head_that_is_started_again_runs_nothing_twice(site: Site) -> None:
    site.batch.engine = lambda job: job.update(status="RUNNING")
    head = site.start(samples="a+b+c")
    # Snakemake has to know of all of them: it marks outputs as unfinished when a job is submitted.
    marks = site.folder / ".snakemake" / "incomplete"
    site.wait(lambda: marks.exists() and len(list(marks.iterdir())) == 3, head)
    head.kill()
    head.wait()
    first, second, third = site.batch.submitted()
    site.succeed(first)
    site.batch.engine = site.succeed
    head = site.start(samples="a+b+c")
    site.wait(lambda: "an earlier start made Batch job" in (site.folder / "head.log").read_text(), head)
    site.succeed(second)
    site.succeed(third)
    assert head.wait(60) == 0, (site.folder / "head.log").read_text()
    assert len(site.batch.submitted("make")) == 3
    assert len(site.batch.submitted("gather")) == 1
    assert (site.folder / "head.log").read_text().count("an earlier start made Batch job") == 3
    assert site.batch.count("terminatejob") == 0


def test_everything_that_is_wrong_is_said_at_once(site: Site) -> None:
    site.batch.queues["spot"]["state"] = "DISABLED"
    del site.batch.queues["ondemand"]
    site.batch.definitions["worker-20gib"]["status"] = "INACTIVE"
    site.batch.definitions["worker-50gib"]["containerProperties"]["executionRoleArn"] = ""
    text = site.run(check=1)
    assert "4 things are wrong with the stack on AWS; no job was submitted." in text
    for line in (
        "Job queue spot is DISABLED and VALID",
        "There is no job queue ondemand",
        "Job definition worker-20gib has no active revision",
        "Job definition worker-50gib has no execution role",
    ):
        assert line in text
    assert "Traceback" not in text
    assert site.batch.count("submitjob") == 0


def test_a_dry_run_asks_batch_nothing(site: Site) -> None:
    assert "gather" in site.run("--dry-run")
    assert site.batch.calls == []


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("job-definitions", "big=worker", "before '=' has to stand the disk of the definition"),
        ("job-definitions", "worker", "'worker', which is not of the form key=value"),
        ("run-name", "my run", "run-name is 'my run'"),
        ("tags", "owner=", "'owner=', which is not of the form key=value"),
    ],
)
def test_a_wrong_setting(site: Site, setting: str, value: str, words: str) -> None:
    text = site.run(f"--aws-batch-fargate-{setting}", value, check=1)
    assert words in text
    assert "Traceback" not in text
