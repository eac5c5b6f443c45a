"""What tests of several files share."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from shared import ROOT, Run

# How long one example takes says more about the machine than about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


# Tests of one file run in one process, and so do all that use the stack in the cloud: what they need is made once.
# (A wrapper comes before pytest-xdist's own hook, which reads the marks.)
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    for item in items:
        folder = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(folder if folder == "cloud" else item.path.stem))
    return (yield)


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
