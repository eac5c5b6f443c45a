"""Runs Snakemake under the lock of its run: the child of a head's process, from an unpacked archive.

    python -m terraflow.heads.conduct FOLDER MARK

The lock is taken first, so that what Snakemake remembers of the run is read when no other head writes it any more; the
plugins find that this process holds it. The file MARK is made when the lock is taken.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from snakemake_aws_common import head
from snakemake_aws_common.lease import SECONDS, HeldError, Lease, LostError
from snakemake_aws_common.proof import Proof
from terraflow import stack as stacks
from terraflow.heads import about as abouts
from terraflow.heads import archive
from terraflow.heads.archive import Manifest

# The file, in FOLDER, that shows that the lock is held.
PROOF = "lease.json"
# The lock could not be renewed, as when S3 is out of reach. Batch starts the head again, which goes on or finds who has
# the run.
UNSURE = 75


def main(arguments: Sequence[str]) -> int:
    """Take the lock, run Snakemake, and return an exit code: a head's but over budget, `UNSURE`, or Python's."""
    folder, mark = map(Path, arguments)
    # Snakemake has a handler of its own only while jobs run.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _conduct(folder, archive.read_manifest(folder), mark)
    except HeldError as error:
        print(f"No job was submitted. {error}", file=sys.stderr)
        return abouts.EXIT_HELD
    except KeyboardInterrupt:
        return abouts.EXIT_CODES[abouts.STOPPED]


def _conduct(folder: Path, manifest: Manifest, mark: Path) -> int:
    seconds = lock_seconds(manifest.arguments)
    prefix = f"s3://{stacks.deployed().bucket}/runs/{manifest.run}"
    proof = Proof(folder / PROOF, seconds)
    say = partial(print, file=sys.stderr)
    lease = head.hold(prefix, say, seconds=seconds, proof=proof) if seconds else None
    mark.touch()
    os.chdir(folder / archive.FILES / manifest.directory)
    code = _snakemake(archive.snakemake_arguments(manifest, folder))
    if code and lease is not None and not _has_run(lease):
        return abouts.EXIT_HELD if lease.lost else UNSURE
    return abouts.EXIT_CODES[abouts.FAILED if code else abouts.DONE]


def _has_run(lease: Lease) -> bool:
    """Return whether this head certainly has the run still; S3 is asked at most once."""
    try:
        return lease.is_sure()
    except LostError:
        return False


def _snakemake(arguments: Sequence[str]) -> int:
    """Run Snakemake in this process, and return its exit code."""
    # Imported late: a head that is refused does without it.
    from snakemake import cli

    try:
        cli.main(list(arguments))
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    return 0


def lock_seconds(arguments: Sequence[str]) -> float:
    """Return the length of the lease that Snakemake's arguments ask for."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--aws-batch-fargate-lock-seconds", type=float, default=SECONDS, dest="seconds")
    return float(parser.parse_known_args(list(arguments))[0].seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
