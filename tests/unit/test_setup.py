"""tools/setup.sh makes .venv with the Python, uv and lock it finds; the box of setup_box.py runs it for real."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from setup_box import GOOD_TOOLS, MAKE_VENV, Box

from shared import ROOT


def test_first_run_syncs_from_the_lock_and_second_installs_nothing(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    first = box.setup()
    assert first.returncode == 0, first.stderr
    (sync,) = box.calls(forget=True)
    assert "sync --frozen --python" in sync
    second = box.setup()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert box.calls() == []


def test_snakemake_of_the_venv_goes_through_run_sh(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    assert box.setup().returncode == 0
    # The launcher starts a module of the Python (here that of the tests), and not one of the working directory.
    (box.root / "snakemake.py").write_text("raise SystemExit('of the working directory')")

    shown = box.run(str(box.root / ".venv" / "bin" / "snakemake"), "--version", PYTHONHOME="/none", CDPATH="/")

    assert shown.stdout.count(".") == 2, shown.stderr


def test_half_made_venv_is_made_anew(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    (box.root / ".venv" / "bin").mkdir(parents=True)
    left_over = box.root / ".venv" / "left-over"
    left_over.touch()
    result = box.setup()
    assert result.returncode == 0, result.stderr
    assert "half-made" in result.stderr
    assert not left_over.exists()
    assert (box.root / ".venv" / "bin" / "snakemake").exists()


def test_venv_that_was_moved_is_made_anew(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.setup()
    box.calls(forget=True)
    box.root = box.root.rename(box.root.parent / "another place")
    result = box.setup()
    assert result.returncode == 0, result.stderr
    assert len(box.calls()) == 1


def test_changed_lock_updates_the_venv_in_place(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.setup()
    kept = box.root / ".venv" / "kept"
    kept.touch()
    box.calls(forget=True)
    with (box.root / "uv.lock").open("a") as lock:
        lock.write("# changed\n")
    assert box.setup().returncode == 0
    assert len(box.calls()) == 1
    assert kept.exists()


def test_failed_sync_is_reported_and_leaves_no_finished_venv(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.standin("uv", 'case "$*" in *sync*) echo "no route to host" >&2; exit 2 ;; esac; echo "uv 0.13.9"')
    result = box.setup()
    assert result.returncode == 1
    assert "no route to host" in result.stderr
    assert "Is there a network?" in result.stderr
    assert not (box.root / ".venv" / "terraflow-stamp").exists()


def test_mirror_is_used_with_the_hashes_of_the_lock(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.standin(
        "uv",
        f'if [ "$1" = --version ]; then echo "uv 0.13.9"; exit; fi\n'
        f'echo "index: $UV_DEFAULT_INDEX" >>"{box.calls_file}"' + MAKE_VENV,
    )
    result = box.setup(PIP_INDEX_URL="https://mirror.example/simple")
    assert result.returncode == 0, result.stderr
    calls = "\n".join(box.calls())
    assert "export --frozen" in calls
    assert "pip sync" in calls
    assert "--require-hashes" in calls
    assert "index: https://mirror.example/simple" in calls
    (installed,) = [call for call in box.calls() if "uv --directory" in call and " pip install " in call]
    assert set(installed.split(" --editable ")[1:]) == {str(member) for member in members(box.root)}


@pytest.mark.parametrize(
    ("environment", "printed"),
    [
        (
            {"UV_DEFAULT_INDEX": "https://a.example/simple", "PIP_INDEX_URL": "https://b.example/simple"},
            "https://a.example/simple\n",
        ),
        ({"PIP_INDEX_URL": "https://b.example/simple"}, "https://b.example/simple\n"),
        # The registry of the lock is no mirror.
        ({"PIP_INDEX_URL": "https://pypi.org/simple/"}, ""),
    ],
)
def test_the_mirror_of_set_up_is_printed(box: Box, environment: dict[str, str], printed: str) -> None:
    result = box.setup("--mirror", **environment)
    assert (result.returncode, result.stdout, box.calls()) == (0, printed, [])


def members(root: Path) -> list[Path]:
    """Return the folders of the workspace's members."""
    workspace = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    found = [folder for pattern in workspace["members"] for folder in root.glob(pattern)]
    assert len(found) > 5
    return found


def test_a_change_of_any_packages_needs_makes_set_up_sync_again(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    assert box.setup().returncode == 0
    for member in members(box.root):
        box.calls(forget=True)
        with (member / "pyproject.toml").open("a") as project:
            project.write("# changed\n")
        assert box.setup().returncode == 0
        assert [call for call in box.calls() if " sync " in call], member


@pytest.mark.parametrize("version", ["3.10", "3.14"])
def test_python_too_old_or_too_new_is_refused(box: Box, version: str) -> None:
    box.tools(**GOOD_TOOLS)
    minor = version.split(".")[1]
    script = box.bin / "pretend.py"
    script.write_text(
        f"import sys\nsys.version_info = (3, {minor}, 0)\ncode = sys.argv[sys.argv.index('-c') + 1]\nexec(code)\n"
    )
    box.standin("python3", f'exec "{sys.executable}" "{script}" "$@"', record=False)
    box.standin("uv", 'if [ "$1" = --version ]; then echo "uv 0.13.9"; exit; fi; exit 1')
    result = box.setup()
    assert result.returncode == 1
    assert "needed is Python 3.11, 3.12 or 3.13" in result.stderr
    assert [call for call in box.calls() if " sync " in call] == []


def test_broken_pyenv_shim_is_passed_over(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.standin("python3.12", f'exec "{sys.executable}" "$@"', record=False)
    for name in ("python3", "python3.13"):
        box.standin(name, f'echo "pyenv: {name}: command not found" >&2; exit 127', record=False)
    result = box.setup(PYTHON_STANDIN=str(box.bin / "python3.12"))
    assert result.returncode == 0, result.stderr
    assert box.calls()[0].endswith(f"--python {box.bin}/python3.12")


def test_without_python_and_root_the_message_says_what_to_install(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    (box.bin / "python3").unlink()
    (box.bin / "uv").unlink()
    result = box.setup()
    assert result.returncode == 1
    assert "sudo apt-get install python3 python3-venv" in result.stderr


def test_unknown_option_is_refused(box: Box) -> None:
    result = box.setup("--nonsense")
    assert result.returncode == 2
    assert "unknown option" in result.stderr


def test_make_alone_lists_every_target() -> None:
    make = shutil.which("make")
    assert make, "make is how set-up is started: install it"
    shown = subprocess.run([make, "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("setup", "demo", "test", "wheels", "lint", "accuracy", "bench", "clean"):
        assert f"make {target} " in shown
