"""Ends a job of this machine that runs longer than its `runtime`, as a cluster or a cloud would: it may hang for ever.

A machine that sleeps stops the clock, so that a closed laptop ends no job.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

INTERVAL = 5.0  # seconds between two looks
GRACE = 10.0  # seconds between asking a program to end and ending it
BEGIN = 'source "$TERRAFLOW/begin.sh"'  # the first words of each command of this workflow


@dataclass(frozen=True)
class Running:
    """The shell of a job: its process, what the job is called, and its limit in minutes."""

    pid: int
    rule: str
    minutes: float


@dataclass
class TimeLimits:
    """The watch over the jobs that run; `tell` gets one message for each that it ends."""

    running: Callable[[], Iterable[Running]]
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    grace: float = GRACE
    since: dict[int, float] = field(default_factory=dict)

    def watch(self) -> None:
        """Look now and then, in a thread that ends with this process."""
        threading.Thread(target=self._forever, name="time limits", daemon=True).start()

    def look(self) -> None:
        """End each job that has run for longer than its limit since it was first seen. A limit of 0 is none."""
        jobs = {job.pid: job for job in self.running()}
        self.since = {pid: self.since.get(pid, self.clock()) for pid in jobs}
        for pid, job in jobs.items():
            if 0 < job.minutes * 60 < self.clock() - self.since[pid]:
                self.tell(
                    f"Rule {job.rule}: ended after {job.minutes:g} minutes, its `runtime`. It hangs or needs longer. "
                    f"If its log shows that it was working, give it more, say --set-resources "
                    f"{job.rule}:runtime={max(1, round(job.minutes * 4))} (minutes; 0 is no limit)."
                )
                end(pid, self.grace)

    def _forever(self) -> None:
        while True:
            time.sleep(INTERVAL)
            self.look()


def end(pid: int, grace: float = GRACE) -> None:
    """End what the shell `pid` has started, so that it fails and clears up; after `grace` seconds all of it."""
    try:
        shell = psutil.Process(pid)
        started = shell.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    _send(started, psutil.Process.terminate)
    last = time.monotonic() + grace
    while _alive(shell):
        if time.monotonic() > last:
            _send([*_below(shell), *started, shell], psutil.Process.kill)
            return
        time.sleep(0.1)


def _alive(process: psutil.Process) -> bool:
    """Return whether it has not ended. Nothing may wait for it here: its exit code is for Snakemake alone."""
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _send(processes: Iterable[psutil.Process], signal: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            signal(process)
        except psutil.NoSuchProcess:
            continue


def running_jobs(workflow: "Workflow") -> list[Running]:
    """Return the jobs of this workflow that run on this machine; where others run, their limit is kept there.

    Jobs of a workflow that uses this one as a module are left alone: only this one's begin with begin.sh.
    """
    from snakemake.shell import shell

    if workflow.scheduler is None:
        return []
    jobs = {job.jobid: job for job in list(workflow.scheduler.running)}
    return [
        Running(process.pid, job.rule.name, job.resources.get("runtime") or 0)
        for number, process in list(shell._processes.items())
        if (job := jobs.get(number)) and not job.is_group() and BEGIN in (job.rule.shellcmd or "")
    ]
