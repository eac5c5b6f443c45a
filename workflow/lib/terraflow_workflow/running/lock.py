"""Keeps two runs out of one working directory, with a lock that ends with the process that holds it.

Snakemake's own lock outlives a run that was killed, and has to be taken away by hand before work can go on.
"""

import fcntl
import os
from pathlib import Path
from typing import TextIO

_held: dict[Path, TextIO] = {}
_unlocked: set[Path] = set()


class LockedError(Exception):
    """Another run works in the same directory, or nothing can be written there."""


def hold_lock(folder: Path) -> bool:
    """Lock `folder` until this process ends, however it ends.

    Return whether this is the first call for the folder: later ones find the process's own lock. Where the file system
    has no locks (some network file systems), nothing is locked, and `is_locked` tells so. Raises LockedError when
    another process holds the lock, or its file can't be written.
    """
    folder = folder.absolute()
    if folder in _held:
        return False
    path = folder / "run.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise LockedError(
            f"{error.filename or path}: can't be written ({error.strerror}), and keeps two runs apart; make it "
            "writable for you, or delete it if no run works here, or give --directory another folder"
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise LockedError(
            f"{folder.parent}: another run ({file.read().strip() or 'unknown'}) works here; "
            "wait until it has ended, or give --directory another folder"
        ) from None
    except OSError:
        _unlocked.add(folder)
    else:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
    _held[folder] = file
    return True


def is_locked(folder: Path) -> bool:
    """Return whether this process holds the lock of `folder`, so that no other run works there."""
    folder = folder.absolute()
    return folder in _held and folder not in _unlocked
