"""Jobs on the AWS for tests: small shell commands in real containers, reported as AWS reports them."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from botocore.exceptions import ClientError

from strict_aws import Aws, running

IMAGE = "debian:trixie-slim"
RETRIES = {
    "attempts": 3,
    "evaluateOnExit": [
        {"onStatusReason": "Essential container in task exited*", "action": "exit"},
        {"onReason": "OutOfMemoryError*", "action": "EXIT"},
    ],
}
TOO_LARGE = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
STUCK = [{"reason": TOO_LARGE, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL"}]
Job = dict[str, Any]
Run = Callable[..., Job]


@pytest.fixture(scope="module")
def batch_aws(tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient) -> Iterator[Aws]:
    """An AWS with a role, a Spot and an on-demand queue, a log group and the definition `sh`."""

    with running(tmp_path_factory.mktemp("batch") / "server.log") as aws:
        iam, ec2, batch, logs = (aws.client(name) for name in ("iam", "ec2", "batch", "logs"))
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = iam.create_role(RoleName="job", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        logs.create_log_group(logGroupName="/jobs")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)["GroupId"]
        for name, kind in {"spot": "FARGATE_SPOT", "ondemand": "FARGATE"}.items():
            network = {"subnets": [subnet], "securityGroupIds": [group]}
            resources = {"type": kind, "maxvCpus": 4, **network}
            batch.create_compute_environment(computeEnvironmentName=name, type="MANAGED", computeResources=resources)
            order = [{"order": 1, "computeEnvironment": name}]
            batch.create_job_queue(
                jobQueueName=name,
                priority=1,
                state="ENABLED",
                computeEnvironmentOrder=order,
                jobStateTimeLimitActions=STUCK if name == "spot" else [],
            )
        options = {"awslogs-group": "/jobs", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "sh"}
        container = {
            "image": IMAGE,
            "executionRoleArn": role,
            "jobRoleArn": role,
            "resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}],
            "environment": [{"name": "FROM_DEFINITION", "value": "kept"}],
            "logConfiguration": {"logDriver": "awslogs", "options": options},
        }
        batch.register_job_definition(
            jobDefinitionName="sh",
            type="container",
            platformCapabilities=["FARGATE"],
            containerProperties=container,
            retryStrategy=RETRIES,
            timeout={"attemptDurationSeconds": 60},
            propagateTags=True,
        )
        yield aws


@pytest.fixture
def run(batch_aws: Aws) -> Run:
    """Submits `sh -c SCRIPT` and waits for its end, or for a status."""
    batch = batch_aws.client("batch")

    def call(script: str, *, until: str = "", queue: str = "spot", name: str = "job", **request: Any) -> Job:
        overrides = {"command": ["sh", "-c", script], **request.pop("overrides", {})}
        submitted = batch.submit_job(
            jobName=name, jobQueue=queue, jobDefinition="sh", containerOverrides=overrides, **request
        )
        return wait(batch_aws, submitted["jobId"], until)

    return call


def wait(aws: Aws, job_id: str, until: str = "") -> Job:
    """A job's description once it has ended or reached a status."""
    for _ in range(300):
        [job] = aws.client("batch").describe_jobs(jobs=[job_id])["jobs"]
        if job["status"] in ("SUCCEEDED", "FAILED", until):
            return dict(job)
        time.sleep(0.1)
    raise AssertionError(f"still {job['status']} after 30 s")


def log_of(aws: Aws, job: Job) -> list[str]:
    """What a job printed."""
    stream = job["container"]["logStreamName"]
    events = aws.client("logs").get_log_events(logGroupName="/jobs", logStreamName=stream, startFromHead=True)
    return [event["message"] for event in events["events"]]


def test_a_job_is_told_as_aws_tells_it(batch_aws: Aws, run: Run) -> None:
    bigger = [{"type": "VCPU", "value": "0.5"}, {"type": "MEMORY", "value": "1024"}]
    variables = [{"name": "FROM_OVERRIDE", "value": "b"}]
    job = run(
        "echo $FROM_DEFINITION $FROM_OVERRIDE $AWS_BATCH_JOB_ATTEMPT; cat /sys/fs/cgroup/memory.max 2>/dev/null || "
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes",
        overrides={"resourceRequirements": bigger, "environment": variables},
        tags={"rule": "sort"},
    )
    assert (job["status"], job["statusReason"]) == ("SUCCEEDED", "Essential container in task exited")
    assert job["container"]["exitCode"] == 0
    assert job["container"]["resourceRequirements"] == bigger
    assert job["propagateTags"] is True
    assert job["tags"] == {"rule": "sort"}
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    [attempt] = job["attempts"]
    assert attempt["container"]["exitCode"] == 0
    assert attempt["container"]["logStreamName"].startswith("sh/default/")
    assert log_of(batch_aws, job) == ["kept b 1", str(1024 * 2**20)]


