"""Finished runs that tests copy, so that each needs to run one rule only."""

import shutil
from pathlib import Path

import pytest
from project import Copy, Project, tiny_project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project after a whole run, with all that is usually deleted on the way."""
    project = tiny_project(tmp_path_factory.mktemp("finished"))
    project.snakemake().succeeded()
    return project


@pytest.fixture
def copy(finished: Project, tmp_path: Path) -> Copy:
    """Copies of the finished project: `copy("reference", "bwa_mem")` brings these folders of its results."""

    def make(*results: str) -> Project:
        folder = tmp_path / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        return finished.copy(folder, *results)

    return make
