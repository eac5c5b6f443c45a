"""Where things lie, and what the fixtures of conftest.py are."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pysam

ROOT = Path(__file__).resolve().parents[1]


def programs_of(folder: Path, *tools: str) -> dict[str, str]:
    """An environment in which jobs take these tools from `folder`: the first on PATH, samtools and bcftools by name."""
    env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    return env | {f"TERRAFLOW_{tool.upper()}": str(folder / tool) for tool in tools if tool in ("samtools", "bcftools")}


def bgzip(data: bytes) -> bytes:
    """What the program bgzip makes of it."""
    with tempfile.NamedTemporaryFile() as file:
        with pysam.BGZFile(file.name, "w", None) as packed:
            packed.write(data)
        return Path(file.name).read_bytes()


Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Outcome:
    """A Snakemake that has ended: its exit code, and all it printed."""

    code: int
    text: str

    def succeeded(self) -> Self:
        assert self.code == 0, self.text
        return self

    def failed(self, *words: str) -> Self:
        """Asserts exit code 1, each of `words` on the terminal, and no traceback."""
        assert self.code == 1, self.text
        for word in words:
            assert word in self.text, f"{word!r} is not in:\n{self.text}"
        assert "Traceback" not in self.text, self.text
        return self
