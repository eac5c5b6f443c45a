"""A job that hangs is ended after its time, with all processes that it started; others are left alone."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from terraflow_workflow.running.time_limit import Running, TimeLimits

HANGING = "trap 'echo cleared >cleared' EXIT; set -euo pipefail; {trap} sleep 1000 | cat; echo published >published"


@pytest.fixture(params=["", "trap '' TERM;"], ids=["polite", "deaf to SIGTERM"])
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[psutil.Popen]:
    """Start the shell of a job, and return it when it hangs in a pipe."""
    text = HANGING.format(trap=request.param)
    with psutil.Popen(["bash", "-c", text], cwd=tmp_path) as shell:
        while len(shell.children(recursive=True)) < 2:
            pass
        yield shell
        for process in [*shell.children(recursive=True), shell] if shell.is_running() else []:
            process.kill()


def test_a_job_that_hangs_is_ended_with_all_it_started(job: psutil.Popen, tmp_path: Path) -> None:
    now, messages = [0.0], list[str]()
    limits = TimeLimits(lambda: [Running(job.pid, "fastqc", 30)], messages.append, lambda: now[0], grace=0.5)
    limits.look()
    started = job.children(recursive=True)

    now[0] = 30 * 60
    limits.look()
    assert job.is_running() and not messages
    now[0] += 1
    limits.look()

    assert job.wait(timeout=60) not in (0, None)  # its exit code was left to whoever started it
    assert psutil.wait_procs(started, timeout=60)[1] == []
    assert not (tmp_path / "published").exists()
    (message,) = messages
    assert "Rule fastqc: ended after 30 minutes, its `runtime`" in message
    assert "--set-resources fastqc:runtime=120" in message


@pytest.mark.parametrize(("pids", "minutes"), [([1, 1], 0), ([1, 2], 5)], ids=["without a limit", "another attempt"])
def test_no_job_is_ended_early(pids: list[int], minutes: float) -> None:
    now = [0.0]
    running = [Running(pids[0], "x", minutes)]
    limits = TimeLimits(lambda: running, pytest.fail, lambda: now[0])
    limits.look()
    now[0], running[0] = 301.0, Running(pids[1], "x", minutes)

    limits.look()


def test_a_job_that_ends_by_itself_meanwhile_is_no_trouble() -> None:
    now, messages = [0.0], list[str]()
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    limits = TimeLimits(lambda: [Running(ended.pid, "x", 1)], messages.append, lambda: now[0])
    limits.look()
    now[0] = 61

    limits.look()
