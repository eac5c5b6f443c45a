"""`terraflow remove`: deletes a run's objects, while nobody works on the run."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal

from snakemake_aws_common import head
from snakemake_aws_common.lease import HeldError, Lease, LostError
from terraflow import jobs
from terraflow import stack as stacks
from terraflow.approval import confirm
from terraflow.emptying import FRUITLESS, OBJECTS, TRANSIENT
from terraflow.errors import UserError
from terraflow.fetching import objects
from terraflow.fetching.objects import Object
from terraflow.heads.objects import AboutObject, UnreadableError
from terraflow.heads.submit import is_unseen
from terraflow.runs import find
from terraflow.runs.ending import Ending
from terraflow.runs.find import Run
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

EXIT_CODES = """exit codes:
  0  the run is gone
  1  it is not, or not all of it; the message says why
  2  the command line is wrong
"""
# US dollars for a GB and a month of S3 Standard in most regions. Source: https://aws.amazon.com/s3/pricing/
STORAGE_PRICE = 0.023
DAYS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument("name", metavar="NAME", help="the run, as `terraflow runs` lists it")
    parser.add_argument("--yes", action="store_true", help="ask no question (as with YES=1)")
    parser.add_argument("--json", action="store_true", help="print what was deleted as JSON; needs --yes")


def run(options: argparse.Namespace) -> int:
    """Say what would be deleted, ask, and delete it under the run's lock."""
    if options.json and not options.yes:
        raise UserError("--json asks no question: say --yes, too. Nothing was changed.")
    console = Console(highlight=False, soft_wrap=True, markup=False, stderr=options.json)
    deployed = stacks.deployed()
    s3 = find.client("s3", deployed)
    found = find.find(options.name, deployed, s3, find.read_readable)
    for text in found.unreadable:
        console.print(text)
    _refuse_held(found)
    refuse_jobs = _Jobs(found, deployed, s3, console.print)
    refuse_jobs()
    listed = _of_run(s3, found)
    size = sum(one.size for one in listed)
    results = [one for one in listed if objects.is_result(one.path)]
    console.print(
        f"{found.address}: {_sum(listed)}, of them results: {_sum(results)}.\n{_old_versions(deployed, size)}\n"
        "Reads below raw/, references below reference/ and logs in CloudWatch stay."
    )
    confirm(f"Remove the run {found.name}?", found.name, approved=options.yes, option="--yes")
    # With a client of its own: each write of the other one asks the lease first.
    with _locked(find.client("s3", deployed), found, console.print) as lease:
        head.check_before_writes(s3, lease.check, "s3")
        # Its jobs could have been submitted since the first look.
        refuse_jobs()
        removed = delete(s3, found)
    if options.json:
        content = {"run": found.name, "objects": len(removed), "bytes": sum(one.size for one in removed)}
        json.dump(content, sys.stdout, indent=2)
        print()
    else:
        console.print(f"Removed {found.name}: {_sum(removed)}.")
    return 0


def delete(s3: "S3Client", run: Run) -> list[Object]:
    """Delete all objects of a run but its lock, also those that are added meanwhile, and return them.

    What heads say of the run goes last, so that a removal that was interrupted can be found and repeated. Raise
    UserError with the first object that can't be deleted.
    """
    removed: dict[str, Object] = {}
    fruitless = 0
    while listed := _of_run(s3, run):
        listed.sort(key=lambda one: one.path.startswith("head/"))
        before = len(removed)
        for first in range(0, len(listed), OBJECTS):
            removed |= {one.path: one for one in _delete(s3, run, listed[first : first + OBJECTS])}
        fruitless = 0 if len(removed) > before else fruitless + 1
        if fruitless == FRUITLESS:
            raise UserError(f"S3 deletes nothing of {run.address} for now. Give the command again later.")
    return list(removed.values())


