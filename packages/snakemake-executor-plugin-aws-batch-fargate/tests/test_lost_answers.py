"""Submission while AWS is in trouble: answers get lost, credentials expire, and no job runs twice."""

import time
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from fake_batch import FakeAws
from fake_head import Make, ended, jobs, lose_answers, session_of, until
from fake_jobs import FakeJob
from snakemake_aws_common import patience
from snakemake_executor_plugin_aws_batch_fargate import client, submitter


def test_server_errors_are_tried_again_and_make_no_second_job(make: Make, aws: FakeAws) -> None:
    def loses_answers(operation: str, body: dict[str, Any]) -> tuple[int, str] | None:
        if operation == "submitjob" and aws.batch.count("submitjob") == 1:
            aws.batch.answer("submitjob", body)
            return 500, "ServerException"
        return None

    aws.batch.fault = loses_answers
    make().run_jobs([FakeJob()])
    first, second = aws.batch.submitted()
    assert (first["status"], second["status"]) == ("FAILED", "SUBMITTED")
    assert second["jobId"] in first["statusReason"]


def test_a_job_of_which_no_attempt_got_an_answer_is_taken(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter, "PAUSE", 0.1)
    lose_answers(aws, 4)
    one = make()
    one.run_jobs([FakeJob()])
    assert ended(one) == []
    (taken,) = [job for job in aws.batch.submitted() if job["status"] == "SUBMITTED"]
    assert aws.batch.count("submitjob") == 4 == len(aws.batch.submitted())
    aws.batch.end(taken, "SUCCEEDED", 0)
    until(lambda: [good for _, good in ended(one)] == [True])


