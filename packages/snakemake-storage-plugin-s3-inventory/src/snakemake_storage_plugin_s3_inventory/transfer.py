"""Uploads and downloads: a local file or an object that is there is whole."""

import contextlib
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import botocore.exceptions
import urllib3.exceptions
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common.checksums import crc32, is_same
from snakemake_aws_common.patience import cancellation

from .errors import error_code
from .known_objects import ObjectInfo
from .listing import object_info
from .location import Location

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from s3transfer.futures import TransferFuture

MIB = 1 << 20
# Above this size an object is moved in parts, several at a time.
PARTS_ABOVE = 64 * MIB
PART = 16 * MIB
THREADS = 10
# Seconds before a transfer is tried again the first time.
PAUSE = 0.5
# Above this size S3 copies in parts only.
COPIED_AT_ONCE = 5 << 30
# Metadata that a copy keeps, besides the user's own.
KEPT = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "StorageClass",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
)
# Errors of a transfer that another try may mend, beyond what botocore tries again by itself.
PASSING = (
    botocore.exceptions.HTTPClientError,
    botocore.exceptions.IncompleteReadError,
    botocore.exceptions.ResponseStreamingError,
    botocore.exceptions.FlexibleChecksumError,
    urllib3.exceptions.HTTPError,
    RetriesExceededError,
    S3DownloadFailedError,
    ConnectionError,
)
# Errors among these that say nothing about an object, since there was no connection, or no answer.
UNREACHED = (
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.ProxyConnectionError,
    botocore.exceptions.ReadTimeoutError,
    botocore.exceptions.ConnectionClosedError,
)
# Errors of S3 that another try may mend. S3 says NoSuchUpload of an upload that is complete, if its first answer was
# lost.
CHANGED = ("PreconditionFailed", "412", "BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "NoSuchUpload")


class DamagedError(Exception):
    """A local copy differs from the object in S3."""


class ReplacedError(Exception):
    """An object is another one than was expected."""

    def __init__(self, found: ObjectInfo) -> None:
        """`found` is the object that is there instead."""
        self.found = found


class _KnownObject(BaseSubscriber):
    """Tells s3transfer the size and ETag of an object, so that it does not ask S3, and when nobody waits any more."""

    def __init__(self, size: int, etag: str) -> None:
        self._size, self._etag = size, etag
        self._is_cancelled = cancellation()

    def on_queued(self, future: "TransferFuture", **_: object) -> None:
        future.meta.provide_transfer_size(self._size)
        future.meta.provide_object_etag(self._etag)

    def on_progress(self, future: "TransferFuture", bytes_transferred: int, **_: object) -> None:
        if self._is_cancelled():
            future.cancel()


class Transfer:
    """Uploads and downloads with one client; safe to use from several threads."""

    def __init__(self, client: "S3Client", tries: int, parts_above: int = PARTS_ABOVE, part: int = PART) -> None:
        """Start no threads yet. `tries` of a whole transfer; sizes in bytes."""
        self._client = client
        self._tries = max(1, tries)
        self._parts_above = parts_above
        self._part = part
        self._lock = threading.Lock()
        self._shared: TransferManager | None = None

    @property
    def _manager(self) -> TransferManager:
        """Return s3transfer's threads, started when first needed."""
        with self._lock:
            if self._shared is None:
                config = TransferConfig(
                    multipart_threshold=self._parts_above,
                    multipart_chunksize=self._part,
                    max_request_concurrency=THREADS,
                    num_download_attempts=self._tries,
                )
                self._shared = TransferManager(self._client, config)
            return self._shared

    def upload(self, path: Path, location: Location, tags: dict[str, str]) -> int:
        """Store a file and return its size in bytes. S3 compares its checksum.

        The checksum covers the whole file also if it goes in parts, so that readers can compare it. Store nothing of a
        file that changes meanwhile, and raise WorkflowError.
        """
        before = path.stat()
        extra: dict[str, Any] = {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": crc32(path)}
        if tags:
            extra["Tagging"] = urlencode(tags)
        for last in self._attempts():
            try:
                if before.st_size < self._parts_above:
                    with path.open("rb") as body:
                        self._client.put_object(Bucket=location.bucket, Key=location.key, Body=body, **extra)
                else:
                    self._manager.upload(str(path), location.bucket, location.key, extra_args=dict(extra)).result()
                break
            except (botocore.exceptions.ClientError, *PASSING) as error:
                if last or error_code(error) not in ("", *CHANGED) or _differs(path, before):
                    self._refuse_change(path, before, location)
                    raise
        self._refuse_change(path, before, location, stored=True)
        return before.st_size

    def _refuse_change(self, path: Path, before: os.stat_result, location: Location, *, stored: bool = False) -> None:
        if not _differs(path, before):
            return
        if stored:
            self._client.delete_object(Bucket=location.bucket, Key=location.key)
        raise WorkflowError(
            f"{path} changed while it was stored as {location.query}, so nothing was kept of it. Does its job leave "
            "processes behind that still write? A job may end only after all its processes have ended."
        )

    def download(self, location: Location, path: Path, size: int, etag: str = "") -> None:
        """Make a local copy under another name, compare it with the object, and then give it its name.

        `size` in bytes decides whether it is read in parts. A file that was there stays if the transfer fails.
        Raise ReplacedError if `etag` is given and the object has another one.
        """
        for last in self._attempts():
            try:
                with _temporary(path) as copy:
                    response = (self._in_parts if size >= self._parts_above else self._at_once)(location, copy, etag)
                    self._compare(copy, response, location)
                    # Snakemake counts a copy as outdated if it is older than its object: both times have to be S3's.
                    time_of_object = response["LastModified"].timestamp()
                    os.utime(copy, (time_of_object, time_of_object))
                    copy.replace(path)
                return
            except botocore.exceptions.ClientError as error:
                if last or error_code(error) not in CHANGED:
                    raise
            except (*PASSING, DamagedError) as error:
                if last and isinstance(cause := getattr(error, "last_exception", error), UNREACHED):
                    # An outage is waited for longer than this.
                    raise cause from error
                if last:
                    raise WorkflowError(
                        f"{location.query} arrived damaged or cut off, {self._tries} times ({error}). "
                        "Nothing was kept of it; check the network, and whether the object itself is whole."
                    ) from error

    def touch(self, location: Location, tags: dict[str, str]) -> None:
        """Copy an object onto itself, which gives it the present time and changes nothing else."""
        source = {"Bucket": location.bucket, "Key": location.key}
        known: Mapping[str, Any] = self._client.head_object(Bucket=location.bucket, Key=location.key)
        # S3 refuses a copy onto itself that changes nothing, so the same metadata are written again.
        extra: dict[str, Any] = {name: known[name] for name in KEPT if known.get(name)}
        extra |= {"Metadata": known.get("Metadata", {}), "MetadataDirective": "REPLACE"}
        if tags:
            extra |= {"Tagging": urlencode(tags), "TaggingDirective": "REPLACE"}
        manager = TransferManager(self._client, TransferConfig(multipart_threshold=COPIED_AT_ONCE))
        manager.copy(source, *location, extra_args=extra).result()

    def _attempts(self) -> Iterator[bool]:
        """Yield False for each try and True for the last, with growing pauses between them."""
        for attempt in range(1, self._tries + 1):
            yield attempt == self._tries
            time.sleep(min(PAUSE * 2 ** (attempt - 1), 20) * random.uniform(0.5, 1.0))

    def _at_once(self, location: Location, copy: Path, etag: str) -> Mapping[str, Any]:
        response = self._client.get_object(Bucket=location.bucket, Key=location.key, ChecksumMode="ENABLED")
        with contextlib.closing(response["Body"]) as body, copy.open("wb") as file:
            _refuse_another(response, etag)
            for chunk in body.iter_chunks(MIB):
                file.write(chunk)
        return response

    def _in_parts(self, location: Location, copy: Path, etag: str) -> Mapping[str, Any]:
        response = self._client.head_object(Bucket=location.bucket, Key=location.key, ChecksumMode="ENABLED")
        _refuse_another(response, etag)
        known = _KnownObject(response["ContentLength"], response["ETag"])
        self._manager.download(location.bucket, location.key, str(copy), subscribers=[known]).result()
        return response

    def _compare(self, copy: Path, response: Mapping[str, Any], location: Location) -> None:
        size = copy.stat().st_size
        if size != response["ContentLength"]:
            raise DamagedError(f"{size} bytes instead of {response['ContentLength']}")

        def length(part: int) -> int:
            return self._client.head_object(Bucket=location.bucket, Key=location.key, PartNumber=part)["ContentLength"]

        if is_same(copy, response, length) is False:
            raise DamagedError("its checksum differs")


def _refuse_another(response: Mapping[str, Any], etag: str) -> None:
    found = object_info(response)
    if etag and found.etag != etag:
        raise ReplacedError(found)


def _differs(path: Path, before: os.stat_result) -> bool:
    """Return whether a file has another size or time than before."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return True
    return (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Give a name for a file in the same folder, and remove the file afterwards unless it was renamed."""
    copy = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield copy
    finally:
        with contextlib.suppress(FileNotFoundError):
            copy.unlink()
