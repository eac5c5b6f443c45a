"""Directories: a local folder, and the objects in S3 whose keys continue after the directory's key and a slash."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_interface_common.exceptions import WorkflowError

from .listing import Entry
from .location import Location
from .transfer import Transfer

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Objects that one request can delete.
BATCH = 1000


def upload(path: Path, directory: Location, client: "S3Client", store: Callable[[Path, Location], int]) -> int:
    """Store each file below a folder by `store`, which returns its size; return the sum of the sizes in bytes.

    An empty folder becomes an empty object whose key ends with a slash. Links are followed, since S3 has none.
    """
    size = 0
    for folder, folders, files in os.walk(path, onerror=_raise, followlinks=True):
        inside = Path(folder).relative_to(path).as_posix()
        prefix = directory.inside if inside == "." else f"{directory.key}/{inside}/"
        for name in files:
            size += store(Path(folder, name), Location(directory.bucket, f"{prefix}{name}"))
        if not folders and not files:
            client.put_object(Bucket=directory.bucket, Key=prefix, Body=b"")
    return size


def download(entries: Iterable[Entry], directory: Location, path: Path, transfer: Transfer, *, compare: bool) -> None:
    """Make a local copy of a directory from the entries of its listing; it is either whole or not there.

    With `compare`, raise ReplacedError if an object has another ETag than its entry. Raise WorkflowError if a key would
    lead out of the folder.
    """
    with _replacement_of(path) as copy:
        for entry in entries:
            name = entry["Key"].removeprefix(directory.inside)
            if not {"", ".", ".."}.isdisjoint(name.removesuffix("/").split("/")) and name:
                raise WorkflowError(
                    f"s3://{directory.bucket}/{entry['Key']} would not lie in the folder of {directory.query} on a "
                    "disk: give it a key without empty parts, '.' and '..'."
                )
            file = copy / name
            if not name or name.endswith("/"):
                file.mkdir(parents=True, exist_ok=True)
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            etag = entry["ETag"].strip('"') if compare else ""
            transfer.download(Location(directory.bucket, entry["Key"]), file, entry["Size"], etag)


def remove(entries: Iterable[Entry], bucket: str, client: "S3Client") -> None:
    """Delete the objects of a directory. Raise WorkflowError if S3 does not delete one."""
    keys = [entry["Key"] for entry in entries]
    for start in range(0, len(keys), BATCH):
        batch = [{"Key": key} for key in keys[start : start + BATCH]]
        response = client.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})  # type: ignore[typeddict-item]
        for error in response.get("Errors", []):
            raise WorkflowError(f"S3 did not delete s3://{bucket}/{error['Key']}: {error['Message']}")


def _raise(error: OSError) -> None:
    raise error


@contextlib.contextmanager
def _replacement_of(path: Path) -> Iterator[Path]:
    """Give a folder that takes the place of `path` if all goes well, and is removed otherwise."""
    copy = path.with_name(f".{uuid.uuid4().hex}.part")
    copy.mkdir(parents=True)
    try:
        yield copy
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        copy.rename(path)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
