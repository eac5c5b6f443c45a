"""Each distribution as a stranger gets it: its wheel, installed alone, works, and its own tests pass against it.

`make test` runs the tests below packages/ here alone; `pytest packages/NAME` runs them against the sources.
"""

import re
import shutil
import warnings
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest
from wheels import MEMBERS, Installed, Member, build, install

# A plugin, and an option with which Snakemake's help shows that it was found.
PLUGINS = {
    "snakemake-executor-plugin-aws-batch-fargate": "--aws-batch-fargate-queue",
    "snakemake-logger-plugin-brief": "--logger-brief-hide",
    "snakemake-storage-plugin-s3-inventory": "--storage-s3-inventory-region",
}
# Modules that need an extra of their distribution.
EXTRAS = ("/coverage_plot",)
TESTED = [member for member in MEMBERS if (member.folder / "tests").is_dir()]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with all members' wheels and the versions of uv.lock."""
    folder = tmp_path_factory.mktemp("wheels")
    build(folder)
    return folder


@pytest.fixture(scope="module", params=MEMBERS, ids=str)
def installed(
    request: pytest.FixtureRequest, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    """Install each member's wheel in an environment of its own."""
    member: Member = request.param
    environment = tmp_path_factory.mktemp(member.package)
    yield install(member, wheels, environment)
    shutil.rmtree(environment)


def test_wheel_holds_the_package_and_nothing_else(installed: Installed) -> None:
    member, package = installed.member, installed.member.files()
    about = f"{member.package}-{member.project['version']}.dist-info"
    described = {f"{about}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")}
    if "scripts" in member.project or "entry-points" in member.project:
        described.add(f"{about}/entry_points.txt")
    assert f"{member.package}/py.typed" in package
    found = installed.contents()
    assert set(found) == package.keys() | described
    assert {name: found[name] for name in package} == package


def test_wheel_describes_itself(installed: Installed) -> None:
    (text,) = (content for name, content in installed.contents().items() if name.endswith("/METADATA"))
    about = message_from_bytes(text)
    assert about["License-Expression"] == "MIT"
    assert about["Author"] and about["Summary"] and about["Keywords"]
    assert "Typing :: Typed" in about.get_all("Classifier", [])
    readme = about.get_payload()
    assert isinstance(readme, str) and len(readme.split()) > 30, "the README says next to nothing"


def test_package_is_the_installed_one(installed: Installed) -> None:
    member = installed.member
    code = f"import importlib.metadata as m, {member.package} as p; print(m.version('{member.name}'), p.__file__)"
    done = installed.run("python", "-P", "-c", code)
    assert done.returncode == 0, done.stderr
    version, _, place = done.stdout.strip().partition(" ")
    assert version == member.project["version"]
    assert Path(place).is_relative_to(installed.environment)
    # None that uv remembers of the same version.
    packages = Path(place).parents[1]
    assert all((packages / name).read_bytes() == content for name, content in member.files().items())


def test_every_module_can_be_imported(installed: Installed) -> None:
    """Import all of them: its tests may leave some out."""
    modules = [name.removesuffix(".py").removesuffix("/__init__") for name in installed.member.files() if ".py" in name]
    wanted = [name.replace("/", ".") for name in modules if not name.endswith(("/__main__", ".typed", *EXTRAS))]
    done = installed.run("python", "-P", "-c", "\n".join(f"import {name}" for name in sorted(wanted)))
    assert done.returncode == 0, done.stderr


def test_the_table_has_every_plugin() -> None:
    assert PLUGINS.keys() == {member.name for member in MEMBERS if "-plugin-" in member.name}


@pytest.mark.parametrize("installed", [member for member in MEMBERS if member.name in PLUGINS], indirect=True, ids=str)
def test_snakemake_finds_the_plugin(installed: Installed) -> None:
    done = installed.run("snakemake", "--help")
    assert done.returncode == 0, done.stderr
    assert PLUGINS[installed.member.name] in done.stdout


def test_every_package_has_tests() -> None:
    # Those of the workflow's package lie in tests/unit: a run never uses an installed copy.
    assert [member.name for member in MEMBERS if member not in TESTED] == ["terraflow-workflow"]


@pytest.mark.parametrize("installed", TESTED, indirect=True, ids=str)
def test_its_own_tests_pass(installed: Installed, tmp_path: Path) -> None:
    done = installed.run("pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = done.stdout.rstrip().rpartition("\n")[2]
    assert re.search(r"\b[1-9]\d* passed\b", summary), done.stdout
    if "skipped" in summary:
        warnings.warn(f"{installed.member.name}: {done.stdout[done.stdout.find('SKIPPED') :]}", stacklevel=1)
