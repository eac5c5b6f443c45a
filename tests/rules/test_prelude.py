"""How many files a job may open at a time."""

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
