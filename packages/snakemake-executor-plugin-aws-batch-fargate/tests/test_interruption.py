"""Interruption: it ends all jobs within seconds, whatever is under way, and nothing that has ended."""

import itertools
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fake_batch import FakeAws
from fake_head import Make, ended, jobs, last_order, lose_answers, session_of, until
from fake_jobs import ARCHIVE, FakeJob
from snakemake_aws_common.lease import LostError
from snakemake_executor_plugin_aws_batch_fargate import archive, cancellation, client, ending, signals
from snakemake_executor_plugin_aws_batch_fargate.lock import Lock
from snakemake_executor_plugin_aws_batch_fargate.submitter import ACTIVE
from snakemake_executor_plugin_aws_batch_fargate.untyped import Client


def throttled(aws: FakeAws, operation: str) -> None:
    aws.batch.fault = lambda called, _: (429, "TooManyRequestsException") if called == operation else None


@pytest.fixture
def persistent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that try for minutes, unless they are closed."""
    monkeypatch.setattr(client, "repeated", lambda: client._config("adaptive", 30, connect_timeout=5, read_timeout=10))


@pytest.mark.usefixtures("persistent")
def test_interruption_does_not_wait_for_a_look(make: Make, aws: FakeAws) -> None:
    one = make()
    one.run_jobs(jobs(3))
    throttled(aws, "describejobs")
    time.sleep(4)
    start = time.monotonic()
    one.cancel()
    assert time.monotonic() - start < 60
    assert not [job for job in aws.batch.submitted() if job["status"] in ACTIVE]


@pytest.mark.usefixtures("persistent")
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
    assert took < 60
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


class Waits(Lock):
    """A lock of which one thread is sure; others wait for S3, and are called off when the run is ended."""

    def __init__(self) -> None:
        super().__init__(None)
        self.over, self.sure, self.waiting = threading.Event(), dict[str, int](), list[int]()

    def check(self) -> None:
        this = threading.get_ident()
        # Of threads that come at once, one is first.
        if self.sure.setdefault("thread", this) != this and not self.over.is_set():
            self.waiting.append(this)
            self.over.wait(120)
            raise LostError("it could not be renewed")

    def gated_s3(self, s3: Client) -> Client:
        # The thread that records the run writes when it likes: it takes no part in this.
        return s3

    def give_up(self) -> None:
        self.over.set()


def test_interruption_while_submissions_wait_for_the_lock_ends_what_was_submitted(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first submission hangs until the second one waits, which may take a while to begin.
    patient = client._config("standard", 1, connect_timeout=120, read_timeout=120)
    monkeypatch.setattr(client, "repeated", lambda: patient)
    one = make(poll_seconds=60)
    one._lock = held = Waits()

    def late(operation: str, body: dict[str, Any]) -> None:
        if operation == "submitjob":
            until(held.over.is_set)
            time.sleep(0.5)

    aws.batch.fault = late

    class Interrupted(FakeJob):
        def log_info(self) -> None:
            until(lambda: aws.batch.count("submitjob") >= 1 and bool(held.waiting))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.run_jobs([*jobs(2), Interrupted()])
    one.cancel()
    assert [job["status"] for job in aws.batch.submitted()] == ["FAILED"]


class ForbidsOnce(Waits):
    """A lock that S3 does not confirm when the run is ended, and confirms later."""

    def check(self) -> None:
        if self.over.is_set() and not self.waiting:
            self.waiting.append(threading.get_ident())
            raise LostError("it could not be renewed")


def test_interruption_ends_a_job_whose_next_try_the_lock_forbids(make: Make, aws: FakeAws) -> None:
    one = make(poll_seconds=60)
    one._lock = held = ForbidsOnce()

    def lost(operation: str, body: dict[str, Any]) -> tuple[int, str] | None:
        if operation == "submitjob" and aws.batch.count("submitjob") == 1:
            aws.batch.answer("submitjob", body)
            until(held.over.is_set)
            return 500, "ServerException"
        return None

    aws.batch.fault = lost

    class Interrupted(FakeJob):
        def log_info(self) -> None:
            until(lambda: len(aws.batch.submitted()) == 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.run_jobs([*jobs(1), Interrupted()])
    one.cancel()
    assert held.waiting, "the second try was forbidden"
    assert [job["status"] for job in aws.batch.submitted()] == ["FAILED"]


def test_interruption_ends_jobs_whose_answers_follow_an_error(
    make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is none of AWS's: a program that gives credentials may be gone, for example."""
    one = make(poll_seconds=60)
    one.run_jobs([FakeJob(output=["first"])])
    session, begun, raised = session_of(one), list[int](), threading.Event()
    numbers = itertools.count()

    def submit(request: dict[str, Any]) -> str:
        begun.append(number := next(numbers))
        until(lambda: session.is_closed)
        if number == 0:
            raised.set()
            raise FileNotFoundError("aws-vault")
        until(raised.is_set)
        time.sleep(0.2)
        return str(aws.batch.answer("submitjob", request)["jobId"])

    monkeypatch.setattr(session.submitter, "submit", submit)

    class Interrupted(FakeJob):
        def log_info(self) -> None:
            until(lambda: len(begun) == 4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.run_jobs([*jobs(4), Interrupted()])
    one.cancel()
    assert [job["status"] for job in aws.batch.submitted()] == ["FAILED"] * 4


def test_interruption_ends_a_job_on_its_way_to_the_on_demand_queue(make: Make, aws: FakeAws) -> None:
    one = make()
    one.run_jobs([FakeJob()])

    def late(operation: str, body: dict[str, Any]) -> None:
        if operation == "submitjob":
            until(lambda: session_of(one).is_closed)
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
    monkeypatch.setattr(archive, "remove", lambda _, sent: removed.append(sent.query))
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
    took = last_order(aws) - start
    print(f"40 jobs ended in {took:.1f} s")
    assert took < cancellation.DEADLINE
    assert not [job for job in aws.batch.submitted() if job["status"] in ACTIVE]
    assert [job["status"] for job in aws.batch.submitted()[:10]] == ["SUCCEEDED"] * 10
    assert all("terminations" not in job for job in aws.batch.submitted()[:10])
    assert "All of them are ended." in one.logger.text


def test_what_could_not_be_ended_is_named(make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending.cancellation, "terminate", lambda *_: {"00-1": "AccessDenied"})
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_again_does_not_disturb(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with signals.undisturbed():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
