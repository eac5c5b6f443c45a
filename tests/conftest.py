"""Fixtures and the order of tests, shared by all files."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from shared import ROOT, Run

if TYPE_CHECKING:
    from airflows import Desk

# Tests use the workflow's samtools and bcftools.
os.environ["PATH"] = f"{ROOT / 'workflow' / 'scripts' / 'bin'}:{os.environ['PATH']}"
os.environ["TERRAFLOW_PYTHON"] = sys.executable

# The time of one example depends more on the machine than on the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


# Files whose tests share a fixture that takes long: an applied stack, a run of the demo, a run of the small cohort.
TOGETHER = {
    "airflow": ("test_airflow.py", "test_airflow_image.py", "test_airflow_page.py"),
    "stack": ("test_events.py", "test_fargate.py", "test_policies.py", "test_stack.py", "test_upload.py"),
    "runs on the stack": ("test_heads.py", "test_inbox.py", "test_run.py"),
    "demo": ("test_demo.py", "test_faults.py", "test_report.py", "test_runs.py"),
    "cohort": ("test_killed.py", "test_module.py", "test_replaced.py", "test_resume.py"),
}
# Files that take minutes begin first, so that no process is left with one of them at the end.
FIRST = (
    "test_run.py",
    "test_stack.py",
    # The last of the three ends the Airflow that they share.
    "test_airflow.py",
    "test_airflow_page.py",
    "test_airflow_image.py",
    "test_deploy.py",
    "test_truth.py",
    "test_runs.py",
    "test_wheels.py",
    "test_killed.py",
)


class ByFile(LoadScopeScheduling):
    """Runs the tests of one file, or of files that belong together, in one process, so that fixtures are made once.

    The tests of one wheel are such a group: each wheel's environment is a fixture.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.endswith("/test_wheels.py"):
            return nodeid.rpartition("[")[2]
        return next((name for name, files in TOGETHER.items() if file.rpartition("/")[2] in files), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(autouse=True)
def collects_garbage_as_ever() -> Iterator[None]:
    """Undo a storage provider's settings of the garbage collector: hundreds of them in a process leave gigabytes."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()


@pytest.fixture
def root() -> Path:
    """Return the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Desk"]:
    """Return a stack with an Airflow that runs, for the tests of folders `cloud` and `pages`."""
    # Imported late: most tests need none of it.
    import airflows

    with airflows.running(tmp_path_factory.mktemp("desk")) as started:
        yield started


@pytest.fixture
def script() -> Run:
    """Return a function that runs a module as the rules do: `script("reference.windows", "--fai", path, …)`."""

    def run(name: str, *arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", "-P", "-m", f"terraflow_workflow.{name}", *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)

    return run
