"""Faults of jobs, which strike real containers."""

import time

import pytest

from strict_aws import Aws
from strict_helpers import Run

# A process that is there once the shell has set its trap: words that the command of the shell itself does not contain.
TRAPPED, SLEEP = "sleep 50", "sleep 5''0"


def test_a_reclaimed_spot_task_starts_again(strict_aws: Aws, run: Run) -> None:
    strict_aws.set(stop_seconds=30)
    strict_aws.fault(job="reclaim", name="reclaimed", process=TRAPPED)
    job = run(f"trap 'exit 143' TERM; test $AWS_BATCH_JOB_ATTEMPT = 2 || {{ {SLEEP} & wait; }}", name="reclaimed")
    assert job["status"] == "SUCCEEDED"
    assert [attempt["statusReason"] for attempt in job["attempts"]] == [
        "Your Spot Task was interrupted.",
        "Essential container in task exited",
    ]
    assert job["attempts"][0]["container"]["exitCode"] == 143


def test_on_demand_is_never_reclaimed(strict_aws: Aws, run: Run) -> None:
    strict_aws.fault(job="reclaim", name="steady")
    assert run("sleep 1", name="steady", queue="ondemand")["status"] == "SUCCEEDED"
    assert len(strict_aws.faults()) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("network", "ResourceInitializationError"),
        ("pull", "CannotPullContainerError"),
        ("interface", "Rate limit exceeded while preparing network interface"),
        ("capacity", "Capacity is unavailable at this time"),
    ],
)
def test_a_start_that_fails_is_tried_again(strict_aws: Aws, run: Run, fault: str, reason: str) -> None:
    strict_aws.fault(job=fault, name=f"start-{fault}")
    job = run("true", name=f"start-{fault}")
    assert job["attempts"][0]["statusReason"].startswith(reason)
    assert "exitCode" not in job["attempts"][0]["container"]
    # No rule names the reason, and what no rule names is repeated.
    assert (job["status"], len(job["attempts"])) == ("SUCCEEDED", 2)


@pytest.mark.parametrize(("order", "code"), [({}, 137), ({"code": 1}, 1)])
def test_out_of_memory_on_order(strict_aws: Aws, run: Run, order: dict[str, int], code: int) -> None:
    strict_aws.fault(job="out_of_memory", name=f"hungry-{code}", **order)
    job = run("sleep 50", name=f"hungry-{code}")
    assert (job["status"], job["container"]["exitCode"], len(job["attempts"])) == ("FAILED", code, 1)
    assert job["container"]["reason"].startswith("OutOfMemoryError")


def test_an_interrupted_tool_that_ends_well_has_succeeded(strict_aws: Aws, run: Run) -> None:
    strict_aws.set(stop_seconds=30)
    strict_aws.fault(job="reclaim", name="polite", process=TRAPPED)
    job = run(f"trap 'exit 0' TERM; {SLEEP} & wait", name="polite")
    assert (job["status"], job["container"]["exitCode"]) == ("SUCCEEDED", 0)
    assert job["statusReason"] == "Your Spot Task was interrupted."
    assert len(job["attempts"]) == 1


def test_a_lost_job_is_unknown(strict_aws: Aws) -> None:
    strict_aws.fault(job="lose", name="lost")
    batch = strict_aws.client("batch")
    submitted = batch.submit_job(jobName="lost", jobQueue="spot", jobDefinition="sh")
    for _ in range(600):
        if not batch.describe_jobs(jobs=[submitted["jobId"]])["jobs"]:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the job is not lost")
    assert strict_aws.faults() == []
