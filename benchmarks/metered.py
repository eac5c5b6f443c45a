"""A shell that notes what each of its commands has cost, as Snakemake starts them: one for each job.

Snakemake's own benchmark looks at processes now and then, and does not see the CPU time of those that ended in between;
here the kernel counts it. `folder_for_path` makes a folder with a program `bash`, which stands first on PATH.
"""

import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from speed import watched

FILE = "TERRAFLOW_METER"
# Every command of the workflow begins so; its log file has the name of the rule.
LOG = re.compile(r'begin\.sh" (?:\'|)logs/(\w+)')


@dataclass(frozen=True)
class Job:
    """A job of a rule and its cost: seconds of wall and CPU time, MB of memory that its processes had at a time."""

    rule: str
    wall: float
    cpu: float
    memory: float


def folder_for_path(folder: Path) -> Path:
    """Make a folder with a `bash` that measures, unless a measured command has started it; return the folder."""
    real = shutil.which("bash") or "/bin/bash"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "bash"
    command = shlex.join([sys.executable, str(Path(__file__).resolve()), real])
    program.write_text(f'#!/bin/sh\n[ -n "${FILE}" ] || exec {shlex.quote(real)} "$@"\nexec {command} "$@"\n')
    program.chmod(0o755)
    return folder


def read(file: Path) -> list[Job]:
    """Return the jobs that have been noted in a file."""
    return [Job(**json.loads(line)) for line in file.read_text().splitlines()]


def main(arguments: Sequence[str]) -> int:
    """Run a shell, note its cost, and return its exit code."""
    file = Path(os.environ.pop(FILE))
    rule = LOG.search(" ".join(arguments))
    begin = time.monotonic()
    code, cost = watched(psutil.Popen(list(arguments)), begin)
    if rule:
        line = json.dumps(asdict(Job(rule.group(1), cost.wall, cost.cpu, cost.memory)))
        with file.open("a") as target:
            target.write(f"{line}\n")
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
