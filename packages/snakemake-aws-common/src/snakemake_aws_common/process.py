"""Names of processes in a lock, and whether such a process is provably dead."""

import getpass
import os
import socket
import sys
import uuid
from pathlib import Path


def user() -> str:
    """Return user@host. A number stands for a user without a name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def place() -> str:
    """Return what process numbers are unique in: one boot of one machine, and in it one container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        # Two machines of one hardware address and name would have to share a run.
        return f"{uuid.getnode():x} {socket.gethostname()}" if sys.platform == "darwin" else uuid.uuid4().hex


def started(pid: int) -> str:
    """Return when a process started, as Linux counts it, or "" if that is not known.

    A later process of the same number has another start.
    """
    fields = _status(pid)
    return fields[19] if len(fields) > 19 else ""


def _status(pid: int) -> list[str]:
    """Return fields 3 to 52 of /proc/PID/stat, from the state on. Source: proc_pid_stat(5)."""
    try:
        # The name in field 2 may hold spaces and brackets.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def is_dead(process_place: str, pid: int, start: str) -> bool:
    """Return whether the process of that number and start in a place has ended; False if nobody can know from here."""
    if not process_place or process_place != place() or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    # A process that has ended keeps its number until its parent has waited for it.
    if _status(pid)[:1] in (["Z"], ["X"]):
        return True
    now = started(pid)
    return bool(start and now and now != start)
