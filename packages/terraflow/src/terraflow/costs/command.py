"""terraflow cost: what a run has cost, by rule, sample, day or queue."""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake_aws_common.prices import Prices, PricesError
from snakemake_aws_common.record import attempt as attempts
from snakemake_aws_common.record.attempt import Attempt
from snakemake_aws_common.record.ended import has_ended
from snakemake_aws_common.record.live import LiveJob
from terraflow import stack as stacks
from terraflow.costs import bill, compare, heads
from terraflow.costs.bill import Line, Row
from terraflow.costs.region import prices_for
from terraflow.errors import UserError
from terraflow.runs import find, words
from terraflow.runs.find import Run
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient
    from mypy_boto3_s3.client import S3Client

EXIT_CODES = """exit codes:
  0  the cost was shown
  1  it can't be found out; the message says why
  2  the command line is wrong
"""
LEFT_OUT = (
    "Not in it: objects in S3 and requests to it, logs, images in ECR, the job that checks a run that an upload or the "
    "clock has started, endpoints and whatever else a stack costs while nothing runs."
)
COLUMNS = ("attempts", "vcpu", "memory", "disk", "address", "total")


@dataclass(frozen=True)
class Bill:
    """A run's cost: its lines, the prices that they were reckoned with, and what a reader has to know."""

    run: Run
    prices: Prices
    lines: Sequence[Line]
    notes: tuple[str, ...]

    @property
    def total(self) -> float:
        """US dollars of the whole run."""
        return sum(line.nano for line in self.lines) / bill.NANO


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument("name", metavar="NAME", help="the run")
    parser.add_argument("--by", choices=bill.KEYS, default="rule", help="what a row stands for (default: rule)")
    parser.add_argument("--prices", type=Path, metavar="FILE", help="prices of your own contract, as JSON")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="a table for spreadsheets")
    form.add_argument("--json", action="store_true", help="an object, for programs")


def run(options: argparse.Namespace) -> int:
    """Show what a run has cost so far, or in all."""
    stack = stacks.deployed()
    made = bill_of(find.find(options.name, stack), stack, options.prices)
    rows = bill.rows_by(options.by, made.lines)
    if options.json:
        print(json.dumps(as_object(made, options.by, rows), indent=2))
    elif options.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([options.by, *COLUMNS])
        writer.writerows([row.key, row.attempts, *(_exact(part) for part in (*row.parts, row.nano))] for row in rows)
        # Not among the rows, which a program reads.
        print(*made.notes, LEFT_OUT, sep="\n", file=sys.stderr)
    else:
        _show(made, options.by, rows)
    return words.FINE


def bill_of(
    run: Run,
    stack: Stack,
    prices_file: Path | None = None,
    *,
    s3: "S3Client | None" = None,
    batch: "BatchClient | None" = None,
    now_ms: int | None = None,
) -> Bill:
    """Return the bill of a run: all attempts in its record, what runs now, and its heads.

    Raise UserError if there is no record, or no price of an architecture.
    """
    if not run.has_record:
        raise UserError(
            f"There is no record of run {run.name}: no job was submitted yet, or by a version that kept none. AWS's "
            f"bills have its cost under the tag terraflow:run={run.name} (Cost Explorer), if the tag is active."
        )
    recorded = find.attempts(s3 or find.client("s3", stack), run)
    now = now_ms if now_ms is not None else words.now_ms()
    # A head that died has left jobs in live.json that may have ended since.
    seen = now if run.has_head or run.live is None else run.live.updated
    going = running(run, recorded, stack)
    found = heads.heads_of(run, recorded, stack, batch)
    prices, notes = prices_for(stack.region, prices_file)
    try:
        lines = [
            *bill.lines_of([*recorded, *going], prices, seen),
            *bill.lines_of(found.attempts, prices, now),
        ]
    except PricesError as error:
        raise UserError(str(error)) from None
    if found.note:
        notes.append(found.note)
    if going:
        notes.append(f"{words.counted(len(going), 'job')} of it {'runs' if len(going) == 1 else 'run'} now.")
    if guessed := sorted({line.rule for line in lines if line.guessed}):
        notes.append(f"Not measured in some groups, and given an equal part of the rest: {', '.join(guessed)}.")
    return Bill(run, prices, lines, tuple(notes))


def running(run: Run, recorded: Sequence[Attempt], stack: Stack) -> list[Attempt]:
    """Return the attempts of jobs that run now; the record has those that have ended."""
    if run.live is None or run.live.ended is not None:
        return []
    like = recorded[-1] if recorded else None
    jobs = {job.native_id: job for job in run.live.jobs if job.status == "RUNNING"}
    # The record is in the order of ends.
    last = {one.native_id: one for one in recorded if one.native_id in jobs}
    going = [job for name, job in jobs.items() if not has_ended(job, last.get(name), run.live)]
    return [_going(job, last[job.native_id].attempt + 1 if job.native_id in last else 1, like, stack) for job in going]


def _going(job: LiveJob, number: int, like: Attempt | None, stack: Stack) -> Attempt:
    steps = tuple(attempts.Step(rule, wildcards) for rule, wildcards in job.steps)
    return Attempt(
        native_id=job.native_id, attempt=number, name="", process=job.process, wildcards=job.wildcards,
        is_group=job.is_group, hash="", status=job.status, exit=None, reason=job.reason, queue=job.queue, spot=job.spot,
        definition="", log_stream="", cpus=job.cpus, memory=job.memory, disk=job.disk, submit=job.submit, runnable=None,
        starting=None, start=job.since, complete=None, head="", steps=steps,
        architecture=like.architecture if like else stack.architecture,
        public_address=like.public_address if like else False,
    )  # fmt: skip


def as_object(made: Bill, by: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Return a bill for programs; money is US dollars."""
    about = made.run.about
    return {
        "run": made.run.name,
        "by": by,
        "rows": [
            {by: row.key, "attempts": row.attempts}
            | {name: part / bill.NANO for name, part in zip(bill.PARTS, row.parts, strict=True)}
            | {"total": row.nano / bill.NANO}
            for row in rows
        ],
        "total": made.total,
        "estimate": about.estimate if about else None,
        "prices": {
            name: getattr(made.prices, name) for name in ("region", "date", "source", "spot_discount", "pull_seconds")
        },
        "notes": [*made.notes, LEFT_OUT],
    }


def _show(made: Bill, by: str, rows: Sequence[Row]) -> None:
    whole = Row("sum", 0, tuple(sum(row.parts[number] for row in rows) for number in range(len(bill.PARTS))))
    cells = [[row.key, str(row.attempts or ""), *map(_shown, (*row.parts, row.nano))] for row in [*rows, whole]]
    table = words.table([by.upper(), *(one.upper() for one in COLUMNS)], cells, right=[one.upper() for one in COLUMNS])
    words.console().print(table)
    for note in [*assumptions(made.prices), *made.notes, LEFT_OUT]:
        print(note)
    if made.run.about and made.run.about.estimate:
        print(compare.compare(made.run.about.estimate, made.total))


def assumptions(prices: Prices) -> list[str]:
    """Return what the prices are and what is assumed."""
    return [
        f"US dollars; prices of {prices.region} at {prices.date}: {prices.source}.",
        f"Assumed: Spot costs {prices.spot_discount:.0%} less, and a task pulls its image for {prices.pull_seconds:g} "
        "s. ADDRESS is what public addresses cost, or bytes through endpoints.",
    ]


def _shown(nano: int) -> str:
    return f"{nano / bill.NANO:,.4f}"


def _exact(nano: int) -> str:
    return f"{nano // bill.NANO}.{nano % bill.NANO:09}"
