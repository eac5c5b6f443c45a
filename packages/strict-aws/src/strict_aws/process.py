"""Starts a server in a process of its own, and ends it."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strict_aws.client import Aws

# Seconds in which a server gives its first answer, also on a machine that does much else.
PATIENCE = 300


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(aws: Aws, process: "subprocess.Popen[bytes]") -> None:
    """Return once the server answers. Raises RuntimeError, with the server's output, if it does not."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit and process.poll() is None:
        try:
            aws.settings()
            return
        except OSError:
            time.sleep(0.1)
    state = f"ended with {process.returncode}" if process.poll() is not None else f"has not answered for {PATIENCE} s"
    raise RuntimeError(f"the strict AWS {state}; its output:\n{aws.log.read_text(errors='replace')}")


@contextmanager
def running(log: Path | None = None) -> Iterator[Aws]:
    """Run a server of one's own for the length of a `with`, on a free port of the loopback address.

    Its output goes to the file `log`, or to one that is removed at the end. The server ends with this process, also if
    this process is killed. Raises RuntimeError, with the server's output, if it does not start.
    """
    if log is None:
        with tempfile.TemporaryDirectory(prefix="strict-aws-") as folder, running(Path(folder) / "server.log") as aws:
            yield aws
        return
    port = _free_port()
    command = [sys.executable, "-m", "strict_aws", "--port", str(port), "--parent", str(os.getpid())]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        aws = Aws(port, log)
        _wait_for(aws, process)
        yield aws
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
