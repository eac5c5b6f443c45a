"""The terminal shows one line for each job; the log file has everything, and errors are Snakemake's own."""

import logging
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import OutputSettingsLoggerInterface

from snakemake_logger_plugin_brief import LogHandler, LogHandlerSettings
from snakemake_logger_plugin_brief.words import job_line

SNAKEFILE = """
rule all:
    input: [f"out/{n}.txt" for n in range(40)]
rule many:
    output: [f"out/{n}.txt" for n in range(40)]
    input: "given/{name}.txt".format(name="a"), "middle.txt"
    log: "logs/many.log"
    shell: "touch {output}; [[ ! -e given/fail ]]"
rule middle:
    output: temp("middle.txt")
    shell: "touch {output}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "a.txt").write_text("")
    return tmp_path


def run(folder: Path, *options: str, expected: int = 0) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "brief", "--nocolor", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stderr
    # Times differ.
    return re.sub(r"^\d\d:\d\d:\d\d ", "", done.stdout + done.stderr, flags=re.MULTILINE)


def lines_of_jobs(text: str) -> list[str]:
    return text[text.index("total") :].splitlines()[2:]


def test_a_run_is_a_line_for_each_job(folder: Path) -> None:
    text = run(folder, "--logger-brief-hide", "out/")
    assert lines_of_jobs(text)[:10] == [
        "middle makes middle.txt",
        "done: middle",
        "1 of 3 steps (33%) done",
        "many makes 0.txt and 39 more",
        "done: many",
        "2 of 3 steps (67%) done",
        "removes middle.txt",
        "all wants 40 files",
        "done: all",
        "3 of 3 steps (100%) done",
    ]
    assert "1.txt" not in text.replace("0.txt", "")
    (log,) = (folder / ".snakemake" / "log").iterdir()
    assert "out/39.txt" in log.read_text()


def test_a_dry_run_says_why(folder: Path) -> None:
    text = run(folder, "--dry-run")
    assert "many makes out/0.txt and 39 more\n         because: Missing output files: out/" in text
    assert " and 37 more\n" in text
    run(folder)
    (folder / "given" / "a.txt").write_text("other")
    again = run(folder)
    assert "because: Updated input files: given/a.txt" in again


def test_a_quiet_dry_run_shows_how_many_jobs_each_rule_has(folder: Path) -> None:
    text = run(folder, "--dry-run", "--quiet")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE))
    assert counts == {"all": "1", "many": "1", "middle": "1", "total": "3"}
    assert text.count("total") == 1
    # No job is shown.
    assert "out/0.txt" not in text and "because" not in text


@pytest.mark.parametrize(
    ("quiet", "dry", "event", "shown"),
    [
        ("rules progress", True, LogEvent.RUN_INFO, True),
        ("rules progress host", True, LogEvent.RUN_INFO, True),
        ("rules progress", True, LogEvent.JOB_INFO, False),
        ("rules progress", False, LogEvent.RUN_INFO, False),
        ("progress", True, LogEvent.RUN_INFO, False),
        ("all", False, LogEvent.RUN_INFO, False),
    ],
)
def test_nothing_else_passes_snakemakes_own_filter(quiet: str, dry: bool, event: LogEvent, shown: bool) -> None:
    asked = Quietness.parse_choices_set(quiet.split())
    given = cast(
        "OutputSettingsLoggerInterface",
        SimpleNamespace(quiet=asked, dryrun=dry, show_failed_logs=False, nocolor=True, stdout=False, verbose=False),
    )
    handler = LogHandler(given, LogHandlerSettings())
    handler.addFilter(lambda record: False)
    assert bool(handler.filter(logging.makeLogRecord({"event": event}))) is shown


def test_an_error_is_told_as_snakemake_tells_it(folder: Path) -> None:
    (folder / "given" / "fail").write_text("")
    text = run(folder, expected=1)
    assert "Error in rule many:" in text and "logs/many.log (check log file(s) for error details)" in text


def test_all_is_shown_to_those_who_ask(folder: Path) -> None:
    assert "out/39.txt" in run(folder, "--verbose")


def job(**changes: Any) -> dict[str, Any]:
    given = {"rule_name": "r", "wildcards": {}, "input": [], "output": ["s3://b/runs/m/o (send to storage)"]}
    return given | {"reason": "Missing output files: s3://b/runs/m/o (in storage)"} | changes


@pytest.mark.parametrize(
    ("changes", "with_reason", "expected"),
    [
        ({}, False, "r makes o"),
        ({}, True, "r makes o\n         because: Missing output files: o"),
        ({"wildcards": {"sample": "A", "unit": "1"}}, False, "r (sample=A, unit=1) makes o"),
        ({"output": ["s3://c/x (a) y (send to storage)"]}, False, "r makes s3://c/x (a) y"),
        ({"output": [], "input": ["a"]}, False, "r wants 1 file"),
        (
            {"reason": "Input files updated by another job: a; Params have changed since last execution: 1"},
            False,
            "r makes o\n         because: Params have changed since last execution: 1",
        ),
        ({"reason": ""}, True, "r makes o"),
    ],
)
def test_words(changes: dict[str, Any], with_reason: bool, expected: str) -> None:
    _, line = job_line(job(**changes), "s3://b/runs/m/", with_reason)
    assert line[9:] == expected
