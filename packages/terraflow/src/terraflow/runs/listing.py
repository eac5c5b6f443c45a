"""terraflow runs: all runs in the stack's bucket."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from terraflow import stack as stacks
from terraflow.runs import find, state, words
from terraflow.runs.find import Run

EXIT_CODES = """exit codes:
  0  the list was shown, also if it is empty
  1  it can't be read; the message says why
  2  the command line is wrong
"""
HEADS = ("RUN", "STATE", "STARTED", "DONE", "JOBS", "COST", "WHO")


@dataclass(frozen=True)
class Row:
    """A run in the list. Times are milliseconds since 1970, money is US dollars; None is unknown."""

    run: str
    state: str
    started: int | None
    ended: int | None
    done: int | None
    jobs: int | None
    spent: float | None
    who: str
    started_by: str
    has_record: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument("--json", action="store_true", help="a list of objects, for programs")


def run(options: argparse.Namespace) -> int:
    """List the runs, the last started one first."""
    stack = stacks.deployed()
    found = find.find_all(stack)
    for text in [text for one in found for text in one.unreadable]:
        print(text, file=sys.stderr)
    rows = sorted(map(row_of, found), key=lambda row: (-(row.started or 0), row.run))
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        words.console().print(words.table(HEADS, list(map(_cells, rows)), right=("DONE", "JOBS", "COST")))
        if others := [row.run for row in rows if not row.has_record and row.state != state.UNREADABLE]:
            print(_about_others(others))
    else:
        print(f"There is no run in s3://{stack.bucket}/{find.FOLDER} yet. `terraflow run` starts one.")
    return words.FINE


def row_of(run: Run) -> Row:
    """Return what the list says about a run."""
    live = run.live
    written = state.last_written(run)
    # Jobs that an earlier start of the run has done say nothing about one that has not begun.
    counted = live is not None and state.of(run) != state.SUBMITTED
    return Row(
        run=run.name,
        state=state.of(run),
        started=state.started(run),
        ended=written.ended if written and not run.has_head else None,
        done=sum(rule.done for rule in live.rules.values()) if live and counted else None,
        jobs=sum(rule.total for rule in live.rules.values()) if live and counted else None,
        spent=live.spent if live else None,
        who=state.who(run),
        started_by=state.started_by(run),
        has_record=run.has_record,
    )


def _cells(row: Row) -> list[str]:
    done, jobs = (words.UNKNOWN if one is None else f"{one:,}" for one in (row.done, row.jobs))
    return [
        row.run, row.state, words.clock(row.started), done, jobs, words.dollars(row.spent), row.who or words.UNKNOWN
    ]  # fmt: skip


def _about_others(names: Sequence[str]) -> str:
    return (
        f"There is no record of {', '.join(names)}: no job was submitted yet, or by a version that kept none. "
        "`terraflow status NAME` asks AWS Batch."
    )
