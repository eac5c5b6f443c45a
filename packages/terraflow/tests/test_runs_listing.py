"""All runs in a list: what each says of itself, in words and for programs."""

import json
from dataclasses import replace
from typing import Any

import pytest

from run_objects import ABOUT, BUCKET, LIVE, MINUTE, START, put, put_lock
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record.live import RuleCount
from terraflow import cli
from terraflow.heads import about as abouts

HALF = {"bwa_mem": RuleCount(total=1000, done=250, waiting=740, running=10)}


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints, without spaces at the ends of lines."""
    assert cli.main(["runs", *arguments]) == 0
    return "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())


@pytest.fixture
def stored(commands: Any) -> Any:
    """Runs of every kind."""
    put(commands, "cohort7", about=ABOUT, live=LIVE)
    at_work = replace(LIVE, state=lives.RUNNING, started=START + MINUTE, ended=None, rules=HALF, spent=0.001)
    put(commands, "mito", about=None, live=replace(at_work, who="eve"))
    put_lock(commands, "mito")
    again = replace(ABOUT, state=abouts.SUBMITTED, submitted=START + 60 * MINUTE, started=None, ended=None)
    put(commands, "again", about=again, live=LIVE)
    commands.put_object(Bucket=BUCKET, Key="runs/old/results/x", Body=b"")
    return commands


def test_all_runs_the_last_started_first(stored: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == (
        "RUN      STATE      STARTED               DONE   JOBS     COST  WHO\n"
        "again    submitted  2026-03-01 13:00 UTC     -      -    $1.50  ada\n"
        "mito     running    2026-03-01 12:01 UTC   250  1,000  < $0.01  eve\n"
        "cohort7  done       2026-03-01 12:00 UTC     4      4    $1.50  ada\n"
        "old      no record  -                        -      -        -  -\n"
        "There is no record of old: no job was submitted yet, or by a version that kept none. "
        "`terraflow status NAME` asks AWS Batch."
    )


def test_for_programs(stored: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["run"]: row for row in json.loads(shown(capsys, "--json"))}
    assert list(rows) == ["again", "mito", "cohort7", "old"]
    assert rows["cohort7"] == {
        "run": "cohort7",
        "state": "done",
        "started": START,
        "ended": START + 30 * MINUTE,
        "done": 4,
        "jobs": 4,
        "spent": 1.5,
        "who": "ada",
        "started_by": "terraflow run",
        "has_record": True,
    }
    assert rows["mito"]["ended"] is None


def test_an_empty_bucket(commands: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == "There is no run in s3://data/runs/ yet. `terraflow run` starts one."
    assert shown(capsys, "--json") == "[]"


def test_a_bucket_that_is_gone(commands: Any, capsys: pytest.CaptureFixture[str]) -> None:
    commands.delete_bucket(Bucket=BUCKET)
    assert cli.main(["runs"]) == 1
    assert "The bucket of the stack is gone" in capsys.readouterr().err


def test_a_run_that_cannot_be_read_hides_no_other(stored: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stored.put_object(Bucket=BUCKET, Key="runs/broken/head/run.json", Body=b"{")
    stored.put_object(Bucket=BUCKET, Key="runs/mito/head/run.json", Body=b"[]")
    assert cli.main(["runs"]) == 0
    said = capsys.readouterr()
    states = {line.split()[0]: line.split()[1] for line in said.out.splitlines()[1:6]}
    assert states == {"again": "submitted", "mito": "running", "cohort7": "done", "broken": "unreadable", "old": "no"}
    assert "There is no record of old: " in said.out
    named = [line.partition(" is not what a head writes there")[0] for line in said.err.splitlines()]
    assert named == ["s3://data/runs/broken/head/run.json", "s3://data/runs/mito/head/run.json"]
