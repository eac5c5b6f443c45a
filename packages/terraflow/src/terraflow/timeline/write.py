"""Makes the page of a run from its record on S3, and puts it there or into a file."""

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_aws_common import prices as price_lists
from terraflow.runs import find, state
from terraflow.timeline.page import Content, Page, make

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Below the run's prefix, beside Snakemake's report.
NAME = "results/timeline.html"


def of_run(
    s3: "S3Client", run: find.Run, prices: price_lists.Prices | None, limits: Mapping[str, float] | None = None
) -> Page:
    """Return the page of a run; without prices it has no costs. `limits` are vCPUs, by what limits them."""
    with _no_collection():
        content = Content(
            run=run.name,
            address=run.address,
            state=state.of(run),
            attempts=find.attempts(s3, run),
            live=run.live,
            about=run.about,
            prices=prices,
            limits=limits or {},
        )
        return make(content, round(time.time() * 1000))


def write(s3: "S3Client", bucket: str, name: str, region: str, limits: Mapping[str, float] | None = None) -> str:
    """Make the page of a run and put it beside the run's report; return its address. A head does so as it ends."""
    try:
        prices = price_lists.load(region)
    except price_lists.PricesError:
        prices = None
    run = find.read(s3, bucket, name)
    page = of_run(s3, run, prices, limits)
    key = f"{run.prefix}/{NAME}"
    s3.put_object(Bucket=bucket, Key=key, Body=page.html.encode(), ContentType="text/html; charset=utf-8")
    return f"s3://{bucket}/{key}"


@contextmanager
def _no_collection() -> Iterator[None]:
    """Leave Python's search for cycles out: in a million objects without any it takes a third of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def save(page: Page, file: Path) -> None:
    """Write a page to a file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_text(page.html, encoding="utf-8")
    part.replace(file)
