"""Heads in real containers: a run of a tiny workflow with nothing of the laptop alive, healed, raced for and ended."""

import math
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import needs
import pytest
from laboratory import Laboratory
from stacks import Deployed

from strict_aws import Aws
from terraflow.costs.command import bill_of
from terraflow.heads import about as abouts
from terraflow.heads import archive, submit
from terraflow.heads.about import About
from terraflow.heads.objects import AboutObject
from terraflow.runs import find
from terraflow.stack import Stack, from_outputs

# Short leases, so that a head that is started again need not wait for minutes.
ARGUMENTS = ("--aws-batch-fargate-lock-seconds", "8", "--aws-batch-fargate-poll-seconds", "1")
SECONDS = 120.0
SNAKEFILE = """
rule all:
    input: "results/all.txt"

rule make:
    output: "results/{n}.txt"
    resources: mem_mb=1000, runtime=10
    shell: "sleep {config[seconds]}; date +%s%N > {output}"

rule gather:
    input: [f"results/{n}.txt" for n in range(4)]
    output: "results/all.txt"
    resources: mem_mb=1000, runtime=10
    shell: "cat {input} > {output}"
"""


class Site(Laboratory):
    """A stack, and a project of a few files, whose heads are started by people with the submit policy alone."""

    def __post_init__(self) -> None:
        """Lay the project out."""
        super().__post_init__()
        self.stack: Stack = from_outputs(self.outputs, "the stack's outputs")
        keys = self.aws.keys_of(self.outputs["submit_policy_arn"])
        self.as_people = {name: self.aws.client(name, keys=keys) for name in ("s3", "batch")}
        shutil.rmtree(self.folder / "workflow")
        (self.folder / "workflow").mkdir()
        (self.folder / "workflow/Snakefile").write_text(SNAKEFILE)
        (self.folder / "cohort").mkdir()

    def submit(self, run: str, seconds: int) -> str:
        """Start a head from a working directory of the run's own, and return its job."""
        configured = (*ARGUMENTS, "--config", f"seconds={seconds}")
        packed = archive.build(run, self.stack, self.folder, self.folder / "cohort", arguments=configured)
        key = submit.store(self.stack, run, packed, self.as_people["s3"])
        return submit.submit(self.stack, About(run, "ada", "terraflow run", 0), key, **self.as_people)

    def about(self, run: str) -> About:
        """Return what run.json says."""
        found = AboutObject(self.s3, self.bucket, run).read()
        assert found is not None
        return found.about

    def head(self, job: str) -> dict[str, Any]:
        """Return Batch's description of a head."""
        found: dict[str, Any] = self.batch.describe_jobs(jobs=[job])["jobs"][0]
        return found

    def tasks(self, run: str) -> list[dict[str, Any]]:
        """Return the run's jobs but for its heads."""
        return [job for job in self.jobs(run) if job["tags"]["terraflow:rule"] != submit.RULE]

    def until(self, true: Callable[[], object], job: str) -> None:
        """Wait for something to become true while a head lives."""
        limit = time.monotonic() + SECONDS
        while not true():
            head = self.head(job)
            said = self.said(head)
            assert head["status"] not in ("SUCCEEDED", "FAILED"), f"{head['status']}\n{said}"
            assert time.monotonic() < limit, said
            time.sleep(0.3)

    def ended(self, job: str) -> dict[str, Any]:
        """Wait for the end of a head, and return its description."""
        limit = time.monotonic() + SECONDS
        while (head := self.head(job))["status"] not in ("SUCCEEDED", "FAILED"):
            assert time.monotonic() < limit, self.said(head)
            time.sleep(0.3)
        return head

    def said(self, head: dict[str, Any]) -> str:
        """Return what the attempts of a head have said in CloudWatch."""
        containers = [*(attempt["container"] for attempt in head["attempts"]), head["container"]]
        streams = dict.fromkeys(one["logStreamName"] for one in containers if one.get("logStreamName"))
        logs, events = self.aws.client("logs"), []
        for stream in streams:
            answer = logs.get_log_events(logGroupName=self.outputs["log_group"], logStreamName=stream)
            events += [event["message"] for event in answer["events"]]
        return "\n".join(events)


@pytest.fixture
def site(
    aws: Aws, deployed_stack: Deployed, tmp_path: Path, settings: Callable[..., AbstractContextManager[None]]
) -> Iterator[Site]:
    needs.need_docker()
    with settings(stop_seconds=30, containers=6, fargate_spot_vcpus=8, fargate_ondemand_vcpus=8):
        made = Site(aws, deployed_stack, tmp_path)
        yield made
        made.close()
    subprocess.run(["docker", "rmi", *made.outputs["images"].values()], capture_output=True, check=False)


