"""Ends a run: launcher and head first, then what is left, and nothing of anybody else."""

import functools
import re
from pathlib import Path

import pytest

from cloud import BUCKET, Cloud, now, refused
from terraflow_airflow import ending
from terraflow_airflow import stack as stacks
from terraflow_airflow.aws import Account
from terraflow_airflow.ending import end


class Ender:
    """Ends run `cohort`; what the test does meanwhile happens at the pauses."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.said, self.seconds = cloud, list[str](), 0.0
        self.meanwhile: dict[int, object] = {}
        self.pauses = 0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.pauses += 1
        do = self.meanwhile.get(self.pauses)
        if callable(do):
            do()

    def end(self) -> dict[str, str]:
        clock = now() / 1000
        stack = functools.cache(lambda: stacks.read(self.cloud.s3, BUCKET))
        return end(Account(), stack, "cohort", self.said.append, clock=lambda: clock + self.seconds, sleep=self.sleep)

    @property
    def told(self) -> list[list[str]]:
        return [one["jobs"] for one in self.cloud.batch.asked("TerminateJobs")]


@pytest.fixture
def ender(cloud: Cloud) -> Ender:
    cloud.sheet("cohort")
    return Ender(cloud)


def test_a_head_ends_its_own_jobs(cloud: Cloud, ender: Ender) -> None:
    head = cloud.head("cohort")
    task = cloud.task("cohort")
    cloud.batch.slow[head] = 3
    ender.meanwhile[2] = lambda: cloud.batch.end(task, None)
    assert ender.end() == {}
    assert ender.told == [[head]]
    assert cloud.batch.asked("TerminateJobs")[0]["reason"] == "ended by Airflow"
    assert cloud.batch.active() == []
    assert ender.said[-1].startswith("Run cohort is ended.")


def test_jobs_that_a_dead_head_has_left_are_ended(cloud: Cloud, ender: Ender) -> None:
    cloud.about("cohort", "running", "job-0")
    tasks = [cloud.task("cohort"), cloud.task("cohort", queue="lab-ondemand")]
    # A list does not show it yet.
    hidden = cloud.task("cohort", "group-of-cohort")
    cloud.live("cohort", jobs=[{"native_id": hidden, "process": "call"}])
    others = [cloud.task("cohort-2"), cloud.head("cohort-2"), cloud.head("Cohort")]
    assert ender.end() == {}
    assert [sorted(some) for some in ender.told] == [sorted([*tasks, hidden])]
    assert cloud.batch.active() == others


def test_a_launcher_and_the_head_that_it_submits_meanwhile_are_ended(cloud: Cloud, ender: Ender) -> None:
    launcher = cloud.batch.add("cohort-launcher", "lab-head")
    heads: list[str] = []
    cloud.batch.slow[launcher] = 2
    ender.meanwhile[1] = lambda: heads.append(cloud.head("cohort", "submitted"))
    assert ender.end() == {}
    assert ender.told == [[launcher], heads]
    assert cloud.batch.active() == []


def test_a_head_that_somebody_starts_meanwhile_is_left_alone(cloud: Cloud, ender: Ender) -> None:
    head, task = cloud.head("cohort"), cloud.task("cohort")

    def start() -> None:
        later = cloud.head("cohort")
        cloud.batch.jobs[later]["createdAt"] = now() + 60_000
        started.append(later)

    started: list[str] = []
    ender.meanwhile[1] = start
    assert ender.end() == {}
    assert ender.told == [[head]]
    assert cloud.batch.active() == [task, *started]


def test_another_try_s_launcher_is_left_alone(cloud: Cloud, ender: Ender) -> None:
    head, task = cloud.head("cohort"), cloud.task("cohort")
    later = cloud.batch.add("cohort-launcher", "lab-head", createdAt=now() + 3_000)
    assert ender.end() == {}
    assert ender.told == [[head]]
    # The head that it submits goes on with them.
    assert cloud.batch.active() == [task, later]


def test_what_does_not_end_is_named(cloud: Cloud, ender: Ender) -> None:
    head = cloud.head("cohort")
    cloud.batch.slow[head] = 1000
    assert ender.end() == {head: "it has not ended yet"}
    assert ender.told == [[head]]
    first, *listed = ender.said[-1].splitlines()
    assert first == "Run cohort may still run: `terraflow stop cohort` ends it"
    assert listed == [f"  {head}: it has not ended yet"]


def test_trouble_with_aws_is_told_and_tried_again(cloud: Cloud, ender: Ender) -> None:
    head = cloud.head("cohort")
    cloud.batch.trouble = [refused("ThrottlingException")] * 2
    assert ender.end() == {}
    assert ender.said[:2] == [f"Run cohort can't be ended yet: {refused('ThrottlingException')}"] * 2
    assert ender.told == [[head]]

    cloud.batch.trouble = [refused("AccessDeniedException")] * 100
    assert list(ender.end()) == ["all jobs of run cohort"]


def test_a_stack_that_can_t_be_read_at_first_is_read_later(cloud: Cloud, ender: Ender) -> None:
    head = cloud.head("cohort")
    current = cloud.get("workflow/current.json") or ""
    cloud.s3.delete_object(Bucket=BUCKET, Key="workflow/current.json")
    ender.meanwhile[3] = lambda: cloud.put("workflow/current.json", current)
    assert ender.end() == {}
    assert [line.partition(" is missing")[0] for line in ender.said[:3]] == [
        "Run cohort can't be ended yet: s3://lab-data/workflow/current.json"
    ] * 3
    assert ender.told == [[head]]

    cloud.s3.delete_object(Bucket=BUCKET, Key="workflow/current.json")
    assert list(ender.end()) == ["all jobs of run cohort"]
    assert ender.said[-1].startswith("Run cohort may still run: `terraflow stop cohort` ends it\n")


def test_an_older_client_ends_jobs_one_by_one(cloud: Cloud, ender: Ender, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [cloud.task("cohort") for _ in range(3)]
    end_one = cloud.batch.terminate_job
    refusals = [refused("ThrottlingException", "TerminateJob")]

    def terminate_job(**given: str) -> object:
        if given["jobId"] == tasks[1] and refusals:
            raise refusals.pop()
        return end_one(**given)

    monkeypatch.delattr(type(cloud.batch), "terminate_jobs")
    monkeypatch.setattr(cloud.batch, "terminate_job", terminate_job)
    assert ender.end() == {}
    assert cloud.batch.active() == []
    # One that was refused is told once more.
    told = [one["jobId"] for one in cloud.batch.asked("TerminateJob")]
    assert told == [tasks[0], tasks[2], tasks[1]]
    assert {one["reason"] for one in cloud.batch.asked("TerminateJob")} == {"ended by Airflow"}


def test_the_image_s_triggerer_waits_for_the_end_of_a_run() -> None:
    image = (Path(__file__).parents[1] / "Dockerfile").read_text()
    [seconds] = re.findall(r"AIRFLOW__TRIGGERER__ON_KILL_TIMEOUT=(\d+)", image)
    # A last look may take some seconds.
    assert int(seconds) >= ending.WITHIN + 10
