"""Makes the page of a run from its record on S3, and puts it there or into a file."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_aws_common import prices as price_lists
from terraflow.costs import command as costs
from terraflow.costs import heads
from terraflow.costs.region import prices_for
from terraflow.launch import capacity
from terraflow.runs import find, state, words
from terraflow.stack import Stack
from terraflow.timeline.page import Content, Page, make

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Below the run's prefix, beside Snakemake's report.
NAME = "results/timeline.html"


def of_run(
    s3: "S3Client",
    run: find.Run,
    stack: Stack,
    prices_file: Path | None = None,
    limits: Mapping[str, float] | None = None,
) -> Page:
    """Return the page of a run; `limits` are vCPUs, by their labels.

    Raise UserError for a file of prices that can't be used.
    """
    prices, notes = prices_for(stack.region, prices_file)
    with _no_collection():
        now = words.now_ms()
        recorded = find.attempts(s3, run)
        known = heads.heads_of(run, recorded, stack)
        content = Content(
            run=run.name,
            address=run.address,
            state=state.of(run),
            attempts=recorded,
            live=run.live,
            about=run.about,
            prices=prices,
            limits=limits or {},
            going=costs.running(run, recorded, stack),
            heads=known.attempts,
            # A head that died has left jobs in live.json that may have ended since.
            seen=now if run.has_head or run.live is None else run.live.updated,
            notes=[*notes, *([known.note] if known.note else [])],
            who=state.who(run),
            started_by=state.started_by(run),
            message=state.message(run),
        )
        try:
            return make(content, now)
        except price_lists.PricesError as error:
            return make(replace(content, prices=None, notes=[str(error)]), now)


def write(s3: "S3Client", stack: Stack, name: str, prices_file: Path | None = None) -> str:
    """Make the page of a run and put it beside the run's report; return its address. A head does so as it ends."""
    run = find.read(s3, stack.bucket, name)
    page = of_run(s3, run, stack, prices_file, limits_of(stack))
    key = f"{run.prefix}/{NAME}"
    s3.put_object(Bucket=stack.bucket, Key=key, Body=page.html.encode(), ContentType="text/html; charset=utf-8")
    return f"s3://{stack.bucket}/{key}"


def limits_of(stack: Stack) -> dict[str, float]:
    """Return the vCPUs of Fargate Spot at a time, by a label that says what limits them; empty if AWS does not say."""
    found = capacity.of_spot(stack)
    return {} if found.vcpus is None else {f"Spot: {found.vcpus:g} vCPUs ({found.limit})": found.vcpus}


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
