"""A head that is started again: what ended while no head looked gets into the record."""

import time
from typing import Any

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from fake_batch import FakeAws
from fake_head import Make, ended, jobs, session_of, until
from fake_jobs import FakeJob
from record_site import listed, live, planned, record
from snakemake_aws_common.record import store
from snakemake_aws_common.record.attempt import ABORTED, COMPLETED, FAILED, Step
from snakemake_aws_common.record.live import RUNNING, Live, to_json
from snakemake_aws_common.record.measured import measured_name, pack_steps
from snakemake_executor_plugin_aws_batch_fargate import attempts, client, gaps
from snakemake_executor_plugin_aws_batch_fargate.recorder import Place

KNOWN = attempts.Known("bwa_mem", {"sample": "a"}, is_group=False)


def kill(one: Any) -> None:
    """The head looks at nothing any more, writes nothing more, and says nothing."""
    one.wait = False
    one.wait_thread.join()
    recorder = session_of(one).journal._recorder
    recorder._ticked = recorder.write = lambda: None


def measured(s3: Any, native_id: str, *steps: Step) -> None:
    key = f"runs/main/{measured_name(native_id, 1)}"
    s3.put_object(Bucket="data", Key=key, Body=pack_steps(steps))


def test_jobs_that_ended_while_no_head_looked(make: Make, aws: FakeAws, s3: Any) -> None:
    """The list of jobs that the killed head has left has all wildcards of three jobs; the fourth has a tag."""
    one = make()
    one.run_jobs(jobs(3))
    until(lambda: listed(s3) == 3)
    kill(one)
    one.run_jobs([FakeJob(wildcards_dict={"sample": "late", "unit": "7"}, output=["late.bam"])])
    by_sample = {job["tags"]["snakemake:sample"]: job for job in aws.batch.submitted()}
    first, second, third, late = (by_sample[sample] for sample in ("s0", "s1", "s2", "late"))
    first["startedAt"] = 1
    aws.batch.end(first, "SUCCEEDED", 0)
    aws.batch.end(second, "FAILED", 3, "Essential container in task exited")
    aws.batch.end(late, "FAILED", 143, "ended", isTerminated=True)
    # Another run, whose name begins as this one's.
    aws.batch.answer("submitjob", {**first, "jobName": "main-2-bwa_mem", "tags": {"snakemake:run": "main-2"}})
    aws.batch.end(aws.batch.submitted()[4], "SUCCEEDED", 0)
    measured(s3, first["jobId"], Step("bwa_mem", {"sample": "s0"}, exit=0, cpu_time=70))
    two = make()
    two.run_jobs([FakeJob("gather", {}, output=["all"])])
    two.shutdown()
    found = {one.native_id: one for one in record(s3)}
    assert {job: (one.process, one.tag, one.status) for job, one in found.items()} == {
        first["jobId"]: ("bwa_mem", "sample=s0", COMPLETED),
        second["jobId"]: ("bwa_mem", "sample=s1", FAILED),
        late["jobId"]: ("bwa_mem", "sample=late", ABORTED),
    }
    assert third["status"] not in ("SUCCEEDED", "FAILED")
    assert found[first["jobId"]].steps == (Step("bwa_mem", {"sample": "s0"}, exit=0, cpu_time=70),)
    assert not s3.list_objects_v2(Bucket="data", Prefix="runs/main/head/measured/")["KeyCount"]


def test_what_a_killed_head_recorded_is_not_recorded_again(make: Make, aws: FakeAws, s3: Any) -> None:
    """Its measurements, which that one did not come to remove, are removed."""
    one = make()
    one.run_jobs(jobs(2))
    until(lambda: listed(s3) == 2)
    first, second = sorted(aws.batch.submitted(), key=lambda job: job["tags"]["snakemake:sample"])
    aws.batch.end(first, "SUCCEEDED", 0)
    until(lambda: len(record(s3)) == 1)
    kill(one)
    measured(s3, first["jobId"], Step("bwa_mem"))
    two, same = make(), jobs(2)
    planned(two, *same)
    two.run_jobs([same[1]])
    assert same[1].registered == [second["jobId"]], "it waits for the other"
    aws.batch.end(second, "SUCCEEDED", 0)
    until(lambda: len(ended(two)) == 1)
    two.shutdown()
    assert [(one.native_id, one.head) for one in record(s3)] == [
        (first["jobId"], session_of(one).journal._progress.head),
        (second["jobId"], session_of(two).journal._progress.head),
    ]
    assert live(s3).jobs == ()
    assert not s3.list_objects_v2(Bucket="data", Prefix="runs/main/head/measured/")["KeyCount"]


def test_jobs_that_nobody_waits_for(make: Make, aws: FakeAws, s3: Any) -> None:
    """One makes the same by another command, and is ended; one ends by itself; one runs on, and is left to the next."""
    one = make()
    one.run_jobs(jobs(3))
    until(lambda: listed(s3) == 3)
    kill(one)
    old = {job["tags"]["snakemake:sample"]: job for job in aws.batch.submitted()}
    two = make()
    changed = jobs(1)[0]
    changed.shellcmd = "bwa mem -K 1000"
    two.run_jobs([changed])
    assert old["s0"]["status"] == "FAILED"
    aws.batch.end(old["s1"], "SUCCEEDED", 0)
    aws.batch.end(aws.batch.submitted()[3], "SUCCEEDED", 0)
    until(lambda: len(ended(two)) == 1)
    two.shutdown()
    assert {one.native_id: (one.status, one.tag) for one in record(s3)} == {
        old["s0"]["jobId"]: (ABORTED, "sample=s0"),
        old["s1"]["jobId"]: (COMPLETED, "sample=s1"),
        aws.batch.submitted()[3]["jobId"]: (COMPLETED, "sample=s0"),
    }
    assert [job.native_id for job in live(s3).jobs] == [old["s2"]["jobId"]]