@pytest.mark.parametrize("error", [ReadTimeoutError, ConnectionClosedError, EndpointConnectionError])
def test_a_job_is_taken_where_connections_end_without_an_answer(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """Batch makes the job; the last try of botocore ends so."""
    monkeypatch.setattr(submitter, "PAUSE", 0.1)
    one = make(poll_seconds=60)
    one.run_jobs([FakeJob(output=["first"])])
    real = session_of(one).submitter.client.client
    tries = list[None]()

    def submit_job(**request: Any) -> Any:
        tries.append(None)
        aws.batch.answer("submitjob", request)
        raise error(endpoint_url="https://batch", error="reset")

    monkeypatch.setattr(real, "submit_job", submit_job)
    one.run_jobs([FakeJob()])
    assert (len(tries), len(aws.batch.submitted())) == (1, 2)
    one.cancel()
    assert [job["status"] for job in aws.batch.submitted()] == ["FAILED"] * 2


def test_a_lost_answer_is_not_forgotten_when_refusals_follow(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter, "PAUSE", 0.1)

    def fault(operation: str, body: dict[str, Any]) -> tuple[int, str] | None:
        if operation != "submitjob" or aws.batch.count("submitjob") > 4:
            return None
        if aws.batch.count("submitjob") == 1:
            aws.batch.answer("submitjob", body)
            return 500, "ServerException"
        return 429, "TooManyRequestsException"

    aws.batch.fault = fault
    make().run_jobs([FakeJob()])
    assert [job["status"] for job in aws.batch.submitted()] == ["SUBMITTED"]


def test_expired_credentials_are_waited_for_once_not_for_each_job(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter, "PAUSE", 0.1)
    monkeypatch.setattr(patience, "EXPIRED", 1.5)
    aws.batch.fault = lambda operation, _: (400, "ExpiredTokenException") if operation == "submitjob" else None
    one, asked = make(poll_seconds=60), jobs(80)
    start = time.monotonic()
    one.run_jobs(asked)
    # Each by itself would ask for 1.5 s, eight jobs at a time: about 1,000 requests.
    assert time.monotonic() - start > 1.5
    print(f"{aws.batch.count('submitjob')} requests for 80 jobs")
    assert 80 <= aws.batch.count("submitjob") < 300
    assert [good for _, good in ended(one)] == [False] * 80
    assert "could not be asked to run it for queue spot" in str([job.errors for job in asked])


def test_twins_that_cannot_be_looked_for_are_no_reason_to_lose_the_job(make: Make, aws: FakeAws) -> None:
    one = make()
    one.run_jobs([FakeJob(output=["first"])])

    def fault(operation: str, body: dict[str, Any]) -> tuple[int, str] | None:
        if operation == "listjobs":
            return 403, "AccessDeniedException"
        return (500, "ServerException") if operation == "submitjob" and aws.batch.count("submitjob") == 2 else None

    aws.batch.fault = fault
    job = FakeJob()
    one.run_jobs([job])
    assert ended(one) == [] and job.registered == [aws.batch.submitted()[1]["jobId"]]
    assert "may have made a second job" in one.logger.text


def test_jobs_wait_while_batch_takes_none(make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitter, "PAUSE", 0.1)
    monkeypatch.setattr(client, "repeated", client.hasty)
    aws.batch.fault = lambda operation, _: (
        (503, "ServiceUnavailable") if operation == "submitjob" and aws.batch.count("submitjob") <= 30 else None
    )
    one = make()
    one.run_jobs(jobs(3))
    assert ended(one) == [] and len(aws.batch.submitted()) == 3
    assert one.logger.text.count("AWS Batch takes no jobs just now") == 1


def test_a_job_that_batch_lists_late_is_ended_too(make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection breaks, somebody presses Ctrl-C, and Batch's list lacks the job at first."""
    monkeypatch.setattr(submitter, "LOOK", 0.01)
    monkeypatch.setattr(submitter, "PAUSE", 120.0)
    one = make(poll_seconds=60)
    one.run_jobs([FakeJob(output=["first"])])
    batch = session_of(one).submitter
    real, looks = submitter._active, list[None]()

    def active(*asked: Any) -> list[str]:
        looks.append(None)
        return [] if len(looks) < 3 else real(*asked)

    def submit_job(**request: Any) -> Any:
        aws.batch.answer("submitjob", request)
        batch.close()
        raise ConnectionClosedError(endpoint_url="https://batch", error="reset")

    monkeypatch.setattr(submitter, "_active", active)
    monkeypatch.setattr(batch.client.client, "submit_job", submit_job)
    one.run_jobs([FakeJob()])
    one.cancel()
    assert [job["status"] for job in aws.batch.submitted()] == ["FAILED"] * 2


def test_a_job_that_batch_lists_late_is_no_second_one(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter, "PAUSE", 0.01)
    one = make(poll_seconds=60)
    one.run_jobs([FakeJob(output=["first"])])
    client_of_batch = session_of(one).submitter.client.client
    real, submit, looks, tries = submitter._active, client_of_batch.submit_job, list[None](), list[None]()

    def active(*asked: Any) -> list[str]:
        looks.append(None)
        return [] if len(looks) == 1 else real(*asked)

    def submit_job(**request: Any) -> Any:
        tries.append(None)
        if len(tries) > 1:
            return submit(**request)
        aws.batch.answer("submitjob", request)
        raise ConnectionClosedError(endpoint_url="https://batch", error="reset")

    monkeypatch.setattr(submitter, "_active", active)
    monkeypatch.setattr(client_of_batch, "submit_job", submit_job)
    one.run_jobs([FakeJob()])
    assert [job["status"] for job in aws.batch.submitted()][1:] == ["FAILED", "SUBMITTED"]


@pytest.mark.parametrize("operation", ["listjobs", "describejobs", "describejobdefinitions"])
def test_credentials_that_expire_before_a_submission_are_waited_for(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """Jobs of an earlier head, and definitions that rules name, are asked for then."""
    monkeypatch.setattr(submitter, "PAUSE", 0.01)
    aws.batch.define("report", 20)
    make(poll_seconds=60).run_jobs([FakeJob(output=["first"])])
    two = make(poll_seconds=60)
    refused = list[None]()

    def fault(asked: str, body: dict[str, Any]) -> tuple[int, str] | None:
        named = body.get("jobDefinitionName") == "report" or body.get("jobDefinitions") == ["report"]
        meant = "jobStatus" in body if asked == "listjobs" else named or asked == "describejobs"
        if asked != operation or not meant or len(refused) == 3:
            return None
        refused.append(None)
        return 400, "ExpiredTokenException"

    # What the record lacks is asked for before.
    two._open()
    aws.batch.fault = fault
    job = FakeJob(resources={"batch_job_definition": "report"})
    two.run_jobs([FakeJob(output=["first"]), job])
    assert len(refused) == 3 and job.errors == [] and ended(two) == []
    assert [one["jobDefinition"] for one in aws.batch.submitted()][1:] == ["report"]
