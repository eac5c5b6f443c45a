"""Reads what S3 knows of objects' contents, without reading the objects."""

import base64
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from snakemake_aws_common.checksums import ALGORITHMS, CHUNK, expected
from snakemake_aws_common.conditional import error_code
from terraflow.fetching.download import GONE
from terraflow.fetching.objects import DIGEST
from terraflow.receipt.facts import ETAG, PLAIN, STORED, Content

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")
R = TypeVar("R")
# Objects that are asked about at a time.
READERS = 24


def in_parallel(items: Iterable[T], function: Callable[[T], R]) -> dict[T, R]:
    """Return the function's results by item, in their order; several items are worked on at a time."""
    listed = list(items)
    pool = ThreadPoolExecutor(READERS)
    try:
        return dict(zip(listed, pool.map(function, listed), strict=True))
    finally:
        # At an error or Ctrl-C, nothing more is begun.
        pool.shutdown(cancel_futures=True)


def content_of(s3: "S3Client", bucket: str, key: str) -> Content | None:
    """Return what S3 knows of an object's content; None if there is no such object."""
    try:
        answer = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if error_code(error) in GONE:
            return None
        raise
    return content_in(answer)


def content_in(answer: Mapping[str, Any]) -> Content:
    """Return what S3's answer to HeadObject says of an object's content."""
    found = {name: str(answer[name]) for name in STORED if answer.get(name)}
    etag = expected({name: answer[name] for name in (ETAG, "ServerSideEncryption") if answer.get(name)})
    if etag is not None and not etag.parts:
        found["md5"] = etag.value.hex()
    if digest := answer.get("Metadata", {}).get(DIGEST):
        found["sha256"] = digest
    return Content(answer["ContentLength"], answer["ETag"].strip('"'), found)


def differs(known: Content, now: Content) -> str:
    """Return how an object's content differs from what it was; empty if it is the same.

    Where S3 has no checksum in common with what it had, the same content can't be shown, and that is said.
    """
    if known.size != now.size:
        return f"{now.size} bytes instead of {known.size}"
    if known.etag == now.etag:
        return ""
    common = [name for name in (*STORED, *PLAIN) if name in known.checksums and name in now.checksums]
    # A checksum of parts depends on how long they are.
    whole = [name for name in common if "-" not in known.checksums[name] and "-" not in now.checksums[name]]
    for name in whole or common:
        if known.checksums[name] != now.checksums[name]:
            return f"{name} {now.checksums[name]} instead of {known.checksums[name]}"
    return "" if common else "another ETag, and no checksum that could be compared"


def read_differs(s3: "S3Client", bucket: str, key: str, known: Content, progress: Callable[[int], None]) -> str:
    """Read an object, and return how its bytes differ from what they were; empty if they are the same."""
    if not known.checksums:
        return "no checksum that could be compared"
    name = next(name for name in (*reversed(PLAIN), *STORED) if name in known.checksums)
    value, _, parts = known.checksums[name].partition("-")
    make = ALGORITHMS["ChecksumSHA256" if name == "sha256" else ETAG if name == "md5" else name]
    whole = make()
    numbers: Iterable[int | None] = range(1, int(parts) + 1) if parts else [None]
    size = 0
    for number in numbers:
        part = {} if number is None else {"PartNumber": number}
        digest = make() if parts else whole
        for chunk in s3.get_object(Bucket=bucket, Key=key, **part)["Body"].iter_chunks(CHUNK):  # type: ignore[arg-type]
            digest.update(chunk)
            size += len(chunk)
            progress(len(chunk))
        if parts:
            whole.update(digest.digest())
    found = whole.digest().hex() if name in PLAIN else base64.b64encode(whole.digest()).decode()
    if size != known.size:
        return f"{size} bytes instead of {known.size}"
    return "" if found == value else f"{name} {found} instead of {value}"
