"""The images of the checkout, built once for all tests, and commands that are run in them."""

import fcntl
import functools
import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import needs

from shared import ROOT
from terraflow.image import build, content_tag


@functools.cache
def images() -> dict[str, str]:
    """{"worker": image, "report": image}; built if the engine does not have them, while other processes wait."""
    needs.need_docker()
    lock = Path(tempfile.gettempdir()) / f"terraflow-images-{os.getuid()}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return build(ROOT, content_tag(ROOT))


def run_in(
    image: str, *command: str, stdin: bytes = b"", network: str = "none", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a job does: as the image's user, on a read-only root, with a work folder of its own."""
    variables = [f"--env={name}={value}" for name, value in (env or {}).items()]
    options = ["--rm", "--interactive", "--read-only", f"--network={network}", *variables]
    return subprocess.run(["docker", "run", *options, image, *command], input=stdin, capture_output=True, check=False)


def output_of(image: str, *command: str) -> str:
    """Return the output of a command that has to succeed."""
    done = run_in(image, *command)
    assert done.returncode == 0, f"{command} in {image}: exit {done.returncode}\n{done.stderr.decode()}"
    return done.stdout.decode(errors="replace")


def run_on_folder(image: str, script: str, folder: Path, names: Iterable[str]) -> str:
    """Run a bash script on a copy of the `names` in `folder`, and bring the work folder back; return the output.

    Files travel through pipes, so that the engine may be anywhere.
    """
    sent = io.BytesIO()
    with tarfile.open(fileobj=sent, mode="w") as archive:
        for name in names:
            archive.add(folder / name, name)
    around = f"set -euo pipefail; tar -x; ({script}) </dev/null >&2; tar -c --format=pax ."
    done = run_in(image, "bash", "-c", around, stdin=sent.getvalue())
    printed = done.stderr.decode()
    assert done.returncode == 0, f"{script} in {image}: exit {done.returncode}\n{printed}"
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return printed
