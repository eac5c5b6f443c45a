"""A head that is started again: it waits for the jobs of an earlier one, unless they do other work."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from fake_batch import FakeAws
from fake_head import Make, ended, jobs, leave, session_of, until
from fake_jobs import FakeGroup, FakeJob
from record_site import listed, record
from snakemake_executor_plugin_aws_batch_fargate.remembered import Remembered
from snakemake_executor_plugin_aws_batch_fargate.submitter import ACTIVE


def test_a_head_that_is_started_again_waits_for_what_runs(make: Make, aws: FakeAws) -> None:
    make(poll_seconds=60).run_jobs(jobs(60))
    for n, job in enumerate(aws.batch.submitted()):
        job["status"] = ACTIVE[n % 5]
    two = make()
    two.run_jobs(jobs(61))
    assert len(aws.batch.submitted()) == 61
    assert len(two.active_jobs) + len(session_of(two).ledger._live) >= 61
    for job in aws.batch.submitted():
        aws.batch.end(job, "SUCCEEDED", 0)
    until(lambda: len(ended(two)) == 61)
    assert all(good for _, good in ended(two))
    # Two heads ask each of two queues: by status for what runs, in five statuses, and once by name for what has ended
    # since the record was written. Neither asks for each job.
    by_name = ["filters" in body for _, operation, body in aws.batch.calls if operation == "listjobs"]
    assert by_name.count(False) <= 2 * 2 * 5 and by_name.count(True) <= 2 * 2


def test_another_run_is_left_alone(make: Make, aws: FakeAws) -> None:
    make(run_name="one", poll_seconds=60).run_jobs([FakeJob()])
    make(run_name="two").run_jobs([FakeJob()])
    assert [job["status"] for job in aws.batch.submitted()] == ["SUBMITTED"] * 2


def test_a_run_whose_name_begins_another_one_s_ends_none_of_its_jobs(make: Make, aws: FakeAws) -> None:
    make(run_name="main-2", poll_seconds=60).run_jobs(jobs(2))
    two = make(run_name="main")
    two.run_jobs([FakeJob()])
    two.cancel_jobs([])
    assert [job["status"] for job in aws.batch.submitted()] == ["SUBMITTED", "SUBMITTED", "FAILED"]
    two.shutdown()
    assert "do nothing that it needs" not in two.logger.text


def test_a_job_that_is_being_ended_is_not_waited_for(make: Make, aws: FakeAws) -> None:
    """TerminateJob leaves a container 30 seconds, in which Batch shows its job as before."""
    make(poll_seconds=60).run_jobs([FakeJob()])
    (old,) = aws.batch.submitted()
    old |= {"status": "RUNNING", "isTerminated": True}
    make().run_jobs([FakeJob()])
    assert len(aws.batch.submitted()) == 2


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


class Memory:
    """Snakemake's memory of one output: when it was stored, if that is known, and the job that makes it."""

    def __init__(self, stored: float | None) -> None:
        self.stored, self.ids = stored, list[str]()

    def store(self) -> None:
        pass

    store_now_and_then = store

    def external_jobids(self, job: Any) -> list[str]:
        return self.ids

    def started(self, job: Any, external_jobid: str) -> None:
        self.ids = [external_jobid]

    def metadata(self, output: str) -> Any:
        return None if self.stored is None else SimpleNamespace(endtime=self.stored, incomplete=False)


LONG_AGO, FAR_AHEAD = 1.0, 4_000_000_000.0


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize(
    ("stored", "there", "params", "whole", "submitted"),
    [
        (None, True, [], True, 1),
        # As it was made before that job.
        (LONG_AGO, True, [], True, 1),
        # Somebody wants it once more.
        (FAR_AHEAD, True, [], True, 2),
        (None, False, [], True, 2),
        (None, True, ["-T 20"], True, 2),
        # With --drop-metadata nothing is ever known as done.
        (None, True, [], False, 2),
    ],
)
def test_a_job_whose_marker_was_lost_with_its_head(
    make: Make,
    aws: FakeAws,
    s3: Any,
    recorded: bool,
    stored: float | None,
    there: bool,
    params: list[str],
    whole: bool,
    submitted: int,
) -> None:
    """It has ended well, before the head died or later: it is found by the record, or by its name, and its hash."""
    one = make()
    one.run_jobs([FakeJob()])
    until(lambda: listed(s3) == 1)
    if recorded:
        aws.batch.end(aws.batch.submitted()[0], "SUCCEEDED", 0)
        until(lambda: len(record(s3)) == 1)
    leave(one)
    aws.batch.end(aws.batch.submitted()[0], "SUCCEEDED", 0)

    memory: Any = Memory(stored)
    two = make({"persistence": memory, "async_run": lambda coroutine: coroutine.close() is None and there})
    two._memory = Remembered(memory, whole)
    job = FakeJob(non_derived_params=params)
    two.workflow.dag.jobs = [job]
    two.run_jobs([job])
    assert len(aws.batch.submitted()) == submitted


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
