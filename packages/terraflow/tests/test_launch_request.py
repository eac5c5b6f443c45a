"""The command line of `terraflow run`: names, budgets, configurations, and what a head can't be given."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from launching import EXPECTED, HEADS, Site, make
from terraflow import cli
from terraflow.costs.expected import Expected, RuleRow
from terraflow.errors import UserError
from terraflow.launch import run, table
from terraflow.launch.capacity import Capacity
from terraflow.launch.request import checked_arguments, checked_name, dollars
from terraflow.runs import words


@pytest.mark.parametrize("name", ["main", "c7", "Cohort_7-b", "a" * 40])
def test_names_that_the_executor_takes(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 41, "../x", "a/b", "ä"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="expected up to 40 letters"):
        checked_name(name)


@pytest.mark.parametrize(("text", "amount"), [("20", 20), ("7.50", 7.5), ("$20", 20)])
def test_a_budget_is_dollars(text: str, amount: float) -> None:
    assert dollars(text) == amount


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "twenty", "20 EUR"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected US dollars above 0"):
        dollars(text)


@pytest.mark.parametrize(
    ("argument", "instead"),
    [
        ("-n", "before it asks"),
        ("--dry-run", "before it asks"),
        ("--configfile", "before `--`"),
        ("--profile=mine", "the project's own"),
        ("--directory", "before `--`"),
        ("--default-storage-prefix=s3://x", "the stack's"),
        ("--aws-batch-fargate-run-name", "--name"),
    ],
)
def test_arguments_that_a_head_can_t_have(argument: str, instead: str) -> None:
    with pytest.raises(UserError, match=f"{argument.partition('=')[0]}: .*{instead}"):
        checked_arguments(["--until", "bwa_mem", argument])
    assert checked_arguments(["--until", "bwa_mem", "-k"]) == ("--until", "bwa_mem", "-k")


def lines(expected: Expected, limit: Capacity, budget: float | None, spent: float) -> list[str]:
    out = words.console()
    with out.capture() as captured:
        out.print(table.shown(expected, limit, budget, spent))
    return [" ".join(line.split()) for line in captured.get().splitlines() if line.strip()]


def test_the_table_has_rules_the_head_and_sums() -> None:
    rows = (RuleRow("bwa_mem", 1200, 150.4, 2.0, 5.0), RuleRow("reference", 1, 0.031, 0.001, 0.002))
    expected = Expected(rows, 26.5, 0.1, 2.101, 5.102, 1.3, 3.4, ("Prices of March.",))
    assert lines(expected, Capacity(6, "the account's quota"), 20, 1.5) == [
        "RULE JOBS VCPU-HOURS SPOT ON DEMAND",
        "bwa_mem 1,200 150 $2.00 $5.00",
        "reference 1 0.03 < $0.01 < $0.01",
        "(head) 1 26.5 $0.10 $0.10",
        "all 1,202 177 $2.10 $5.10",
        "It takes about 1 d 2 h, with 6 vCPUs at a time (the account's quota).",
        "On Spot it may cost $1.30 to $3.40.",
        "Earlier starts of this run have cost $1.50.",
        "The budget is $20.00: no further job is submitted when it is used up.",
        "Note: Prices of March.",
    ]
    assert lines(EXPECTED, Capacity(None), None, 0)[-1].endswith("how many vCPUs may work at a time is not known.")


@pytest.fixture
def site(tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose working directory is this process's, and the stack's checkout the project."""
    made = make(tmp_path, s3, monkeypatch)
    monkeypatch.chdir(tmp_path / "cohort")
    monkeypatch.delenv("YES", raising=False)
    monkeypatch.delenv(run.NAME_VARIABLE, raising=False)
    monkeypatch.setattr("terraflow.stack.deployed", lambda: HEADS)
    monkeypatch.setattr("terraflow.checkout.root", lambda: tmp_path / "project")
    return made


def test_without_a_terminal_nothing_is_submitted_unless_one_says_yes(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115, PTH123
    assert cli.main(["run", "config.yaml", "--name", "cohort7"]) == 1
    shown = capsys.readouterr()
    assert "Nothing was submitted: there is no terminal to ask on. Say --yes, or set YES=1." in shown.err
    assert "bwa_mem" in shown.out and not site.queue.submitted

    assert cli.main(["run", "config.yaml", "--name", "cohort7", "--yes", "--budget", "9", "--", "-k"]) == 0
    shown = capsys.readouterr()
    (head,) = site.queue.submitted
    assert head["tags"] == {"stack": "terraflow", "terraflow:run": "cohort7", "terraflow:rule": "head"}
    assert "Run cohort7 was submitted: Batch job head-1." in shown.out
    for command in ("status cohort7 --watch", "logs cohort7 --follow", "stop cohort7"):
        assert f"  terraflow {command}" in shown.out

    assert cli.main(["run", "config.yaml", "--name", "cohort7", "--yes"]) == 1
    assert "`terraflow run --name cohort7 --follow` follows it." in capsys.readouterr().err
    assert len(site.queue.submitted) == 1


@pytest.mark.parametrize(
    ("written", "given", "expected"),
    [
        ((), None, ()),
        (("config/aws.yaml",), None, ("config/aws.yaml",)),
        (("config/aws.yaml", "mine.yaml"), "mine.yaml", ("mine.yaml",)),
        (("config/config.yaml",), "config/config.yaml", ()),
    ],
)
def test_which_configuration_a_run_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: tuple[str, ...], given: str | None, expected: tuple[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    for name in written:
        (tmp_path / name).write_text("")
    assert run._configfiles(Path(given) if given else None, Path()) == tuple(map(Path, expected))
    with pytest.raises(UserError, match=r"gone\.yaml: no such file"):
        run._configfiles(Path("gone.yaml"), Path())


def test_only_commands_that_pass_words_on_take_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["image", "--", "-k"])
    assert end.value.code == 2
    assert "image passes nothing on to another program: found -- -k" in capsys.readouterr().err
