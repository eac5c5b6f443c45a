"""Writes the receipt of a run: runs/NAME/ro-crate-metadata.json."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from terraflow.fetching.objects import RECEIPT
from terraflow.heads.about import About
from terraflow.runs import find
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def write(
    stack: Stack,
    name: str,
    about: About | None = None,
    s3: "S3Client | None" = None,
    prices_file: Path | None = None,
) -> str:
    """Make the receipt of a run of what lies there now, store it beside its results, and return its address.

    Call it when everything else of the run is written: what comes later is not in the receipt. `about` is what run.json
    will say, for a head that has not written its end yet. Raise UserError, or an error of AWS's, if that is impossible.
    """
    # Imported late: only this needs them.
    from terraflow.receipt import crate, gather

    s3 = s3 or find.client("s3", stack)
    run = find.find(name, stack, s3)
    if about is not None:
        # This head still holds the lock; the run has ended as it says.
        live = run.live and replace(run.live, state=about.state, ended=about.ended, message=about.message)
        run = replace(run, about=about, live=live, lock=None)
    body = crate.to_json(crate.crate_of(gather.gather(s3, stack, run, prices_file)))
    s3.put_object(
        Bucket=run.bucket,
        Key=f"{run.prefix}/{RECEIPT}",
        Body=body,
        ContentType="application/ld+json",
        ChecksumAlgorithm="CRC32",
    )
    return f"{run.address}/{RECEIPT}"
