"""Objects of a run on S3, and which of them are results."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from terraflow.errors import UserError
from terraflow.runs.find import Run

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

RESULTS = "results/"
# Metadata of an object that `terraflow stage` has uploaded: the SHA-256 of its file.
DIGEST = "sha256"
RECEIPT = "ro-crate-metadata.json"
# Files that one job leaves for the next; a run deletes them itself. The profile `aws` tags the same.
INTERMEDIATES = ("results/reads/*.fastq*", "results/bwa_mem/*", "results/slices/*")
# What heads keep for themselves: locks and the like, their record and archive, and the sources that workers get.
BOOKKEEPING = (".*", "head/*", "snakemake-workflow-sources.*")
# How many of something a message names.
SHOWN = 10


@dataclass(frozen=True)
class Object:
    """An object of a run: `path` is its key below the run's prefix, `size` is in bytes, `etag` without quotes."""

    path: str
    size: int
    etag: str


def of_run(s3: "S3Client", run: Run, below: str = "") -> list[Object]:
    """Return the objects of a run whose paths begin with `below`, by their paths."""
    start = f"{run.prefix}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=run.bucket, Prefix=f"{start}{below}")
    return [
        Object(one["Key"].removeprefix(start), one["Size"], one["ETag"].strip('"'))
        for page in pages
        for one in page.get("Contents", ())
    ]


def is_result(path: str) -> bool:
    """Return whether a path of a run is one of its results: what stays in results/, or the receipt."""
    return path == RECEIPT or (path.startswith(RESULTS) and not is_intermediate(path))


def is_intermediate(path: str) -> bool:
    """Return whether a path of a run is a file that one job leaves for the next."""
    return any(fnmatchcase(path, pattern) for pattern in INTERMEDIATES)


def select(objects: Iterable[Object], patterns: Sequence[str], workflow: str = "") -> list[Object]:
    """Return the results among these objects, or those that fit a pattern, such as `variants/*`, `*.cram` or `logs`.

    `workflow` is the path of the archive that the receipt describes, which goes with the results. A pattern fits whole
    paths, with or without results/ before them, or a folder; `*` stands for slashes, too. Raise UserError for a pattern
    that fits nothing.
    """
    # Where a program has made a folder in the bucket, there is an empty object.
    files = [one for one in objects if not (one.path.endswith("/") and not one.size)]
    if not patterns:
        return [one for one in files if is_result(one.path) or one.path == workflow]
    offered = [
        one
        for one in files
        if not is_intermediate(one.path) and not any(fnmatchcase(one.path, pattern) for pattern in BOOKKEEPING)
    ]
    chosen = {pattern: [one for one in offered if _fits(one.path, pattern)] for pattern in patterns}
    if idle := [pattern for pattern, fitting in chosen.items() if not fitting]:
        folders = sorted({one.path.removeprefix(RESULTS).rpartition("/")[0] or "(no folder)" for one in offered})
        more = [f"and {len(folders) - SHOWN} more"] if len(folders) > SHOWN else []
        raise UserError(
            f"--only {' '.join(map(repr, idle))}: no file of the run fits. Nothing was fetched. Its files lie in:",
            *folders[:SHOWN],
            *more,
        )
    wanted = {one for fitting in chosen.values() for one in fitting}
    return [one for one in offered if one in wanted]


def _fits(path: str, pattern: str) -> bool:
    plain = pattern.removeprefix("./").rstrip("/")
    names = (path, path.removeprefix(RESULTS))
    return any(fnmatchcase(name, plain) or fnmatchcase(name, f"{plain}/*") for name in names)
