"""Programs that the tests of the cloud need: without one, a test is skipped with advice, and fails in CI."""

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from shared import ROOT

TERRAFORM = ROOT / "terraform"


def _lack(what: str) -> NoReturn:
    """Fails or skips; only a failure tells more than the first line."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what.partition("\n")[0])


@functools.cache
def terraform_env() -> dict[str, str]:
    """Environment for Terraform: the machine's own, without a CLI configuration that is not there."""
    env = dict(os.environ, TF_IN_AUTOMATION="1", TF_INPUT="0", CHECKPOINT_DISABLE="1")
    if not Path(env.get("TF_CLI_CONFIG_FILE", "")).is_file():
        env.pop("TF_CLI_CONFIG_FILE", None)
    return env


@functools.cache
def _initialised() -> tuple[Path | None, str]:
    """Return a folder with only the stack's provider requirements, made once for each test process, or a reason."""
    if shutil.which("terraform") is None:
        return None, "Terraform is missing: install it from https://developer.hashicorp.com/terraform/install"
    folder = Path(tempfile.mkdtemp(prefix="terraflow-terraform-"))
    shutil.copy(TERRAFORM / "versions.tf", folder)
    command = ["terraform", f"-chdir={folder}", "init", "-backend=false", "-no-color"]
    done = subprocess.run(command, env=terraform_env(), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return folder, ""
    shutil.rmtree(folder)
    return None, (
        "terraform init does not work here; it needs a provider registry, or a mirror in the file that is named by "
        f"TF_CLI_CONFIG_FILE\n{done.stdout}{done.stderr}"
    )


def need_terraform() -> Path:
    """Return a folder whose `.terraform` and lock file serve a copy of the stack in place of an init."""
    folder, problem = _initialised()
    return folder or _lack(problem)


def forget_terraform() -> None:
    """Delete the folder of `need_terraform`."""
    if _initialised.cache_info().currsize and (folder := _initialised()[0]):
        shutil.rmtree(folder, ignore_errors=True)
    _initialised.cache_clear()


@functools.cache
def _docker_problem() -> str:
    if shutil.which("docker") is None:
        return "Docker is missing: install docker.io (Debian) or see https://docs.docker.com/engine/install"
    done = subprocess.run(["docker", "version"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"No Docker engine answers (is dockerd running?):\n{done.stderr}"


def need_docker() -> None:
    """Require a Docker engine that answers."""
    if problem := _docker_problem():
        _lack(problem)


def need_registry() -> str:
    """Return the path of the program `docker-registry`."""
    return shutil.which("docker-registry") or _lack(
        "docker-registry is missing: install the Debian package docker-registry"
    )


def need_postgres() -> Path:
    """Return the folder of PostgreSQL's programs, the newest that Debian's packages have installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else _lack("PostgreSQL is missing: install the Debian package postgresql")
