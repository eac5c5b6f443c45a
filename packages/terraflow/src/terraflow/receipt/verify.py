"""terraflow verify: compares the receipt of a run with what lies there."""

import argparse
import json
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.fetching.objects import RECEIPT, SHOWN
from terraflow.receipt import compare, reading
from terraflow.receipt.compare import Differences
from terraflow.receipt.reading import Receipt
from terraflow.receipt.writing import write
from terraflow.runs import find, state, words

if TYPE_CHECKING:
    pass

EXIT_CODES = """exit codes:
  0  all that the receipt names is as it was, and nothing else is there
  1  it can't be found out; the message says why
  2  the command line is wrong
  3  something is missing, has changed, or is there besides
"""
DIFFERENT = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument("name", metavar="NAME", nargs="?", help="the run, as `terraflow runs` lists it")
    parser.add_argument(
        "--deep",
        action="store_true",
        help="read all bytes and compute their checksums, rather than compare with those that S3 keeps",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="compare the files in a folder that `terraflow fetch` has filled; without NAME with the receipt in it",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="make a receipt of what lies there now, which takes the place of the run's own, and compare nothing",
    )
    parser.add_argument("--json", action="store_true", help="an object, for programs")


def run(options: argparse.Namespace) -> int:
    """Compare, say what differs, and return 0 or 3."""
    if options.name is None and (options.folder is None or options.write):
        raise UserError("Name a run, or a folder to compare with the receipt in it (--folder).")
    if options.write:
        return _write(options)
    if options.folder is not None and not options.folder.is_dir():
        raise UserError(f"--folder: {options.folder} is no folder. `terraflow fetch` makes and fills one.")
    if options.name is None:
        address = str(options.folder / RECEIPT)
        try:
            body = Path(address).read_bytes()
        except FileNotFoundError:
            raise UserError(
                f"{address} is missing: name the run, too, to compare with the one in the bucket."
            ) from None
        receipt = reading.parse(body, address)
    else:
        deployed = stacks.deployed()
        s3 = find.client("s3", deployed)
        found = find.find(options.name, deployed, s3)
        address = f"{found.address}/{RECEIPT}"
        receipt = reading.of_run(s3, found)
    with _bar(receipt, options.folder is not None, shown=options.deep or options.folder is not None) as progress:
        task = progress.tasks[0].id

        def advance(number: int) -> None:
            progress.advance(task, number)

        if options.folder is not None:
            differences = compare.in_folder(options.folder, receipt, advance)
        else:
            differences = compare.in_bucket(s3, found, receipt, advance if options.deep else None)
    if options.json:
        print(json.dumps({"receipt": address, "made": receipt.made} | _as_object(differences), indent=2))
    else:
        _show(differences, receipt, address)
    return DIFFERENT if differences else words.FINE


def _write(options: argparse.Namespace) -> int:
    if options.folder or options.deep:
        raise UserError("--write makes a receipt and compares nothing: leave --folder and --deep out.")
    deployed = stacks.deployed()
    s3 = find.client("s3", deployed)
    if state.of(find.find(options.name, deployed, s3)) == state.RUNNING:
        raise UserError(f"{options.name} runs, and its results change: no receipt was made. Wait until it has ended.")
    address = write(deployed, options.name, s3=s3)
    print(json.dumps({"receipt": address}) if options.json else f"Written: {address}")
    return words.FINE


def _bar(receipt: Receipt, folder: bool, shown: bool) -> AbstractContextManager[Progress]:
    console = Console(stderr=True)
    columns = (TextColumn("compare"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True)
    inputs = () if folder else (content for content in receipt.inputs.values() if content)
    progress.add_task("compare", total=sum(content.size for content in (*receipt.outputs.values(), *inputs)))
    return progress


def _as_object(found: Differences) -> dict[str, object]:
    return asdict(found) | {"changed": [{"path": path, "how": how} for path, how in found.changed]}


def _show(found: Differences, receipt: Receipt, address: str) -> None:
    size = sum(content.size for content in receipt.outputs.values())
    print(f"{address}, made {receipt.made}: {words.counted(len(receipt.outputs), 'output')}, {decimal(size)}")
    groups = (
        ("missing", found.missing),
        ("changed", tuple(f"{path}: {how}" for path, how in found.changed)),
        ("extra", found.extra),
        ("not looked at", found.unseen),
    )
    for title, names in groups:
        for name in names[:SHOWN]:
            print(f"{title:<13} {name}")
        if len(names) > SHOWN:
            print(f"{title:<13} and {len(names) - SHOWN} more (--json lists all)")
    print(f"{words.counted(found.same, 'file')} as before" + ("" if found else ": nothing has changed"))