def test_a_tool_s_own_failure_is_not_tried_again(run: Run) -> None:
    job = run("exit 7")
    assert (job["status"], job["container"]["exitCode"], len(job["attempts"])) == ("FAILED", 7, 1)
    assert "reason" not in job["container"]


def test_without_rules_every_failure_is_tried_again(run: Run) -> None:
    job = run("test $AWS_BATCH_JOB_ATTEMPT = 3", retryStrategy={"attempts": 3})
    assert job["status"] == "SUCCEEDED"
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [1, 1, 0]


def test_memory_over_the_limit_ends_a_job(run: Run) -> None:
    job = run("head -c 700000000 /dev/zero | tail")
    assert job["status"] == "FAILED"
    assert job["container"]["reason"].startswith("OutOfMemoryError")


def test_a_time_limit_ends_a_job_for_good(batch_aws: Aws, run: Run) -> None:
    batch_aws.set(job_second=0.02)
    job = run("sleep 50", retryStrategy={"attempts": 3})
    batch_aws.set(job_second=1.0)
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert len(job["attempts"]) == 1


def test_the_role_s_credentials_are_the_container_s(batch_aws: Aws, run: Run) -> None:
    job = run("echo $AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_ACCESS_KEY_ID")
    [address] = log_of(batch_aws, job)
    told = json.load(urllib.request.urlopen(address.split()[0]))
    assert told["AccessKeyId"].startswith("ASIA")
    assert told["RoleArn"].endswith(":role/job")


def test_a_reclaimed_spot_task_starts_again(batch_aws: Aws, run: Run) -> None:
    batch_aws.fault(job="reclaim", name="reclaimed")
    job = run("trap 'exit 143' TERM; test $AWS_BATCH_JOB_ATTEMPT = 2 || { sleep 50 & wait; }", name="reclaimed")
    assert job["status"] == "SUCCEEDED"
    assert [attempt["statusReason"] for attempt in job["attempts"]] == [
        "Your Spot Task was interrupted.",
        "Essential container in task exited",
    ]
    assert job["attempts"][0]["container"]["exitCode"] == 143


def test_on_demand_is_never_reclaimed(batch_aws: Aws, run: Run) -> None:
    batch_aws.fault(job="reclaim", name="steady")
    assert run("sleep 1", name="steady", queue="ondemand")["status"] == "SUCCEEDED"
    assert len(batch_aws.faults()) == 1
    batch_aws.forget_faults()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("network", "ResourceInitializationError"),
        ("pull", "CannotPullContainerError"),
        ("interface", "Rate limit exceeded while preparing network interface"),
        ("capacity", "Capacity is unavailable at this time"),
    ],
)
def test_a_start_that_fails_is_tried_again(batch_aws: Aws, run: Run, fault: str, reason: str) -> None:
    batch_aws.fault(job=fault, name=f"start-{fault}")
    job = run("true", name=f"start-{fault}")
    assert job["attempts"][0]["statusReason"].startswith(reason)
    assert "exitCode" not in job["attempts"][0]["container"]
    # No rule names the reason, and what no rule names is repeated.
    assert (job["status"], len(job["attempts"])) == ("SUCCEEDED", 2)


@pytest.mark.parametrize(("order", "code"), [({}, 137), ({"code": 1}, 1)])
def test_out_of_memory_on_order(batch_aws: Aws, run: Run, order: dict[str, int], code: int) -> None:
    batch_aws.fault(job="out_of_memory", name=f"hungry-{code}", **order)
    job = run("sleep 50", name=f"hungry-{code}")
    assert (job["status"], job["container"]["exitCode"], len(job["attempts"])) == ("FAILED", code, 1)
    assert job["container"]["reason"].startswith("OutOfMemoryError")


