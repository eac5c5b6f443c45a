"""Looks at jobs: how many calls they take, jobs that Batch has lost, and messages about jobs that wait."""

import json
import time
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from snakemake_interface_common.exceptions import WorkflowError

from fake_batch import FakeAws, FakeBatch
from fake_head import Make, ended, until
from fake_jobs import FakeJob, submission_of
from snakemake_aws_common.patience import EXPIRED, UNREACHABLE
from snakemake_executor_plugin_aws_batch_fargate import client, status
from snakemake_executor_plugin_aws_batch_fargate.status import Watch


def test_ten_thousand_active_jobs_are_a_hundred_calls_and_little_memory(make: Make, aws: FakeAws) -> None:
    batch = FakeBatch()
    # The calls themselves are counted without a server: it would be most of the time.
    for n in range(10_000):
        command = {"jobName": f"main-bwa_mem-{n}", "containerOverrides": {"command": ["x" * 2000]}, "tags": {}}
        batch.answer("submitjob", {**command, "jobQueue": "spot"})
    for job in batch.jobs.values():
        job["status"] = "RUNNING"
        job["container"]["command"] = ["x" * 2000]
    rounds = {"calls": 0}

    def describe_jobs(jobs: list[str]) -> dict[str, Any]:
        rounds["calls"] += 1
        return json.loads(json.dumps(batch.answer("describejobs", {"jobs": jobs})))  # type: ignore[no-any-return]

    watch = status.Watch(SimpleNamespace(describe_jobs=describe_jobs), 5, print)
    ids = list(batch.jobs)
    # The memory of what is looked at is counted, not that of the process: it holds what other tests left behind.
    tracemalloc.start()
    try:
        for _ in range(3):
            found, not_asked = watch.look(ids)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rounds["calls"] == 300
    assert len(found) == 10_000 and not not_asked
    print(f"10,000 jobs take at most {peak / 1024**2:.0f} MiB")
    assert peak < 50 * 1024**2
    # 100 calls a round are spread, too: no more than ten a second.
    assert watch.plan(changed=True, active=10_000) == 10


def test_an_ended_job_is_told_once(make: Make, aws: FakeAws) -> None:
    one = make()
    good, bad = FakeJob(name="good"), FakeJob(name="bad")
    one.run_jobs([good, bad])
    # A job that was interrupted and ended well all the same keeps the reason.
    aws.batch.end(*aws.batch.submitted("good"), "SUCCEEDED", 0, "Your Spot Task was interrupted.")
    aws.batch.end(*aws.batch.submitted("bad"), "FAILED", 1, "Essential container in task exited")
    until(lambda: len(ended(one)) == 2)
    time.sleep(0.5)
    assert sorted(ended(one), key=lambda end: end[1]) == [(bad, False), (good, True)]
    assert aws.batch.count("terminatejob") + aws.batch.count("terminatejobs") == 0


