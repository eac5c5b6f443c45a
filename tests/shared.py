"""Where things lie, and what the fixtures of conftest.py are."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[1]

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
