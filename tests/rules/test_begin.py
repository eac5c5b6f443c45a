"""The first line of each rule: what a job starts with, and how its outputs get their names."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from shared import ROOT

SCRIPTS = ROOT / "workflow" / "scripts"


class Job(NamedTuple):
    """How a job ended: its exit code, and what went to stdout, to its log and to the terminal."""

    code: int
    out: str
    log: str
    terminal: str


def job(folder: Path, commands: str, *outputs: str, before: str = "", env: dict[str, str] | None = None) -> Job:
    """Run a rule's shell with these commands and outputs in `folder`; return its outcome with the text of its log."""
    for output in outputs:
        (folder / output).parent.mkdir(parents=True, exist_ok=True)
    words = shlex.join(["log.txt", *outputs])
    text = f'{before}\nsource "$TERRAFLOW/begin.sh" {words}\n{commands}'
    whole = {"PATH": os.environ["PATH"], "TERRAFLOW": str(SCRIPTS), "TERRAFLOW_PYTHON": sys.executable} | (env or {})
    done = subprocess.run(["bash", "-c", text], cwd=folder, env=whole, capture_output=True, text=True, check=False)
    log = folder / "log.txt"
    return Job(done.returncode, done.stdout, log.read_text() if log.exists() else "", done.stderr)


def limit(folder: Path, before: str) -> str:
    """Return the soft limit that a job has, in a shell that has run `before`."""
    return job(folder, "ulimit -Sn >limit; cat limit; mv limit $SCRATCH/out", "out", before=before).out.strip()


@pytest.mark.parametrize(("soft", "hard", "expected"), [(256, 900, 900), (900, 900, 900), (20, 30, 30)])
def test_a_job_may_open_as_many_files_as_it_may_ask_for(tmp_path: Path, soft: int, hard: int, expected: int) -> None:
    assert limit(tmp_path, f"ulimit -Sn {soft}; ulimit -Hn {hard}") == str(expected)


def fake_ulimit(folder: Path, script: str) -> str:
    """Lines that let a program stand for bash's `ulimit`; functions of the caller's shell would be forgotten."""
    (folder / "ulimit").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ulimit").chmod(0o755)
    return f"enable -n ulimit; PATH={folder}:$PATH"


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        ("256", "unlimited", "10240"),
        ("1024", "1073741816", "65536"),
        ("1024", "524288", "65536"),
        ("100000", "524288", "100000"),
        ("100000", "unlimited", "100000"),
        ("unlimited", "unlimited", "unlimited"),
    ],
)
def test_large_limits(tmp_path: Path, soft: str, hard: str, expected: str) -> None:
    (tmp_path / "soft").write_text(f"{soft}\n")
    script = f"""
        if [ $1 = -Hn ]; then echo {hard}
        elif [ $# = 2 ]; then echo $2 >{tmp_path}/soft
        else cat {tmp_path}/soft; fi
    """
    assert limit(tmp_path, fake_ulimit(tmp_path, script)) == expected


def test_a_limit_that_can_not_be_raised_stays(tmp_path: Path) -> None:
    script = "if [ $# = 2 ]; then exit 1; elif [ $1 = -Hn ]; then echo 4096; else echo 256; fi"
    assert limit(tmp_path, fake_ulimit(tmp_path, script)) == "256"


def environment(folder: Path, env: dict[str, str]) -> dict[str, str]:
    """Return what a tool of a job sees that was started in `folder` with this environment."""
    done = job(folder, "env -0 | tee $SCRATCH/out", "out", env=env)
    assert done.code == 0, done
    return dict(pair.partition("=")[::2] for pair in done.out.split("\0") if pair)


FOREIGN = """
    BCFTOOLS_PLUGINS MPLBACKEND PYTHONSAFEPATH PYTHONWARNINGS _JAVA_OPTIONS REF_CACHE HTS_PATH GREP_OPTIONS XZ_OPT
    ZSTD_CLEVEL MULTIQC_CONFIG_PATH MALLOC_PERTURB_ LC_ALL LC_NUMERIC PERL5LIB CLASSPATH ANYTHING_ELSE
    PYTHON SCRIPTS
"""


@pytest.mark.parametrize("name", FOREIGN.split())
def test_tools_see_nothing_of_other_programs(tmp_path: Path, name: str) -> None:
    assert name not in environment(tmp_path, {name: ""})


@pytest.mark.parametrize("name", ["LD_LIBRARY_PATH", "CONDA_PREFIX", "OMP_NUM_THREADS", "https_proxy", "TZ", "TMPDIR"])
def test_what_programs_need_to_start_stays(tmp_path: Path, name: str) -> None:
    assert environment(tmp_path, {name: "kept"})[name] == "kept"


# /proc is a folder in which nobody can make another one.
@pytest.mark.parametrize("home", [{}, {"HOME": "/nonexistent"}, {"HOME": "/proc"}, {"XDG_CACHE_HOME": "/proc/x"}])
def test_a_job_has_a_home_of_its_own(tmp_path: Path, home: dict[str, str]) -> None:
    seen = environment(tmp_path, home)

    assert Path(seen["HOME"]).parent == tmp_path / ".snakemake" / "scratch"
    assert seen["XDG_CACHE_HOME"] == seen["HOME"]
    assert seen["USER"] and seen["LOGNAME"]


def test_caches_of_fonts_are_shared_by_jobs(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    assert environment(tmp_path, {"HOME": f"{tmp_path}/home"})["XDG_CACHE_HOME"] == f"{tmp_path}/home/.cache"


def test_options_of_the_callers_shell_do_not_end_a_job(tmp_path: Path) -> None:
    assert environment(tmp_path, {"SHELLOPTS": "noclobber", "BASHOPTS": "nullglob", "UID": "7", "not a name": ""})
