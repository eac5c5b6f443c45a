"""TerminateJob gives a head 30 seconds: within 20 its jobs are ended, or those are named that could not be."""

import time
from typing import Any

import pytest

from fake_batch import FakeAws
from fake_head import Make, jobs, last_order, session_of
from record_site import record
from snakemake_aws_common.record.attempt import ABORTED
from snakemake_executor_plugin_aws_batch_fargate import cancellation, ending
from snakemake_executor_plugin_aws_batch_fargate.submitter import ACTIVE


def test_a_thousand_jobs_are_ended_and_recorded(make: Make, aws: FakeAws, s3: Any) -> None:
    """Submitted before by a head that was killed, so that nothing waits for the pace of submissions."""
    for number in range(1000):
        tags = {"snakemake:run": "main", "snakemake:rule": "bwa_mem"}
        name = f"main-bwa_mem-{number:012x}-0123ab"
        aws.batch.answer("submitjob", {"jobName": name, "jobQueue": "spot", "tags": tags})
    one = make(poll_seconds=60)
    one.run_jobs(jobs(1))
    start = time.monotonic()
    one.cancel()
    took = last_order(aws) - start
    print(f"1,001 jobs ended in {took:.1f} s")
    assert took < cancellation.DEADLINE
    assert not [job for job in aws.batch.submitted() if job["status"] in ACTIVE]
    assert [attempt.status for attempt in record(s3)] == [ABORTED] * 1001
    assert aws.batch.count("terminatejobs") == 21


def test_time_that_has_passed_since_the_signal_counts(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is ended then has what is left of the 20 seconds; what could not be ended is named."""
    given: list[float] = []

    def terminate(_: Any, ids: list[str], deadline: float) -> dict[str, str]:
        given.append(deadline)
        return dict.fromkeys(ids, "it was not reached in time")

    monkeypatch.setattr(cancellation, "terminate", terminate)
    monkeypatch.setattr(ending, "SEEN", 0.0)
    one = make()
    one.run_jobs(jobs(2))
    session_of(one).since_closed = time.monotonic() - 8
    one.cancel()
    assert len(given) == 1 and 5 <= given[0] <= 12
    assert "2 Batch jobs may still run and cost money" in one.logger.text
    for job in aws.batch.submitted():
        assert f"--job-id {job['jobId']}" in one.logger.text
