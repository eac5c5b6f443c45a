"""The executor on the AWS for tests: what it asks is what Fargate takes, and its jobs are containers.

The containers' `python` is a small script that does what the sample's name says; Snakemake itself is not in them.
"""

import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import needs
import pytest
from snakemake_interface_common.exceptions import WorkflowError

from fake_jobs import FakeJob, without_sources, workflow
from snakemake_aws_common.prices import cost_of, load
from snakemake_aws_common.record.attempt import ABORTED, FAILED
from snakemake_aws_common.record.store import read_attempts
from snakemake_executor_plugin_aws_batch_fargate import Executor, ExecutorSettings, cancellation, ending
from strict_aws import REGION, Aws, running

IMAGE = "terraflow-executor-tests"
PYTHON = """#!/bin/bash
trap 'exit 143' TERM
case "$*" in
  *sample=broken*) echo "reads are damaged"; exit 3 ;;
  *sample=missing*) exec no-such-tool ;;
  *sample=full*) echo "write failed: No space left on device"; exit 1 ;;
  *sample=slow*) sleep 300 & wait ;;
  *sample=shown*) env ;;
esac
"""
DOCKERFILE = "FROM debian:trixie-slim\nCOPY python /usr/local/bin/python\n"
RETRIES = {
    "attempts": 2,
    "evaluateOnExit": [
        {"onStatusReason": "Your Spot Task was interrupted*", "action": "RETRY"},
        {"onReason": "*", "action": "EXIT"},
    ],
}


class Log:
    """The text that was logged."""

    def __init__(self) -> None:
        self.text = ""

    def __getattr__(self, level: str) -> Callable[[str], None]:
        def write(line: str) -> None:
            self.text += f"{level}: {line}\n"

        return write


@pytest.fixture(scope="module")
def image() -> str:
    """Debian with the `python` above."""
    needs.need_docker()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, text, mode in (
            ("Dockerfile", DOCKERFILE.replace("--chmod=755 ", ""), 0o644),
            ("python", PYTHON, 0o755),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), mode
            archive.addfile(entry, io.BytesIO(text.encode()))
    subprocess.run(
        ["docker", "build", "--quiet", "--network", "host", "--tag", IMAGE, "-"],
        input=context.getvalue(),
        check=True,
        capture_output=True,
    )
    return IMAGE


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[Aws]:
    """Return an AWS with roles, a bucket, a log group, two queues and job definitions of two sizes of disk."""
    with running(tmp_path_factory.mktemp("executor") / "server.log") as aws:
        iam, ec2, batch = (aws.client(name) for name in ("iam", "ec2", "batch"))
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = iam.create_role(RoleName="job", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        aws.client("logs").create_log_group(logGroupName="/jobs")
        aws.client("s3").create_bucket(Bucket="data")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)["GroupId"]
        for name, kind in {"spot": "FARGATE_SPOT", "ondemand": "FARGATE"}.items():
            resources = {"type": kind, "maxvCpus": 4, "subnets": [subnet], "securityGroupIds": [group]}
            batch.create_compute_environment(computeEnvironmentName=name, type="MANAGED", computeResources=resources)
            order = [{"order": 1, "computeEnvironment": name}]
            batch.create_job_queue(jobQueueName=name, priority=1, state="ENABLED", computeEnvironmentOrder=order)
        for disk in (20, 50):
            define(aws, f"worker-{disk}gib", role, image, disk)
        aws.set(fargate_spot_vcpus=32, containers=8)
        yield aws


def define(aws: Aws, name: str, role: str, image: str, disk: int) -> None:
    options = {"awslogs-group": "/jobs", "awslogs-region": REGION, "awslogs-stream-prefix": name}
    aws.client("batch").register_job_definition(
        jobDefinitionName=name,
        type="container",
        platformCapabilities=["FARGATE"],
        containerProperties={
            "image": image,
            "executionRoleArn": role,
            "jobRoleArn": role,
            "resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}],
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **({"ephemeralStorage": {"sizeInGiB": disk}} if disk > 20 else {}),
        },
        retryStrategy=RETRIES,
        timeout={"attemptDurationSeconds": 600},
    )


@dataclass
class Head:
    """An executor at work."""

    executor: Executor
    log: Log

    def ended(self) -> list[tuple[FakeJob, bool]]:
        found: list[tuple[FakeJob, bool]] = self.executor.workflow.scheduler.ended
        return found

    def run(self, *jobs: FakeJob) -> list[str]:
        """Run jobs to their ends; return the message that the user reads about each."""
        self.executor.run_jobs(list(jobs))
        until(lambda: len(self.ended()) == len(jobs))
        return ["\n".join(map(str, job.errors)) for job in jobs]


