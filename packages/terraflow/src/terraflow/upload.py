"""Uploads files to S3: none twice, none half, and each is compared with what S3 holds afterwards."""

import base64
import hashlib
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

from snakemake_aws_common.checksums import is_same
from terraflow.completed import for_each
from terraflow.errors import UserError
from terraflow.fetching.objects import DIGEST
from terraflow.staging import Item

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef
    from s3transfer.futures import TransferFuture

T = TypeVar("T")
R = TypeVar("R")
MIB = 1 << 20
# Above this size a file goes in parts. S3 takes 10,000 of them; s3transfer makes larger ones where that is needed.
PARTS_ABOVE = 64 * MIB
PART = 16 * MIB
REQUESTS = 10
# Files that are read at a time.
READERS = 4
# Errors of S3 when the bytes that arrived do not have the checksum that was sent along.
REFUSED = ("BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch")


class State(Enum):
    """S3's object under the key of a file, compared with the file."""

    ABSENT = "absent"
    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Fingerprint:
    """Size and checksums of a file; CRC-32 as S3's headers have it, SHA-256 in hexadecimal."""

    size: int
    crc32: str
    sha256: str


def fingerprint(
    path: Path, stopped: threading.Event | None = None, progress: Callable[[int], None] = lambda _: None
) -> Fingerprint:
    """Read a file once, and call `progress` with numbers of bytes. Raise CancelledError as soon as `stopped` is set."""
    crc, digest, size = 0, hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(MIB):
            if stopped is not None and stopped.is_set():
                raise CancelledError
            crc = zlib.crc32(chunk, crc)
            digest.update(chunk)
            size += len(chunk)
            progress(len(chunk))
    return Fingerprint(size, base64.b64encode(crc.to_bytes(4, "big")).decode(), digest.hexdigest())


class Uploads:
    """Compares and uploads files with one client."""

    def __init__(self, client: "S3Client", bucket: str, parts_above: int = PARTS_ABOVE, part: int = PART) -> None:
        """Take sizes in bytes: of the smallest file that is sent in parts, and of a part."""
        self._client = client
        self._bucket = bucket
        self._stopped = threading.Event()
        # Each file is read once before it is sent; S3 refuses it if its content is another one by then.
        self._read: dict[Path, Fingerprint] = {}
        self._config = TransferConfig(
            multipart_threshold=parts_above, multipart_chunksize=part, max_request_concurrency=REQUESTS
        )

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file in hexadecimal."""
        return self._fingerprint(path).sha256

    def read(self, paths: Iterable[Path], progress: Callable[[int], None]) -> None:
        """Read files for their checksums, several at a time, and call `progress` with numbers of bytes."""
        self._in_parallel(paths, lambda path: self._fingerprint(path, progress))

    def compare(self, items: Sequence[Item]) -> dict[Item, State]:
        """Compare each file with the object that S3 has under its key."""
        return self._in_parallel(items, self._compare)

    def _in_parallel(self, arguments: Iterable[T], function: Callable[[T], R]) -> dict[T, R]:
        """Call a function with each argument, several at a time; return its results by argument, in the same order."""
        with ThreadPoolExecutor(READERS) as pool:
            futures = {argument: pool.submit(function, argument) for argument in dict.fromkeys(arguments)}
            with self._cancelling(futures.values()):
                for_each(futures.values(), lambda future: future.result())
        return {argument: future.result() for argument, future in futures.items()}

    def _fingerprint(self, path: Path, progress: Callable[[int], None] = lambda _: None) -> Fingerprint:
        if path not in self._read:
            self._read[path] = fingerprint(path, self._stopped, progress)
        return self._read[path]

    def send(self, items: Iterable[Item], progress: Callable[[int], None], done: Callable[[Item], None]) -> None:
        """Upload files, several at a time; call `progress` with numbers of bytes, and `done` with each item sent.

        Abort unfinished uploads at an error or Ctrl-C: S3 shows an object only when it is whole.
        """
        pool = ThreadPoolExecutor(READERS)
        try:
            with TransferManager(self._client, self._config) as manager:
                futures = {pool.submit(self._send, manager, item, progress): item for item in items}

                def sent(future: Future[None]) -> None:
                    future.result()
                    done(futures[future])

                with self._cancelling(futures):
                    for_each(futures, sent)
        finally:
            pool.shutdown(cancel_futures=True)

    @contextmanager
    def _cancelling(self, futures: Iterable[Future[Any]]) -> Iterator[None]:
        """At an error, cancel what has not begun, and stop reading files."""
        try:
            yield
        except BaseException:
            self._stopped.set()
            for future in futures:
                future.cancel()
            raise

    def _head(self, key: str) -> "HeadObjectOutputTypeDef | None":
        try:
            return self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound"):
                return None
            raise

    def _compare(self, item: Item) -> State:
        head = self._head(item.key)
        if head is None:
            return State.ABSENT
        digest = head.get("Metadata", {}).get(DIGEST)
        if digest and head["ContentLength"] == item.path.stat().st_size:
            return State.SAME if digest == self.digest(item.path) else State.DIFFERENT

        def length(part: int) -> int:
            return self._client.head_object(Bucket=self._bucket, Key=item.key, PartNumber=part)["ContentLength"]

        # Not uploaded by terraflow: compare by whatever checksum S3 has.
        return State.SAME if is_same(item.path, head, length) else State.DIFFERENT

    def _send(self, manager: TransferManager, item: Item, progress: Callable[[int], None]) -> None:
        local = self._fingerprint(item.path)
        extra = {"ChecksumCRC32": local.crc32, "Metadata": {DIGEST: local.sha256}}
        try:
            manager.upload(str(item.path), self._bucket, item.key, extra, subscribers=[_Progress(progress)]).result()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in REFUSED:
                raise
            raise UserError(
                f"{item.path} has changed since its checksum was read: is it still being written? S3 kept nothing of "
                "it; run the command again when the file is whole."
            ) from None
        self._verify(item, local)

    def _verify(self, item: Item, local: Fingerprint) -> None:
        head = self._head(item.key)
        found = head and (head["ContentLength"], head.get("ChecksumCRC32", local.crc32), head["Metadata"].get(DIGEST))
        expected = (local.size, local.crc32, local.sha256)
        if found != expected:
            raise UserError(
                f"s3://{self._bucket}/{item.key} is not what {item.path} was (size, CRC-32, SHA-256): found {found}, "
                f"expected {expected}. Did the file change meanwhile, or does somebody else write there? Run the "
                "command again when neither does."
            )


class _Progress(BaseSubscriber):
    """Passes on the numbers of bytes sent; a part that is sent again is subtracted first."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress

    def on_progress(self, future: "TransferFuture", bytes_transferred: int, **_: object) -> None:
        self._progress(bytes_transferred)
