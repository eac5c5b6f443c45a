"""The checkout is found from an installation that was made from it, and from the working directory for others."""

from pathlib import Path

import pytest

from terraflow import checkout
from terraflow.errors import UserError


def make(folder: Path, *without: str) -> Path:
    """A checkout in miniature, but for some parts."""
    for part in {*checkout.PARTS} - {*without}:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (folder / part).touch()
    return folder


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package lies among installed ones; a working directory that is no checkout."""
    monkeypatch.setattr(checkout, "PACKAGE", tmp_path / "venv/lib/python3/site-packages/terraflow")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.mark.parametrize("below", [".", "config", "demo/run/results"])
def test_it_is_looked_for_upwards(wheel: Path, monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    folder = make(wheel / "project")
    (folder / below).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder / below)
    assert checkout.root() == folder


def test_an_installation_from_a_checkout_stays_with_it(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = make(wheel / "own"), make(wheel / "other")
    monkeypatch.setattr(checkout, "PACKAGE", own / checkout.SOURCE)
    monkeypatch.chdir(other)
    assert checkout.root() == own


def test_a_checkout_with_a_part_missing_is_not_left_for_another(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = make(wheel / "own", "terraform/versions.tf"), make(wheel / "other")
    monkeypatch.setattr(checkout, "PACKAGE", own / checkout.SOURCE)
    monkeypatch.chdir(other)
    with pytest.raises(UserError, match=rf"{own} is not a whole checkout .*: it lacks terraform/versions.tf"):
        checkout.root()


def test_no_checkout_says_what_to_do(wheel: Path) -> None:
    with pytest.raises(UserError, match=rf"(?s)No checkout .* above {Path.cwd()}, .*`make setup`") as error:
        checkout.root()
    assert "\n" not in str(error.value)


def test_half_a_checkout_is_named_with_what_it_lacks(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(wheel / "project", "envs/Dockerfile", "workflow/Snakefile")
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=rf"\n  - {folder} lacks envs/Dockerfile, workflow/Snakefile$"):
        checkout.root()
