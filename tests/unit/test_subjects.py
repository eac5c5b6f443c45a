"""tools/subjects.sh finds commits with long subjects."""

import shutil
import subprocess
from pathlib import Path

import pytest

from shared import ROOT

GIT = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Make a folder with the script, and with a git repository whose commit on the main branch has a long subject."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/subjects.sh", tmp_path / "tools")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "a" * 90)
    git(tmp_path, "update-ref", "refs/remotes/origin/main", "HEAD")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, subject: str) -> None:
    git(folder, "commit", "--quiet", "--allow-empty", "--message", subject)


def subjects(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [folder / "tools/subjects.sh", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_commits_that_the_main_branch_lacks_are_looked_at(clone: Path) -> None:
    commit(clone, "é" * 72)
    assert subjects(clone).returncode == 0
    commit(clone, "b" * 73)
    done = subjects(clone)
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [f"  73: {'b' * 73}"]


def test_a_range_may_be_given(clone: Path) -> None:
    commit(clone, "b" * 73)
    git(clone, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert subjects(clone).returncode == 0
    assert subjects(clone, "HEAD~1..HEAD").returncode == 1


@pytest.mark.parametrize("arguments", [(), ("0000000000000000000000000000000000000000..HEAD",)])
def test_without_a_commit_to_compare_with_all_is_well(clone: Path, arguments: tuple[str, ...]) -> None:
    git(clone, "update-ref", "-d", "refs/remotes/origin/main")
    assert subjects(clone, *arguments).returncode == 0


def test_an_archive_within_another_repository_is_none_of_its_commits(clone: Path) -> None:
    commit(clone, "b" * 73)
    archive = clone / "archive"
    shutil.copytree(clone / "tools", archive / "tools")
    assert subjects(archive).returncode == 0
