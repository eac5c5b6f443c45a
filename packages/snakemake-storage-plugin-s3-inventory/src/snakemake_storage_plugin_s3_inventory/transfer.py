"""Moving objects between S3 and local files, so that a file that is there is whole."""

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

from .client import error_code
from .listing import seen
from .location import Location
from .memory import Seen

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
# Besides the user's own metadata.
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
# Of these, those that say nothing about an object, since no connection came about.
UNREACHED = (
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.ProxyConnectionError,
)
# Errors of S3's that another try may mend. Of an upload that is complete, S3 may say that there is none, when its first
# answer was lost.
CHANGED = ("PreconditionFailed", "412", "BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "NoSuchUpload")


class DamagedError(Exception):
    """A local copy that is not what S3 holds."""


class ReplacedError(Exception):
    """An object that is not the one that was to be read."""

    def __init__(self, found: Seen) -> None:
        """`found` is what is there instead."""
        self.found = found


class _Known(BaseSubscriber):
    """Spares s3transfer its own question about an object."""

    def __init__(self, size: int, etag: str) -> None:
        self._size, self._etag = size, etag

    def on_queued(self, future: "TransferFuture", **_: object) -> None:
        future.meta.provide_transfer_size(self._size)
        future.meta.provide_object_etag(self._etag)


class Transfer:
    """Uploads and downloads with one client; safe to use from several threads."""

    def __init__(self, client: "S3Client", tries: int, parts_above: int = PARTS_ABOVE, part: int = PART) -> None:
        """`tries` of a whole transfer; sizes in bytes."""
        self._client = client
        self._tries = max(1, tries)
        self._parts_above = parts_above
        self._part = part
        self._lock = threading.Lock()
        self._shared: TransferManager | None = None

    @property
    def _manager(self) -> TransferManager:
        """s3transfer's threads, started when first needed."""
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
        """Stores a file, whose checksum S3 compares, and gives its size in bytes.

        The checksum is that of the whole file also if it goes in parts, so that whoever reads it can compare it.
        Nothing is stored of a file that changes meanwhile.
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
            "processes behind that still write? It must end only when they do."
        )

    def download(self, location: Location, path: Path, size: int, etag: str = "") -> None:
        """Makes a local copy under another name, compares it with what S3 holds, and then gives it its name.

        `size` in bytes decides whether it is read in parts. A file that was there stays if the transfer fails.
        Raises ReplacedError if `etag` is given and the object has another one.
        """
        for last in self._attempts():
            try:
                with _beside(path) as copy:
                    response = (self._in_parts if size >= self._parts_above else self._at_once)(location, copy, etag)
                    self._compare(copy, response, location)
                    # Snakemake takes a copy that is older than its object for outdated: both times have to be S3's.
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
        """Copies an object onto itself, which gives it the present time and changes nothing else."""
        source = {"Bucket": location.bucket, "Key": location.key}
        known: Mapping[str, Any] = self._client.head_object(Bucket=location.bucket, Key=location.key)
        # S3 refuses a copy onto itself that changes nothing: the same metadata are written anew.
        extra: dict[str, Any] = {name: known[name] for name in KEPT if known.get(name)}
        extra |= {"Metadata": known.get("Metadata", {}), "MetadataDirective": "REPLACE"}
        if tags:
            extra |= {"Tagging": urlencode(tags), "TaggingDirective": "REPLACE"}
        manager = TransferManager(self._client, TransferConfig(multipart_threshold=COPIED_AT_ONCE))
        manager.copy(source, *location, extra_args=extra).result()

    def _attempts(self) -> Iterator[bool]:
        """As often as there are tries, with growing pauses between them; True for the last."""
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
        known = _Known(response["ContentLength"], response["ETag"])
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
    found = seen(response)
    if etag and found.etag != etag:
        raise ReplacedError(found)


def _differs(path: Path, before: os.stat_result) -> bool:
    """Whether a file is not as it was."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return True
    return (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A name for a file in the same folder, which is gone afterwards unless it was renamed."""
    copy = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield copy
    finally:
        with contextlib.suppress(FileNotFoundError):
            copy.unlink()
