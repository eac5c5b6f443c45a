"""`terraflow timeline`: writes the page that shows what the jobs of a run did, and when."""

import argparse
import json
from pathlib import Path

from snakemake_aws_common import prices as price_lists
from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.runs import find
from terraflow.timeline import write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("name", metavar="NAME", help="name of the run")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: timeline-NAME.html)")
    parser.add_argument(
        "--vcpus",
        type=_vcpus,
        metavar="N",
        help="vCPUs that the account or the compute environments allow at a time, to be shown beside those in use",
    )
    parser.add_argument("--prices", type=Path, metavar="FILE", help="prices of your own contract, as JSON")
    parser.add_argument("--json", action="store_true", help="print the path and the run's numbers as JSON")


def run(options: argparse.Namespace) -> int:
    """Read the record, write the page, and say where it is."""
    stack = stacks.deployed()
    try:
        prices = price_lists.load(stack.region, options.prices)
    except price_lists.PricesError as error:
        raise UserError(str(error)) from None
    s3 = find.client("s3", stack)
    found = find.find(options.name, stack, s3)
    if not found.has_record:
        raise UserError(
            f"Run {options.name} has no record: no head that keeps one has worked on it. "
            "The next start of the run makes one, of the jobs that it runs."
        )
    page = write.of_run(s3, found, prices, {"limit": options.vcpus} if options.vcpus else {})
    file = options.out or Path(f"timeline-{options.name}.html")
    write.save(page, file)
    if options.json:
        numbers = {"file": str(file), "attempts": page.attempts, "failed": page.failed, "cost": page.cost}
        times = {"start": page.start, "end": page.end, "highest_vcpus": page.highest_vcpus}
        print(json.dumps({"run": options.name, **numbers, **times}))
    else:
        failed = f", {page.failed:,} of them failed or lost" if page.failed else ""
        cost = "" if page.cost is None else f"; ${page.cost:,.2f}"
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