def by_hand(jobs: Iterable[dict[str, Any]]) -> float:
    """Return what jobs cost in us-east-1 by the times that Batch gives, in US dollars: no code of the project's."""
    dollars = 0.0
    for job in jobs:
        asked = {one["type"]: float(one["value"]) for one in job["container"]["resourceRequirements"]}
        share = 0.4 if job["jobQueue"].endswith("spot") else 1.0
        for attempt in job["attempts"]:
            ran = (attempt["stoppedAt"] - attempt["startedAt"]) / 1000
            hours = max(60, math.ceil(ran + 30)) / 3600
            dollars += hours * share * (asked["VCPU"] * 0.04048 + asked["MEMORY"] / 1024 * 0.004445)
            public = job["container"]["networkConfiguration"]["assignPublicIp"] == "ENABLED"
            dollars += hours * 0.005 if public else 0.00001
    return dollars


def test_a_run_needs_no_laptop_and_heals(site: Site) -> None:
    """Two people start it in one second; its head is killed; another one adopts its jobs; the last is ended."""
    with ThreadPoolExecutor() as pool:
        started = [pool.submit(site.submit, "cohort", 12) for _ in range(2)]
        errors = [one.exception() for one in started]
    assert sum(isinstance(error, submit.UnderWayError) for error in errors) == 1, errors
    (job,) = [one.result() for one, error in zip(started, errors, strict=True) if error is None]
    assert [one["jobName"] for one in site.jobs("cohort")] == ["cohort-head"]

    site.until(lambda: sum(one["status"] == "RUNNING" for one in site.tasks("cohort")) == 4, job)
    about = site.about("cohort")
    assert (about.state, about.head_job, about.who) == (abouts.RUNNING, job, "ada")
    container = f"cohort-head-{job[:8]}-1"
    subprocess.run(["docker", "kill", container], check=True, capture_output=True)

    head = site.ended(job)
    said = site.said(head)
    assert head["status"] == "SUCCEEDED", said
    assert [attempt["container"].get("exitCode") for attempt in head["attempts"]] == [137, 0], said
    assert "is dead; this one takes its place" in said
    # No job ran twice, and none failed: the second head waited for the first one's.
    assert sorted(one["tags"]["terraflow:rule"] for one in site.tasks("cohort")) == ["gather", *["make"] * 4]
    assert all(one["status"] == "SUCCEEDED" and len(one["attempts"]) == 1 for one in site.tasks("cohort"))
    done = site.about("cohort")
    assert (done.state, done.exit_code, done.started, done.head_job) == (abouts.DONE, 0, about.started, job)
    keys = site.keys("runs/cohort/")
    assert {"results/all.txt", "head/persistence.db.gz", "head/run.json", "head/live.json"} <= keys
    assert ".head-lock.json" not in keys
    logs = sorted(key for key in keys if key.startswith(abouts.LOGS))
    assert logs[-1].endswith(f"-{job[:8]}-2.log")
    log = site.s3.get_object(Bucket=site.bucket, Key=f"runs/cohort/{logs[-1]}")["Body"].read().decode()
    assert "Finished jobid" in log and "rule gather" in log
    # Each of the four says when it was made: one line each.
    made = site.s3.get_object(Bucket=site.bucket, Key="runs/cohort/results/all.txt")["Body"].read()
    assert len(made.splitlines()) == 4
    run = find.find("cohort", site.stack, site.s3)
    bill = bill_of(run, site.stack, s3=site.s3, batch=site.batch)
    # Five tasks, and a head that was killed once.
    assert len({line.attempt for line in bill.lines}) == 7
    assert bill.total == pytest.approx(by_hand([head, *site.tasks("cohort")]), abs=1e-7)

    # TerminateJob on a head: nothing of the run goes on, and the run says so.
    job = site.submit("stopped", 600)
    site.until(lambda: any(one["status"] == "RUNNING" for one in site.tasks("stopped")), job)
    site.as_people["batch"].terminate_job(jobId=job, reason="by a person")
    head = site.ended(job)
    stopped = site.about("stopped")
    assert (stopped.state, stopped.exit_code) == (abouts.STOPPED, 62), site.said(head)
    assert len(head["attempts"]) == 1 and head["attempts"][0]["container"]["exitCode"] == 62
    assert all(one["isTerminated"] or one["status"] == "FAILED" for one in site.tasks("stopped"))
    assert ".head-lock.json" not in site.keys("runs/stopped/")
