"""An index in the bucket for all runs with one reference: built by the first of them, and copied beside the reference.

`reference/<digest>/<aligner>-<version>/genome.fa` is the reference as that run wrote it, with its index. Its key says
which reference it is of, by the digest of its content, and which aligner wrote it. It stays when the run is removed.
"""

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from terraflow.staging import Plan
from terraflow_workflow.reference.aligners import BWA, Aligner, aligner_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

STAGED = re.compile(r"reference/[0-9a-f]{16}/[^/]+")
GENOME = "genome.fa"
# Where a run writes its index, below its results (workflow/rules/reference.smk).
BUILT = {"bwa": f"reference/{GENOME}", "bwa-mem2": f"reference/bwa-mem2/{GENOME}"}
# Runs that are looked at, and at a time.
MOST, READERS = 500, 16


@dataclass(frozen=True)
class Found:
    """An index that can be used: the key of its FASTA, and the run that it was copied from; empty if it was there."""

    key: str
    run: str = ""


def take(
    s3: "S3Client",
    bucket: str,
    plan: Plan,
    own: dict[str, Any],
    config: dict[str, Any],
    earlier: Mapping[str, Any] | None,
) -> tuple[Plan, list[str]]:
    """Return the plan, and put into what is written, `own`, and the whole configuration that the index is there.

    Nothing changes where the author says `bwa_index`, where no run built the index, and where the file to write named
    another reference before, `earlier`: a run that goes on with it would begin anew. Return notes, too.
    """
    if config["reference"]["bwa_index"] != "build" or "bwa_index" in (own.get("reference") or {}):
        return plan, []
    place = ("reference", "fasta")
    given = plan.settings.get(place) or config["reference"]["fasta"].removeprefix(f"s3://{bucket}/")
    aligner = aligner_of(config)
    if earlier is not None and (earlier.get("reference") or {}).get("fasta") != f"s3://{bucket}/{_key(given, aligner)}":
        return plan, []
    try:
        found = find(s3, bucket, given, aligner)
    except ClientError as error:
        return plan, [f"whether a run has built the reference's index can't be seen: {error}."]
    if found is None:
        return plan, []
    for one in (own, config):
        one["reference"] = {**(one.get("reference") or {}), "bwa_index": "prebuilt"}
    where = f"run {found.run} built, copied to" if found.run else "an earlier run built, in"
    return replace(plan, settings={**plan.settings, place: found.key}), [
        f"the run takes the index of {aligner.name} {aligner.version} that {where} s3://{bucket}/{found.key}, and "
        "builds none. reference.bwa_index: build in your configuration has it build one."
    ]


def find(s3: "S3Client", bucket: str, reference: str, aligner: Aligner) -> Found | None:
    """Return the index of a reference, by the key under which `terraflow stage` sent that; None if no run built it.

    Copies it from the run that did. Raise ClientError for what may not be read or written.
    """
    if not STAGED.fullmatch(reference):
        return None
    key = _key(reference, aligner)
    names = ("", *aligner.suffixes)
    if _dates(s3, bucket, key).keys() >= {key + name for name in names}:
        return Found(key)
    for run, finished in _runs(s3, bucket, f"s3://{bucket}/{reference}", aligner):
        results = f"runs/{run}/results/"
        built = {name: results + (BUILT[aligner.name] + name if name else BUILT[BWA.name]) for name in names}
        dates = _dates(s3, bucket, f"{results}reference/")
        # A run that has gone on since with another reference may have written that, and says so only when it is done.
        if any(path not in dates or dates[path] > finished for path in built.values()):
            continue
        # The FASTA comes last: without it, the index counts for none.
        for name in reversed(names):
            unchanged = {"CopySourceIfUnmodifiedSince": finished}
            s3.copy({"Bucket": bucket, "Key": built[name]}, bucket, key + name, ExtraArgs=unchanged)
        return Found(key, run)
    return None


def _key(reference: str, aligner: Aligner) -> str:
    return f"{reference.rpartition('/')[0]}/{aligner.name}-{aligner.version}/{GENOME}"


def _dates(s3: "S3Client", bucket: str, prefix: str) -> dict[str, datetime]:
    """Return when each object below a prefix was written, in whole seconds as the answers about one object have it."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    items = (item for page in pages for item in page.get("Contents", []))
    return {item["Key"]: item["LastModified"].replace(microsecond=0) for item in items}


def _runs(s3: "S3Client", bucket: str, fasta: str, aligner: Aligner) -> Iterator[tuple[str, datetime]]:
    """Yield the names of runs that built the aligner's index of this reference, and when each was done."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="runs/", Delimiter="/")
    prefixes = (item["Prefix"] for page in pages for item in page.get("CommonPrefixes", []))
    names = [prefix.split("/")[1] for prefix in islice(prefixes, MOST)]
    with ThreadPoolExecutor(READERS) as pool:
        configs = list(pool.map(lambda name: _config(s3, bucket, name), names))
    for name, (config, finished) in zip(names, configs, strict=True):
        reference, alignment = config.get("reference", {}), config.get("alignment", {})
        if (reference.get("fasta"), reference.get("bwa_index", "build")) == (fasta, "build") and alignment.get(
            "aligner", BWA.name
        ) == aligner.name:
            yield name, finished


def _config(s3: "S3Client", bucket: str, run: str) -> tuple[dict[str, Any], datetime]:
    """Return the configuration that a run had, by its run.json, and its date; nothing for a run that isn't finished."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=f"runs/{run}/results/run.json")
        config = json.loads(answer["Body"].read())["config"]
        return config if isinstance(config, dict) else {}, answer["LastModified"]
    except (ClientError, ValueError, KeyError, TypeError):
        return {}, datetime.min.replace(tzinfo=UTC)
