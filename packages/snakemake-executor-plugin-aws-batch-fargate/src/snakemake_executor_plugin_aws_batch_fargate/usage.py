"""What processes use: CPU time and memory of those that a thread of this process has started, told apart by thread.

CPU time is what the system counts when a process is waited for, with all of its children that were waited for: rules
that run at the same time don't mix. Memory is looked at from time to time, over each rule's tree of processes.
"""

import os
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

# Seconds between two looks at the memory: short for a rule that has just begun, longer while it goes on.
FIRST, GROWTH, LONGEST = 0.1, 1.5, 5.0
KIB = 1024
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


class Usage:
    """What the processes of one rule have used so far."""

    def __init__(self) -> None:
        """Begin with none."""
        # Seconds, bytes, and the exit code of the last process that failed; None is unknown.
        self.cpu: float | None = None
        self.peak: int | None = None
        self.failed: int | None = None
        self.running: set[int] = set()

    def add(self, cpu: float, largest: int, status: int) -> None:
        """Take a process that has ended: CPU seconds, bytes of the largest process in it, and its exit code."""
        self.cpu = (self.cpu or 0.0) + cpu
        # A child begins with the memory of its parent, so a smaller one says nothing about the tool.
        if largest > getrusage(RUSAGE_SELF).ru_maxrss * KIB:
            self.see(largest)
        if status:
            self.failed = status

    def see(self, size: int) -> None:
        """Take bytes that its processes had at one time."""
        if size:
            self.peak = max(self.peak or 0, size)


_of_thread = threading.local()
_measured: set[Usage] = set()
_begun = threading.Event()


class MeasuredPopen(subprocess.Popen):  # type: ignore[type-arg]
    """A process that counts for the rule of the thread that starts it."""

    _usage: Usage | None = None

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Start it, with the arguments of subprocess.Popen."""
        super().__init__(*args, **kwargs)  # type: ignore[call-overload]
        self._usage = getattr(_of_thread, "usage", None)
        if self._usage is not None:
            self._usage.running.add(self.pid)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """Wait as subprocess does, by the call that also says what the process has used."""
        try:
            pid, status, used = os.wait4(self.pid, wait_flags)
        except ChildProcessError:
            return self.pid, 0
        if pid == self.pid and self._usage is not None:
            self._usage.running.discard(pid)
            code = os.waitstatus_to_exitcode(status)
            self._usage.add(used.ru_utime + used.ru_stime, used.ru_maxrss * KIB, code)
        return pid, status


def begin() -> None:
    """Measure the processes that are started from here on inside `measured`."""
    subprocess.Popen = MeasuredPopen  # type: ignore[misc]
    if PROC.is_dir():
        threading.Thread(target=_look, name="memory of rules", daemon=True).start()


@contextmanager
def measured() -> Iterator[Usage]:
    """Give what the processes use that this thread starts in the block."""
    usage = Usage()
    _of_thread.usage = usage
    _measured.add(usage)
    _begun.set()
    try:
        yield usage
    finally:
        _of_thread.usage = None
        _measured.discard(usage)


def _look() -> None:
    pause = FIRST
    while True:
        if not _measured:
            _begun.wait()
        if _begun.wait(pause):
            _begun.clear()
            pause = FIRST
            continue
        pause = min(LONGEST, pause * GROWTH)
        found = dict(processes())
        for usage in list(_measured):
            usage.see(sum(found[pid][1] for pid in below(list(usage.running), found)))


def processes() -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield all processes that can be seen: id, id of the parent, and bytes of resident memory."""
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                # The name of the program stands in brackets and may have any characters.
                words = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            yield int(folder.name), (int(words[1]), int(words[21]) * PAGE)


def below(roots: Iterable[int], found: Mapping[int, tuple[int, int]]) -> set[int]:
    """Return the processes among `found` that are one of `roots` or descend from one."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in found.items():
        children.setdefault(parent, []).append(pid)
    due, reached = [pid for pid in roots if pid in found], set()
    while due:
        pid = due.pop()
        if pid not in reached:
            reached.add(pid)
            due += children.get(pid, [])
    return reached
