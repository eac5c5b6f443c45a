"""What a job starts with: how many files it may open at a time, and what its tools see of the environment."""

import os
import subprocess
from pathlib import Path

import pytest

from shared import ROOT

SCRIPTS = ROOT / "workflow" / "scripts"


def limit(folder: Path, before: str) -> str:
    """The soft limit that a job of a rule has, in a shell that has run `before`."""
    text = f"{before}\nsource {SCRIPTS}/prelude.sh python {SCRIPTS}\nulimit -Sn"
    done = subprocess.run(["bash", "-c", text], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(("soft", "hard", "expected"), [(256, 900, 900), (900, 900, 900), (20, 30, 30)])
def test_a_job_may_open_as_many_files_as_it_may_ask_for(tmp_path: Path, soft: int, hard: int, expected: int) -> None:
    assert limit(tmp_path, f"ulimit -Sn {soft}; ulimit -Hn {hard}") == str(expected)


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
    fake = f"""
        soft={soft}
        ulimit() {{
          if [[ $1 == -Hn ]]; then echo {hard}; elif (($# == 2)); then soft=$2; else echo $soft; fi
        }}
    """
    assert limit(tmp_path, fake) == expected


def test_a_limit_that_can_not_be_raised_stays(tmp_path: Path) -> None:
    fake = "ulimit() { if (($# == 2)); then return 1; elif [[ $1 == -Hn ]]; then echo 4096; else echo 256; fi; }"
    assert limit(tmp_path, fake) == "256"


def environment(folder: Path, env: dict[str, str]) -> dict[str, str]:
    """What a tool of a job sees that was started in `folder` with this environment."""
    command = ["bash", "-c", f"source {SCRIPTS}/prelude.sh python {SCRIPTS}; env -0"]
    env = {"PATH": os.environ["PATH"]} | env
    done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return dict(pair.partition("=")[::2] for pair in done.stdout.split("\0") if pair)


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
