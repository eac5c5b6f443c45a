"""Filter expressions tried on a made-up variant."""

from pathlib import Path

import pytest

from shared import Run
from terraflow_workflow.calling.filters import call, problem


@pytest.mark.parametrize(
    "expression",
    ["QUAL < 5", "MAX(FMT/AD[*:1] / (FMT/AD[*:0] + FMT/AD[*:1])) < 0.2", "IMF < 0.15", "FMT/DP[1] < 3", 'GT[0]="het"'],
)
def test_what_bcftools_takes_is_no_problem(tmp_path: Path, expression: str) -> None:
    assert problem(call(["A", "B"], tmp_path), "Any", expression) is None


def test_the_made_up_variant_is_called_in_all_samples(tmp_path: Path) -> None:
    calls = call(["A", "B"], tmp_path)
    assert problem(calls, "Any", "COUNT(GT='alt') != 2") is None
    assert "QUALL" in (problem(calls, "Typo", "QUALL < 5") or "")


def test_all_wrong_expressions_are_named_and_no_table_is_left(script: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    filters = ["Good=QUAL < 5", "Typo=QUALL < 5", "Open=(QUAL < 5"]
    run = script("calling.filters", "--samples", "A", "--filters", *filters, "--folder", tmp_path, "--out", out)
    assert run.returncode == 1
    assert "filters.Typo: found 'QUALL < 5'" in run.stderr
    assert "filters.Open: found '(QUAL < 5'" in run.stderr
    assert "filters.Good" not in run.stderr
    assert not out.exists()


def test_the_table_holds_names_and_expressions(script: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    run = script("calling.filters", "--samples", "A", "--filters", "Low=QUAL<=5", "--folder", tmp_path, "--out", out)
    assert (run.returncode, out.read_text()) == (0, "Low\tQUAL<=5\n")
    assert script("calling.filters", "--samples", "A", "--filters", "--folder", tmp_path, "--out", out).returncode == 0
    assert out.read_text() == ""
