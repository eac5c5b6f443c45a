"""Attempts from what Batch says about jobs: lost ones, ended ones, those that never began, and jobs that go on."""

from typing import Any

import pytest

from fake_jobs import FakeGroup, FakeJob, submission_of
from snakemake_aws_common.record.attempt import ABORTED, COMPLETED, FAILED
from snakemake_executor_plugin_aws_batch_fargate import attempts, status

SPOT = {"spot": True, "ondemand": False}
RECLAIMED = "Your Spot Task was interrupted."
LOST = {
    "container": {"logStreamName": "worker/default/1"},
    "startedAt": 2_000,
    "stoppedAt": 62_000,
    "statusReason": RECLAIMED,
}
LAST = {"container": {"exitCode": 0, "logStreamName": "worker/default/2"}, "startedAt": 70_000, "stoppedAt": 99_000}


def described(status: str, *given: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "jobId": "j-1",
        "jobName": "main-bwa_mem-A-0123456789ab-0123ab",
        "jobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/spot",
        "jobDefinition": "arn:aws:batch:us-east-1:123456789012:job-definition/worker-50gib:7",
        "status": status,
        "createdAt": 1_000,
        "attempts": list(given),
        "container": {
            "resourceRequirements": [{"type": "VCPU", "value": "0.5"}, {"type": "MEMORY", "value": "2048"}],
            "ephemeralStorage": {"sizeInGiB": 50},
            "networkConfiguration": {"assignPublicIp": "ENABLED"},
            "runtimePlatform": {"cpuArchitecture": "ARM64"},
        },
        **more,
    }


def of(job: FakeJob | None = None) -> attempts.Known:
    job = job or FakeJob()
    return attempts.known(job, submission_of(job))


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        (described("SUCCEEDED", LOST, LAST), [(1, FAILED, None, 2_000, 62_000), (2, COMPLETED, 0, 70_000, 99_000)]),
        (described("RUNNABLE", LOST), [(1, FAILED, None, 2_000, 62_000)]),
        (described("RUNNING"), []),
        (described("FAILED", LOST, isTerminated=True), [(1, ABORTED, None, 2_000, 62_000)]),
        (described("FAILED", LOST), [(1, FAILED, None, 2_000, 62_000)]),
        # Ended while it waited.
        (described("FAILED", stoppedAt=5_000, statusReason="ended by Snakemake", isTerminated=True),
         [(1, ABORTED, None, None, 5_000)]),
        # Batch gives the times of the only attempt beside it.
        (described("FAILED", {"container": {"exitCode": 3}}, startedAt=2_000, stoppedAt=9_000),
         [(1, FAILED, 3, 2_000, 9_000)]),
    ],
)  # fmt: skip
def test_each_attempt_that_has_ended_is_one(
    description: dict[str, Any], expected: list[tuple[int, str, int | None, int | None, int]]
) -> None:
    found = attempts.ended_attempts(description, of(), SPOT, "head-1")
    assert [(one.attempt, one.status, one.exit, one.start, one.complete) for one in found] == expected


def test_an_attempt_says_what_it_asked_for_and_where_it_ran() -> None:
    (_, one) = attempts.ended_attempts(described("SUCCEEDED", LOST, LAST), of(), SPOT, "head-1")
    assert (one.queue, one.spot, one.definition, one.log_stream) == (
        "spot",
        True,
        "worker-50gib:7",
        "worker/default/2",
    )
    assert (one.cpus, one.memory, one.disk) == (0.5, 2048 * 2**20, 50 * 2**30)
    assert (one.architecture, one.public_address) == ("ARM64", True)
    assert (one.process, one.tag, one.hash) == ("bwa_mem", "sample=A, unit=1", "0123456789ab-0123ab")
    assert (one.native_id, one.head, one.submit) == ("j-1", "head-1", 1_000)


def test_a_lost_attempt_keeps_its_reason_and_a_group_its_rules() -> None:
    members = [FakeJob("sort", {"sample": "A"}), FakeJob("bwa_mem", {"sample": "A", "unit": "1"})]
    group = FakeGroup(wildcards_dict={}, jobs=members)
    (one,) = attempts.ended_attempts(described("RUNNABLE", LOST), of(group), SPOT, "head-1")
    assert (one.reason, one.process, one.is_group) == (RECLAIMED, "mapping", True)
    assert [(step.process, step.tag) for step in one.steps] == [("bwa_mem", "sample=A, unit=1"), ("sort", "sample=A")]


def test_a_queue_that_nobody_knows_counts_as_on_demand() -> None:
    """Its price is the higher one."""
    (one,) = attempts.ended_attempts(described("RUNNABLE", LOST), of(), {}, "head-1")
    assert one.spot is False


def test_looks_keep_what_a_lost_attempt_needs_and_when_they_saw_a_status() -> None:
    job = FakeJob()
    submission = submission_of(job)
    info = status.SubmittedJobInfo(job, "j-1", {"submission": submission})
    for described_as in (described("RUNNABLE"), described("STARTING"), described("RUNNABLE", LOST)):
        kept = status._kept({**described_as, "container": {**described_as["container"], "command": ["x" * 2000]}})
        status.sort([info], {"j-1": kept}, [])
    assert sorted(submission.seen) == [(1, "RUNNABLE"), (1, "STARTING"), (2, "RUNNABLE")]
    (one,) = attempts.ended_attempts(kept, attempts.known(job, submission), SPOT, "head-1")
    assert one.runnable is not None and one.starting is not None and one.runnable <= one.starting
    assert (one.cpus, one.disk, one.start) == (0.5, 50 * 2**30, 2_000)
    assert "command" not in kept["container"]
