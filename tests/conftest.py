"""What tests of several files share."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from shared import ROOT, Run

# How long one example takes says more about the machine than about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def script() -> Run:
    """Runs a script of the workflow as its rules do: `script("windows", "--fai", path, …)`."""

    def run(name: str, *arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", str(ROOT / "workflow" / "scripts" / f"{name}.py"), *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)

    return run
