"""The caller's settings do not reach a run (tools/run.sh), nor those of Snakemake's shell the jobs (the Snakefile)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared import ROOT
from terraflow_workflow.running.environment import forget_shell_settings

# Each of these settings would keep Snakemake from starting, or run.sh from finding its folder.
HOSTILE = {
    "PYTHONHOME": "/nonexistent",
    "PYTHONPATH": "/nonexistent",
    "PYTHONWARNINGS": "error",
    "PYTHONSAFEPATH": "1",
    "PYTHONINSPECT": "1",
    "PYTHONIOENCODING": "ascii",
    "CDPATH": "/",
    "POSIXLY_CORRECT": "1",
    "GREP_OPTIONS": "-v",
    "TAR_OPTIONS": "--nonsense",
    "BASH_FUNC_dirname%%": "() { echo /nonexistent; }",
    "BASH_FUNC_cd%%": "() { echo changed; }",
}
KEPT = {
    "AWS_PROFILE": "us",
    "https_proxy": "http://proxy",
    "SNAKEMAKE_STORAGE_S3_RETRIES": "3",
    "SNAKEMAKE_PROFILE": "site",
    "CONDA_EXE": "c",
    "UV_DEFAULT_INDEX": "https://mirror",
    "PYTHONUNBUFFERED": "1",
    "LC_ALL": "C",
}


def run_sh(*command: str, env: dict[str, str]) -> str:
    """Return the output of a command that tools/run.sh starts in `env`."""
    run = [str(ROOT / "tools" / "run.sh"), *command]
    env = {"PATH": os.environ["PATH"]} | env
    done = subprocess.run(run, env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_run_sh_forgets_settings_of_other_programs_and_keeps_the_users() -> None:
    seen = dict(line.partition("=")[::2] for line in run_sh("env", env=HOSTILE | KEPT).splitlines())

    assert not set(seen) & set(HOSTILE)
    assert KEPT.items() <= seen.items()


# /proc is a folder in which nobody can make another one.
@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "/nonexistent/x"}, {"HOME": "/proc"}])
def test_run_sh_gives_what_a_service_may_lack(home: dict[str, str], tmp_path: Path) -> None:
    script = (
        "import getpass, os, platformdirs, tempfile\n"
        "cache = platformdirs.user_cache_dir() + '/snakemake'\n"
        "os.makedirs(cache, exist_ok=True)\n"
        "assert os.access(cache, os.W_OK) and os.access(tempfile.gettempdir(), os.W_OK)\n"
        "print(getpass.getuser(), os.environ['HOME'])\n"
    )

    user, folder = run_sh(sys.executable, "-c", script, env={"TMPDIR": str(tmp_path / "none"), **home}).split()

    assert user
    # A home may hold credentials, also where nothing can be written.
    assert folder == home["HOME"] if home.get("HOME") else Path(folder).is_dir()


@pytest.mark.parametrize("name", ["BASH_ENV", "ENV", "SHELLOPTS", "POSIXLY_CORRECT", "CDPATH", "BASH_FUNC_sort%%"])
def test_shells_of_jobs_do_not_see_the_callers_shell(name: str) -> None:
    environ = {name: "x", "PATH": "/bin", "AWS_PROFILE": "us", "BASH": "/bin/bash"}

    forget_shell_settings(environ)

    assert environ == {"PATH": "/bin", "AWS_PROFILE": "us", "BASH": "/bin/bash"}
