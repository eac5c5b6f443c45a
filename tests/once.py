"""Fixtures that take long and that tests only copy: made once for all processes of a test run."""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """Return what `make` has made in a folder of that name, in this process or in another, which is waited for."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    made = base / f"{name}.pickle"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            # A process that failed has left a part.
            shutil.rmtree(base / name, ignore_errors=True)
            (base / name).mkdir()
            made.write_bytes(pickle.dumps(make(base / name)))
        value: T = pickle.loads(made.read_bytes())
        return value
