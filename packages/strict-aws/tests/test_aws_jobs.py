"""Jobs: small shell commands in real containers, reported as AWS reports them."""

import docker

from strict_aws import Aws
from strict_helpers import Run, log_of, wait


def test_a_job_is_described_as_aws_does(strict_aws: Aws, run: Run) -> None:
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
    assert log_of(strict_aws, job) == ["kept b 1", str(1024 * 2**20)]


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


def test_a_time_limit_ends_a_job_for_good(strict_aws: Aws, run: Run) -> None:
    strict_aws.set(job_second=0.02)
    job = run("sleep 50", retryStrategy={"attempts": 3})
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert len(job["attempts"]) == 1


def test_terminate_ends_a_job_with_its_reason(strict_aws: Aws, run: Run) -> None:
    job = run("sleep 50", until="RUNNING")
    strict_aws.client("batch").terminate_job(jobId=job["jobId"], reason="enough")
    ended = wait(strict_aws, job["jobId"])
    assert (ended["status"], ended["statusReason"]) == ("FAILED", "enough")
    assert ended["container"]["exitCode"] in (137, 143)


def test_no_container_stays_on_the_engine(strict_aws: Aws, run: Run) -> None:

    job = run("sleep 50", until="RUNNING", name="left-over")
    strict_aws.client("batch").terminate_job(jobId=job["jobId"], reason="end")
    wait(strict_aws, job["jobId"])
    # Containers of other tests come and go meanwhile.
    names = [container.name for container in docker.from_env().containers.list(all=True, ignore_removed=True)]
    assert [name for name in names if name.startswith("left-over")] == []
