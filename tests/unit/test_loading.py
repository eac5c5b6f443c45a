"""The package that a Snakefile loads: from which files, and what happens where a process has another copy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import terraflow_workflow
from shared import ROOT
from terraflow_workflow import loading

WORKFLOW = ROOT / "workflow"
PACKAGE = WORKFLOW / "lib" / "terraflow_workflow"
# Snakemake fetches Snakefiles and captions of the report by itself; the rest is what Python packaging needs.
FETCHED_BY_SNAKEMAKE = {"Snakefile", "rules", "report"}
FOR_PACKAGING = {"CHANGELOG.md", "LICENSE", "README.md", "files.txt", "pyproject.toml"}


def test_the_list_names_each_file_that_a_snakefile_needs() -> None:
    found = {
        path.relative_to(WORKFLOW).as_posix()
        for path in WORKFLOW.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    needed = {path for path in found if path.split("/")[0] not in FETCHED_BY_SNAKEMAKE}
    needed -= {f"lib/{name}" for name in FOR_PACKAGING}
    listed = (WORKFLOW / loading.LIST).read_text().split()

    assert listed == sorted(needed | {"report/multiqc.yaml"})


def fetcher(folder: Path, *, source: Path = WORKFLOW) -> Callable[[str], str]:
    """Return what stands for `workflow.source_path` of a Snakefile in a git repository: copies with other names."""

    def fetch(name: str) -> str:
        copy = folder / f"{name}@main"
        copy.parent.mkdir(parents=True, exist_ok=True)
        # GitPython drops the last line end, and copies are never executable.
        copy.write_bytes((source / name).read_bytes().rstrip(b"\n"))
        copy.chmod(0o600)
        return str(copy)

    return fetch


def test_gathered_files_are_laid_out_as_in_the_project(tmp_path: Path) -> None:
    home = loading.gather(fetcher(tmp_path / "copies"), tmp_path)

    for name in [loading.LIST, *(WORKFLOW / loading.LIST).read_text().split()]:
        assert (home / name).read_bytes() == (WORKFLOW / name).read_bytes().rstrip(b"\n"), name
    assert os.access(home / "scripts" / "bin" / "samtools", os.X_OK)
    assert not os.access(home / "scripts" / "begin.sh", os.X_OK)


def test_processes_with_one_cache_share_what_they_gather(tmp_path: Path) -> None:
    first = loading.gather(fetcher(tmp_path / "1"), tmp_path / "1")
    again = loading.gather(fetcher(tmp_path / "1"), tmp_path / "1")
    assert first == again
    assert [path for path in (tmp_path / "1").iterdir() if path.name.startswith(("tmp", "terraflow"))] == [first]

    changed = tmp_path / "project"
    shutil.copytree(WORKFLOW, changed)
    (changed / "lib" / "terraflow_workflow" / "hts.py").write_text("# another\n")
    assert loading.gather(fetcher(tmp_path / "2", source=changed), tmp_path / "1") != first


def test_what_another_process_has_gathered_meanwhile_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faster(self: Path, target: Path) -> Path:
        shutil.copytree(self, target)
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(Path, "rename", faster)
    home = loading.gather(fetcher(tmp_path / "copies"), tmp_path)
    assert (home / "scripts" / "begin.sh").is_file()
    assert not list(tmp_path.glob("tmp*"))


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code in a Python that finds no installed copy, but can load `loading.py` by its path."""
    start = f"""
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
before = list(sys.path)
loading = ModuleType("loading")
SourceFileLoader("loading", {str(PACKAGE / "loading.py")!r}).exec_module(loading)
"""
    command = [sys.executable, "-S", "-P", "-B", "-c", start + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def copied(folder: Path) -> Path:
    """Return a copy of the folder `workflow`."""
    shutil.copytree(WORKFLOW, folder)
    return folder


def test_modules_come_from_the_folder_and_the_path_stays(tmp_path: Path) -> None:
    home = copied(tmp_path / "workflow")
    code = """
loading.load_package(Path(sys.argv[1]))
from terraflow_workflow.reference.windows import windows
assert sys.path == before
print(sys.modules[windows.__module__].__file__)
"""
    done = python(code, home)
    assert (done.stderr, done.stdout) == ("", f"{home}/{loading.PACKAGE}/reference/windows.py\n")


TWO = """
loading.load_package(Path(sys.argv[1]))
loading.load_package(Path(sys.argv[2]))
print(sys.modules["terraflow_workflow"].__file__)
"""


@pytest.mark.parametrize("name", [f"{loading.PACKAGE}/hts.py", "scripts/begin.sh", loading.LIST])
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_copy_with_the_same_content_serves(tmp_path: Path, end: str, name: str) -> None:
    first, second = (copied(tmp_path / name) for name in "ab")
    text = (second / name).read_text()
    (second / name).write_text(text.rstrip("\n") + end)
    done = python(TWO, first, second)
    assert (done.stderr, done.stdout) == ("", f"{first}/{loading.PACKAGE}/__init__.py\n")


def test_a_gathered_copy_with_the_same_content_serves(tmp_path: Path) -> None:
    home = loading.gather(fetcher(tmp_path / "copies"), tmp_path)
    for homes in ([home, WORKFLOW], [WORKFLOW, home]):
        done = python(TWO, *homes)
        assert (done.stderr, done.stdout) == ("", f"{homes[0]}/{loading.PACKAGE}/__init__.py\n")


def test_an_installed_package_with_the_same_content_serves(tmp_path: Path) -> None:
    """It has nothing else to compare."""
    installed = tmp_path / "lib" / "site-packages"
    shutil.copytree(PACKAGE, installed / "terraflow_workflow")
    code = "sys.path.append(sys.argv[1])\nimport terraflow_workflow\nloading.load_package(Path(sys.argv[2]))"
    assert python(code, installed, WORKFLOW).stderr == ""
    (installed / "terraflow_workflow" / "hts.py").write_text("# another\n")
    assert "OtherCopyError" in python(code, installed, WORKFLOW).stderr


CHANGES = [
    f"{loading.PACKAGE}/hts.py",
    f"{loading.PACKAGE}/schemas/config.schema.yaml",
    f"{loading.PACKAGE}/reads/more.py",
    "scripts/begin.sh",
    "scripts/coverage.awk",
    "scripts/bin/samtools",
    "report/multiqc.yaml",
]


@pytest.mark.parametrize("change", CHANGES)
def test_two_versions_in_one_process_are_refused(tmp_path: Path, change: str) -> None:
    other = copied(tmp_path / "workflow")
    with (other / change).open("a") as file:
        file.write("# changed\n")

    loading.load_package(WORKFLOW)
    with pytest.raises(loading.OtherCopyError) as error:
        loading.load_package(other)

    assert str(Path(str(terraflow_workflow.__file__)).parent) in str(error.value)
    assert str(other / loading.PACKAGE) in str(error.value)
