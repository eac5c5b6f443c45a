"""`terraflow launch`: starts the run that a sheet in the bucket wants, from the published workflow, without a checkout.

What an upload, the clock or Airflow starts is a small job that does the same.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from terraflow.errors import UserError
from terraflow.heads.submit import UnderWayError
from terraflow.launch.inbox_run import SHEET, launch_sheet, name_in, note_refusal
from terraflow.launch.inputs import MissingError
from terraflow.launch.publish import fetch
from terraflow.launch.request import dollars, who
from terraflow.runs import words

# Files are missing yet: the same command may succeed later (sysexits.h, EX_TEMPFAIL).
LATER = 75
STARTERS = ("terraflow launch", "upload", "clock", "airflow")
EXIT_CODES = f"""exit codes:
  0   the head was submitted, the run has one already, or there is nothing to do
  1   the sheet was refused; the message says why, and so does the run's run.json
  2   the command line is wrong
  {LATER}  files that the sheet names are missing
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument(
        "--sheet", required=True, metavar="ADDRESS", help=f"s3://BUCKET/raw/NAME/{SHEET}: the sheet of run NAME"
    )
    parser.add_argument(
        "--config",
        metavar="KEY",
        help="key of the configuration (default: config.yaml beside the sheet, else the one that was published)",
    )
    parser.add_argument(
        "--budget",
        type=dollars,
        metavar="USD",
        help="refuse a run that is expected to cost more, and submit no further job when this much is used up",
    )
    parser.add_argument(
        "--started-by", choices=STARTERS, default=STARTERS[0], help="what the run's run.json says about its start"
    )


def run(options: argparse.Namespace) -> int:
    """Check, estimate and submit, without a question."""
    address = urlsplit(options.sheet)
    key = address.path.lstrip("/")
    if address.scheme != "s3" or not address.netloc:
        raise UserError(f"--sheet: found {options.sheet!r}; expected s3://BUCKET/raw/NAME/{SHEET}")
    name = name_in(key)
    session: Any = boto3.session.Session()
    s3 = session.client("s3")
    with tempfile.TemporaryDirectory(prefix="terraflow-") as folder:
        published = fetch(s3, address.netloc, Path(folder))
        caller = who(published.stack.region)
        try:
            launched = launch_sheet(
                published,
                s3,
                key,
                budget=options.budget,
                started_by=options.started_by,
                who=caller,
                config=options.config,
            )
        except UnderWayError as other:
            print(other)
            return 0
        except MissingError as error:
            print(error)
            return LATER
        except UserError as error:
            note_refusal(s3, address.netloc, key, str(error), started_by=options.started_by, who=caller)
            raise
    if launched.prepared is None:
        print(f"Run {name} has nothing to do: all that it makes is there. Nothing was submitted.")
        return 0
    print(
        f"Run {name} was submitted: Batch job {launched.head_job}, expected to cost "
        f"{words.dollars(launched.prepared.expected.spot)}."
    )
    return 0
