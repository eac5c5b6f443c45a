"""`terraflow fetch`: brings results of a run to this machine."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from botocore.config import Config
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.fetching import objects, places
from terraflow.fetching.download import WORKERS, Copy, Downloads, State
from terraflow.receipt import reading
from terraflow.runs import find, state

EXIT_CODES = """exit codes:
  0  all that was asked for is here, compared with S3
  1  it is not, or not all of it; the message says why
  2  the command line is wrong
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument("name", metavar="NAME", help="the run, as `terraflow runs` lists it")
    parser.add_argument(
        "destination",
        metavar="DEST",
        type=Path,
        nargs="?",
        help="folder to fetch to, which is made if need be; results/ is below it (default: a folder NAME here)",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="fetch only files that fit, such as 'variants/*', '*.cram' or logs (not a result, so not fetched without "
        "this); may be repeated",
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace files in DEST that were not fetched from this run and differ"
    )
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def run(options: argparse.Namespace) -> int:
    """Compare what is there, fetch what is not, and say what was done."""
    console = Console(highlight=False, soft_wrap=True, markup=False, stderr=options.json)
    deployed = stacks.deployed()
    # Checksums are compared here, over whole files: an answer may be only the rest of one.
    config = Config(
        connect_timeout=10,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 5},
        max_pool_connections=2 * WORKERS,
        response_checksum_validation="when_required",
    )
    s3 = find.client("s3", deployed, config)
    found = find.find(options.name, deployed, s3)
    if state.of(found) == state.RUNNING:
        console.print(f"Note: {found.name} runs. What is there is fetched; the same command later brings the rest.")
    folder = options.destination or Path(found.name)
    listed = objects.of_run(s3, found)
    workflow = ""
    if not options.only and any(one.path == objects.RECEIPT for one in listed):
        try:
            workflow = reading.of_run(s3, found).workflow
        except UserError as error:
            console.print(f"Note: {error}")
    chosen = objects.select(listed, options.only, workflow)
    copies = [Copy(one, path) for one, path in places.places(folder, chosen).items()]
    downloads, begun = Downloads(s3, found), time.monotonic()
    states = _compare(console, downloads, copies)
    fetched = [copy for copy, its in states.items() if its is not State.SAME]
    if not options.replace:
        different = [copy.path for copy, its in states.items() if its is State.DIFFERENT]
        places.refuse_others(different, folder, found.address)
    kept = sum(part.stat().st_size for copy in fetched for part in copy.parts())
    places.refuse_full_disk(folder, _size(fetched) - kept)
    if copies:
        with places.claimed(folder, found.address):
            places.refuse_same_place({copy.object: copy.path for copy in copies}, folder)
            _fetch(console, downloads, fetched)
    passed = [copy for copy, its in states.items() if its is State.SAME]
    if options.json:
        json.dump(
            {
                "run": found.name,
                "destination": str(folder),
                "fetched": [{"path": copy.object.path, "bytes": copy.object.size} for copy in fetched],
                "passed_over": [{"path": copy.object.path, "bytes": copy.object.size} for copy in passed],
                "compared_by_size_alone": sorted(downloads.by_size),
            },
            sys.stdout,
            indent=2,
        )
        print()
        return 0
    if not copies:
        console.print(f"{found.name} has no results yet.")
        return 0
    seconds = time.monotonic() - begun
    console.print(f"fetched     {_sum(fetched)}, in {seconds:.0f} s, each compared with S3's checksum")
    console.print(f"passed over {_sum(passed)}, there already")
    if downloads.by_size:
        console.print(f"Note: S3 has no checksum of {len(downloads.by_size)} of them; only their sizes were compared.")
    console.print(f"They lie in {folder}")
    return 0


def _compare(console: Console, downloads: Downloads, copies: Sequence[Copy]) -> dict[Copy, State]:
    states = {copy: State.ABSENT for copy in copies}
    there = [copy for copy in copies if copy.path.exists()]
    if there:
        with _bar(console, _size(there)) as progress:
            task = progress.add_task(f"compare {len(there)} files that are here", total=_size(there))
            states |= downloads.compare(there, lambda number: progress.advance(task, number))
    return states


def _fetch(console: Console, downloads: Downloads, copies: Sequence[Copy]) -> None:
    """Fetch files, and print a line for each where there is no terminal."""
    with _bar(console, _size(copies)) as progress:
        task, whole = progress.add_task(f"fetch {len(copies)} files", total=_size(copies)), 0

        def done(copy: Copy) -> None:
            nonlocal whole
            whole += 1
            progress.update(task, description=f"fetched {whole} of {len(copies)} files")
            if not console.is_terminal:
                console.print(f"fetched {copy.object.path}")

        downloads.fetch(copies, lambda number: progress.advance(task, number), done)


def _bar(console: Console, size: int) -> Progress:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    disabled = not console.is_terminal or not size
    return Progress(TextColumn("{task.description}"), *columns, console=console, disable=disabled)


def _size(copies: Sequence[Copy]) -> int:
    return sum(copy.object.size for copy in copies)


def _sum(copies: Sequence[Copy]) -> str:
    return f"{len(copies)} file{'' if len(copies) == 1 else 's'}, {decimal(_size(copies))}"
