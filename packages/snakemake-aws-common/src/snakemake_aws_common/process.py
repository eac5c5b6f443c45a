"""Which process works where, and whether one that worked on this machine is provably dead."""

import getpass
import os
import socket
import sys
import uuid
from pathlib import Path


def user() -> str:
    """user@host; a number stands for a user without a name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def place() -> str:
    """Where numbers of processes mean something: this start of this machine, and in it this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        # Two machines of one hardware address and name would have to share a run.
        return f"{uuid.getnode():x} {socket.gethostname()}" if sys.platform == "darwin" else uuid.uuid4().hex


def started(pid: int) -> str:
    """When a process started, as a word that differs for a later process of the same number; empty if not known."""
    fields = _status(pid)
    return fields[19] if len(fields) > 19 else ""


def _status(pid: int) -> list[str]:
    """What Linux says of a process, from its state on. Source: proc_pid_stat(5), fields 3 to 52."""
    try:
        # The name before them may hold spaces and brackets.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def is_dead(where: str, pid: int, since: str) -> bool:
    """Whether the process of that number and start in a place has ended; False if that can't be known from here."""
    if not where or where != place() or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    # Of a process that has ended, a number stays until its parent has looked.
    if _status(pid)[:1] in (["Z"], ["X"]):
        return True
    now = started(pid)
    return bool(since and now and now != since)
