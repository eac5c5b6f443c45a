"""Limits that Batch and its queues put on jobs."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from strict_aws import Aws
from strict_helpers import TOO_LARGE, Job, Run, code, wait


def variables_of(job: Job) -> int:
    """Return the characters that Batch's own variables take in the overrides."""
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


def test_more_than_50_tags_of_job_and_definition_fail(strict_aws: Aws, run: Run) -> None:
    [definition] = strict_aws.client("batch").describe_job_definitions(jobDefinitionName="sh")["jobDefinitions"]
    strict_aws.client("batch").tag_resource(resourceArn=definition["jobDefinitionArn"], tags={"a": "1", "b": "2"})
    assert run("true", name="tags-48", tags={f"t{n}": "x" for n in range(48)})["status"] == "SUCCEEDED"
    job = run("true", name="tags-49", tags={"a": "1"} | {f"t{n}": "x" for n in range(48)})
    assert (job["status"], job["attempts"]) == ("FAILED", [])
    assert "combined tags" in job["statusReason"]


def test_a_job_may_be_invisible_at_first(strict_aws: Aws, queues: None) -> None:
    batch = strict_aws.client("batch")
    named = {"jobQueue": "spot", "filters": [{"name": "JOB_NAME", "values": ["shy"]}]}
    with strict_aws.changed(invisible_seconds=60, containers=0):
        job = batch.submit_job(jobName="shy", jobQueue="spot", jobDefinition="sh")["jobId"]
        assert batch.describe_jobs(jobs=[job])["jobs"] == []
        assert batch.list_jobs(**named)["jobSummaryList"] == []
    assert [found["jobId"] for found in batch.list_jobs(**named)["jobSummaryList"]] == [job]
    batch.terminate_job(jobId=job, reason="seen")


def test_terminate_jobs_takes_fifty_each_with_a_result_of_its_own(strict_aws: Aws, queues: None) -> None:
    batch = strict_aws.client("batch")
    strict_aws.set(containers=0)
    ids = [batch.submit_job(jobName="many", jobQueue="spot", jobDefinition="sh")["jobId"] for _ in range(2)]
    strict_aws.fault(job="unending")
    done = batch.terminate_jobs(jobs=[*ids, "unknown"], reason="enough")
    assert [error["job"] for error in done["errors"]] == ids[:1]
    assert done["successful"] == [ids[1], "unknown"]
    assert wait(strict_aws, ids[1])["statusReason"] == "enough"
    batch.terminate_job(jobId=ids[0], reason="enough")
    with pytest.raises(ClientError, match="51 jobs in one call"):
        batch.terminate_jobs(jobs=["x"] * 51, reason="enough")


def test_a_job_too_large_for_its_queue_is_reported_and_ended(strict_aws: Aws, run: Run) -> None:
    size = [{"type": "VCPU", "value": "8"}, {"type": "MEMORY", "value": "16384"}]
    overrides = {"command": ["true"], "resourceRequirements": size}
    batch = strict_aws.client("batch")
    ids = [
        batch.submit_job(jobName="huge", jobQueue=queue, jobDefinition="sh", containerOverrides=overrides)["jobId"]
        for queue in ("spot", "ondemand")
    ]
    strict_aws.set(job_second=0.001)
    ended = wait(strict_aws, ids[0])
    assert (ended["status"], ended["attempts"]) == ("FAILED", [])
    assert ended["statusReason"] == f"Canceled by JobStateTimeLimit action due to reason: {TOO_LARGE}"
    # The other queue has no limit. Its job is looked at by a thread of its own.
    for _ in range(600):
        [waiting] = batch.describe_jobs(jobs=ids[1:])["jobs"]
        if waiting["status"] == "RUNNABLE" and "statusReason" in waiting:
            break
        time.sleep(0.1)
    assert waiting["status"] == "RUNNABLE" and waiting["statusReason"].startswith(f"{TOO_LARGE} - ")
    batch.terminate_job(jobId=ids[1], reason="seen")


def test_jobs_wait_for_vcpus(strict_aws: Aws, run: Run) -> None:
    strict_aws.set(fargate_spot_vcpus=0.25)
    first = run("sleep 50", until="RUNNING")
    second = run("true", until="RUNNABLE")
    assert (first["status"], second["status"]) == ("RUNNING", "RUNNABLE")
    strict_aws.client("batch").terminate_job(jobId=first["jobId"], reason="seen")
    assert wait(strict_aws, first["jobId"])["stoppedAt"] <= wait(strict_aws, second["jobId"])["startedAt"]


def test_jobs_are_found_by_name_and_status(strict_aws: Aws, run: Run) -> None:
    job = run("true", name="look-for-me")
    batch = strict_aws.client("batch")
    found = batch.list_jobs(jobQueue="spot", filters=[{"name": "JOB_NAME", "values": ["look-*"]}])
    assert [summary["jobId"] for summary in found["jobSummaryList"]] == [job["jobId"]]
    assert batch.list_jobs(jobQueue="spot", jobStatus="RUNNING")["jobSummaryList"] == []


def test_a_snapshot_shows_the_front_of_a_queue(strict_aws: Aws, queues: None) -> None:
    batch = strict_aws.client("batch")
    strict_aws.set(containers=0)
    jobs = [batch.submit_job(jobName="one", jobQueue="spot", jobDefinition="sh") for _ in range(2)]
    batch.submit_job(jobName="one", jobQueue="ondemand", jobDefinition="sh")
    for job in jobs:
        wait(strict_aws, job["jobId"], "RUNNABLE")
    front = batch.get_job_queue_snapshot(jobQueue="spot")["frontOfQueue"]["jobs"]
    assert [job["jobArn"] for job in front] == [job["jobArn"] for job in jobs]
    assert code(batch.get_job_queue_snapshot, jobQueue="none") == "ClientException"
