"""A finished run that tests copy, so that each needs to run one rule only."""

import shutil
from pathlib import Path

import pytest
from project import Copy, Project, tiny_project

from once import once


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the tiny project after a whole run, with its temporary files."""

    def make(folder: Path) -> Project:
        project = tiny_project(folder)
        project.snakemake().succeeded()
        return project

    return once(tmp_path_factory, "finished", make)


@pytest.fixture
def copy(finished: Project, tmp_path: Path) -> Copy:
    """Return a function: `copy("reference", "bwa_mem")` copies the finished project with these folders of results."""

    def make(*results: str) -> Project:
        folder = tmp_path / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        return finished.copy(folder, *results)

    return make
