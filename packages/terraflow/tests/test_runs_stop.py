"""A run is stopped: its head first, then all its jobs and no other run's, wherever the head is."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pretend_batch import PretendBatch
from run_objects import ABOUT, BUCKET, LIVE, put, put_lock
from snakemake_aws_common import head, lease
from snakemake_aws_common.lock_object import LockObject
from snakemake_aws_common.record import store
from stopped_runs import BEGUN, WORKS, Time, read
from terraflow import receipt
from terraflow.heads import about as abouts
from terraflow.heads import leaving
from terraflow.runs import ending, find, state
from terraflow.timeline import write

LEAVE = leaving.leave
CLOCK = ending.Clock


def test_head_and_jobs_are_ended(commands: Any, batch: PretendBatch, stop: Any) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    put_lock(commands, "cohort7", who="worker@head")
    batch.add("head-1", "cohort7", "head", queue="head")
    batch.add("id-1", "cohort7", "bwa_mem")
    batch.add("id-2", "cohort7", "bwa_mem", "RUNNABLE", queue="ondemand")
    batch.add("id-3", "cohort7-2", "bwa_mem")
    batch.add("id-4", "cohort7", "bwa_mem", "SUCCEEDED")
    code, out, err = stop("--yes")
    assert (code, out) == (0, "Run cohort7 is stopped; 3 jobs ended. What is done stays.\n")
    assert err == "1 job asked to end.\nThe head has ended.\n2 jobs asked to end.\n"
    ended = [ids for name, ids in batch.calls if name == "TerminateJobs"]
    assert ended == [["head-1"], ["id-1", "id-2"]]
    assert {job: one["status"] for job, one in batch.jobs.items()} == {
        "head-1": "FAILED", "id-1": "FAILED", "id-2": "FAILED", "id-3": "RUNNING", "id-4": "SUCCEEDED"
    }  # fmt: skip
    run = read(commands)
    assert (state.of(run), run.lock, run.about and run.about.who) == ("stopped", None, "ada")
    assert run.about is not None
    assert run.about.message.startswith("It was stopped by ")


@pytest.mark.parametrize("about", [None, replace(BEGUN, head_job="")])
def test_jobs_whose_head_is_gone(commands: Any, batch: PretendBatch, stop: Any, about: abouts.About | None) -> None:
    put(commands, "cohort7", about=about, live=WORKS)
    for number in range(120):
        batch.add(f"id-{number}", "cohort7", "bwa_mem")
    assert stop("--yes")[:2] == (0, "Run cohort7 is stopped; 120 jobs ended. What is done stays.\n")
    assert [len(ids) for name, ids in batch.calls if name == "TerminateJobs"] == [50, 50, 20]
    assert state.of(read(commands)) == "stopped"


def test_a_head_elsewhere_loses_the_run(commands: Any, batch: PretendBatch, clock: Time, stop: Any) -> None:
    put(commands, "cohort7", live=replace(WORKS, who="eve"))
    put_lock(commands, "cohort7", who="eve@laptop")
    batch.add("id-1", "cohort7", "bwa_mem")
    lock = LockObject(commands, BUCKET, f"runs/cohort7/{head.NAME}")
    renewed = lock.read()[0]
    # Until it renews its lock, it goes on.
    clock.at.append((20, lambda: batch.add("id-2", "cohort7", "bwa_mem")))
    held: list[bool] = []
    clock.at.append((30, lambda: held.append(lock.read()[0].etag != renewed.etag)))  # type: ignore[union-attr]
    code, out, err = stop("--yes")
    assert (code, out) == (0, "Run cohort7 is stopped; 2 jobs ended. What is done stays.\n")
    assert "eve@laptop in /work has lost the run, and submits nothing more after 45 s at most." in err
    assert held == [True]
    assert clock.passed >= 45
    run = read(commands)
    assert (state.of(run), state.who(run), run.lock) == ("stopped", "eve", None)


def test_a_head_elsewhere_loses_the_run_also_where_a_head_of_the_stack_waits_for_it(
    commands: Any, batch: PretendBatch, clock: Time, stop: Any
) -> None:
    """The head that ends has never had the lock; whose it is goes on until it renews it."""
    put(commands, "cohort7", about=replace(BEGUN, state=abouts.SUBMITTED, started=None), live=WORKS)
    put_lock(commands, "cohort7", who="eve@laptop")
    batch.add("head-1", "cohort7", "head", queue="head")
    clock.at.append((20, lambda: batch.add("id-2", "cohort7", "bwa_mem")))
    assert stop("--yes")[:2] == (0, "Run cohort7 is stopped; 2 jobs ended. What is done stays.\n")
    assert batch.jobs["id-2"]["status"] == "FAILED"


@pytest.mark.parametrize("sleeps", ["between two looks", "in a look"])
def test_who_sleeps_while_it_ends_a_run_does_not_end_what_was_started_since(
    commands: Any, batch: PretendBatch, monkeypatch: pytest.MonkeyPatch, stop: Any, sleeps: str
) -> None:
    """A laptop that sleeps has a clock that stands still, and one that goes on."""
    monotonic, real, slept = [0.0], [0.0], list[None]()

    def pause(seconds: float) -> None:
        monotonic[0] += seconds
        real[0] += seconds
        if sleeps == "between two looks":
            sleep()

    def sleep() -> None:
        if not slept:
            slept.append(None)
            real[0] += 300
            put_lock(commands, "cohort7", who="eve@laptop")
            batch.add("head-9", "cohort7", "head", queue="head")
            batch.add("id-9", "cohort7", "bwa_mem")

    def look(**given: Any) -> Any:
        held = read(commands).lock
        if sleeps == "in a look" and held and "terraflow stop" in held.holder.folder:
            sleep()
        return paginate(**given)

    paginate = batch.paginate
    monkeypatch.setattr(batch, "paginate", look)
    monkeypatch.setattr(lease, "CLOCKS", (lambda: monotonic[0], lambda: real[0]))
    monkeypatch.setattr(ending, "Clock", lambda: CLOCK(sleep=pause))
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("id-1", "cohort7", "bwa_mem")
    code, _, err = stop("--yes")
    assert slept and code == 1
    assert "Somebody has started run cohort7 anew while it was stopped." in err
    assert {batch.jobs[job]["status"] for job in ("head-9", "id-9")} == {"RUNNING"}
    run = read(commands)
    assert run.about == BEGUN and run.lock is not None and run.lock.holder.who == "eve@laptop"


def test_a_run_whose_end_takes_longer_than_a_lease_is_kept_or_left(
    commands: Any, batch: PretendBatch, clock: Time, monkeypatch: pytest.MonkeyPatch, stop: Any
) -> None:
    """Batch takes orders for 50 jobs at a time, slowly where it throttles."""
    put(commands, "cohort7", live=WORKS)
    for number in range(250):
        batch.add(f"id-{number}", "cohort7", "bwa_mem")
    terminate, asked, renewed = batch.terminate_jobs, list[str](), list[str]()

    def slowly(jobs: Sequence[str], reason: str) -> Mapping[str, Any]:
        held = read(commands).lock
        assert held is not None
        renewed.append(held.etag)
        asked.extend(jobs)
        clock.passed += 100
        if len(asked) == 200:
            put_lock(commands, "cohort7", who="eve@laptop")
        return terminate(jobs, reason)

    monkeypatch.setattr(batch, "terminate_jobs", slowly)
    code, _, err = stop("--yes")
    assert code == 1 and "Somebody has started run cohort7 anew" in err
    assert len(asked) == 200 and len(set(renewed)) == 4


def test_answers_that_are_lost_do_not_make_it_lose_the_run_to_itself(
    commands: Any, batch: PretendBatch, clock: Time, stop: Any, lost_answers: list[str]
) -> None:
    """Neither when it takes the lock, nor when it renews it."""
    put(commands, "cohort7", live=replace(WORKS, who="eve"))
    put_lock(commands, "cohort7", who="eve@laptop")
    batch.add("id-1", "cohort7", "bwa_mem")
    assert stop("--yes")[:2] == (0, "Run cohort7 is stopped; 1 job ended. What is done stays.\n")
    assert lost_answers.count(f"runs/cohort7/{head.NAME}") == 2
    run = read(commands)
    assert (state.of(run), state.who(run), run.lock) == ("stopped", "eve", None)


def test_a_run_of_the_version_before(commands: Any, batch: PretendBatch, stop: Any) -> None:
    commands.put_object(Bucket=BUCKET, Key="runs/cohort7/results/x", Body=b"")
    commands.put_object(Bucket=BUCKET, Key="runs/cohort7-2/results/x", Body=b"")
    for name in ("cohort7-call-a-0123456789ab-012345", "cohort7-2-call-a-0123456789ab-012345", "cohort7-by-hand"):
        batch.add(name, "", "call", jobName=name, tags={})
    assert stop("--yes")[0] == 0
    assert [job for job, one in batch.jobs.items() if one["status"] == "FAILED"] == [
        "cohort7-call-a-0123456789ab-012345"
    ]
    assert state.of(read(commands)) == "stopped"


def test_what_could_not_be_ended_is_said(commands: Any, batch: PretendBatch, stop: Any) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("id-1", "cohort7", "bwa_mem")
    batch.add("id-2", "cohort7", "bwa_mem")
    batch.unending = {"id-2"}
    code, out, err = stop("--yes", "--json")
    assert code == 1
    assert json.loads(out) == {"run": "cohort7", "ended": ["id-1"], "left": {"id-2": "ServerException: broken"}}
    assert "1 job of run cohort7 may still run, and cost money" in err
    assert "  - id-2: ServerException: broken" in err
    assert read(commands).lock is None


def test_nothing_is_ended_without_a_yes(commands: Any, batch: PretendBatch, stop: Any) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("id-1", "cohort7", "bwa_mem")
    code, out, err = stop()
    assert (code, out) == (1, "")
    assert "Nothing was changed: there is no terminal to ask on. Say --yes, or set YES=1." in err
    assert batch.jobs["id-1"]["status"] == "RUNNING"


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (ABOUT, "Nothing of run cohort7 is under way: it is done.\n"),
        (replace(ABOUT, state=abouts.FAILED), "Nothing of run cohort7 is under way: it has failed.\n"),
        (BEGUN, "Nothing of run cohort7 is under way: its head is lost, and no job runs.\n"),
    ],
)
def test_nothing_to_end(commands: Any, batch: PretendBatch, stop: Any, about: abouts.About, words: str) -> None:
    put(commands, "cohort7", about=about, live=LIVE if about.ended else WORKS)
    assert stop() == (0, words, "")
    assert read(commands).about == about


def test_a_head_that_was_submitted_this_second(commands: Any, batch: PretendBatch, stop: Any) -> None:
    now = round(time.time() * 1000)
    put(commands, "cohort7", about=replace(BEGUN, state=abouts.SUBMITTED, submitted=now, started=None, head_job=""))
    code, _, err = stop("--yes")
    assert code == 1
    assert "its head is not there yet. Nothing was ended: try again in a minute or two." in err
    # Batch may not know a job that was just submitted.
    put(commands, "cohort7", about=replace(BEGUN, state=abouts.SUBMITTED, submitted=now, started=None))
    code, _, err = stop("--yes")
    assert code == 1
    assert "its head is not there yet. Nothing was ended: try again in a minute or two." in err
    # Its lists lack a head for some seconds; its id is known.
    batch.add("head-1", "cohort7", "head", "SUBMITTED", queue="nowhere")
    assert stop("--yes")[0] == 0
    assert batch.jobs["head-1"]["status"] == "FAILED"


def test_timeline_and_receipt_are_left(
    commands: Any, batch: PretendBatch, stop: Any, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("id-1", "cohort7", "bwa_mem")
    stop()
    assert left == []
    monkeypatch.setattr(leaving, "leave", LEAVE)
    # Quotas can't be asked for here.
    monkeypatch.setattr(write, "limits_of", lambda _: {})
    code, out, err = stop("--yes", "--json")
    assert (code, json.loads(out)) == (0, {"run": "cohort7", "ended": ["id-1"], "left": {}})
    assert err.endswith(
        "The timeline of the run: s3://data/runs/cohort7/results/timeline.html\n"
        "The receipt of the run: s3://data/runs/cohort7/ro-crate-metadata.json\n"
    )
    page = commands.get_object(Bucket=BUCKET, Key="runs/cohort7/results/timeline.html")["Body"].read()
    assert b"<title>Run cohort7: stopped" in page


def test_a_timeline_that_fails_hides_no_end(
    commands: Any, batch: PretendBatch, stop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise MemoryError("too large")

    monkeypatch.setattr(leaving, "leave", LEAVE)
    monkeypatch.setattr(write, "write", fail)
    monkeypatch.setattr(receipt, "write", fail)
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("id-1", "cohort7", "bwa_mem")
    code, out, err = stop("--yes")
    assert (code, out) == (0, "Run cohort7 is stopped; 1 job ended. What is done stays.\n")
    assert "`terraflow timeline cohort7` makes it." in err and "`terraflow verify cohort7 --write` makes it." in err


def test_how_a_run_has_ended_meanwhile_stays_written(commands: Any, batch: PretendBatch, stop: Any) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("head-1", "cohort7", "head", queue="head")
    end = replace(BEGUN, state=abouts.DONE, ended=BEGUN.submitted + 10_000_000, exit_code=0)
    batch.when_ended = lambda _: put(commands, "cohort7", about=end)
    assert stop("--yes")[0] == 0
    assert read(commands).about == end


def test_a_head_that_takes_longer_to_end_has_ended(commands: Any, batch: PretendBatch, clock: Time, stop: Any) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("head-1", "cohort7", "head", queue="head")
    terminate = batch.terminate_jobs

    def accepted(jobs: Sequence[str], reason: str) -> Mapping[str, Any]:
        return {**terminate(jobs, reason), "errors": []}

    # Batch takes the order, and the head ends 70 s later.
    batch.unending, batch.terminate_jobs = {"head-1"}, accepted  # type: ignore[method-assign]
    clock.at.append((70, lambda: batch.jobs["head-1"].update(status="FAILED")))
    assert stop("--yes")[:2] == (0, "Run cohort7 is stopped; 1 job ended. What is done stays.\n")


def test_a_start_meanwhile_is_said(commands: Any, batch: PretendBatch, clock: Time, stop: Any) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("id-1", "cohort7", "bwa_mem")
    batch.unending = {"id-1"}
    clock.at.append((10, lambda: put_lock(commands, "cohort7", who="eve@laptop")))
    code, _, err = stop("--yes")
    assert code == 1
    assert "Somebody has started run cohort7 anew while it was stopped." in err
    held = read(commands).lock
    assert held is not None
    assert held.holder.who == "eve@laptop"


@pytest.mark.parametrize("path", [abouts.NAME, store.LIVE])
def test_a_run_that_cannot_be_read_is_ended(commands: Any, batch: PretendBatch, stop: Any, path: str) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    commands.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{path}", Body=b"[]")
    put_lock(commands, "cohort7", who="worker@head")
    batch.add("head-1", "cohort7", "head", queue="head")
    batch.add("id-1", "cohort7", "bwa_mem")
    code, out, err = stop("--yes")
    assert (code, out) == (0, "Run cohort7 is stopped; 2 jobs ended. What is done stays.\n")
    assert err.startswith(f"s3://data/runs/cohort7/{path} is not what a head writes there")
    run = find.read_readable(commands, BUCKET, "cohort7")
    assert (state.of(run), run.lock) == ("stopped", None)
