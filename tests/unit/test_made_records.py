"""Records of runs that never were look like those of real ones, and are the same for the same seed."""

from collections import Counter
from typing import Any

import boto3
import pytest
from moto import mock_aws

import records
from snakemake_aws_common.record import attempt as attempts
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record import store


def test_the_same_seed_gives_the_same_run() -> None:
    first, again, other = (records.as_seen(records.simulate("main", 60, seed)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("jobs", [16, 22, 300])
def test_all_jobs_are_done_whatever_capacity_is_lost(jobs: int) -> None:
    _, live, past = records.as_seen(records.simulate("main", jobs, losses=0.2, vcpus=20))
    assert live.state == lives.DONE
    assert Counter(one.status for one in past)[attempts.COMPLETED] == jobs
    assert all(count.done == count.total for count in live.rules.values())
    assert len({(one.native_id, one.attempt) for one in past}) == len(past)
    assert [one.complete for one in past] == sorted(one.complete or 0 for one in past)


def test_no_more_runs_than_there_are_vcpus() -> None:
    past = records.simulate("main", 300, vcpus=20).attempts
    for one in past:
        at = [other.cpus for other in past if (other.start or 0) <= (one.start or 0) < (other.complete or 0)]
        assert sum(at) <= 20


def test_what_depends_on_a_job_that_failed_never_starts() -> None:
    _, live, past = records.as_seen(records.simulate("main", 300, seed=4, failures=0.02))
    assert live.state == lives.FAILED
    assert live.rules["multiqc"].waiting == 1
    assert {failure.native_id for failure in live.failures} == {one.native_id for one in past if one.exit == 1}


def test_a_run_at_work_is_read_as_it_was_stored(monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    about, live, past = records.at_work(1500, "big")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="data")
        records.put(s3, "data", about, live, past)
        assert store.read_attempts(s3, "data", "runs/big") == past
        assert store.read_live(s3, "data", "runs/big") == live
    assert (len(past), live.state) == (1500, lives.RUNNING)
    steps = Counter(job.status for job in live.jobs for _ in job.steps)
    assert sum(count.running for count in live.rules.values()) == steps["RUNNING"] + steps["STARTING"] > 0
    assert sum(count.done for count in live.rules.values()) == sum(
        len(one.steps) for one in past if one.status == attempts.COMPLETED
    )
