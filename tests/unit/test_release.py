"""Everything that is released together has one version, and says so."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import terraflow_workflow
from shared import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
AIRFLOW = ROOT / "airflow/pyproject.toml"
PROJECTS = [*sorted(ROOT.glob("packages/*/pyproject.toml")), ROOT / "workflow/lib/pyproject.toml"]


@pytest.mark.parametrize("project", [*PROJECTS, AIRFLOW], ids=lambda path: path.parent.name)
def test_each_distribution_has_the_version(project: Path) -> None:
    assert tomllib.loads(project.read_text())["project"]["version"] == VERSION


def test_the_citation_and_the_workflow_have_it() -> None:
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == VERSION
    assert terraflow_workflow.__version__ == VERSION
    provider = (AIRFLOW.parent / "src/terraflow_airflow/__init__.py").read_text()
    assert re.findall(r'^__version__ = "(.+)"', provider, re.MULTILINE) == [VERSION]


@pytest.mark.parametrize("folder", [ROOT, *(project.parent for project in PROJECTS)], ids=lambda path: path.name)
def test_each_changelog_s_newest_section_is_it(folder: Path) -> None:
    sections = re.findall(r"^## (\S+)", (folder / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(section for section in sections if section != "Unreleased") == VERSION


def test_the_page_about_modules_names_its_tag() -> None:
    assert re.findall(r'tag="([^"]+)"', (ROOT / "docs/module.md").read_text()) == [f"v{VERSION}"]


def test_terraflow_prints_it() -> None:
    done = subprocess.run(["terraflow", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"terraflow {VERSION}\n"
