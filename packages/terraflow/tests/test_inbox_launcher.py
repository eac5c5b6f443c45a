"""The inbox: which sheets start a run, once, whatever comes twice, late or incomplete."""

import argparse
import dataclasses
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from run_objects import BUCKET, STACK
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.heads import submit
from terraflow.heads.about import About
from terraflow.heads.objects import AboutObject
from terraflow.inbox import command, entries, entry
from terraflow.inbox.due import PATIENCE, Sheet
from terraflow.inbox.launcher import Launcher
from terraflow.launch.inputs import MissingError
from terraflow.launch.launcher import Launched
from terraflow.launch.rehearse import RefusedError

HEADS = dataclasses.replace(STACK, head_job_definition="terraflow-head")
HOUR = 3_600_000


class Batch:
    """Heads by their ids: run and status."""

    def __init__(self) -> None:
        self.heads: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def get_paginator(self, _: str) -> "Batch":
        return self

    def paginate(self, jobQueue: str, filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        name = filters[0]["values"][0]
        found = [
            {"jobId": job, "jobName": name, "status": status}
            for job, (run, status) in self.heads.items()
            if f"{run}-head" == name
        ]
        return [{"jobSummaryList": found}]

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        return {"jobs": [{"jobId": job, "status": self.heads[job][1]} for job in jobs if job in self.heads]}

    def submit_job(self, **given: Any) -> dict[str, str]:
        with self._lock:
            job = f"job-{len(self.heads) + 1}"
            self.heads[job] = (given["tags"]["terraflow:run"], "RUNNING")
        return {"jobId": job}


class Laboratory:
    """A bucket with an inbox, Batch, and what starting a sheet's run leads to, by the name of the run."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.batch = Batch()
        self.errors: dict[str, Exception] = {}
        self.before: Callable[[], object] = lambda: None
        self.now = round(datetime.now(UTC).timestamp() * 1000)
        self.launched: list[str] = []

    def upload(self, name: str, text: str = "sample\tunit\tfq1\tfq2\n", file: str = "samples.tsv") -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"raw/{name}/{file}", Body=text.encode())

    def launch(self, sheet: Sheet) -> Launched:
        """Submit a head as `terraflow launch` does, or fail as the test says."""
        self.launched.append(sheet.name)
        self.before()
        if error := self.errors.get(sheet.name):
            raise error
        about = About(sheet.name, "upload", "upload", 0, sheet=sheet.key, sheet_etag=sheet.etag, budget=20.0)
        job = submit.submit(HEADS, about, f"runs/{sheet.name}/head/0a.tar.xz", s3=self.s3, batch=self.batch)  # type: ignore[arg-type]
        return Launched(None, job)

    def look(self, *names: str, by: str = "upload") -> tuple[list[str], list[str]]:
        launcher = Launcher(
            HEADS,
            self.s3,
            self.batch,  # type: ignore[arg-type]
            self.launch,
            by=by,
            budget=20.0,
            clock=lambda: self.now,
        )
        return launcher.work(names)

    def entry(self, name: str) -> entry.Entry:
        found, _ = entries.Entries(self.s3, BUCKET).read(name)
        assert found is not None
        return found

    def end(self, name: str, state: str) -> None:
        """End the head of a run as the head itself does."""
        written = AboutObject(self.s3, BUCKET, name).read()
        assert written is not None
        ended = dataclasses.replace(written.about, state=state)
        AboutObject(self.s3, BUCKET, name).write(ended, written.etag)
        self.batch.heads[written.about.head_job] = (name, "SUCCEEDED" if state == abouts.DONE else "FAILED")


@pytest.fixture
def lab(s3: Any) -> Laboratory:
    return Laboratory(s3)


def test_a_sheet_starts_its_run_once(lab: Laboratory) -> None:
    lab.upload("cohort")
    lab.upload("cohort", "reference: {}\n", "config.yaml")
    lab.upload("cohort/a/1/0a1b", "reads", "samples.tsv")
    assert lab.look() == (["raw/cohort/samples.tsv: launched: Batch job job-1"], [])
    # The event comes again, and the clock looks: while the run works, and when it is done.
    assert lab.look() == lab.look(by="clock") == ([], [])
    lab.end("cohort", abouts.DONE)
    assert lab.look() == lab.look(by="clock") == ([], [])
    assert lab.batch.heads == {"job-1": ("cohort", "SUCCEEDED")}
    assert (lab.entry("cohort").state, lab.entry("cohort").starts) == (entry.LAUNCHED, 1)


def test_a_write_whose_answer_was_lost_is_one_s_own(lab: Laboratory, lost_answers: list[str]) -> None:
    lab.upload("cohort")
    assert lab.look() == (["raw/cohort/samples.tsv: launched: Batch job job-1"], [])
    assert (lab.entry("cohort").state, lab.entry("cohort").starts) == (entry.LAUNCHED, 1)
    assert lost_answers.count("raw/cohort/inbox.json") == 2


def test_of_many_launchers_at_once_one_starts_the_run(lab: Laboratory) -> None:
    lab.upload("cohort")
    barrier = threading.Barrier(8)
    trouble: list[str] = []

    def look() -> None:
        barrier.wait()
        trouble.extend(lab.look()[1])

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lab.batch.heads == {"job-1": ("cohort", "RUNNING")}
    assert lab.launched == ["cohort"]
    assert trouble == []


def test_a_changed_sheet_waits_for_the_end_of_its_run_and_starts_one_more(lab: Laboratory) -> None:
    lab.upload("cohort")
    lab.look()
    for number in range(3):
        lab.upload("cohort", f"sample\tunit\tfq1\tfq2\nb{number}\t1\tr.fq\t\n")
        assert lab.look() == ([], [])
    lab.end("cohort", abouts.DONE)
    assert lab.look()[0] == ["raw/cohort/samples.tsv: launched: Batch job job-2"]
    lab.end("cohort", abouts.DONE)
    assert lab.look() == ([], [])


def test_a_sheet_that_is_changed_while_a_launcher_works_on_it_is_not_lost(lab: Laboratory) -> None:
    lab.upload("cohort")

    def change() -> None:
        lab.before = lambda: None
        lab.upload("cohort", "sample\tunit\tfq1\tfq2\nb\t1\tr.fq\t\n")
        # Its own event's launcher starts the run of the changed sheet.
        assert lab.look()[0] == ["raw/cohort/samples.tsv: launched: Batch job job-1"]

    lab.before = change
    assert lab.look() == (["raw/cohort/samples.tsv: another launcher works on it"], [])
    [sheet] = entries.look(lab.s3, BUCKET)
    assert lab.entry("cohort").etag == sheet.etag
    lab.end("cohort", abouts.DONE)
    assert lab.look() == ([], [])
    assert len(lab.batch.heads) == 1


def test_missing_files_are_looked_for_for_a_day(lab: Laboratory) -> None:
    lab.upload("cohort")
    lab.errors["cohort"] = MissingError("Files are missing:", {f"s3://{BUCKET}/raw/cohort/a.fq": "line 2"})
    first = lab.now
    said = "1 file that sheet and configuration name can't be found; looked for each hour."
    while lab.now < first + PATIENCE:
        assert lab.look() == ([f"raw/cohort/samples.tsv: waiting: {said}"], [])
        assert not lab.entry("cohort").is_refusal
        lab.now += HOUR
    assert lab.look()[0] == [
        "raw/cohort/samples.tsv: incomplete: 1 file that sheet and configuration name did not come within a day."
    ]
    assert lab.entry("cohort").missing == (f"s3://{BUCKET}/raw/cohort/a.fq",)
    assert lab.entry("cohort").is_refusal
    lab.now += HOUR
    assert lab.look() == lab.look(by="clock") == ([], [])
    assert lab.batch.heads == {}


def test_files_that_come_late_start_the_run(lab: Laboratory) -> None:
    lab.upload("cohort")
    lab.errors["cohort"] = MissingError("Files are missing:", {f"s3://{BUCKET}/raw/cohort/a.fq": "line 2"})
    lab.look()
    del lab.errors["cohort"]
    lab.now += HOUR
    assert lab.look()[0] == ["raw/cohort/samples.tsv: launched: Batch job job-1"]
    assert lab.entry("cohort").missing == ()


def test_a_wrong_sheet_is_refused_at_once_in_the_workflow_s_words(lab: Laboratory) -> None:
    lab.upload("cohort")
    lab.upload("other")
    lab.errors["cohort"] = UserError("samples.tsv, line 2: fq1 is empty")
    assert lab.look()[0] == [
        "raw/cohort/samples.tsv: refused: samples.tsv, line 2: fq1 is empty",
        "raw/other/samples.tsv: launched: Batch job job-1",
    ]
    assert lab.entry("cohort").is_refusal
    assert lab.look() == lab.look(by="clock") == ([], [])
    # Put right beside the sheet.
    del lab.errors["cohort"]
    lab.upload("cohort", "reference: {}\n", "config.yaml")
    assert lab.look()[0] == ["raw/cohort/samples.tsv: launched: Batch job job-2"]


def test_what_passes_is_waited_for_for_a_day(lab: Laboratory) -> None:
    lab.upload("cohort")
    lab.errors["cohort"] = RefusedError("Job queue spot is ENABLED and UPDATING", is_passing=True)
    said = "Job queue spot is ENABLED and UPDATING\nNothing was submitted."
    assert lab.look() == ([f"raw/cohort/samples.tsv: waiting: {said}"], [])
    assert not lab.entry("cohort").is_refusal
    lab.now += PATIENCE
    assert lab.look() == ([f"raw/cohort/samples.tsv: refused: {said}"], [])
    assert lab.entry("cohort").is_refusal and lab.look() == ([], [])

    lab.upload("other")
    lab.errors["other"] = RefusedError("Job queue spot is ENABLED and UPDATING", is_passing=True)
    lab.look()
    del lab.errors["other"]
    assert lab.look() == (["raw/other/samples.tsv: launched: Batch job job-1"], [])


def test_what_does_not_pass_is_refused_at_once(lab: Laboratory) -> None:
    lab.upload("cohort")
    lab.errors["cohort"] = RefusedError("line 2: fq1 is empty")
    assert lab.look() == (["raw/cohort/samples.tsv: refused: line 2: fq1 is empty\nNothing was submitted."], [])


@pytest.mark.parametrize("name", ["two words", "-begins", "a.b", "x" * 41])
def test_a_name_that_no_run_can_have_is_refused_once(lab: Laboratory, name: str) -> None:
    lab.upload(name)
    [said] = lab.look()[0]
    assert said.startswith(f"raw/{name}/samples.tsv: refused: The folder's name is to be the name of the run")
    assert lab.look() == ([], [])
    assert lab.launched == []
    keys = [item["Key"] for item in lab.s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert keys == [f"raw/{name}/inbox.json", f"raw/{name}/samples.tsv"]


def test_the_clock_starts_a_failed_run_again_three_times_at_most(lab: Laboratory) -> None:
    lab.upload("cohort")
    lab.look()
    for start in (2, 3):
        lab.end("cohort", abouts.FAILED)
        assert lab.look() == ([], [])
        assert lab.look(by="clock")[0] == [f"raw/cohort/samples.tsv: launched: Batch job job-{start}"]
    lab.end("cohort", abouts.FAILED)
    assert lab.look(by="clock") == ([], [])


def test_a_head_that_died_without_a_word_has_ended(lab: Laboratory) -> None:
    lab.upload("cohort")
    lab.look()
    lab.batch.heads["job-1"] = ("cohort", "FAILED")
    assert lab.look() == ([], [])
    assert lab.look(by="clock")[0] == ["raw/cohort/samples.tsv: launched: Batch job job-2"]


def test_trouble_with_one_sheet_leaves_the_others_and_is_tried_again(lab: Laboratory) -> None:
    for name in ("a", "b"):
        lab.upload(name)
    lab.errors["a"] = ClientError({"Error": {"Code": "SlowDown", "Message": "slow"}}, "PutObject")
    done, failed = lab.look()
    assert done == ["raw/b/samples.tsv: launched: Batch job job-1"]
    assert len(failed) == 1 and failed[0].startswith("raw/a/samples.tsv: AWS: ") and "SlowDown" in failed[0]
    del lab.errors["a"]
    assert lab.look() == (["raw/a/samples.tsv: launched: Batch job job-2"], [])


def test_a_sheet_that_can_t_be_worked_on_leaves_the_others_and_is_told_of(lab: Laboratory) -> None:
    for name in ("a", "b", "c"):
        lab.upload(name)
    lab.errors["a"] = AttributeError("'str' object has no attribute 'get'")
    lab.s3.put_object(Bucket=BUCKET, Key="runs/b/head/run.json", Body=b"[]")
    done, failed = lab.look()
    assert done == ["raw/c/samples.tsv: launched: Batch job job-1"]
    assert failed[0] == "raw/a/samples.tsv: AttributeError: 'str' object has no attribute 'get'"
    assert [line.partition(": ")[0] for line in failed] == ["raw/a/samples.tsv", "raw/b/samples.tsv"]
    refused = lab.entry("a")
    assert refused.is_refusal
    assert refused.message == "It could not be checked (AttributeError: 'str' object has no attribute 'get')."
    # Not tried again before somebody has changed something.
    done, failed = lab.look()
    assert (done, len(failed)) == ([], 1)
    assert lab.launched == ["a", "c"]


def test_a_launcher_that_died_is_followed_by_the_next(lab: Laboratory) -> None:
    lab.upload("cohort")

    class Killed(BaseException):
        pass

    def kill() -> None:
        lab.before = lambda: None
        raise Killed

    lab.before = kill
    with pytest.raises(Killed):
        lab.look()
    assert lab.look() == ([], [])
    lab.now += HOUR
    assert lab.look()[0] == ["raw/cohort/samples.tsv: launched: Batch job job-1"]


def test_a_launcher_needs_nothing_of_the_workflow_s_package_before_it_has_fetched_it() -> None:
    """The worker image has none: each run brings its own."""
    code = "import sys; sys.modules['terraflow_workflow'] = None; import terraflow.inbox.command"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_airflow_starts_again_what_was_asked_for_unless_it_is_done(lab: Laboratory) -> None:
    for name in ("cohort", "other"):
        lab.upload(name)
    for number, state in enumerate((abouts.FAILED, abouts.STOPPED, abouts.OVER_BUDGET, abouts.FAILED, abouts.DONE), 1):
        assert lab.look("cohort", by="airflow") == (
            [f"raw/cohort/samples.tsv: launched: Batch job job-{number}"],
            [],
        )
        # Its head works.
        assert lab.look("cohort", by="airflow") == ([], [])
        lab.end("cohort", state)
    assert lab.look("cohort", by="airflow") == ([], [])
    lab.upload("cohort", "calling: {ploidy: 1}\n", "config.yaml")
    assert lab.look("cohort", by="airflow")[0] == ["raw/cohort/samples.tsv: launched: Batch job job-6"]
    assert set(lab.launched) == {"cohort"}


def test_airflow_names_the_run() -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(UserError, match="name the runs"):
        command.run(parser.parse_args(["--bucket", BUCKET, "--by", "airflow"]))


def test_names_choose_sheets(lab: Laboratory) -> None:
    for name in ("a", "ab", "b"):
        lab.upload(name)
    assert lab.look("a", "b")[0] == [
        "raw/a/samples.tsv: launched: Batch job job-1",
        "raw/b/samples.tsv: launched: Batch job job-2",
    ]
