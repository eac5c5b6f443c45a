"""Where the project lies, how its workflow is run on a folder, and what the fixtures of conftest.py are."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pysam
import yaml

ROOT = Path(__file__).resolve().parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]

# Folders and endings of files that runs, builds, tools and users leave in a checkout; hidden folders are theirs, too.
MADE = {"run", "runs", "results", "logs", "build", "dist", "node_modules", "__pycache__"}
MADE_FILES = (".pyc", ".tfstate", ".tfstate.backup", ".tfvars")


def project_files(folder: str = ".") -> list[Path]:
    """Return the files of the project in one of its folders, whether it is a checkout or an unpacked archive."""
    found = []
    for parent, below, names in os.walk(ROOT / folder):
        below[:] = sorted(name for name in below if not name.startswith(".") and name not in MADE)
        below[:] = [name for name in below if not name.endswith(".egg-info")]
        found += [Path(parent, name) for name in sorted(names) if not name.endswith(MADE_FILES)]
    return found


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for a condition; fail when it does not come true within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"after {seconds} s still waiting for {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class Outcome:
    """A Snakemake that has ended: its exit code, and all it printed."""

    code: int
    text: str

    def succeeded(self) -> Self:
        """Assert exit code 0."""
        assert self.code == 0, self.text
        return self

    def failed(self, *words: str) -> Self:
        """Assert exit code 1, each of `words` on the terminal, and no traceback."""
        assert self.code == 1, self.text
        for word in words:
            assert word in self.text, f"{word!r} is not in:\n{self.text}"
        assert "Traceback" not in self.text, self.text
        return self


@dataclass
class Project:
    """A working directory with a configuration and a sheet, in which the workflow is run."""

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    units: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def add(self, sample: str, unit: str, fq1: object, fq2: object = "", **more: str) -> None:
        """Add one line to the sheet."""
        self.units.append({"sample": sample, "unit": unit, "fq1": str(fq1), "fq2": str(fq2), **more})

    def write_inputs(self) -> None:
        """Write sheet and configuration."""
        columns = list(dict.fromkeys(key for unit in self.units for key in unit))
        rows = [columns, *([unit.get(column, "") for column in columns] for unit in self.units)]
        self["samples.tsv"].write_text("".join("\t".join(row) + "\n" for row in rows))
        self["config.yaml"].write_text(yaml.safe_dump({"samples": "samples.tsv", **self.config}))

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        """Return the command that runs Snakemake on this folder, to be started in the checkout."""
        self.write_inputs()
        command = [sys.executable, "-m", "snakemake", "--configfile", str(self["config.yaml"])]
        return [*command, "--cores", str(cores), "--directory", str(self.folder), *arguments]


def ended(
    command: list[str], cwd: Path = ROOT, env: dict[str, str] | None = None, wait: float | None = None
) -> tuple[int, str]:
    """Run a command to its end, in this environment changed by `env`; return its exit code and all it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=wait,
    )
    return done.returncode, done.stdout


def output_of(*command: object) -> str:
    """Return the standard output of a tool that succeeds."""
    return subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True).stdout


def programs_of(folder: Path, *tools: str) -> dict[str, str]:
    """Return an environment in which jobs take these tools from `folder`, also samtools and bcftools."""
    env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    return env | {f"TERRAFLOW_{tool.upper()}": str(folder / tool) for tool in tools if tool in ("samtools", "bcftools")}


def bgzip(data: bytes) -> bytes:
    """Compress data as the program bgzip does."""
    with tempfile.NamedTemporaryFile() as file:
        with pysam.BGZFile(file.name, "w", None) as packed:
            packed.write(data)
        return Path(file.name).read_bytes()