def until(true: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.1)


@pytest.fixture
def head(site: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Head]]:
    for name, value in site.env.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    without_sources(monkeypatch)
    made: list[Head] = []

    def new(**changed: Any) -> Head:
        settings = {
            "region": REGION,
            "queue": "spot",
            "ondemand_queue": "ondemand",
            "job_definitions": "20=worker-20gib 50=worker-50gib",
            "run_name": f"run{time.monotonic_ns()}",
            "poll_seconds": 0.3,
            # The lock has tests of its own (test_two_heads.py), with workflows that have a DAG.
            "lock_seconds": 0,
        }
        log = Log()
        made.append(Head(Executor(workflow(ExecutorSettings(**{**settings, **changed})), log), log))
        return made[-1]

    yield new
    for one in made:
        one.executor.wait = False
    site.forget_faults()


def job(sample: str, **more: Any) -> FakeJob:
    resources = {"mem_mb": 500, "disk_mb": 500, "batch_cpu_units": 256}
    return FakeJob(
        **{"wildcards_dict": {"sample": sample}, "output": [f"{sample}.bam"], "resources": resources, **more}
    )


def described(site: Aws, one: FakeJob) -> dict[str, Any]:
    [found] = site.client("batch").describe_jobs(jobs=one.registered[-1:])["jobs"]
    return dict(found)


def test_jobs_are_containers_and_fargate_takes_what_is_asked(site: Aws, head: Callable[..., Head]) -> None:
    small = job("good")
    large = job("disk", threads=1, resources={"mem_mb": 3000, "disk_mb": 30000, "runtime": 5})
    assert head(tags="stack=terraflow", tag_prefix="lab:", tag_wildcards="sample").run(small, large) == ["", ""]
    found = described(site, large)
    assert (found["status"], found["timeout"]) == ("SUCCEEDED", {"attemptDurationSeconds": 300})
    assert found["jobDefinition"].endswith("worker-50gib:1")
    assert {"type": "MEMORY", "value": "3072"} in found["container"]["resourceRequirements"]
    assert found["tags"]["lab:sample"] == "disk" and found["tags"]["stack"] == "terraflow"
    assert {"type": "VCPU", "value": "0.25"} in described(site, small)["container"]["resourceRequirements"]


def test_a_container_gets_no_key_from_the_head(site: Aws, head: Callable[..., Head]) -> None:
    one = job("shown")
    head().run(one)
    stream = described(site, one)["container"]["logStreamName"]
    events = site.client("logs").get_log_events(logGroupName="/jobs", logStreamName=stream)["events"]
    text = "\n".join(event["message"] for event in events)
    assert "AWS_BATCH_JOB_ID=" in text
    assert site.env["AWS_ACCESS_KEY_ID"] not in text and "AWS_SECRET_ACCESS_KEY" not in text


@pytest.mark.parametrize(
    ("sample", "cause", "line", "again"),
    [
        ("broken", "The tool failed.", "    | reads are damaged", False),
        ("missing", "A command of the rule is not in the image.", "exit code: 127", False),
        ("full", "Its disk was full.", "    | write failed: No space left on device", True),
    ],
)
def test_failures_are_explained(head: Callable[..., Head], sample: str, cause: str, line: str, again: bool) -> None:
    one = job(sample, restart_times=1)
    [text] = head().run(one)
    assert f"Rule bwa_mem (sample={sample}) failed on AWS Batch. {cause}" in text
    assert line in text
    assert "aws logs tail /jobs --log-stream-names worker-20gib/" in text
    assert (one.attempt == 1) is again


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("out_of_memory", "It ran out of memory."),
        ("pull", "Its image could not be fetched."),
        ("network", "AWS could not start its container."),
    ],
)
def test_what_aws_does_to_a_job_is_explained(site: Aws, head: Callable[..., Head], fault: str, cause: str) -> None:
    site.fault(job=fault, name=f"*-{fault}-*", times=9)
    [text] = head().run(job(f"slow-{fault}"))
    assert cause in text


