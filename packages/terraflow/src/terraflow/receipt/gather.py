"""Gathers what a receipt says of a run: from the run's objects, its inputs' objects, its record and the registry."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from snakemake_aws_common.packing import ArchiveError
from terraflow.costs.command import bill_of
from terraflow.errors import UserError, explain_aws
from terraflow.fetching import objects
from terraflow.fetching.objects import Object
from terraflow.heads import archive as heads
from terraflow.receipt import contents
from terraflow.receipt.facts import Content, Facts, Image, Input
from terraflow.runs import find, state, words
from terraflow.runs.find import Run
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ABOUT = "results/run.json"
VERSIONS = "results/qc/versions.tsv"
SOURCES = "snakemake-workflow-sources."
S3 = "s3://"


def gather(s3: "S3Client", stack: Stack, run: Run, prices_file: Path | None = None) -> Facts:
    """Return all that is known of a run. What can't be found out is named in the facts, and is no error."""
    listed = {one.path: one for one in objects.of_run(s3, run)}
    missing: list[str] = []
    about = _about(s3, run, listed, missing)
    archive = _archive(run, listed, missing)
    keys = [path for path in listed if objects.is_result(path) and path != objects.RECEIPT and not path.endswith("/")]
    found = contents.in_parallel(
        [*keys, *([archive] if archive else [])],
        lambda path: contents.content_of(s3, run.bucket, f"{run.prefix}/{path}"),
    )
    written = state.last_written(run)
    return Facts(
        run=run.name,
        address=run.address,
        state=state.of(run),
        message=state.message(run),
        who=state.who(run),
        started_by=run.about.started_by if run.about else "",
        started=state.started(run),
        ended=written.ended if written else None,
        made=words.now_ms(),
        archive=archive,
        archive_content=found.get(archive),
        about=about,
        inputs=tuple(_inputs(s3, run, about, listed, missing)),
        # One that has gone since it was listed is none.
        outputs={path: content for path in keys if (content := found[path]) is not None},
        tools=_tools(s3, run, listed, missing),
        images=tuple(_images(_stack_of(s3, run, archive, stack, missing), missing)),
        cost=_cost(s3, stack, run, prices_file, missing),
        missing=tuple(missing),
    )


def _read(s3: "S3Client", run: Run, path: str) -> bytes:
    return s3.get_object(Bucket=run.bucket, Key=f"{run.prefix}/{path}")["Body"].read()


def _about(s3: "S3Client", run: Run, listed: Mapping[str, Object], missing: list[str]) -> Mapping[str, Any]:
    if ABOUT not in listed:
        missing.append(
            f"The run has no {ABOUT}, which a run writes when it has made all its results: parameters and inputs are "
            "unknown."
        )
        return {}
    try:
        found: dict[str, Any] = json.loads(_read(s3, run, ABOUT))
        if lacking := [name for name in ("config", "reference", "units", "workflow") if name not in found]:
            raise ValueError(f"it lacks {', '.join(lacking)}")
        return found
    except (ValueError, TypeError) as error:
        raise UserError(f"{run.address}/{ABOUT} is not what the workflow writes there: {error}") from None


def _archive(run: Run, listed: Mapping[str, Object], missing: list[str]) -> str:
    """Return the path of the archive that holds the workflow as it was run; empty if there is none, or several."""
    conducted = run.about.archive.removeprefix(f"{run.prefix}/") if run.about else ""
    if conducted in listed:
        return conducted
    sources = [path for path in listed if path.startswith(SOURCES)]
    if len(sources) == 1:
        return sources[0]
    missing.append("The workflow itself was not kept with the run, or in several versions.")
    return ""


