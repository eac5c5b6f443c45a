"""The operator: what it asks of AWS, what it leaves, and what Airflow is to do about a run that is not done."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    TaskDeferralError,
    TaskDeferralTimeout,
    TaskDeferred,
)

from cloud import BUCKET, HEADER, Cloud, now, refused
from terraflow_airflow import ending
from terraflow_airflow import stack as stacks
from terraflow_airflow.errors import OrderError
from terraflow_airflow.operator import TerraflowRunOperator
from terraflow_airflow.stack import Stack

SHEET = f"{HEADER}a\t1\tr.fq\t\n"
RESULTS = f"s3://{BUCKET}/runs/cohort/results/"


class Task:
    """The task instance of a context."""

    def __init__(self, try_number: int = 1) -> None:
        self.try_number = try_number
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


def operator(**given: Any) -> TerraflowRunOperator:
    return TerraflowRunOperator(**{"task_id": "run", "bucket": BUCKET, "run_name": "cohort", "budget": 7.5, **given})


@pytest.fixture(autouse=True)
def without_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True, raising=False)
    monkeypatch.setattr(ending, "PAUSE", 0.0)


def deferred(execute: Callable[[], Any]) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as found:
        execute()
    return found.value


def start(one: TerraflowRunOperator, ti: Task) -> TaskDeferred:
    return deferred(lambda: one.execute({"ti": ti}))  # type: ignore[arg-type, typeddict-item]


def resume(one: TerraflowRunOperator, ti: Task, event: dict[str, Any], before: TaskDeferred) -> Any:
    return one.resume_execution("resume", {**(before.kwargs or {}), "event": event}, {"ti": ti})  # type: ignore[arg-type, typeddict-item]


def ended(state: str, message: str = "", head: str = "") -> dict[str, Any]:
    return {"kind": "ended", "outcome": {"state": state, "message": message, "head_job": head}}


def test_an_order_is_written_launched_and_deferred(cloud: Cloud) -> None:
    ti, one = Task(), operator(sheet=SHEET, settings={"calling": {"ploidy": 1}})
    found = start(one, ti)
    assert (cloud.get("raw/cohort/samples.tsv"), cloud.get("raw/cohort/config.yaml") is None) == (SHEET, False)
    [submitted] = cloud.batch.asked("SubmitJob")
    assert submitted["containerOverrides"]["command"][-3:] == ["--budget", "7.5", "cohort"]
    path, given = found.trigger.serialize()
    assert path == "terraflow_airflow.trigger.TerraflowRunTrigger"
    assert {**given["place"], "since": 0} == {
        "name": "cohort",
        "budget": 7.5,
        "by": "airflow",
        "launcher": "job-1",
        "head": "",
        "since": 0,
    }
    assert abs(given["place"]["since"] - now()) < 60_000
    assert (given["bucket"], given["aws_conn_id"], found.timeout) == (BUCKET, "aws_default", None)
    assert ti.xcoms["terraflow_links"]["AWS Batch"].endswith("#jobs/detail/job-1")


def test_the_task_goes_on_from_launcher_to_head_to_end(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    ti, one = Task(), operator(sheet=SHEET)
    first = start(one, ti)
    head = cloud.launch("cohort")
    second = deferred(lambda: resume(one, ti, {"kind": "head", "head": head, "lines": ["(launcher: RUNNING)"]}, first))
    assert second.trigger.serialize()[1]["place"] | {"since": 0} == {
        "name": "cohort",
        "budget": 7.5,
        "by": "airflow",
        "launcher": "",
        "head": head,
        "since": 0,
    }
    assert "(launcher: RUNNING)" in capsys.readouterr().out
    assert ti.xcoms["terraflow_links"]["AWS Batch"].endswith(f"/{head}")
    cloud.live("cohort")
    cloud.put("runs/cohort/results/report.html", "<html>")
    cloud.batch.end(head)
    left = resume(one, ti, ended("done", head=head), second)
    assert left == {
        "run": "cohort",
        "state": "done",
        "head_job": head,
        "results": RESULTS,
        "cost": 1.234,
        "samples": 3,
        "report": f"{RESULTS}report.html",
        "timeline": None,
    }
    assert (ti.xcoms["results"], ti.xcoms["cost"]) == (RESULTS, 1.234)
    assert ti.xcoms["report"] == f"{RESULTS}report.html"
    assert "log-events/head$252Fcohort" in ti.xcoms["terraflow_links"]["CloudWatch"]


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        ("failed", AirflowFailException, "Run cohort: failed. line 2: sample"),
        ("refused", AirflowFailException, "Run cohort: refused. line 2: sample"),
        ("over budget", AirflowFailException, "Run cohort: over budget. line 2"),
        ("stopped", AirflowFailException, "Run cohort: stopped. line 2"),
        ("not due", AirflowSkipException, "line 2: sample"),
        ("lost", AirflowException, "Run cohort: lost. line 2"),
    ],
)
def test_what_airflow_does_about_a_run_that_is_not_done(
    cloud: Cloud, state: str, error: type[Exception], words: str
) -> None:
    ti, one = Task(), operator(sheet=SHEET)
    before = start(one, ti)
    with pytest.raises(error) as found:
        resume(one, ti, ended(state, "line 2: sample: found 'B C'"), before)
    assert type(found.value) is error
    assert words in str(found.value)
    assert ti.xcoms["results"] == RESULTS


def test_a_run_under_way_is_followed_and_no_second_one_is_started(cloud: Cloud) -> None:
    cloud.sheet("cohort", SHEET)
    head = cloud.head("cohort")
    for try_number in (1, 2):
        found = start(operator(sheet=SHEET), Task(try_number))
        assert found.trigger.serialize()[1]["place"]["head"] == head
    # A launcher is under way: a retry waits for it.
    cloud.batch.end(head)
    launcher = cloud.batch.add("cohort-launcher", "lab-head", "RUNNABLE")
    found = start(operator(), Task(2))
    assert found.trigger.serialize()[1]["place"]["launcher"] == launcher
    assert cloud.batch.asked("SubmitJob") == []


def test_what_is_being_ended_is_not_followed(cloud: Cloud) -> None:
    cloud.sheet("cohort", SHEET)
    head = cloud.head("cohort")
    launcher = cloud.batch.add("cohort-launcher", "lab-head")
    for job in (head, launcher):
        cloud.batch.jobs[job]["isTerminated"] = True
    place = start(operator(), Task(2)).trigger.serialize()[1]["place"]
    assert place["launcher"] not in ("", launcher) and place["head"] == ""


def test_another_sheet_for_a_run_under_way_is_refused(cloud: Cloud) -> None:
    cloud.sheet("cohort", SHEET)
    head = cloud.head("cohort")
    with pytest.raises(AirflowFailException) as error:
        operator(sheet=f"{SHEET}b\t1\tr.fq\t\n").execute({"ti": Task()})  # type: ignore[arg-type, typeddict-item]
    assert f"Run cohort is under way (Batch job {head}, started by ann)" in str(error.value)
    assert "raw/cohort/samples.tsv" in str(error.value)
    assert cloud.get("raw/cohort/samples.tsv") == SHEET


def test_a_retry_starts_no_sheet_anew(cloud: Cloud) -> None:
    start(operator(sheet=SHEET), Task())
    written = cloud.s3.head_object(Bucket=BUCKET, Key="raw/cohort/samples.tsv")["LastModified"]
    cloud.batch.end("job-1", 1)
    start(operator(sheet=SHEET), Task(2))
    assert cloud.s3.head_object(Bucket=BUCKET, Key="raw/cohort/samples.tsv")["LastModified"] == written
    assert len(cloud.batch.asked("SubmitJob")) == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"run_name": "a b", "sheet": SHEET}, "Name of the run: found 'a b'"),
        ({"budget": "cheap", "sheet": SHEET}, "Budget: found 'cheap'"),
        ({"bucket": BUCKET}, "raw/cohort/samples.tsv is missing: give a sheet"),
    ],
)
def test_a_wrong_order_is_not_tried_again(cloud: Cloud, given: dict[str, Any], words: str) -> None:
    with pytest.raises(AirflowFailException) as error:
        operator(**given).execute({"ti": Task()})  # type: ignore[arg-type, typeddict-item]
    assert words in str(error.value)
    assert cloud.batch.asked("SubmitJob") == []


def test_a_run_without_a_limit_is_not_started(cloud: Cloud) -> None:
    cloud.publish(inbox_budget=None)
    with pytest.raises(AirflowFailException, match="Budget: found none"):
        operator(sheet=SHEET, budget="").execute({"ti": Task()})  # type: ignore[arg-type, typeddict-item]
    assert (cloud.get("raw/cohort/samples.tsv"), cloud.batch.asked("SubmitJob")) == (None, [])


# Ends


def test_a_time_limit_holds_while_the_task_is_deferred(cloud: Cloud) -> None:
    one = operator(sheet=SHEET, execution_timeout=timedelta(hours=2))
    ti = Task()
    first = start(one, ti)
    assert first.timeout is not None and timedelta(minutes=119) < first.timeout <= timedelta(hours=2)
    head = cloud.launch("cohort")
    second = deferred(lambda: resume(one, ti, {"kind": "head", "head": head, "lines": ["(launcher: RUNNING)"]}, first))
    assert second.timeout is not None and timedelta(minutes=119) < second.timeout <= timedelta(hours=2)
    assert second.kwargs is not None and first.kwargs is not None
    assert second.kwargs["deadline"] == first.kwargs["deadline"]

    with pytest.raises(AirflowFailException) as error:
        one.resume_execution("__fail__", {"error": "Trigger timeout"}, {"ti": ti})  # type: ignore[arg-type, typeddict-item]
    assert isinstance(error.value.__cause__, TaskDeferralTimeout)
    assert "took longer than 2:00:00" in str(error.value)
    assert cloud.batch.active() == []


def test_a_trigger_that_fails_ends_no_run(cloud: Cloud) -> None:
    cloud.sheet("cohort", SHEET)
    head = cloud.head("cohort")
    with pytest.raises(TaskDeferralError):
        operator().resume_execution("__fail__", {"error": "Trigger failure"}, {"ti": Task()})  # type: ignore[arg-type, typeddict-item]
    assert cloud.batch.active() == [head]


def test_a_worker_that_is_told_to_end_ends_the_run(cloud: Cloud) -> None:
    cloud.sheet("cohort", SHEET)
    head = cloud.head("cohort")
    operator().on_kill()
    assert cloud.batch.asked("TerminateJobs") == [{"jobs": [head], "reason": "ended by Airflow"}]


def test_a_run_is_ended_as_soon_as_the_stack_can_be_read(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, troubles = stacks.read(cloud.s3, BUCKET), [refused("SlowDown", "GetObject"), OrderError("it is missing")]

    def read(*_: Any) -> Stack:
        if troubles:
            raise troubles.pop()
        return stack

    monkeypatch.setattr(stacks, "read", read)
    monkeypatch.setattr(ending, "PAUSE", 0.0)
    cloud.sheet("cohort", SHEET)
    head = cloud.head("cohort")
    operator().on_kill()
    assert cloud.batch.asked("TerminateJobs") == [{"jobs": [head], "reason": "ended by Airflow"}]
    assert troubles == []


def test_a_task_that_is_not_deferred_follows_the_run_itself(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    one, ti = operator(sheet=SHEET, deferrable=False, poll_interval=0.5), Task()
    heads: list[str] = []

    def go_on(seconds: float) -> None:
        assert seconds == 0.5
        if not heads:
            heads.append(cloud.launch("cohort"))
        elif cloud.batch.jobs[heads[0]]["status"] == "RUNNING":
            cloud.about("cohort", "done", heads[0])
            cloud.batch.end(heads[0])

    monkeypatch.setattr("terraflow_airflow.operator.time.sleep", go_on)
    left = one.execute({"ti": ti})  # type: ignore[arg-type, typeddict-item]
    assert (left["state"], left["head_job"]) == ("done", heads[0])


def test_a_run_that_is_done_stays_done_where_s3_does_not_say_what_it_left(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ti = Task()
    before = start(operator(sheet=SHEET), ti)
    head = cloud.launch("cohort")

    def read(*_: Any) -> Stack:
        raise refused("SlowDown", "GetObject")

    monkeypatch.setattr(stacks, "read", read)
    # Another worker goes on with the task.
    assert resume(operator(sheet=SHEET), ti, ended("done", head=head), before)["state"] == "done"
    with pytest.raises(TaskDeferred):
        resume(operator(sheet=SHEET), ti, {"kind": "head", "head": head, "lines": []}, before)
