"""Build the members' wheels and install each in an environment of its own."""

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from shared import ROOT

# Settings that would lead pytest or Python in the new environment back to this one.
OWN = ("PYTEST_ADDOPTS", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")


@dataclass(frozen=True)
class Member:
    """A distribution of the workspace, by the folder of its pyproject.toml."""

    folder: Path

    @cached_property
    def project(self) -> dict[str, Any]:
        """Return the table [project] of its pyproject.toml."""
        project: dict[str, Any] = self.tables["project"]
        return project

    @cached_property
    def tables(self) -> dict[str, Any]:
        """Return all tables of its pyproject.toml."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text())

    @property
    def name(self) -> str:
        """Return the name of the distribution."""
        return str(self.project["name"])

    @property
    def package(self) -> str:
        """Return the name to import it by."""
        return self.name.replace("-", "_")

    @property
    def source(self) -> Path:
        """Return the folder of the package to import; not always in src/."""
        root = self.tables.get("tool", {}).get("uv", {}).get("build-backend", {}).get("module-root", "src")
        return self.folder / root / self.package

    def files(self) -> dict[str, bytes]:
        """Return each file of the package, by its path from the folder that the package lies in."""
        found = (path for path in self.source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path.relative_to(self.source.parent).as_posix(): path.read_bytes() for path in found}

    def __str__(self) -> str:
        return self.name


def _members() -> list[Member]:
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    folders = [folder for pattern in workspace["members"] for folder in ROOT.glob(pattern)]
    return [Member(folder) for folder in sorted(folders) if (folder / "pyproject.toml").is_file()]


MEMBERS = _members()
# No distribution: it names the members, and what only the repository needs.
ROOT_PROJECT = Member(ROOT)


def uv(*arguments: object) -> None:
    """Run the uv of set-up, with the mirror that set-up would take; its words are in the error when it fails."""
    program = _output(ROOT / "tools" / "setup.sh", "--uv")
    env = {name: value for name, value in os.environ.items() if name not in OWN}
    if mirror := _output(ROOT / "tools" / "setup.sh", "--mirror"):
        env["UV_DEFAULT_INDEX"] = mirror
    command = [program, *map(str, arguments), "--quiet", "--directory", str(ROOT)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}"


def _output(*command: object) -> str:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout.strip()


def build(folder: Path) -> None:
    """Build all members' wheels into a folder, and `constraints.txt`, which holds the versions of uv.lock."""
    uv("build", "--all-packages", "--wheel", "--out-dir", folder)
    everything = ("--all-packages", "--all-groups", "--no-emit-workspace", "--no-hashes")
    uv("export", "--frozen", *everything, "--output-file", folder / "constraints.txt")


@dataclass(frozen=True)
class Installed:
    """A member's wheel in an environment that has besides it what it depends on and what its tests need."""

    member: Member
    wheel: Path
    environment: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the member's folder, where no package can be imported from."""
        env = {name: value for name, value in os.environ.items() if name not in OWN}
        env["PATH"] = f"{self.environment / 'bin'}{os.pathsep}{env['PATH']}"
        command = [str(self.environment / "bin" / program), *arguments]
        return subprocess.run(command, cwd=self.member.folder, env=env, capture_output=True, text=True, check=False)

    def contents(self) -> dict[str, bytes]:
        """Return each file of the wheel."""
        with ZipFile(self.wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def install(member: Member, wheels: Path, environment: Path) -> Installed:
    """Install a wheel of those that `build` made, and the group `test` of the member's pyproject.toml."""
    (wheel,) = wheels.glob(f"{member.package}-*.whl")
    uv("venv", "--python", sys.executable, "--clear", environment)
    tests = ("--group", f"{member.folder / 'pyproject.toml'}:test") if "dependency-groups" in member.tables else ()
    # Other members come as wheels too, and not from their folders.
    source = ("--no-sources", "--find-links", wheels)
    uv("pip", "install", "--python", environment, *source, "--constraints", wheels / "constraints.txt", wheel, *tests)
    return Installed(member, wheel, environment)
