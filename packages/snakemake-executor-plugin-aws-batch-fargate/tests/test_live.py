"""What `live.json` says: jobs by rule, jobs in Batch, failures, and how the run has ended."""

from typing import Any

import pytest

from fake_batch import FakeAws
from fake_head import Make, ended, jobs, session_of, until
from fake_jobs import FakeGroup, FakeJob
from record_site import BUCKET, PREFIX, listed, live, planned
from snakemake_aws_common.record.live import RuleCount
from snakemake_aws_common.record.store import read_live
from snakemake_executor_plugin_aws_batch_fargate import journal


def looked(one: Any) -> set[str]:
    """The statuses that the last look has seen."""
    return {info.aux["submission"].status for info in session_of(one).ledger.live}


def test_members_of_a_group_count_as_their_rules(make: Make, aws: FakeAws, s3: Any) -> None:
    one = make()
    members = [FakeJob("trim", {"sample": "A"}, output=["A.trim"]), FakeJob("sort", {"sample": "A"}, output=["A.sort"])]
    group = FakeGroup(wildcards_dict={"sample": "A"}, output=["A.sort"], jobs=members)
    lone, late = FakeJob("sort", {"sample": "B"}, output=["B.sort"]), FakeJob("gather", {}, output=["all"])
    planned(one, *members, lone, late)
    one.run_jobs([group, lone])
    first, second = sorted(aws.batch.submitted(), key=lambda job: job["tags"]["snakemake:rule"])
    first["status"], second["status"], second["statusReason"] = "RUNNING", "RUNNABLE", "no capacity"
    until(lambda: looked(one) == {"RUNNING", "RUNNABLE"})
    one.shutdown()
    found = live(s3)
    assert found.rules == {
        "gather": RuleCount(total=1, waiting=1),
        "sort": RuleCount(total=2, waiting=1, running=1),
        "trim": RuleCount(total=1, running=1),
    }
    in_batch = sorted(found.jobs, key=lambda job: job.process)
    assert [(job.process, job.status, job.reason, job.spot, job.cpus, len(job.steps)) for job in in_batch] == [
        ("mapping", "RUNNING", "", True, 1, 2),
        ("sort", "RUNNABLE", "no capacity", True, 1, 1),
    ]
    assert all(found.started <= job.submit <= job.since <= found.updated for job in found.jobs)
    assert (found.run, found.state, found.spent) == ("main", "failed", 0.0) and "@" in found.who


@pytest.mark.parametrize(
    ("fails", "state", "failed"), [(False, "done", []), (True, "failed", ["Rule bwa_mem (sample=s1) failed on AWS"])]
)
def test_the_state_at_the_end(make: Make, aws: FakeAws, s3: Any, fails: bool, state: str, failed: list[str]) -> None:
    one, given = make(), jobs(2)
    planned(one, *given)
    one.run_jobs(given)
    good, bad = sorted(aws.batch.submitted(), key=lambda job: job["tags"]["snakemake:sample"])
    aws.batch.end(good, "SUCCEEDED", 0)
    aws.batch.end(bad, *(("FAILED", 3, "token=abc.def") if fails else ("SUCCEEDED", 0)))
    until(lambda: len(ended(one)) == 2)
    one.shutdown()
    found = live(s3)
    assert (found.state, found.jobs) == (state, ()) and found.ended and found.ended >= found.started
    assert found.rules == {"bwa_mem": RuleCount(total=2, done=2 - fails, failed=int(fails))}
    assert [one.text[: len(text)] for one, text in zip(found.failures, failed, strict=True)] == failed
    assert all("token=[hidden]" in one.text and one.native_id == bad["jobId"] for one in found.failures)


def test_a_failure_that_another_attempt_mends_is_taken_away(make: Make, aws: FakeAws, s3: Any) -> None:
    one, job = make(), FakeJob(restart_times=1)
    planned(one, job)
    one.run_jobs([job])
    aws.batch.end(aws.batch.submitted()[0], "FAILED", None, "Task failed to start")
    until(lambda: len(ended(one)) == 1)
    # Nobody may have written it yet.
    until(lambda: (found := read_live(s3, BUCKET, PREFIX)) is not None and not found.jobs and len(found.failures) == 1)
    one.run_jobs([job])
    aws.batch.end(aws.batch.submitted()[1], "SUCCEEDED", 0)
    until(lambda: len(ended(one)) == 2)
    one.shutdown()
    assert live(s3).failures == ()


@pytest.mark.parametrize(("error", "state"), [(KeyboardInterrupt, "stopped"), (RuntimeError, "failed")])
def test_a_person_stops_a_run_and_an_error_fails_it(
    make: Make, aws: FakeAws, s3: Any, error: type[BaseException], state: str
) -> None:
    one = make()
    one.run_jobs(jobs(2))
    try:
        raise error
    except BaseException:  # as Snakemake's scheduler does
        one.cancel()
    assert (live(s3).state, live(s3).jobs) == (state, ())


def test_it_is_written_when_something_has_changed(
    make: Make, aws: FakeAws, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks at what has changed are as often in this test as the recorder's rounds."""
    one = make()
    written: list[str] = []
    put = journal.Place.put
    monkeypatch.setattr(
        journal.Place, "put", lambda place, name, *rest: (written.append(name), put(place, name, *rest))
    )
    one.run_jobs(jobs(1))
    (job,) = aws.batch.submitted()
    job["status"] = "RUNNABLE"
    until(lambda: listed(s3) == 1 and live(s3).jobs[0].status == "RUNNABLE")
    before = len(written)
    recorder = session_of(one).journal._recorder
    assert recorder is not None
    ticks: list[int] = []
    ticked, recorder._ticked = recorder._ticked, lambda: (ticks.append(1), ticked())  # type: ignore[func-returns-value]
    until(lambda: len(ticks) > 3)
    assert len(written) == before, "nothing has changed"
    one.shutdown()
    # Once more if a round of the recorder was under way.
    assert set(written[before:]) == {"head/live.json"}
