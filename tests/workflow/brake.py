"""Holds a tool or a script of a running workflow in the middle of its work, until a test has done something."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from runs import Outcome, Project

from shared import ROOT, programs_of, wait_until

PATIENCE = 600  # seconds


@dataclass
class Brake:
    """Marks in a folder: `held` when the first job waits, `go` when all may go on."""

    folder: Path
    env: dict[str, str]

    def wait(self) -> None:
        wait_until((self.folder / "held").exists, "the job to be held", PATIENCE)

    def release(self) -> None:
        (self.folder / "go").touch()


def stand_in(folder: Path, tool: str, script: str) -> dict[str, str]:
    """Return an environment in which bash runs `script` in place of `tool`, its function `real` being the tool."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / tool
    # Tools write the name that they were called by into their outputs.
    real = f"unset TERRAFLOW_SAMTOOLS TERRAFLOW_BCFTOOLS; exec -a {tool} {shlex.quote(str(shutil.which(tool)))}"
    path.write_text(f'#!/bin/bash\nreal() ( {real} "$@" )\n{script}\n')
    path.chmod(0o755)
    return programs_of(folder, tool)


def _held(folder: Path) -> str:
    # Without a trap, bash goes on after a Ctrl-C that comes when a `sleep` has just ended.
    waiting = f'trap "exit 130" INT; touch "{folder}/held"; for ((i = 0; i < 10 * {PATIENCE}; i++)); do '
    return waiting + f'if [[ -e "{folder}/go" ]]; then break; fi; sleep 0.1; done'


def on_tool(folder: Path, tool: str, subcommand: str) -> Brake:
    """Hold the end of the output of `tool subcommand`, so that the next program in the pipe can't finish."""
    script = f'if [[ $1 != {subcommand} ]]; then real "$@"; exit; fi\nset -o pipefail\n'
    script += f'real "$@" | {{ cat; {_held(folder)}; }}'
    return Brake(folder, stand_in(folder, tool, script))


def on_decompress(folder: Path) -> Brake:
    """Hold the job of rule `decompress` when its outputs are written, before they get their names."""
    script = f'if [[ "$*" == *" results/reads/"* ]]; then {_held(folder)}; fi\nreal "$@"'
    return Brake(folder, stand_in(folder, "ln", script))


class Started:
    """A Snakemake that runs, with its jobs, in a process group of its own."""

    def __init__(self, project: Project, brake: Brake | None, *arguments: str) -> None:
        self.output = project["snakemake.txt"]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                project.command(*arguments),
                cwd=ROOT,
                env=os.environ | (brake.env if brake else {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals, *, group: bool) -> None:
        """Send a signal to the whole group, as Ctrl-C in a terminal does, or to Snakemake alone."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    def ended(self) -> Outcome:
        """Wait until Snakemake itself has ended; return its outcome."""
        return Outcome(self.process.wait(timeout=PATIENCE), self.output.read_text())

    def alive(self) -> bool:
        """Tell whether any process of the group is left."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def wait_for_jobs(self) -> None:
        """Wait until the last job has ended, too."""
        wait_until(lambda: not self.alive(), "the last process of a run", PATIENCE)


def limited(folder: Path, room: int) -> None:
    """Mount a disk, or change the mounted one, so that there is room for this many kB more."""
    used = shutil.disk_usage(folder).used // 1024 if folder.is_mount() else 0
    options = ("remount," if folder.is_mount() else "") + f"size={used + room}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True, capture_output=True)


def why_no_mount() -> str:
    """Return why this test can't mount a disk; empty when it can."""
    if not sys.platform.startswith("linux") or shutil.which("mount") is None:
        return "a disk of limited size needs Linux's tmpfs"
    return "" if os.geteuid() == 0 else "only root may mount a disk of limited size"
