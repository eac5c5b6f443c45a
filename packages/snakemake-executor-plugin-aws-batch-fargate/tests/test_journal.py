"""What a head writes about its run on S3: each attempt of each job."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ResponseStreamingError

from fake_batch import FakeAws
from fake_head import Make, ended, session_of, until
from fake_jobs import FakeJob
from record_site import record
from snakemake_aws_common import patience
from snakemake_aws_common.record.attempt import COMPLETED, FAILED
from snakemake_aws_common.record.store import Reader

RECLAIMED = "Your Spot Task was interrupted."


def test_each_attempt_is_in_the_record_once_a_lost_one_too(make: Make, aws: FakeAws, s3: Any) -> None:
    one = make()
    one.run_jobs([FakeJob(restart_times=2), FakeJob("sort", output=["results/B.bam"])])
    lost, sort = sorted(aws.batch.submitted(), key=lambda job: job["tags"]["snakemake:rule"])
    aws.batch.end(lost, "FAILED", None, RECLAIMED, tries=2)
    aws.batch.end(sort, "FAILED", 3, "Essential container in task exited")
    until(lambda: len(aws.batch.submitted()) == 3)
    aws.batch.end(aws.batch.submitted()[2], "SUCCEEDED", 0)
    until(lambda: len(ended(one)) == 2)
    one.shutdown()
    found = {(name, number): found for found in record(s3) for name, number in [(found.native_id, found.attempt)]}
    moved = aws.batch.submitted()[2]["jobId"]
    assert {key: (one.process, one.status, one.queue, one.spot) for key, one in found.items()} == {
        (lost["jobId"], 1): ("bwa_mem", FAILED, "spot", True),
        (lost["jobId"], 2): ("bwa_mem", FAILED, "spot", True),
        (sort["jobId"], 1): ("sort", FAILED, "spot", True),
        (moved, 1): ("bwa_mem", COMPLETED, "ondemand", False),
    }
    assert found[lost["jobId"], 1].reason == RECLAIMED and found[sort["jobId"], 1].exit == 3
    assert "record of the run" not in one.logger.text


def test_a_record_that_can_not_be_written_fails_no_run_and_is_said(make: Make, aws: FakeAws) -> None:
    """The bucket is not there."""
    one = make({"storage_settings": SimpleNamespace(default_storage_prefix="s3://nowhere/runs", shared_fs_usage=set())})
    one.run_jobs([FakeJob()])
    aws.batch.end(aws.batch.submitted()[0], "SUCCEEDED", 0)
    until(lambda: len(ended(one)) == 1)
    one.shutdown()
    assert [well for _, well in ended(one)] == [True]
    assert "The record of the run lacks 1 attempt that could not be written." in one.logger.text


@pytest.mark.parametrize("budget", [None, 5.0])
def test_an_answer_that_breaks_off_loses_no_record_of_earlier_starts(
    make: Make, aws: FakeAws, s3: Any, monkeypatch: pytest.MonkeyPatch, budget: float | None
) -> None:
    """botocore repeats no request whose answer has begun."""
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    one = make()
    one.run_jobs([FakeJob()])
    aws.batch.end(aws.batch.submitted()[0], "SUCCEEDED", 0)
    until(lambda: len(ended(one)) == 1)
    one.shutdown()
    real, broken = Reader._body, list[None]()

    def body(self: Reader, part: tuple[str, str]) -> bytes:
        if not broken:
            broken.append(None)
            raise ResponseStreamingError(error="Connection broken: IncompleteRead")
        return real(self, part)

    monkeypatch.setattr(Reader, "_body", body)
    two = make(budget=budget, poll_seconds=60)
    two.run_jobs([FakeJob(output=["other"])])
    assert broken and "can't be read, or completed" not in two.logger.text
    recorder = session_of(two).journal._recorder
    assert recorder is not None and recorder.is_known(aws.batch.submitted()[0]["jobId"], 1)