def _inputs(
    s3: "S3Client", run: Run, about: Mapping[str, Any], listed: Mapping[str, Object], missing: list[str]
) -> Iterator[Input]:
    if not about:
        return
    named = list(_named(about))
    counted = {(one.sample, one.unit): f"results/reads/{one.sample}/{one.unit}.counts.json" for one in named}
    there = {unit: path for unit, path in counted.items() if path in listed}
    bodies = contents.in_parallel(there.values(), lambda path: _read(s3, run, path))
    reads = {unit: _reads(bodies[path]) for unit, path in there.items()}
    found = contents.in_parallel({one.address for one in named}, lambda address: _content(s3, address))
    mate: dict[tuple[str, str], int] = {}
    for one in named:
        unit = one.sample, one.unit
        number = mate[unit] = mate.get(unit, -1) + 1
        counts = reads.get(unit, [])
        yield Input(
            one.address, one.kind, found[one.address], *unit, reads=counts[number] if number < len(counts) else None
        )
    if unseen := sorted(address for address, content in found.items() if content is None):
        missing.append(f"Not looked at, since they are not to be had from S3: {', '.join(unseen)}.")


def _named(about: Mapping[str, Any]) -> Iterator[Input]:
    """Yield the files that sheet and configuration name."""
    for unit in about["units"]:
        for fastq in filter(None, (unit.get("fq1"), unit.get("fq2"))):
            yield Input(fastq, "reads", None, unit["sample"], unit["unit"])
    for path in about["reference"]:
        yield Input(path, "reference", None)
    if gff := (about["config"].get("annotation") or {}).get("gff"):
        yield Input(gff, "annotation", None)


def _reads(body: bytes) -> list[int]:
    """Return how many reads each file of a unit has, first mates first, from what the rule `decompress` counted."""
    return [int(one["reads"]) for one in json.loads(body).get("files", {}).values()]


def _content(s3: "S3Client", address: str) -> Content | None:
    """Return what S3 knows of an input; None if it is not on S3, is gone, or if this caller may not look at it."""
    if not address.startswith(S3):
        return None
    bucket, _, key = address.removeprefix(S3).partition("/")
    try:
        return contents.content_of(s3, bucket, key)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (400, 401, 403, 404):
            return None
        raise


def _tools(s3: "S3Client", run: Run, listed: Mapping[str, Object], missing: list[str]) -> dict[str, str]:
    if VERSIONS not in listed:
        missing.append(f"The run has no {VERSIONS}: versions of tools are unknown.")
        return {}
    rows = csv.reader(_read(s3, run, VERSIONS).decode().splitlines(), delimiter="\t")
    return {row[0]: row[1] for row in rows if len(row) == 2 and row[0] != "software"}


def _stack_of(s3: "S3Client", run: Run, archive: str, deployed: Stack, missing: list[str]) -> Stack:
    """Return the stack that the run was conducted with, as its head's archive has it, else today's."""
    if run.about and archive and f"{run.prefix}/{archive}" == run.about.archive:
        try:
            return heads.stack_in(_read(s3, run, archive))
        except (ArchiveError, UserError) as error:
            trouble = f" ({error})"
    else:
        trouble = ""
    missing.append(
        f"The run does not say which images it had{trouble}: those named here are the stack's when this was written."
    )
    return deployed


def _images(stack: Stack, missing: list[str]) -> Iterator[Image]:
    """Yield the stack's images with their digests, as the registry has them."""
    for image in dict.fromkeys(stack.images.values()):
        registry, _, path = image.partition("/")
        name, _, tag = path.rpartition(":")
        ids = [{"imageTag": tag}]
        digest, trouble = "", ""
        try:
            described = find.client("ecr", stack).describe_images(repositoryName=name, imageIds=ids)["imageDetails"]
            digest = next((one["imageDigest"].removeprefix("sha256:") for one in described), "")
        except (ClientError, BotoCoreError) as error:
            trouble = f": {explain_aws(error)}"
        if not digest:
            missing.append(f"The registry does not say the digest of {image}{trouble}.")
        yield Image(registry, name, tag, digest)


def _cost(s3: "S3Client", stack: Stack, run: Run, prices_file: Path | None, missing: list[str]) -> float | None:
    try:
        made = bill_of(run, stack, prices_file, s3=s3)
    except UserError as error:
        missing.append(str(error))
        return None
    missing.extend(made.notes)
    return made.total