def test_an_interrupted_tool_that_ends_well_has_succeeded(batch_aws: Aws, run: Run) -> None:
    batch_aws.fault(job="reclaim", name="polite")
    job = run("trap 'exit 0' TERM; sleep 50 & wait", name="polite")
    assert (job["status"], job["container"]["exitCode"]) == ("SUCCEEDED", 0)
    assert job["statusReason"] == "Your Spot Task was interrupted."
    assert len(job["attempts"]) == 1


def variables_of(job: Job) -> int:
    """Characters that Batch's own variables take in the overrides, commas and all."""
    values = [job["jobId"], "1", "spot", "spot"]
    names = ("AWS_BATCH_JOB_ID", "AWS_BATCH_JOB_ATTEMPT", "AWS_BATCH_JQ_NAME", "AWS_BATCH_CE_NAME")
    entries = [{"name": name, "value": value} for name, value in zip(names, values, strict=True)]
    return len(json.dumps(entries, separators=(",", ":")))


@pytest.mark.parametrize(("over", "status"), [(0, "SUCCEEDED"), (1, "FAILED")])
def test_overrides_count_with_batch_s_own_variables(run: Run, over: int, status: str) -> None:
    plain = {"command": ["sh", "-c", "true #"], "environment": []}
    used = len(json.dumps(plain, separators=(",", ":"))) + variables_of({"jobId": "0" * 36}) - len("[]")
    job = run("true #" + "x" * (8192 - used + over), name=f"long-{over}")
    assert job["status"] == status, job["statusReason"]
    if status == "FAILED":
        assert job["statusReason"] == "Container Overrides length must be at most 8192"
        assert job["attempts"] == []


def test_more_than_50_tags_of_job_and_definition_fail(batch_aws: Aws, run: Run) -> None:
    [definition] = batch_aws.client("batch").describe_job_definitions(jobDefinitionName="sh")["jobDefinitions"]
    batch_aws.client("batch").tag_resource(resourceArn=definition["jobDefinitionArn"], tags={"a": "1", "b": "2"})
    assert run("true", name="tags-48", tags={f"t{n}": "x" for n in range(48)})["status"] == "SUCCEEDED"
    job = run("true", name="tags-49", tags={"a": "1"} | {f"t{n}": "x" for n in range(48)})
    assert (job["status"], job["attempts"]) == ("FAILED", [])
    assert "combined tags" in job["statusReason"]


def test_a_job_may_be_invisible_at_first(batch_aws: Aws) -> None:
    batch = batch_aws.client("batch")
    batch_aws.set(invisible_seconds=3)
    try:
        job = batch.submit_job(jobName="shy", jobQueue="spot", jobDefinition="sh")["jobId"]
        assert batch.describe_jobs(jobs=[job])["jobs"] == []
        named = {"jobQueue": "spot", "filters": [{"name": "JOB_NAME", "values": ["shy"]}]}
        assert batch.list_jobs(**named)["jobSummaryList"] == []
    finally:
        batch_aws.set(invisible_seconds=0)
    assert [found["jobId"] for found in batch.list_jobs(**named)["jobSummaryList"]] == [job]
    batch.terminate_job(jobId=job, reason="seen")


def test_fifty_jobs_are_ended_at_once_each_with_a_result_of_its_own(batch_aws: Aws) -> None:
    batch = batch_aws.client("batch")
    batch_aws.set(containers=0)
    ids = [batch.submit_job(jobName="many", jobQueue="spot", jobDefinition="sh")["jobId"] for _ in range(2)]
    batch_aws.fault(job="unending")
    done = batch.terminate_jobs(jobs=[*ids, "unknown"], reason="enough")
    batch_aws.set(containers=4)
    assert [error["job"] for error in done["errors"]] == ids[:1]
    assert done["successful"] == [ids[1], "unknown"]
    assert wait(batch_aws, ids[1])["statusReason"] == "enough"
    batch.terminate_job(jobId=ids[0], reason="enough")
    with pytest.raises(ClientError, match="51 jobs in one call"):
        batch.terminate_jobs(jobs=["x"] * 51, reason="enough")


