"""A process counts as dead only when that is certain."""

import os
import subprocess
import sys
import time
from dataclasses import replace

from snakemake_aws_common import lock_object, process


def test_which_process_is_dead() -> None:
    here, me = process.place(), os.getpid()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    began = process.started(ended.pid)
    while (status := process._status(ended.pid)) and status[0] not in "ZX":
        time.sleep(0.01)
    assert process.is_dead(here, ended.pid, began), "a process that nobody has waited for"
    ended.wait()
    assert process.is_dead(here, ended.pid, began)
    assert not process.is_dead("another machine", ended.pid, began)
    assert not process.is_dead(here, me, process.started(me))
    assert process.is_dead(here, me, "another start") is bool(process.started(me))
    assert not process.is_dead("", 0, "")
    assert replace(lock_object.parse_holder(b"", 0.0), pid=ended.pid).is_dead() is False
