"""Snakemake itself with the executor: real heads, and jobs that are processes here or put their outputs on S3 at once.

A whole run; failures as the user reads them; more memory on the next attempt; a long command through S3; Ctrl-C; a head
that is killed and started again; a stack that is not right; a dry run.
"""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snakemake_heads import BUCKET, Site, new_site

from fake_batch import FakeAws
from snakemake_aws_common.record.store import read_attempts
from snakemake_executor_plugin_aws_batch_fargate import cancellation


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    with new_site(server, tmp_path) as made:
        yield made


def test_a_whole_run(site: Site) -> None:
    site.batch.engine = site.process
    text = site.run()
    assert site.objects()["runs/main/results/all.txt"] == "hello\nhello\n"
    assert sorted(job["tags"]["terraflow:rule"] for job in site.batch.submitted()) == ["gather", "make", "make"]
    assert {job["status"] for job in site.batch.submitted()} == {"SUCCEEDED"}
    assert site.batch.count("terminatejob") + site.batch.count("terminatejobs") == 0
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


def test_a_group_in_which_one_job_feeds_the_other(site: Site) -> None:
    """The inputs of `gather` depend on inputs that are not there yet."""
    snakefile = site.folder / "Snakefile"
    asking = "    resources:\n        disk_mb=lambda wildcards, input: int(input.size_mb) + 10,\n"
    snakefile.write_text(snakefile.read_text().replace('    shell:\n        "cat', asking + '    shell:\n        "cat'))
    site.batch.engine = site.process
    site.run("--groups", "make=all", "gather=all")
    (group,) = site.batch.submitted()
    assert group["jobDefinition"] == "worker-20gib"
    assert site.objects()["runs/main/results/all.txt"] == "hello\nhello\n"
    check_steps(site, group)


def check_steps(site: Site, group: dict[str, Any]) -> None:
    """The record has what the group's worker measured of each rule, and the measurements are gone."""
    (attempt,) = read_attempts(site.client("s3"), BUCKET, "runs/main")
    assert (attempt.native_id, attempt.process, attempt.is_group, attempt.exit) == (group["jobId"], "all", True, 0)
    steps = {f"{step.process} {step.tag}".rstrip(): step for step in attempt.steps}
    assert sorted(steps) == ["gather", "make sample=a", "make sample=b"]
    for step in attempt.steps:
        assert step.exit == 0 and step.start and step.complete
        assert step.realtime and step.realtime == step.complete - step.start
        assert step.cpu_time is not None and 0 <= step.cpu_time <= step.realtime + 100
        assert attempt.start and attempt.complete and attempt.start <= step.start and step.complete <= attempt.complete
    assert max(steps["make sample=a"].complete, steps["make sample=b"].complete) <= steps["gather"].start
    assert not [key for key in site.objects() if "/measured/" in key]


def test_without_a_default_storage_nothing_is_submitted(site: Site) -> None:
    command = site.command()
    first = command.index("--default-storage-provider")
    done = subprocess.run(
        command[:first] + command[first + 4 :], cwd=site.folder, env=site.env, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "--default-storage-provider" in done.stderr and "Traceback" not in done.stderr
    assert site.batch.count("submitjob") == 0


def test_without_a_region_nothing_is_submitted(site: Site) -> None:
    command = site.command()
    first = command.index("--aws-batch-fargate-region")
    env = {name: value for name, value in site.env.items() if name != "AWS_DEFAULT_REGION"}
    done = subprocess.run(
        command[:first] + command[first + 2 :], cwd=site.folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "No AWS region is set" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_jobs_within_seconds(site: Site, number: signal.Signals) -> None:
    site.batch.engine = lambda job: job.update(status="RUNNING")
    head = site.start(samples="+".join(f"s{n}" for n in range(20)))
    # Snakemake has to know of all of them.
    site.wait(lambda: len(site.batch.submitted()) == 20 and site.markers() == 20, head)
    time.sleep(1)
    start = time.monotonic()
    head.send_signal(number)
    assert head.wait(300) != 0
    last = max(at for at, operation, _ in site.batch.calls if operation == "terminatejobs")
    print(f"the last order came {last - start:.1f} s after {number.name}")
    assert last - start < cancellation.DEADLINE
    assert {job["status"] for job in site.batch.submitted()} == {"FAILED"}
    assert "Ending 20 Batch jobs" in (site.folder / "head.log").read_text()


def test_a_killed_head_that_is_started_again_runs_nothing_twice(site: Site) -> None:
    site.batch.engine = lambda job: job.update(status="RUNNING")
    head = site.start(samples="a+b+c")
    # Snakemake has to know of all of them: it marks outputs as unfinished when a job is submitted.
    site.wait(lambda: site.markers() == 3, head)
    head.kill()
    head.wait()
    first, second, third = site.batch.submitted()
    site.succeed(first)
    site.batch.engine = site.succeed
    head = site.start(samples="a+b+c")
    site.wait(lambda: "an earlier start made Batch job" in (site.folder / "head.log").read_text(), head)
    site.succeed(second)
    site.succeed(third)
    assert head.wait(300) == 0, (site.folder / "head.log").read_text()
    assert len(site.batch.submitted("make")) == 3
    assert len(site.batch.submitted("gather")) == 1
    assert (site.folder / "head.log").read_text().count("an earlier start made Batch job") == 3
    assert site.batch.count("terminatejob") + site.batch.count("terminatejobs") == 0


@pytest.mark.parametrize("ended", [False, True])
def test_a_job_whose_inputs_are_made_anew_after_a_killed_head_is_not_taken(site: Site, ended: bool) -> None:
    word = "hello"

    def make(job: dict[str, Any]) -> None:
        if job["tags"]["terraflow:rule"] == "make":
            key = f"runs/main/results/{job['tags']['terraflow:sample']}.txt"
            site.client("s3").put_object(Bucket=BUCKET, Key=key, Body=word.encode())
            site.batch.end(job, "SUCCEEDED", 0)
        else:
            job["status"] = "RUNNING"

    def gather(job: dict[str, Any], text: str) -> None:
        site.client("s3").put_object(Bucket=BUCKET, Key="runs/main/results/all.txt", Body=text.encode())
        site.batch.end(job, "SUCCEEDED", 0)

    site.batch.engine = make
    head = site.start(word="hello")
    site.wait(lambda: bool(site.batch.submitted("gather")) and site.markers() == 1, head)
    head.kill()
    head.wait()
    (old,) = site.batch.submitted("gather")
    if ended:
        gather(old, "hello hello")
    word = "bye"
    head = site.start(word="bye")
    site.wait(lambda: len(site.batch.submitted("gather")) == 2, head)
    new = site.batch.submitted("gather")[1]
    assert old["status"] == ("SUCCEEDED" if ended else "FAILED")
    gather(new, "bye bye")
    assert head.wait(300) == 0, (site.folder / "head.log").read_text()
    assert len(site.batch.submitted("make")) == 4
    assert site.objects()["runs/main/results/all.txt"] == "bye bye"


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
        ("job-definitions", "big=worker", "the number before '=' is the disk of the definition"),
        ("job-definitions", "worker", "'worker', which is not of the form key=value"),
        ("run-name", "my run", "run-name is 'my run'"),
        ("tags", "owner=", "'owner=', which is not of the form key=value"),
    ],
)
def test_a_wrong_setting(site: Site, setting: str, value: str, words: str) -> None:
    text = site.run(f"--aws-batch-fargate-{setting}", value, check=1)
    assert words in text
    assert "Traceback" not in text
