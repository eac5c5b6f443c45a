"""`terraflow inbox`: starts the runs of sheets that lie in the bucket's inbox; uploads and the clock call it, too."""

import argparse
import sys
import tempfile
from pathlib import Path

import boto3

from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.inbox.due import AIRFLOW, CLOCK, UPLOAD
from terraflow.inbox.launcher import Launcher
from terraflow.launch import publish
from terraflow.launch.inbox_run import launch_sheet
from terraflow.launch.request import dollars
from terraflow.runs import find
from terraflow.stack import Stack

EXIT_CODES = """exit codes:
  0  all sheets were looked at; what became of each stands in raw/NAME/inbox.json
  1  AWS did not answer for a sheet, or there is no published workflow
  2  the command line is wrong
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument("names", nargs="*", metavar="NAME", help="runs whose sheets to look at (default: all)")
    parser.add_argument(
        "--budget", type=dollars, metavar="USD", help="limit of each run (default: the stack's inbox_budget)"
    )
    parser.add_argument("--bucket", help="bucket with the inbox and the workflow (default: the deployed stack's)")
    parser.add_argument(
        "--by",
        choices=(UPLOAD, CLOCK, AIRFLOW),
        default=UPLOAD,
        help=f"{CLOCK}: start failed runs again, too; {AIRFLOW}: start the runs NAME unless they are done or under way "
        f"(default: {UPLOAD})",
    )


def run(options: argparse.Namespace) -> int:
    """Fetch the published workflow, look at the sheets, and say what was done."""
    if options.by == AIRFLOW and not options.names:
        raise UserError(f"--by {AIRFLOW} starts what somebody asked for: name the runs. Nothing was looked at.")
    deployed = None if options.bucket else stacks.deployed()
    bucket = options.bucket or deployed.bucket  # type: ignore[union-attr]
    s3 = boto3.client("s3", region_name=deployed.region if deployed else None)
    with tempfile.TemporaryDirectory(prefix="terraflow-workflow-") as folder:
        published = publish.fetch(s3, bucket, Path(folder))
        stack = published.stack
        budget = _budget(options.budget, stack)
        launcher = Launcher(
            stack,
            s3,
            find.client("batch", stack),
            lambda sheet: launch_sheet(published, s3, sheet.key, budget=budget, started_by=options.by),
            by=options.by,
            budget=budget,
        )
        done, failed = launcher.work(options.names)
    for line in done:
        print(line)
    for line in failed:
        print(f"terraflow inbox: {line}", file=sys.stderr)
    if not done and not failed:
        print("Nothing is due.")
    return 1 if failed else 0


def _budget(given: float | None, stack: Stack) -> float:
    if given is None and stack.inbox_budget is None:
        raise UserError(
            "No limit to what a run may cost: give --budget, or set inbox_budget in terraform.tfvars and deploy."
        )
    return float(given if given is not None else stack.inbox_budget or 0.0)
