"""Jobs that have ended: on demand after Spot, again with more memory or disk, or not again."""

import pytest

from fake_batch import FakeAws
from fake_head import TAIL, Make, ended, session_of, until
from fake_jobs import FakeJob
from snakemake_executor_plugin_aws_batch_fargate import logs


def test_a_spot_reclaim_ends_on_the_on_demand_queue(make: Make, aws: FakeAws) -> None:
    one = make()
    job = FakeJob(restart_times=2)
    one.run_jobs([job])
    aws.batch.end(aws.batch.submitted()[0], "FAILED", None, "Your Spot Task was interrupted.", tries=3)
    until(lambda: len(aws.batch.submitted()) == 2)
    again = aws.batch.submitted()[1]
    assert (again["jobQueue"], again["jobName"]) == ("ondemand", aws.batch.submitted()[0]["jobName"])
    assert ended(one) == [] and job.attempt == 1
    aws.batch.end(again, "SUCCEEDED", 0)
    until(lambda: ended(one) == [(job, True)])
    assert "lost its Spot capacity" in one.logger.text
    assert job.registered == [job_["jobId"] for job_ in aws.batch.submitted()]


@pytest.mark.parametrize(
    ("code", "reason", "again"),
    [
        (137, "OutOfMemoryError: Container killed due to memory usage", True),
        (None, "Job attempt duration exceeded timeout", True),
        (1, "Essential container in task exited", False),
        (127, "Essential container in task exited", False),
        (None, "CannotPullContainerError: manifest unknown", False),
    ],
)
def test_what_snakemake_runs_again(make: Make, aws: FakeAws, code: int | None, reason: str, again: bool) -> None:
    one = make()
    job = FakeJob(restart_times=2)
    one.run_jobs([job])
    aws.batch.end(aws.batch.submitted()[0], "FAILED", code, reason)
    until(lambda: ended(one) == [(job, False)])
    # As the scheduler decides it.
    assert (job.restart_times > job.attempt - 1) is again
    assert reason in str(job.errors[0])


def test_a_retry_gets_more(make: Make, aws: FakeAws) -> None:
    one = make()
    job = FakeJob(restart_times=1)
    one.run_jobs([job])
    job.attempt, job.resources = 2, {"mem_mb": 6000}
    one.run_jobs([job])
    first, second = aws.batch.submitted()
    assert first["jobName"] == second["jobName"], "it is the same job"
    assert second["containerOverrides"]["resourceRequirements"][1] == {"type": "MEMORY", "value": "6144"}


@pytest.mark.parametrize(
    ("reason", "memory", "definition"),
    [
        ("OutOfMemoryError: Container killed due to memory usage", "8192", "worker-20gib"),
        ("write error: no space left on device", "4096", "worker-50gib"),
        ("Task failed to start", "4096", "worker-20gib"),
    ],
)
def test_a_retry_gets_more_than_there_was_of_what_ran_out(
    make: Make, aws: FakeAws, reason: str, memory: str, definition: str
) -> None:
    one = make()
    job = FakeJob(threads=2, restart_times=1)
    one.run_jobs([job])
    (first,) = aws.batch.submitted()
    assert first["containerOverrides"]["resourceRequirements"][1]["value"] == "4096", "more than was asked for"
    aws.batch.end(first, "FAILED", 1, "Essential container in task exited", container_reason=reason)
    until(lambda: len(ended(one)) == 1)
    job.attempt, job.resources = 2, {"mem_mb": 2000, "disk_mb": 2000}
    one.run_jobs([job])
    _, second = aws.batch.submitted()
    assert second["containerOverrides"]["resourceRequirements"][1]["value"] == memory
    assert second["jobDefinition"] == definition


def test_logs_out_of_reach_cost_seconds(make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:1")
    monkeypatch.setattr(logs, "tail", TAIL)
    one = make(log_group="/jobs")
    one.run_jobs([FakeJob()])
    tries = list[None]()
    session_of(one).logs.meta.events.register("before-send.cloudwatch-logs", lambda **_: tries.append(None))
    # Last: the log is read as soon as a look has shown the end.
    aws.batch.end(aws.batch.submitted()[0], "FAILED", 1, "Essential container in task exited")
    until(lambda: len(ended(one)) == 1)
    # A client for calls that have to succeed tries ten times, with long pauses.
    assert len(tries) == 3
    assert "its log can't be read" in ended(one)[0][0].errors[0]
