"""The lock of a run, and when it is taken."""

import errno
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.shell import shell

from terraflow_workflow.running import start
from terraflow_workflow.running.lock import LockedError, hold_lock, is_locked
from terraflow_workflow.running.time_limit import TimeLimits, running_jobs


def a_workflow(**changes: object) -> Any:
    """Return a workflow that is about to run jobs, but for `changes`."""
    return SimpleNamespace(**{"is_main_process": True, "executor_plugin": "local", "dryrun": False, **changes})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with what a killed run left."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake/scratch/job.x").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[TimeLimits]:
    """Return the limits that are watched."""
    found = list[TimeLimits]()
    monkeypatch.setattr(TimeLimits, "watch", lambda limits: found.append(limits))
    return found


# Holds the lock of the folder until its input ends.
HOLDER = """
import sys
from pathlib import Path
from terraflow_workflow.running.lock import hold_lock
hold_lock(Path(".snakemake"))
print("held", flush=True)
sys.stdin.read()
"""


def test_once_in_a_process(folder: Path, watched: list[TimeLimits]) -> None:
    """Two modules of one workflow share the lock; the second doesn't clear away what jobs of the first write."""
    start.start_run(a_workflow())
    assert not (folder / ".snakemake/scratch").exists()
    (folder / ".snakemake/scratch/job.y").mkdir(parents=True)
    start.start_run(a_workflow())
    assert (folder / ".snakemake/scratch/job.y").exists()
    assert len(watched) == 1
    assert hold_lock(folder / ".snakemake") is False


@pytest.mark.parametrize("changes", [{"is_main_process": False}, {"executor_plugin": None}, {"dryrun": True}], ids=str)
def test_what_runs_no_jobs_needs_no_lock(changes: dict[str, object], folder: Path, watched: list[TimeLimits]) -> None:
    start.start_run(a_workflow(**changes))
    assert (folder / ".snakemake/scratch/job.x").exists()
    assert not watched
    assert not (folder / ".snakemake/run.lock").exists()


def test_another_process_is_refused(
    folder: Path, watched: list[TimeLimits], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snakemake.logging.logger.propagate", True)
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=rf"another run \(process {other.pid} on .*\) works here"):
            hold_lock(Path(".snakemake"))
        with pytest.raises(SystemExit) as ended:
            start.start_run(a_workflow())
        other.kill()
    assert ended.value.code == 1
    assert f"another run (process {other.pid} on" in caplog.text
    assert (folder / ".snakemake/scratch/job.x").exists()
    assert not watched
    # The lock ended with its process.
    assert hold_lock(Path(".snakemake"))


def test_without_locks_nothing_of_another_run_is_removed(
    folder: Path, watched: list[TimeLimits], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system has none, another run may work in the folder."""

    def flock(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    monkeypatch.setattr("snakemake.logging.logger.propagate", True)
    start.start_run(a_workflow())
    start.start_run(a_workflow())
    assert (folder / ".snakemake/scratch/job.x").exists()
    assert not is_locked(Path(".snakemake"))
    assert len(watched) == 1
    assert caplog.text.count(f"{folder}/.snakemake: the file system has no locks") == 1


@pytest.mark.parametrize("place", [".snakemake", ".snakemake/run.lock"])
def test_a_lock_that_can_not_be_written_is_named(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if place.endswith("lock"):
        (tmp_path / place).mkdir(parents=True)
    else:
        (tmp_path / place).write_text("")
    with pytest.raises(LockedError, match=rf"{tmp_path}/{place}: can't be written \(.*\), .* --directory"):
        hold_lock(Path(".snakemake"))
    with pytest.raises(SystemExit):
        start.start_run(a_workflow())


def test_only_jobs_of_this_workflow_have_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow that uses this one as a module may let its own jobs run as long as it likes."""

    def job(number: int, command: str | None) -> SimpleNamespace:
        rule = SimpleNamespace(name=f"rule_{number}", shellcmd=command)
        return SimpleNamespace(jobid=number, rule=rule, resources={"runtime": 5}, is_group=lambda: False)

    ours = '\n        source "$TERRAFLOW/begin.sh" {log:q} {output:q}\n'
    jobs = [job(1, ours), job(2, "sleep 1000"), job(3, None)]
    monkeypatch.setattr(shell, "_processes", {job.jobid: SimpleNamespace(pid=10 + job.jobid) for job in jobs})
    found = running_jobs(a_workflow(scheduler=SimpleNamespace(running=jobs)))
    assert [(running.pid, running.rule) for running in found] == [(11, "rule_1")]
    assert running_jobs(a_workflow(scheduler=None)) == []