def test_a_job_that_loses_its_spot_capacity_ends_on_demand(
    site: Aws, head: Callable[..., Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The engine may take its time to end a container.
    monkeypatch.setattr(ending, "SEEN", cancellation.DEADLINE)
    # The definition allows two attempts on Spot.
    site.fault(job="reclaim", name="*-slow-spot-*", seconds=1, times=2)
    one, moved = head(), job("slow-spot")
    one.executor.run_jobs([moved])
    until(lambda: len(moved.registered) == 2 and described(site, moved)["status"] == "RUNNING")
    assert described(site, moved)["jobQueue"].endswith("ondemand")
    assert "lost its Spot capacity" in one.log.text and one.ended() == [] and moved.attempt == 1
    one.executor.cancel()
    recorded = read_attempts(site.client("s3"), "data", "runs/main")
    found = {(each.native_id, each.attempt): each for each in recorded if each.native_id in moved.registered}
    lost, again, last = (
        found[key] for key in ((moved.registered[0], 1), (moved.registered[0], 2), (moved.registered[1], 1))
    )
    assert [(each.status, each.queue, each.spot) for each in (lost, again, last)] == [
        (FAILED, "spot", True),
        (FAILED, "spot", True),
        (ABORTED, "ondemand", False),
    ]
    prices = load(REGION)
    for each in (lost, again):
        assert each.reason == "Your Spot Task was interrupted." and each.log_stream.startswith("worker-20gib/")
        # Whether a look sees it start depends on the moment of the look.
        assert each.start and each.complete and each.start < each.complete
        assert (each.cpus, each.memory, each.disk) == (0.25, 512 * 2**20, 20 * 2**30)
        # A minute is billed at least, at the price of Spot.
        assert 0 < cost_of(each, prices).vcpu < 0.25 * 0.05 * (1 - prices.spot_discount) / 60 * 3
    assert len(found) == 3 and lost.complete <= again.start


def test_ctrl_c_leaves_no_container(site: Aws, head: Callable[..., Head]) -> None:
    one = head()
    jobs = [job(f"slow{n}") for n in range(4)]
    one.executor.run_jobs(jobs)
    until(lambda: all(described(site, each)["status"] == "RUNNING" for each in jobs))
    start = time.monotonic()
    one.executor.cancel()
    # A head that Batch ends has 30 seconds.
    assert time.monotonic() - start < 30
    until(lambda: all(described(site, each)["status"] == "FAILED" for each in jobs))
    assert "All of them are ended." in one.log.text


def test_a_head_that_is_started_again_waits_for_what_runs(site: Aws, head: Callable[..., Head]) -> None:
    first, name = head(run_name="again"), "again"
    slow = job("slow-one")
    first.executor.run_jobs([slow])
    until(lambda: described(site, slow)["status"] == "RUNNING")
    first.executor.wait = False
    second, same = head(run_name=name), job("slow-one")
    second.executor.run_jobs([same])
    assert same.registered == slow.registered
    second.executor.cancel()


def test_a_lost_job(site: Aws, head: Callable[..., Head]) -> None:
    site.fault(job="lose", name="*-slow-lost-*")
    [text] = head().run(job("slow-lost"))
    assert "AWS Batch does not know it any more." in text


def test_a_long_command_travels_through_s3(site: Aws, head: Callable[..., Head]) -> None:
    one = head()
    one.executor.workflow.spawned_job_args_factory.general_args = lambda executor_common_settings: "x" * 9000
    long = job("long")
    assert one.run(long) == [""]
    shell, _, module, address, _ = described(site, long)["container"]["command"]
    assert (shell, module) == ("python", "snakemake_executor_plugin_aws_batch_fargate.command")
    key = address.removeprefix("s3://data/")
    assert b"x" * 9000 in site.client("s3").get_object(Bucket="data", Key=key)["Body"].read()


def test_throttling_and_server_errors_are_survived(site: Aws, head: Callable[..., Head]) -> None:
    site.fault(call="error", operation="SubmitJob", status=429, code="TooManyRequestsException", times=2)
    site.fault(call="error", operation="DescribeJobs", status=500, code="ServerException", times=3)
    assert head().run(job("good")) == [""]
    assert site.faults() == []


def test_preflight_names_all_that_is_wrong(site: Aws, head: Callable[..., Head]) -> None:
    role = site.client("iam").get_role(RoleName="job")["Role"]["Arn"]
    image = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/none:worker-1"
    define(site, "no-image", role, image, 20)
    define(site, "gone", role, IMAGE, 50)
    site.client("batch").deregister_job_definition(jobDefinition="gone:1")
    one = head(job_definitions="20=no-image 50=gone", ondemand_queue="none")
    one.executor.workflow.storage_settings.default_storage_prefix = "s3://no-such-bucket/runs/main"
    with pytest.raises(WorkflowError) as error:
        one.executor.run_jobs([job("good")])
    text = str(error.value)
    for words in (
        "4 things are wrong",
        "There is no job queue none",
        "Job definition gone has no active revision",
        f"Image {image} is not in its registry",
        "Bucket no-such-bucket of --default-storage-prefix can't be used: it does not exist",
    ):
        assert words in text
