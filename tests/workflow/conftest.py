"""Finished runs, made once; tests work on copies of them."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from runs import Outcome, Project, cohort

from once import once
from shared import ROOT

DATA = ("reads", "reference.fa", "genes.gff3", "samples.tsv", "config.yaml")


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the demo's data."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    subprocess.run([sys.executable, "-B", str(ROOT / "demo" / "simulate.py"), "--out", str(folder)], check=True)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    head, *rows = [line.split("\t") for line in (folder / "samples.tsv").read_text().splitlines()]
    return Project(folder, config, [dict(zip(head, row, strict=True)) for row in rows])


@pytest.fixture(scope="session")
def demo(simulated: Project) -> Project:
    """Return the demo's data after a whole run."""
    project = simulated.copy(simulated.folder.with_name("run"))
    project.run().succeeded()
    return project


@pytest.fixture(scope="session")
def kept_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Outcome]:
    """Return the small cohort after a whole run that kept its temporary files, and the run's outcome."""

    def make(folder: Path) -> tuple[Project, Outcome]:
        project = cohort(folder / "kept")
        return project, project.run("--notemp").succeeded()

    return once(tmp_path_factory, "cohort", make)


@pytest.fixture(scope="session")
def kept(kept_run: tuple[Project, Outcome]) -> Project:
    """Return the small cohort after that run, with its temporary files."""
    return kept_run[0]


@pytest.fixture(scope="session")
def done(kept: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the small cohort after a whole run."""

    def make(folder: Path) -> Project:
        project = kept.copy(folder / "done")
        project.run("--delete-temp-output").succeeded()
        return project

    return once(tmp_path_factory, "done", make)


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """Return the small cohort before any run."""
    return cohort(tmp_path / "fresh")