def _delete(s3: "S3Client", run: Run, listed: Sequence[Object]) -> list[Object]:
    """Delete objects, a thousand at most, and return those that are gone."""
    named: list[ObjectIdentifierTypeDef] = [{"Key": f"{run.prefix}/{one.path}"} for one in listed]
    errors = s3.delete_objects(Bucket=run.bucket, Delete={"Objects": named, "Quiet": True}).get("Errors", [])
    for error in errors:
        if error.get("Code") not in TRANSIENT:
            raise UserError(
                f"s3://{run.bucket}/{error.get('Key')} can't be deleted ({error.get('Code')}: {error.get('Message')}), "
                f"and perhaps others neither. It takes s3:DeleteObject on {run.address}/*, which the stack's submit "
                "policy gives. What was deleted by then is gone; the same command goes on."
            )
    kept = {error.get("Key") for error in errors}
    return [one for one in listed if f"{run.prefix}/{one.path}" not in kept]


def _of_run(s3: "S3Client", run: Run) -> list[Object]:
    """Return the objects of a run without its lock, which is deleted when it is released."""
    return [one for one in objects.of_run(s3, run) if one.path != head.NAME]


def _refuse_held(run: Run) -> None:
    if run.lock is not None and run.has_head and not run.lock.holder.is_dead():
        raise UserError(
            f"{run.name} is at work, so nothing was removed. `terraflow stop {run.name}` ends it; a head that was "
            f"killed holds the run for {run.lock.left:.0f} s more:\n{run.lock}"
        )


class _Jobs:
    """The question whether Batch has jobs of a run that have not ended, or is just being given its head."""

    def __init__(self, run: Run, stack: Stack, s3: "S3Client", say: Callable[[str], None]) -> None:
        self._run, self._about = run, AboutObject(s3, run.bucket, run.name)
        self._batch = find.client("batch", stack)
        self._ending = Ending(stack, run.name, s3, self._batch, say)

    def __call__(self) -> None:
        """Raise UserError if there are any."""
        if found := self._ending.jobs():
            shown = [f"{job.id} {job.name} ({job.status})" for job in found]
            raise UserError(
                f"{self._run.name} has jobs that have not ended, so nothing was removed. `terraflow stop "
                f"{self._run.name}` ends them:",
                *jobs.listed(shown),
            )
        try:
            written = self._about.read()
        except UnreadableError:
            return
        if written is not None and is_unseen(written, self._batch):
            raise UserError(
                f"{self._run.name} was submitted {written.age:.0f} s ago by {written.about.who}, and its head is not "
                "there yet. Nothing was removed: try again in a minute or two."
            )


@contextmanager
def _locked(s3: "S3Client", run: Run, warn: Callable[[str], None]) -> Iterator[Lease]:
    """Hold the lock of a run, so that no head begins meanwhile. Raise UserError if a head has it, or takes it."""
    lease = Lease(s3, run.bucket, f"{run.prefix}/{head.NAME}", warn)
    try:
        lease.acquire()
        yield lease
    except (HeldError, LostError) as error:
        raise UserError(str(error)) from error
    finally:
        lease.release()


def _old_versions(stack: Stack, size: int) -> str:
    """Say how long the bucket keeps what is deleted, and what that costs."""
    kept = "The bucket keeps what is deleted as old versions"
    if stack.old_versions_days is None:
        monthly = size / 1e9 * STORAGE_PRICE
        return (
            f"{kept} for old_versions_days of the stack, at ${monthly:.2f} a month (${STORAGE_PRICE} a GB and month)."
        )
    price = size / 1e9 * STORAGE_PRICE * stack.old_versions_days / DAYS
    return (
        f"{kept} for {stack.old_versions_days} days (old_versions_days), which costs ${price:.2f} "
        f"(${STORAGE_PRICE} a GB and month; less in fact: intermediates are kept for a day)."
    )


def _sum(listed: Sequence[Object]) -> str:
    return f"{len(listed):,} object{'' if len(listed) == 1 else 's'}, {decimal(sum(one.size for one in listed))}"