def test_a_job_too_large_for_its_queue_is_told_and_ended(batch_aws: Aws, run: Run) -> None:
    size = [{"type": "VCPU", "value": "8"}, {"type": "MEMORY", "value": "16384"}]
    overrides = {"command": ["true"], "resourceRequirements": size}
    batch = batch_aws.client("batch")
    ids = [
        batch.submit_job(jobName="huge", jobQueue=queue, jobDefinition="sh", containerOverrides=overrides)["jobId"]
        for queue in ("spot", "ondemand")
    ]
    batch_aws.set(job_second=0.001)
    ended = wait(batch_aws, ids[0])
    batch_aws.set(job_second=1.0)
    assert (ended["status"], ended["attempts"]) == ("FAILED", [])
    assert ended["statusReason"] == f"Canceled by JobStateTimeLimit action due to reason: {TOO_LARGE}"
    # The other queue has no limit.
    [waiting] = batch.describe_jobs(jobs=ids[1:])["jobs"]
    assert waiting["status"] == "RUNNABLE" and waiting["statusReason"].startswith(f"{TOO_LARGE} - ")
    batch.terminate_job(jobId=ids[1], reason="seen")


def test_a_lost_job_is_unknown(batch_aws: Aws) -> None:
    batch_aws.fault(job="lose", name="lost")
    batch = batch_aws.client("batch")
    submitted = batch.submit_job(jobName="lost", jobQueue="spot", jobDefinition="sh")
    time.sleep(0.5)
    assert batch.describe_jobs(jobs=[submitted["jobId"]])["jobs"] == []


def test_terminate_ends_a_job_with_its_reason(batch_aws: Aws, run: Run) -> None:
    job = run("sleep 50", until="RUNNING")
    batch_aws.client("batch").terminate_job(jobId=job["jobId"], reason="enough")
    ended = wait(batch_aws, job["jobId"])
    assert (ended["status"], ended["statusReason"]) == ("FAILED", "enough")
    assert ended["container"]["exitCode"] in (137, 143)


def test_more_than_there_is_waits(batch_aws: Aws, run: Run) -> None:
    batch_aws.set(fargate_spot_vcpus=0.25)
    first = run("sleep 2", until="RUNNING")
    second = run("true", until="RUNNABLE")
    assert second["status"] == "RUNNABLE"
    assert wait(batch_aws, first["jobId"])["stoppedAt"] <= wait(batch_aws, second["jobId"])["startedAt"]
    batch_aws.set(fargate_spot_vcpus=6)


def test_jobs_are_found_by_name_and_status(batch_aws: Aws, run: Run) -> None:
    job = run("true", name="look-for-me")
    batch = batch_aws.client("batch")
    found = batch.list_jobs(jobQueue="spot", filters=[{"name": "JOB_NAME", "values": ["look-*"]}])
    assert [summary["jobId"] for summary in found["jobSummaryList"]] == [job["jobId"]]
    assert batch.list_jobs(jobQueue="spot", jobStatus="RUNNING")["jobSummaryList"] == []


def test_nothing_stays_on_the_engine(batch_aws: Aws, run: Run) -> None:

    job = run("sleep 50", until="RUNNING", name="left-over")
    batch_aws.client("batch").terminate_job(jobId=job["jobId"], reason="end")
    wait(batch_aws, job["jobId"])
    names = [container.name for container in docker.from_env().containers.list(all=True)]
    assert [name for name in names if name.startswith("left-over")] == []


def test_a_job_is_held_to_its_role(batch_aws: Aws, run: Run) -> None:
    s3, iam = batch_aws.client("s3"), batch_aws.client("iam")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="runs/a", Body=b"a")
    [address] = log_of(batch_aws, run("echo $AWS_CONTAINER_CREDENTIALS_FULL_URI"))
    keys = json.load(urllib.request.urlopen(address.split()[0]))
    inside = batch_aws.client("s3", keys=keys)
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/runs/*"}
    listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::data"}

    def permit(*statements: dict[str, str]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName="job", PolicyName="data", PolicyDocument=document)

    batch_aws.set(enforce_roles=True)
    assert status(inside.get_object, Bucket="data", Key="runs/a") == 403
    permit(read)
    assert status(inside.get_object, Bucket="data", Key="runs/a") == 200
    assert status(inside.head_object, Bucket="data", Key="raw/a") == 403
    assert status(inside.put_object, Bucket="data", Key="runs/b", Body=b"b" * 1000) == 403
    # That an object is missing is told to those who may list the bucket.
    assert status(inside.head_object, Bucket="data", Key="runs/missing") == 403
    permit(read, listing)
    assert status(inside.head_object, Bucket="data", Key="runs/missing") == 404
    batch_aws.set(enforce_roles=False)


def status(call: Callable[..., Any], **request: Any) -> int:
    """HTTP status of a call."""
    try:
        return int(call(**request)["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
