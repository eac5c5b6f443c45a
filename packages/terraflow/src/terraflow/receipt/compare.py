"""Compares a receipt with what lies there: in the bucket, by what S3 knows or by reading it, or in a folder."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from snakemake_aws_common.checksums import of_file
from terraflow.fetching import objects
from terraflow.fetching.objects import RECEIPT, RESULTS, Object
from terraflow.receipt import contents
from terraflow.receipt.facts import ETAG, PLAIN, Content
from terraflow.receipt.reading import Receipt
from terraflow.runs.find import Run

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

S3 = "s3://"
UNCOMPARABLE = "no checksum of the whole file that could be compared"
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Differences:
    """How what lies there differs from a receipt: paths, with what has changed; inputs by their addresses."""

    same: int = 0
    missing: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    extra: tuple[str, ...] = ()
    # Inputs that this caller can't look at, or the receipt's writer could not.
    unseen: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything differs."""
        return bool(self.missing or self.changed or self.extra)


def in_bucket(s3: "S3Client", run: Run, receipt: Receipt, deep: Progress | None = None) -> Differences:
    """Compare outputs and inputs with their objects; read all of them if `deep`, which gets numbers of bytes, is given.

    Without it, an object of the same size and ETag is the same one, and S3 is asked for the checksums of all others.
    """
    listed = {one.path: one for one in objects.of_run(s3, run) if objects.is_result(one.path) and one.path != RECEIPT}
    seen = {address: content for address, content in receipt.inputs.items() if content and address.startswith(S3)}

    def output(path: str) -> str | None:
        if path not in listed:
            return None
        return _difference(s3, run.bucket, f"{run.prefix}/{path}", receipt.outputs[path], listed[path], deep)

    def input_(address: str) -> str | None:
        bucket, _, key = address.removeprefix(S3).partition("/")
        try:
            return _difference(s3, bucket, key, seen[address], None, deep)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 403:
                return unseen
            raise

    # No text of a difference.
    unseen = "\0"
    found = contents.in_parallel(receipt.outputs, output) | contents.in_parallel(seen, input_)
    hidden = {name for name, how in found.items() if how == unseen} | (receipt.inputs.keys() - seen.keys())
    extra = [path for path in listed if path not in receipt.outputs and not path.endswith("/")]
    return _sorted({name: how for name, how in found.items() if name not in hidden}, extra, sorted(hidden))


def _difference(
    s3: "S3Client", bucket: str, key: str, known: Content, listed: Object | None, deep: Progress | None
) -> str | None:
    """Return how an object differs from what it was: "" for not at all, None for one that is gone."""
    if listed is not None and listed.size != known.size:
        return contents.differs(known, Content(listed.size, listed.etag))
    if deep is None and listed is not None and listed.etag == known.etag:
        return ""
    now = contents.content_of(s3, bucket, key)
    if now is None:
        return None
    if deep is None or now.size != known.size:
        return contents.differs(known, now)
    return contents.read_differs(s3, bucket, key, known, deep)


def in_folder(folder: Path, receipt: Receipt, progress: Progress) -> Differences:
    """Compare outputs with the files below a folder that `terraflow fetch` has filled, by their bytes."""

    def output(path: str) -> str | None:
        if not (folder / path).is_file():
            return None
        how = _file_differs(folder / path, receipt.outputs[path])
        progress(receipt.outputs[path].size)
        return how

    there = {path.relative_to(folder).as_posix() for path in (folder / RESULTS).rglob("*") if path.is_file()}
    extra = sorted(path for path in there - receipt.outputs.keys() if objects.is_result(path))
    return _sorted({path: output(path) for path in receipt.outputs}, extra, [])


def _file_differs(path: Path, known: Content) -> str:
    if (size := path.stat().st_size) != known.size:
        return f"{size} bytes instead of {known.size}"
    name = next((name for name, value in known.checksums.items() if "-" not in value), None)
    if name is None:
        return UNCOMPARABLE
    digest = of_file(path, {"md5": ETAG, "sha256": "ChecksumSHA256"}.get(name, name))
    found = digest.hex() if name in PLAIN else base64.b64encode(digest).decode()
    return "" if found == known.checksums[name] else f"{name} {found} instead of {known.checksums[name]}"


def _sorted(found: Mapping[str, str | None], extra: list[str], unseen: list[str]) -> Differences:
    return Differences(
        same=sum(how == "" for how in found.values()),
        missing=tuple(name for name, how in found.items() if how is None),
        changed=tuple((name, how) for name, how in found.items() if how),
        extra=tuple(extra),
        unseen=tuple(unseen),
    )
