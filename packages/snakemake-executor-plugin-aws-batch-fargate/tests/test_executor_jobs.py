"""The executor against an AWS in the same process, with jobs that are not Snakemake's.

Submission: what is asked of Batch, how fast, and once only. Status: how many calls, lost jobs, jobs that end.
Retries: Spot, memory, a tool's own errors. Interruption, and a head that is started again.
"""

import asyncio
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executor_fakes import ARCHIVE, FakeAws, FakeBatch, FakeGroup, FakeJob, serving, without_sources, workflow
from snakemake_aws_common import patience
from snakemake_executor_plugin_aws_batch_fargate import (
    Executor,
    ExecutorSettings,
    client,
    executor,
    preflight,
    status,
    submission,
)
from snakemake_executor_plugin_aws_batch_fargate.submission import ACTIVE

SETTINGS: dict[str, Any] = {
    "region": "us-east-1",
    "queue": "spot",
    "ondemand_queue": "ondemand",
    "job_definitions": "20=worker-20gib 50=worker-50gib",
    "tags": "project='heart and lung'",
    "poll_seconds": 0.1,
}


TAIL = executor.logs.tail


class Log:
    """What was logged, by level."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, level: str) -> Callable[[str], None]:
        return lambda line: self.lines.append(f"{level}: {line}")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


Make = Callable[..., Executor]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeAws]:
    with serving() as aws:
        yield aws


@pytest.fixture
def aws(server: FakeAws, monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """The server with an empty Batch; the rest of the stack counts as right."""
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    server.batch.__dict__.update(FakeBatch().__dict__)
    monkeypatch.setattr(preflight, "check", lambda *_: preflight.Report())
    monkeypatch.setattr(executor.logs, "tail", lambda *_: None)
    without_sources(monkeypatch)
    return server


@pytest.fixture
def make(aws: FakeAws) -> Iterator[Make]:
    made: list[Executor] = []

    def new(shell: Any = None, **changed: Any) -> Executor:
        flow = workflow(ExecutorSettings(**{**SETTINGS, "lock_seconds": 0, **changed}))
        flow.__dict__.update(shell or {})
        made.append(Executor(flow, Log()))
        return made[-1]

    yield new
    for one in made:
        one.wait = False


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def ended(one: Executor) -> list[tuple[Any, bool]]:
    found: list[tuple[Any, bool]] = one.workflow.scheduler.ended
    return found


def jobs(number: int) -> list[FakeJob]:
    return [FakeJob(wildcards_dict={"sample": f"s{n}"}, output=[f"results/s{n}.bam"]) for n in range(number)]


def test_what_is_asked_of_batch(make: Make, aws: FakeAws) -> None:
    job = FakeJob(threads=3, resources={"mem_mb": 9000, "disk_mb": 30000, "runtime": 90})
    make().run_jobs([job])
    (asked,) = aws.batch.submitted()
    assert (asked["jobQueue"], asked["jobDefinition"]) == ("spot", "worker-50gib")
    assert asked["containerOverrides"]["resourceRequirements"] == [
        {"type": "VCPU", "value": "4"},
        {"type": "MEMORY", "value": "9216"},
    ]
    assert asked["timeout"] == {"attemptDurationSeconds": 5400}
    assert asked["propagateTags"] is True
    assert asked["tags"] == {
        "terraflow:run": "main",
        "terraflow:rule": "bwa_mem",
        "terraflow:sample": "A",
        "project": "heart and lung",
    }
    assert asked["jobName"].startswith("main-bwa_mem-A-1-")
    assert "environment" not in asked["containerOverrides"] and "retryStrategy" not in asked
    shell, option, command = asked["containerOverrides"]["command"]
    assert (shell, option) == ("/bin/bash", "-c")
    assert "--cores 3" in command and "--target-jobs 'bwa_mem:sample=A,unit=1'" in command
    assert command.startswith(f"{ARCHIVE.python} -m snakemake --snakefile ")
    assert "pip install" not in command
    assert job.registered == [asked["jobId"]]


def test_a_timeout_is_at_least_a_minute_and_absent_without_runtime(make: Make, aws: FakeAws) -> None:
    make().run_jobs([FakeJob(name="short", resources={"runtime": 0.1}), FakeJob(name="endless", resources={})])
    (short,), (endless,) = aws.batch.submitted("short"), aws.batch.submitted("endless")
    assert short["timeout"] == {"attemptDurationSeconds": 60}
    assert "timeout" not in endless


def test_jobs_get_what_the_workflow_declares_and_no_credentials(make: Make, aws: FakeAws) -> None:
    one = make()
    declared = {"LICENCE": "abc123", "AWS_SECRET_ACCESS_KEY": "never", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "never"}
    one.workflow.spawned_job_args_factory.envvars = lambda: declared
    one.run_jobs([FakeJob()])
    assert aws.batch.submitted()[0]["containerOverrides"]["environment"] == [{"name": "LICENCE", "value": "abc123"}]
    assert "never" not in json.dumps(aws.batch.submitted())
    assert "Jobs are not given AWS_SECRET_ACCESS_KEY, SNAKEMAKE_STORAGE_S3_SECRET_KEY" in one.logger.text


def busiest(aws: FakeAws) -> int:
    """The most SubmitJob that arrived in any second."""
    times = [at for at, operation, _ in aws.batch.calls if operation == "submitjob"]
    return max(sum(1 for later in times[n : n + 100] if later < at + 1) for n, at in enumerate(times))


def test_a_thousand_ready_jobs_in_under_a_minute_and_never_over_fifty_a_second(make: Make, aws: FakeAws) -> None:
    one = make(poll_seconds=60)
    start = time.monotonic()
    one.run_jobs(jobs(1000))
    took = time.monotonic() - start
    print(f"1,000 jobs submitted in {took:.1f} s, at most {busiest(aws)} in a second")
    assert len({job["jobName"] for job in aws.batch.submitted()}) == 1000 == len(one.active_jobs)
    assert took < 60
    assert busiest(aws) <= 50


def test_throttled_submissions_are_repeated_within_the_same_limit(make: Make, aws: FakeAws) -> None:
    def throttle(operation: str, body: dict[str, Any]) -> tuple[int, str] | None:
        due = operation == "submitjob" and aws.batch.count("submitjob") % 40 == 39
        return (429, "TooManyRequestsException") if due else None

    aws.batch.fault = throttle
    make(poll_seconds=60).run_jobs(jobs(90))
    assert len({job["jobName"] for job in aws.batch.submitted()}) == 90 == len(aws.batch.submitted())
    assert aws.batch.count("submitjob") > 90
    assert busiest(aws) <= 50


def test_ten_thousand_active_jobs_are_a_hundred_calls_and_little_memory(make: Make, aws: FakeAws) -> None:
    batch = FakeBatch()
    one = make(poll_seconds=60)
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

    one.__dict__["_watch"] = status.Watch(SimpleNamespace(describe_jobs=describe_jobs), 5, print)
    ids = list(batch.jobs)
    # What is looked at is counted, not the process: it holds what other tests left behind.
    tracemalloc.start()
    try:
        for _ in range(3):
            found, not_asked = one._watch.look(ids)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rounds["calls"] == 300
    assert len(found) == 10_000 and not not_asked
    print(f"10,000 jobs take at most {peak / 1024**2:.0f} MiB")
    assert peak < 50 * 1024**2
    # 100 calls a round are spread, too: no more than ten a second.
    assert one._watch.plan(changed=True, active=10_000) == 10


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


def test_polling_backs_off_while_nothing_changes_and_a_pause_ends_with_the_run(make: Make, aws: FakeAws) -> None:
    one = make(poll_seconds=0.2)
    one.run_jobs([FakeJob()])
    until(lambda: one._pause >= 1.5)
    looks = aws.batch.count("describejobs")
    assert looks < 10
    start = time.monotonic()
    one.wait = False
    one.wait_thread.join()
    assert time.monotonic() - start < 1


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


def lose_answers(aws: FakeAws, number: int) -> None:
    """The first submissions make jobs, and their answers get lost."""

    def fault(operation: str, body: dict[str, Any]) -> tuple[int, str] | None:
        if operation == "submitjob" and aws.batch.count("submitjob") <= number:
            aws.batch.answer("submitjob", body)
            return 500, "ServerException"
        return None

    aws.batch.fault = fault


def test_a_job_of_which_no_attempt_got_an_answer_is_taken(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "PAUSE", 0.1)
    lose_answers(aws, 4)
    one = make()
    one.run_jobs([FakeJob()])
    assert ended(one) == []
    (taken,) = [job for job in aws.batch.submitted() if job["status"] == "SUBMITTED"]
    assert aws.batch.count("submitjob") == 4 == len(aws.batch.submitted())
    aws.batch.end(taken, "SUCCEEDED", 0)
    until(lambda: [good for _, good in ended(one)] == [True])


def test_a_lost_answer_is_not_forgotten_when_refusals_follow(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "PAUSE", 0.1)

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
    monkeypatch.setattr(submission, "PAUSE", 0.1)
    monkeypatch.setattr(patience, "EXPIRED", 1.5)
    aws.batch.fault = lambda operation, _: (400, "ExpiredTokenException") if operation == "submitjob" else None
    one, asked = make(poll_seconds=60), jobs(80)
    start = time.monotonic()
    one.run_jobs(asked)
    # Each by itself would take 15 s, with eight at a time.
    assert 1.5 < time.monotonic() - start < 8
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
    monkeypatch.setattr(submission, "PAUSE", 0.1)
    monkeypatch.setattr(client, "repeated", client.hasty)
    aws.batch.fault = lambda operation, _: (
        (503, "ServiceUnavailable") if operation == "submitjob" and aws.batch.count("submitjob") <= 30 else None
    )
    one = make()
    one.run_jobs(jobs(3))
    assert ended(one) == [] and len(aws.batch.submitted()) == 3
    assert one.logger.text.count("AWS Batch takes no jobs just now") == 1


def test_a_job_that_fits_nothing_fails_before_submission(make: Make, aws: FakeAws) -> None:
    one = make()
    job = FakeJob(resources={"mem_mb": 300000}, restart_times=3)
    one.run_jobs([job, FakeJob(output=["other"])])
    assert ended(one) == [(job, False)]
    assert len(aws.batch.submitted()) == 1
    assert job.attempt == 4, "Snakemake does not try it again"
    assert "300000 MiB" in str(job.errors[0])


def test_an_inactive_definition_is_said_once(make: Make, aws: FakeAws) -> None:
    aws.batch.fault = lambda operation, _: (400, "ClientException") if operation == "submitjob" else None
    one = make()
    one.run_jobs(jobs(5))
    assert len(ended(one)) == 5
    texts = [str(job.errors[0]) for job, _ in ended(one)]
    assert sum("queue spot and job definition worker-20gib" in text for text in texts) == 1
    assert sum("same reason" in text for text in texts) == 4


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


def throttled(aws: FakeAws, operation: str) -> None:
    aws.batch.fault = lambda called, _: (429, "TooManyRequestsException") if called == operation else None


def test_interruption_does_not_wait_for_a_look(make: Make, aws: FakeAws) -> None:
    one = make()
    one.run_jobs(jobs(3))
    throttled(aws, "describejobs")
    time.sleep(4)
    start = time.monotonic()
    one.cancel()
    assert time.monotonic() - start < 10
    assert not [job for job in aws.batch.submitted() if job["status"] in ACTIVE]


def test_interruption_does_not_wait_for_submissions(make: Make, aws: FakeAws) -> None:
    one = make()
    one.run_jobs(jobs(3))
    throttled(aws, "submitjob")
    times: list[float] = []

    class Interrupted(FakeJob):
        def log_info(self) -> None:
            time.sleep(4)
            times.append(time.monotonic())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.run_jobs([*jobs(30)[3:], Interrupted()])
    one.cancel()
    took = time.monotonic() - times[0]
    print(f"ended after {took:.1f} s")
    assert took < 10
    assert [job["status"] for job in aws.batch.submitted()] == ["FAILED"] * 3


def test_interruption_ends_jobs_whose_answer_got_lost(make: Make, aws: FakeAws) -> None:
    one = make()
    lose_answers(aws, 99)

    class Interrupted(FakeJob):
        def log_info(self) -> None:
            until(lambda: len(aws.batch.submitted()) >= 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.run_jobs([*jobs(3), Interrupted()])
    one.cancel()
    assert len(aws.batch.submitted()) >= 3
    assert not [job for job in aws.batch.submitted() if job["status"] in ACTIVE]


def test_interruption_ends_a_job_on_its_way_to_the_on_demand_queue(make: Make, aws: FakeAws) -> None:
    one = make()
    one.run_jobs([FakeJob()])

    def late(operation: str, body: dict[str, Any]) -> None:
        if operation == "submitjob":
            until(lambda: one._submitter.closed)
            time.sleep(1)

    aws.batch.fault = late
    aws.batch.end(aws.batch.submitted()[0], "FAILED", None, "Your Spot Task was interrupted.")
    until(lambda: aws.batch.count("submitjob") == 2)
    one.cancel()
    assert [job["status"] for job in aws.batch.submitted()] == ["FAILED"] * 2


@pytest.mark.parametrize("running", [True, False])
def test_the_sources_stay_for_jobs_that_run_on(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, running: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    removed: list[str] = []
    monkeypatch.setattr(executor.archive, "remove", lambda _, archive: removed.append(archive.query))
    one = make()
    one.workflow.remote_execution_settings.immediate_submit = False
    one.run_jobs([FakeJob()])
    if not running:
        aws.batch.end(aws.batch.submitted()[0], "SUCCEEDED", 0)
        until(lambda: len(ended(one)) == 1)
    one.shutdown()
    assert removed == ([] if running else [ARCHIVE.query])


@pytest.mark.parametrize("failing", [False, True])
def test_interruption_ends_all_that_runs_and_nothing_that_has_ended(make: Make, aws: FakeAws, failing: bool) -> None:
    one = make(poll_seconds=30)
    one.run_jobs(jobs(40))
    for job in aws.batch.submitted()[:10]:
        aws.batch.end(job, "SUCCEEDED", 0)
    tries: dict[str, int] = {}

    def half(operation: str, body: dict[str, Any]) -> tuple[int, str] | None:
        if operation != "terminatejobs" or not failing:
            return None
        tries["calls"] = tries.get("calls", 0) + 1
        return (500, "ServerException") if tries["calls"] < 3 else None

    def odd(job_id: str) -> str | None:
        tries[job_id] = tries.get(job_id, 0) + 1
        return "ServerException" if failing and int(job_id[-1]) % 2 and tries[job_id] < 3 else None

    aws.batch.fault, aws.batch.refuses_to_end = half, odd
    start = time.monotonic()
    one.cancel()
    took = time.monotonic() - start
    print(f"40 jobs ended in {took:.1f} s")
    assert took < 10
    assert not [job for job in aws.batch.submitted() if job["status"] in ACTIVE]
    assert [job["status"] for job in aws.batch.submitted()[:10]] == ["SUCCEEDED"] * 10
    assert all("terminations" not in job for job in aws.batch.submitted()[:10])
    assert "All of them are ended." in one.logger.text


def test_what_could_not_be_ended_is_named(make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor.cancellation, "terminate", lambda *_: {"00-1": "AccessDenied"})
    one = make()
    one.run_jobs([FakeJob()])
    one.cancel()
    assert "may still run and cost money" in one.logger.text
    assert "aws batch terminate-job --region us-east-1 --reason interrupted --job-id 00-1" in one.logger.text


def test_interruption_in_the_middle_of_submission_leaves_nothing(make: Make, aws: FakeAws) -> None:
    one = make()

    class Interrupted(FakeJob):
        def log_info(self) -> None:
            until(lambda: len(aws.batch.submitted()) > 5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.run_jobs([*jobs(30), Interrupted(), *jobs(40)[30:]])
    one.cancel()
    assert 5 < len(aws.batch.submitted()) <= 30
    assert not [job for job in aws.batch.submitted() if job["status"] in ACTIVE]


def test_interruption_ends_what_an_earlier_start_left_and_this_one_has_not_come_to(make: Make, aws: FakeAws) -> None:
    make(poll_seconds=60).run_jobs(jobs(40))
    for job in aws.batch.submitted():
        job["status"] = "RUNNING"
    two = make(poll_seconds=60)
    two.run_jobs(jobs(10))
    two.cancel()
    assert [job["status"] for job in aws.batch.submitted()] == ["FAILED"] * 40


def test_a_head_that_is_started_again_waits_for_what_runs(make: Make, aws: FakeAws) -> None:
    make(poll_seconds=60).run_jobs(jobs(60))
    for n, job in enumerate(aws.batch.submitted()):
        job["status"] = ACTIVE[n % 5]
    two = make()
    two.run_jobs(jobs(61))
    assert len(aws.batch.submitted()) == 61
    assert len(two.active_jobs) + len(two._live) >= 61
    for job in aws.batch.submitted():
        aws.batch.end(job, "SUCCEEDED", 0)
    until(lambda: len(ended(two)) == 61)
    assert all(good for _, good in ended(two))
    # Asked by status and queue, not by name: pages of a hundred here.
    assert aws.batch.count("listjobs") <= 2 * 2 * 5


def test_another_run_is_left_alone(make: Make, aws: FakeAws) -> None:
    make(run_name="one", poll_seconds=60).run_jobs([FakeJob()])
    make(run_name="two").run_jobs([FakeJob()])
    assert [job["status"] for job in aws.batch.submitted()] == ["SUBMITTED"] * 2


def test_a_job_whose_parameters_have_changed_is_ended_and_run_anew(make: Make, aws: FakeAws) -> None:
    make(poll_seconds=60).run_jobs([FakeJob(non_derived_params=["-T 30"])])
    two = make()
    two.run_jobs([FakeJob(non_derived_params=["-T 20"])])
    first, second = aws.batch.submitted()
    assert (first["status"], second["status"]) == ("FAILED", "SUBMITTED")
    assert "makes the same outputs from other or older inputs" in two.logger.text


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_a_job_whose_input_is_made_anew_is_run_anew(make: Make, aws: FakeAws, status: str) -> None:
    align, call = FakeJob(), FakeJob(name="call", input=["results/A.bam"], output=["results/A.bcf"])
    make(poll_seconds=60).run_jobs([call])
    (earlier,) = aws.batch.submitted()
    aws.batch.end(earlier, status, 0)
    marks = SimpleNamespace(external_jobids=lambda job: [earlier["jobId"]] if job is call else [])
    two = make({"persistence": marks, "async_run": lambda coroutine: coroutine.close() is None})
    two.workflow.dag.dependencies[call][align] = {"results/A.bam"}
    two.workflow.dag.needrun = lambda job: job is align
    two.run_jobs([align])
    two.run_jobs([call])
    first, _, second = aws.batch.submitted()
    assert (first["status"], second["status"]) == ("FAILED" if status == "RUNNING" else "SUCCEEDED", "SUBMITTED")


def test_a_job_whose_input_an_earlier_start_makes_is_waited_for_as_well(make: Make, aws: FakeAws) -> None:
    align, call = FakeJob(), FakeJob(name="call", input=["results/A.bam"], output=["results/A.bcf"])
    one, two = make(poll_seconds=60), make()
    for head in (one, two):
        head.workflow.dag.dependencies[call][align] = {"results/A.bam"}
    one.run_jobs([align, call])
    two.workflow.dag.needrun = lambda job: True
    two.run_jobs([align])
    two.run_jobs([call])
    assert [job["status"] for job in aws.batch.submitted()] == ["SUBMITTED", "SUBMITTED"]


@pytest.mark.parametrize("there", [True, False])
def test_a_job_that_succeeded_while_there_was_no_head(make: Make, aws: FakeAws, there: bool) -> None:
    make(poll_seconds=60).run_jobs([FakeJob()])
    (earlier,) = aws.batch.submitted()
    aws.batch.end(earlier, "SUCCEEDED", 0)
    marks = SimpleNamespace(external_jobids=lambda job: [earlier["jobId"]])

    def async_run(coroutine: Any) -> bool:
        coroutine.close()
        return there

    two = make({"persistence": marks, "async_run": async_run})
    job = FakeJob()
    two.run_jobs([job])
    assert len(aws.batch.submitted()) == (1 if there else 2)
    if there:
        until(lambda: ended(two) == [(job, True)])


class Output(str):
    """An output that is there or not."""

    there: bool

    def __new__(cls, path: str, there: bool) -> "Output":
        made = super().__new__(cls, path)
        made.there = there
        return made

    async def exists(self) -> bool:
        return self.there


@pytest.mark.parametrize("there", [True, False])
def test_what_stays_within_a_group_need_not_be_there(make: Make, aws: FakeAws, there: bool) -> None:
    within = Output("reads", False)
    group = FakeGroup(name="group", jobs=[FakeJob(output=[within]), FakeJob(output=[Output("bam", there)])])
    make(poll_seconds=60).run_jobs([group])
    (earlier,) = aws.batch.submitted()
    aws.batch.end(earlier, "SUCCEEDED", 0)
    marks = SimpleNamespace(external_jobids=lambda job: [earlier["jobId"]])
    two = make({"persistence": marks, "async_run": asyncio.run})
    two.workflow.dag.get_unneeded_temp_files = lambda job: [within]
    two.run_jobs([group])
    assert len(aws.batch.submitted()) == (1 if there else 2)


def test_a_group_has_one_job_and_its_message(make: Make, aws: FakeAws) -> None:
    one = make()
    members = jobs(3)
    group = FakeGroup(name="group", jobs=members, threads=2, resources={"mem_mb": 5000}, groupid="mapping")
    one.run_jobs([group])
    (asked,) = aws.batch.submitted()
    assert asked["jobName"].startswith("main-mapping-") and asked["tags"]["terraflow:rule"] == "mapping"
    aws.batch.end(asked, "FAILED", 1, "Essential container in task exited")
    until(lambda: ended(one) == [(group, False)])
    assert "error: Group mapping failed on AWS Batch" in one.logger.text


def test_a_fair_share_queue_gets_a_share_identifier(make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "check", lambda *_: preflight.Report(fair_share={"spot": True}))
    make(run_name="heart-1").run_jobs([FakeJob()])
    assert aws.batch.submitted()[0]["shareIdentifier"] == "heart1"


def test_a_definition_of_its_own(make: Make, aws: FakeAws) -> None:
    aws.batch.define("report", 20)
    one = make()
    small = FakeJob(resources={"batch_job_definition": "report"})
    large = FakeJob(resources={"batch_job_definition": "report", "disk_mb": 25000}, output=["large"])
    none = FakeJob(resources={"batch_job_definition": "absent"}, output=["none"])
    one.run_jobs([small, large, none])
    assert [job["jobDefinition"] for job in aws.batch.submitted()] == ["report"]
    assert "25 GiB of disk were asked for" in str(large.errors)
    assert "Job definition absent has no active revision" in str(none.errors)


def test_logs_out_of_reach_cost_seconds(make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:1")
    monkeypatch.setattr(executor.logs, "tail", TAIL)
    one = make(log_group="/jobs")
    one.run_jobs([FakeJob()])
    aws.batch.end(aws.batch.submitted()[0], "FAILED", 1, "Essential container in task exited")
    start = time.monotonic()
    until(lambda: len(ended(one)) == 1)
    assert time.monotonic() - start < 10
    assert "its log can't be read" in ended(one)[0][0].errors[0]


def test_a_pause_of_nothing_is_a_short_one(make: Make, aws: FakeAws) -> None:
    assert make(poll_seconds=-1)._pause == status.SHORTEST_POLL


def test_nothing_is_asked_before_the_first_job(make: Make, aws: FakeAws) -> None:
    one = make()
    time.sleep(0.3)
    one.cancel()
    assert aws.batch.calls == []
