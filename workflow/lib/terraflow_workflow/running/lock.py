"""Keeps two runs out of one working directory, with a lock that ends with the process that holds it.

Snakemake's own lock outlives a run that was killed, and has to be taken away by hand before work can go on.
"""

import fcntl
import os
from pathlib import Path
from typing import TextIO

_held: dict[Path, TextIO] = {}


class LockedError(Exception):
    """Another run works in the same directory."""


def hold_lock(folder: Path) -> bool:
    """Lock `folder` until this process ends, however it ends. Raises LockedError when another process holds the lock.

    Return whether this is the first call for the folder: later ones find the process's own lock. Where the file system
    has no locks (some network file systems), nothing is locked.
    """
    folder = folder.absolute()
    if folder in _held:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "run.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise LockedError(
            f"{folder.parent}: another run ({file.read().strip() or 'unknown'}) works here; "
            "wait until it has ended, or give --directory another folder"
        ) from None
    except OSError:
        pass
    else:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
    _held[folder] = file
    return True
