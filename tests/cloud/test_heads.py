"""Heads in real containers: a run of a tiny workflow with nothing of the laptop alive, healed, raced for and ended."""

import math
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import needs
import pytest
from container_heads import Site
from stacks import Deployed

from strict_aws import Aws
from terraflow.costs.command import bill_of
from terraflow.heads import about as abouts
from terraflow.heads import submit
from terraflow.runs import find


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
