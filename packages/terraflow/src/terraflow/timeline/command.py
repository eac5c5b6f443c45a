"""`terraflow timeline`: writes the page that shows what the jobs of a run did, and when."""

import argparse
import json
import sys
from pathlib import Path

from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.runs import find
from terraflow.timeline import write

EXIT_CODES = """exit codes:
  0  the page was written
  1  it was not; the message says why
  2  the command line is wrong
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument("name", metavar="NAME", help="name of the run")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: timeline-NAME.html)")
    parser.add_argument(
        "--vcpus",
        type=_vcpus,
        metavar="N",
        help="limit beside the vCPUs in use (default: Spot's, the least of the stack's limit and the account's quota)",
    )
    parser.add_argument("--prices", type=Path, metavar="FILE", help="prices of your own contract, as JSON")
    parser.add_argument("--json", action="store_true", help="print the path and the run's numbers as JSON")


def run(options: argparse.Namespace) -> int:
    """Read the record, write the page, and say where it is."""
    stack = stacks.deployed()
    s3 = find.client("s3", stack)
    found = find.find(options.name, stack, s3)
    if not found.has_record:
        raise UserError(
            f"Run {options.name} has no record: no head that keeps one has worked on it. "
            "The next start of the run makes one, of the jobs that it runs."
        )
    limits = {f"limit: {options.vcpus:g} vCPUs": options.vcpus} if options.vcpus else write.limits_of(stack)
    page = write.of_run(s3, found, stack, options.prices, limits)
    file = options.out or Path(f"timeline-{options.name}.html")
    write.save(page, file)
    if options.json:
        numbers = {"file": str(file), "attempts": page.attempts, "failed": page.failed, "cost": page.cost}
        times = {"start": page.start, "end": page.end, "highest_vcpus": page.highest_vcpus}
        print(json.dumps({"run": options.name, **numbers, **times}))
    else:
        failed = f", {page.failed:,} of them failed or lost" if page.failed else ""
        cost = "" if page.cost is None else f"; ${page.cost:,.2f}"
        if page.cost is None:
            print(f"No costs: {page.money}", file=sys.stderr)
        print(f"{file}: {page.attempts:,} attempts at jobs{failed}{cost}. Open it in a browser.")
    return 0


def _vcpus(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}; expected a number of vCPUs above 0")
    return number
