"""What tests of several files share."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from shared import ROOT, Run
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# How long one example takes says more about the machine than about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


# Files whose tests share one applied stack.
OF_ONE_STACK = ("test_fargate.py", "test_policies.py", "test_stack.py")
# What takes minutes begins first, so that no process is left with it at the end.
FIRST = ("test_run.py", "test_stack.py", "test_deploy.py", "test_truth.py")


class ByFile(LoadScopeScheduling):
    """Tests of one file run in one process, and so do all of one stack: what they need is made once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "stack" if file.endswith(OF_ONE_STACK) else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


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