@pytest.mark.parametrize("prefix", ["runs/main", "/runs/main/", ""])
def test_a_record_is_read_where_it_was_written(s3: Any, prefix: str) -> None:
    (one,) = attempts.ended_attempts({"jobId": "1", "status": "SUCCEEDED", "attempts": [{}]}, KNOWN, {}, "head")
    state = Live("main", "head", "somebody", RUNNING, 1, 2)
    place = Place(s3, "data", prefix)
    place.put(store.part_name("head", 1), store.pack([one]), "application/gzip")
    place.put(store.LIVE, to_json(state), "application/json")
    assert store.read_attempts(s3, "data", prefix) == [one]
    assert store.read_live(s3, "data", prefix) == state


@pytest.mark.parametrize(("prefix", "oldest"), [("runs/main", "runs/main/b"), ("", "a"), ("runs/none", None)])
def test_a_run_began_with_its_oldest_object(s3: Any, prefix: str, oldest: str | None) -> None:
    before = int(time.time() * 1000)
    for key in ("a", "runs/main/b", "runs/main/c"):
        s3.put_object(Bucket="data", Key=key, Body=b"")
        time.sleep(0.01)
    made = {one["Key"]: one["LastModified"] for one in s3.list_objects_v2(Bucket="data")["Contents"]}
    begun = gaps.begun(s3, "data", prefix)
    assert begun == int(made[oldest].timestamp() * 1000) if oldest else begun >= before


@pytest.mark.parametrize("starts", [1, 2])
def test_jobs_of_a_removed_run_of_the_same_name_are_not_this_runs(
    make: Make, aws: FakeAws, s3: Any, starts: int
) -> None:
    """They cost nothing of its budget; the first start of this one may be lost soon after it has begun."""
    aws.batch.answer("submitjob", {"jobName": "main-bwa_mem", "jobQueue": "spot", "tags": {"snakemake:run": "main"}})
    aws.batch.end(aws.batch.submitted()[0], "SUCCEEDED", 0)
    aws.batch.submitted()[0]["createdAt"] -= 60_000
    s3.put_object(Bucket="data", Key="runs/main/head/run.json", Body=b"{}")
    for _ in range(starts):
        one = make(budget=5.0)
        one.run_jobs([FakeJob("gather", {}, output=["all"])])
        until(lambda: listed(s3) == 1)
        kill(one)
    aws.batch.end(aws.batch.submitted()[1], "SUCCEEDED", 0)
    two = make(budget=5.0)
    two.run_jobs([FakeJob("report", {}, output=["report"])])
    two.shutdown()
    assert [one.native_id for one in record(s3)] == [aws.batch.submitted()[1]["jobId"]]


def test_jobs_that_batch_has_forgotten_are_not_handed_on(
    make: Make, aws: FakeAws, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "YOUNG", 0)
    one = make()
    one.run_jobs(jobs(2))
    until(lambda: listed(s3) == 2)
    kill(one)
    aws.batch.jobs.clear()
    two = make()
    two.run_jobs([FakeJob("gather", {}, output=["all"])])
    aws.batch.end(aws.batch.submitted()[0], "SUCCEEDED", 0)
    until(lambda: len(ended(two)) == 1)
    two.shutdown()
    assert live(s3).jobs == ()


@pytest.mark.parametrize("budget", [None, 5.0])
def test_a_record_that_can_not_be_read(make: Make, aws: FakeAws, s3: Any, budget: float | None) -> None:
    """Without a budget the run goes on; with one nobody knows what is left of it."""
    s3.put_object(Bucket="data", Key="runs/main/head/record/20260101T000000Z-1/00001.jsonl.gz", Body=b"not gzip")
    one = make(budget=budget)
    if budget is None:
        one.run_jobs(jobs(1))
        assert "The record of earlier starts of the run can't be read" in one.logger.text
        return
    with pytest.raises(WorkflowError, match="Without it nobody knows how much of the budget is left"):
        one.run_jobs(jobs(1))
    assert aws.batch.count("submitjob") == 0


def test_young_jobs_are_found_among_old_ones(aws: FakeAws) -> None:
    """Answers need not begin with the latest job: the last page counts, too."""
    for number in range(250):
        aws.batch.answer("submitjob", {"jobName": f"main-{number}", "jobQueue": "spot", "tags": {}})
        aws.batch.end(aws.batch.submitted()[number], "SUCCEEDED", 0)
        aws.batch.submitted()[number]["createdAt"] = 250 - number
    found = list(gaps._listed(client.FargateBatchClient("us-east-1"), "spot", "main", 160))
    assert len(found) == 91 and aws.batch.count("listjobs") == 3