def test_polling_backs_off_while_nothing_changes_and_a_pause_ends_with_the_run(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses, plan = list[float](), Watch.plan

    def note(watch: Watch, changed: bool, active: int) -> float:
        pauses.append(plan(watch, changed, active))
        return pauses[-1]

    monkeypatch.setattr(Watch, "plan", note)
    one = make(poll_seconds=0.2)
    one.run_jobs([FakeJob()])
    until(lambda: any(pause >= 1.5 for pause in pauses))
    assert len([pause for pause in pauses if pause < 1.5]) < 9
    monkeypatch.setattr(Watch, "plan", lambda *_: 600.0)
    until(lambda: one._pause == 600)
    one.wait = False
    one.wait_thread.join(120)
    assert not one.wait_thread.is_alive()


def test_a_pause_of_nothing_is_a_short_one(make: Make, aws: FakeAws) -> None:
    assert make(poll_seconds=-1)._pause == status.SHORTEST_POLL


@pytest.mark.parametrize(("poll", "waits"), [(0.5, [0.75, 1.125]), (2.0, [3.0, 3.0]), (10.0, [10.0, 10.0])])
def test_a_job_s_end_is_seen_within_seconds(poll: float, waits: list[float]) -> None:
    """Jobs that wait for it are submitted then; a setting that is longer holds."""
    watch = Watch(SimpleNamespace(), poll, print)
    assert [watch.plan(changed=False, active=10) for _ in waits] == waits
    for _ in range(100):
        last = watch.plan(changed=False, active=10)
    assert last == max(poll, 3.0)
    assert watch.plan(changed=True, active=10) == poll


def test_a_job_that_batch_does_not_know_is_lost_after_some_looks(make: Make, aws: FakeAws) -> None:
    one = make()
    job = FakeJob(restart_times=1)
    one.run_jobs([job])
    (asked,) = aws.batch.submitted()
    aws.batch.jobs.clear()
    until(lambda: bool(ended(one)))
    assert aws.batch.count("describejobs") >= status.MISSING_LOOKS
    assert ended(one) == [(job, False)]
    assert job.attempt == 1, "Snakemake may run it again"
    assert asked["jobId"] in str(job.errors) and "does not know it any more" in str(job.errors)


def test_calls_that_fail_are_not_lost_jobs(make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "repeated", client.hasty)
    one = make()
    one.run_jobs([FakeJob()])
    aws.batch.fault = lambda operation, _: (500, "ServerException") if operation == "describejobs" else None
    until(lambda: aws.batch.count("describejobs") > status.MISSING_LOOKS + 3)
    assert ended(one) == []
    aws.batch.fault = lambda operation, body: None
    aws.batch.end(aws.batch.submitted()[0], "SUCCEEDED", 0)
    until(lambda: len(ended(one)) == 1)
    assert one.logger.text.count("can't be asked about the jobs just now") == 1


@pytest.mark.parametrize(
    ("code", "seconds", "words"),
    [
        ("TooManyRequestsException", UNREACHABLE, "They run on. Start the same command again"),
        ("AccessDeniedException", UNREACHABLE, "They run on. Start the same command again"),
        ("ExpiredTokenException", EXPIRED, "They run on. Renew the credentials of this machine, then start the same"),
    ],
)
def test_batch_out_of_reach_for_long_ends_the_run_with_a_word(code: str, seconds: float, words: str) -> None:
    now = [0.0]
    failing = SimpleNamespace(
        describe_jobs=lambda jobs: (_ for _ in ()).throw(
            ClientError({"Error": {"Code": code, "Message": ""}}, "DescribeJobs")
        )
    )
    said: list[str] = []
    watch = status.Watch(failing, 5, said.append, lambda: now[0])
    assert watch.look(["a"]) == ({}, {"a"})
    now[0] = seconds - 1
    assert watch.look(["a"]) == ({}, {"a"})
    now[0] = seconds
    with pytest.raises(WorkflowError, match=words):
        watch.look(["a"])
    assert said


@pytest.mark.parametrize("state", status.BEFORE_RUNNING)
def test_a_word_about_jobs_that_wait_for_long(state: str) -> None:
    now = [0.0]
    waiting = status.Waiting(lambda: now[0])
    sent = submission_of(FakeJob(threads=8, wildcards_dict={"sample": "A"}))
    sent.status, sent.since = state, 0.0
    sent.reason = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    jobs = [sent]
    assert waiting.message(jobs) is None
    now[0] = status.WAITING + 60
    said = waiting.message(jobs)
    assert said is not None
    for part in (
        f"waited in {state} for more than 15 minutes: 1,",
        "for 16: Rule bwa_mem (sample=A)",
        "needs 8 vCPU",
        "quota",
        "CAPACITY:INSUFFICIENT",
    ):
        assert part in said
    assert waiting.message(jobs) is None
    now[0] += status.WAITING * 3
    assert waiting.message(jobs) is not None
