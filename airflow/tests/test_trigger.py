"""The trigger: what it waits for, what it tells, and what it does when its task is ended."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import BaseTrigger, TriggerEvent
from botocore.exceptions import ReadTimeoutError

from cloud import BUCKET, Cloud, now
from terraflow_airflow import ending
from terraflow_airflow import stack as stacks
from terraflow_airflow.following import Following, Look, Place
from terraflow_airflow.outcome import Outcome
from terraflow_airflow.trigger import TAKEN, TerraflowRunTrigger


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terraflow_airflow.trigger.SETTLE", 0.0)


def trigger(launcher: str = "", head: str = "") -> TerraflowRunTrigger:
    place = asdict(Place("cohort", 7.5, "airflow", launcher, head, now() - 60_000))
    return TerraflowRunTrigger(BUCKET, place, "aws_default", None, 0.0)


async def first(events: AsyncIterator[TriggerEvent]) -> list[Any]:
    return [event.payload async for event in events]


def fired(one: TerraflowRunTrigger) -> list[Any]:
    return asyncio.run(first(one.run()))


def test_another_triggerer_makes_the_same_one_of_it() -> None:
    one = trigger("job-1")
    path, given = one.serialize()
    again = TerraflowRunTrigger(**given)
    assert (path, again.serialize()) == ("terraflow_airflow.trigger.TerraflowRunTrigger", one.serialize())
    assert isinstance(one, BaseTrigger)


def test_it_fires_when_a_head_has_begun_and_tells_what_the_launcher_says(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.sheet("cohort")
    launcher = cloud.batch.add("cohort-launcher", "lab-head", container={"logStreamName": "launcher/1"})
    cloud.say("launcher/1", "raw/cohort/samples.tsv: launched")
    head = cloud.launch("cohort")
    [event] = fired(trigger(launcher))
    # The worker writes them once more, since Airflow begins the trigger's log anew.
    lines = ["raw/cohort/samples.tsv: launched", f"The head of run cohort is Batch job {head}."]
    assert event == {"kind": "head", "head": head, "lines": [event["lines"][0], *lines]}
    log = capsys.readouterr().out
    assert all(line in log for line in lines)


def test_it_fires_when_the_run_has_ended(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.sheet("cohort")
    head = cloud.head("cohort")
    cloud.say("head/cohort", "Error in rule bwa_mem")
    cloud.about("cohort", "failed", head, message="truncated file")
    cloud.batch.end(head, 60)
    assert fired(trigger(head=head)) == [
        {"kind": "ended", "outcome": {"state": "failed", "message": "truncated file", "head_job": head}}
    ]
    assert "Error in rule bwa_mem" in capsys.readouterr().out


@pytest.mark.parametrize("look", [Look(["last"], head="job-1"), Look(["last"], ended=Outcome("done", "", "job-1"))])
def test_airflow_has_the_last_line_before_it_hears_of_the_end(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], look: Look
) -> None:
    pauses: list[tuple[float, bool]] = []

    async def sleep(seconds: float) -> None:
        pauses.append((seconds, "last" in capsys.readouterr().out))

    monkeypatch.setattr(Following, "look", lambda _: look)
    monkeypatch.setattr("terraflow_airflow.trigger.SETTLE", 3.0)
    monkeypatch.setattr("terraflow_airflow.trigger.asyncio.sleep", sleep)
    assert len(fired(trigger("job-0"))) == 1
    assert pauses == [(0.0, False), (3.0, True)]


def test_only_the_last_lines_of_many_go_through_the_database(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([Look([f"line {number}" for number in range(TAKEN + 7)]), Look(["last"], head="job-1")])
    monkeypatch.setattr(Following, "look", lambda _: next(looks))
    [event] = fired(trigger("job-0"))
    assert event["lines"] == [f"line {number}" for number in range(8, TAKEN + 7)] + ["last"]


def test_airflow_has_stored_that_the_task_waits_before_the_first_look(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[tuple[float, int]] = []

    async def sleep(seconds: float) -> None:
        pauses.append((seconds, len(cloud.batch.calls)))
        if len(pauses) == 3:
            raise asyncio.CancelledError

    cloud.sheet("cohort")
    one = trigger(head=cloud.head("cohort"))
    one.poll_interval = 30.0
    monkeypatch.setattr("terraflow_airflow.trigger.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        fired(one)
    assert pauses[0] == (30.0, 0)
    assert [seconds for seconds, _ in pauses] == [30.0] * 3
    # A triggerer that stops cancels its triggers, and ends no run.
    assert cloud.batch.asked("TerminateJobs") == []


def killed(head: str, states: dict[str, Any] | Exception, monkeypatch: pytest.MonkeyPatch) -> TerraflowRunTrigger:
    """Return a trigger of whose task Airflow says these states."""

    class Task:
        dag_id, task_id, run_id, map_index = "terraflow_run", "run", "r1", 2

    def get_task_states(**given: Any) -> dict[str, Any]:
        assert given == {"dag_id": "terraflow_run", "task_ids": ["run"], "run_ids": ["r1"], "map_index": 2}
        if isinstance(states, Exception):
            raise states
        return states

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", get_task_states)
    one, task = trigger(head=head), Task()
    one.task_instance = task  # type: ignore[assignment]
    return one


@pytest.mark.parametrize(
    "states", [{"r1": {"run_2": "failed"}}, {"r1": {"run_2": "success"}}, {"r1": {"run_2": None}}, {"r1": {}}, {}]
)
def test_a_task_that_is_ended_ends_head_and_jobs(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], states: dict[str, Any]
) -> None:
    monkeypatch.setattr(ending, "PAUSE", 0.0)
    cloud.sheet("cohort")
    head, task = cloud.head("cohort"), cloud.task("cohort")
    other = cloud.task("cohort-2")
    asyncio.run(killed(head, states, monkeypatch).on_kill())
    assert [one["jobs"] for one in cloud.batch.asked("TerminateJobs")] == [[head], [task]]
    assert cloud.batch.active() == [other]
    assert "The task was ended, and so is run cohort." in capsys.readouterr().out


@pytest.mark.parametrize("states", [{"r1": {"run_2": "deferred"}}, RuntimeError("the database is away")])
def test_a_run_whose_task_another_triggerer_has_taken_over_goes_on(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, states: dict[str, Any] | Exception
) -> None:
    cloud.sheet("cohort")
    head = cloud.head("cohort")
    asyncio.run(killed(head, states, monkeypatch).on_kill())
    assert cloud.batch.asked("TerminateJobs") == []
    assert cloud.batch.active() == [head]


@pytest.mark.parametrize("times", [3, 10_000_000])
def test_a_stack_that_can_t_be_read_for_a_moment_fails_no_task(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """As when a triggerer starts anew and AWS is out of reach."""
    cloud.sheet("cohort")
    head = cloud.head("cohort")
    cloud.about("cohort", "done", head)
    cloud.batch.end(head, 0)
    real, tries = stacks.read, list[None]()

    def read(s3: Any, bucket: str) -> Any:
        tries.append(None)
        if len(tries) <= times:
            raise ReadTimeoutError(endpoint_url="https://s3")
        return real(s3, bucket)

    monkeypatch.setattr(stacks, "read", read)
    if times > 3:
        monkeypatch.setattr("terraflow_airflow.trigger.PATIENCE", 0.0)
    [event] = fired(trigger(head=head))
    assert event["outcome"]["state"] == ("lost" if times > 3 else "done")
    assert len(tries) == (1 if times > 3 else 4)
