"""Which sheets of the inbox are due: a table of what S3 and AWS Batch may say."""

import dataclasses

import pytest

from terraflow.heads.about import About
from terraflow.inbox.due import LAUNCH, Sheet, is_due
from terraflow.inbox.entry import Entry, from_json, to_json

NOW = 1_772_366_400_000
SHEET = Sheet("cohort", '"etag-1"', NOW - 60_000, '"config-1"')
ENTRY = Entry(SHEET.etag, SHEET.modified, "launched", SHEET.modified, NOW - 1000, SHEET.config_etag, starts=1)
CHANGED = dataclasses.replace(SHEET, etag='"etag-2"', modified=NOW)
# The same content once more, and another configuration beside it.
AGAIN = dataclasses.replace(SHEET, modified=NOW)
CONFIGURED = dataclasses.replace(SHEET, config_etag='"config-2"')


def entry(state: str, **fields: object) -> Entry:
    return dataclasses.replace(ENTRY, state=state, **fields)  # type: ignore[arg-type]


def about(state: str, etag: str = SHEET.etag, budget: float = 20.0) -> About:
    return About("cohort", "", "upload", NOW, state, head_job="head-1", sheet=SHEET.key, sheet_etag=etag, budget=budget)


OLD = NOW - LAUNCH
CASES: dict[str, tuple[Sheet, Entry | None, About | None, bool, str, bool]] = {
    # sheet, what became of it, run.json, a head is under way, called by; due
    "never seen": (SHEET, None, None, False, "upload", True),
    "never seen, and a person's run of that name is done": (SHEET, None, about("done", ""), False, "upload", True),
    "never seen, and a person's run of that name works": (SHEET, None, about("running", ""), True, "upload", False),
    "the entry is lost, the run is done": (SHEET, None, about("done"), False, "clock", False),
    "the entry is lost, the run is done, the sheet was written again since": (
        dataclasses.replace(SHEET, modified=NOW + 1),
        None,
        about("done"),
        False,
        "upload",
        True,
    ),
    "changed while its run works": (CHANGED, ENTRY, about("running"), True, "upload", False),
    "changed, and its run has ended": (CHANGED, ENTRY, about("done"), False, "upload", True),
    "changed, and its run has failed": (CHANGED, ENTRY, about("failed"), False, "upload", True),
    "changed after a refusal": (CHANGED, entry("refused"), None, False, "upload", True),
    "another launcher is at it": (SHEET, entry("launching"), None, False, "upload", False),
    "another launcher is at it, the event came twice": (AGAIN, entry("launching"), None, False, "upload", False),
    "another launcher died at it": (SHEET, entry("launching", updated=OLD), None, False, "upload", True),
    "files were missing": (SHEET, entry("waiting"), None, False, "upload", True),
    "files were missing, and a person's run works": (
        SHEET,
        entry("waiting"),
        about("running", ""),
        True,
        "clock",
        False,
    ),
    "refused": (SHEET, entry("refused"), None, False, "upload", False),
    "refused, and the clock asks": (SHEET, entry("refused"), None, False, "clock", False),
    "refused, written again": (AGAIN, entry("refused"), None, False, "upload", True),
    "refused, with another configuration": (CONFIGURED, entry("refused"), None, False, "upload", True),
    "incomplete after a day": (SHEET, entry("incomplete"), None, False, "clock", False),
    "incomplete, written again": (AGAIN, entry("incomplete"), None, False, "upload", True),
    "done": (SHEET, ENTRY, about("done"), False, "clock", False),
    "done, written again": (AGAIN, ENTRY, about("done"), False, "upload", False),
    "done, with another configuration": (CONFIGURED, ENTRY, about("done"), False, "upload", False),
    "its head works": (SHEET, ENTRY, about("running"), True, "clock", False),
    "failed": (SHEET, ENTRY, about("failed"), False, "upload", False),
    "failed, and the clock asks": (SHEET, ENTRY, about("failed"), False, "clock", True),
    "failed for the third time": (SHEET, entry("launched", starts=3), about("failed"), False, "clock", False),
    "failed, written again": (AGAIN, entry("launched", starts=3), about("failed"), False, "upload", True),
    "its head died": (SHEET, ENTRY, about("running"), False, "upload", False),
    "its head died, and the clock asks": (SHEET, ENTRY, about("running"), False, "clock", True),
    "stopped by a person": (SHEET, ENTRY, about("stopped"), False, "clock", False),
    "stopped by a person, written again": (AGAIN, ENTRY, about("stopped"), False, "upload", True),
    "over budget": (SHEET, ENTRY, about("over budget"), False, "clock", False),
    "over a budget that was smaller": (SHEET, ENTRY, about("over budget", budget=10.0), False, "clock", True),
    "removed": (SHEET, ENTRY, None, False, "clock", False),
    "removed, written again": (AGAIN, ENTRY, None, False, "upload", True),
    "a person has started the run since": (SHEET, ENTRY, about("failed", ""), False, "clock", False),
    "Airflow wants it, and it was never seen": (SHEET, None, None, False, "airflow", True),
    "Airflow wants it, and its head works": (SHEET, ENTRY, about("running"), True, "airflow", False),
    "Airflow wants it, and another launcher is at it": (SHEET, entry("launching"), None, False, "airflow", False),
    "Airflow wants it, and another launcher died at it": (
        SHEET,
        entry("launching", updated=OLD),
        None,
        False,
        "airflow",
        True,
    ),
    "Airflow wants it, and it is done": (SHEET, ENTRY, about("done"), False, "airflow", False),
    "Airflow wants it, done, and the entry is lost": (SHEET, None, about("done"), False, "airflow", False),
    "Airflow wants it, done, written again": (AGAIN, ENTRY, about("done"), False, "airflow", True),
    "Airflow wants it, done, with another configuration": (CONFIGURED, ENTRY, about("done"), False, "airflow", True),
    "Airflow wants it, and a person's run is done": (SHEET, ENTRY, about("done", ""), False, "airflow", True),
    "Airflow wants it, failed for the third time": (
        SHEET,
        entry("launched", starts=3),
        about("failed"),
        False,
        "airflow",
        True,
    ),
    "Airflow wants it, failed, and the entry is lost": (SHEET, None, about("failed"), False, "airflow", True),
    "Airflow wants it, and its head died": (SHEET, ENTRY, about("running"), False, "airflow", True),
    "Airflow wants it, stopped": (SHEET, ENTRY, about("stopped"), False, "airflow", True),
    "Airflow wants it, over budget": (SHEET, ENTRY, about("over budget"), False, "airflow", True),
    "Airflow wants it, removed": (SHEET, ENTRY, None, False, "airflow", True),
    "Airflow wants it, refused": (SHEET, entry("refused"), None, False, "airflow", True),
    "Airflow wants it, incomplete": (SHEET, entry("incomplete"), None, False, "airflow", True),
}


@pytest.mark.parametrize(("sheet", "known", "run", "under_way", "by", "due"), CASES.values(), ids=CASES)
def test_which_sheet_is_due(
    sheet: Sheet, known: Entry | None, run: About | None, under_way: bool, by: str, due: bool
) -> None:
    assert is_due(sheet, known, run, under_way, by, 20.0, NOW) is due


def test_an_entry_is_read_as_it_was_written() -> None:
    written = entry("waiting", message="2 files", missing=("s3://lab/raw/a", "s3://lab/raw/b"))
    assert from_json(to_json(written)) == written
    assert from_json(to_json(written).replace(b'"etag"', b'"later": 1, "etag"')) == written
