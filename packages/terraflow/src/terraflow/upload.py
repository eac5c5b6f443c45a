"""Files to S3: none twice, none half, each compared with what S3 holds afterwards."""

import base64
import hashlib
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

from snakemake_aws_common.checksums import is_same
from terraflow.errors import UserError
from terraflow.staging import Item

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef
    from s3transfer.futures import TransferFuture

T = TypeVar("T")
R = TypeVar("R")
MIB = 1 << 20
# Above this size a file goes in parts; S3 takes 10,000 of them, and s3transfer makes them larger where that is needed.
PARTS_ABOVE = 64 * MIB
PART = 16 * MIB
REQUESTS = 10
# Files that are read for their checksum at a time.
READERS = 4
# What S3 keeps with the object, so that the same file is known again.
KEPT = "sha256"
# What S3 answers when what came is not what the checksum was made of.
REFUSED = ("BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch")


class State(Enum):
    """What S3 has under the key of a file."""

    ABSENT = "absent"
    SAME = "same"
    OTHER = "other"


@dataclass(frozen=True)
class Fingerprint:
    """Size and checksums of a file; CRC-32 as S3's headers have it, SHA-256 in hexadecimal."""

    size: int
    crc32: str
    sha256: str


def fingerprint(
    path: Path, stopped: threading.Event | None = None, moved: Callable[[int], None] = lambda _: None
) -> Fingerprint:
    """Reads a file once, and tells `moved` of bytes. Raises CancelledError as soon as `stopped` is set."""
    crc, digest, size = 0, hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(MIB):
            if stopped is not None and stopped.is_set():
                raise CancelledError
            crc = zlib.crc32(chunk, crc)
            digest.update(chunk)
            size += len(chunk)
            moved(len(chunk))
    return Fingerprint(size, base64.b64encode(crc.to_bytes(4, "big")).decode(), digest.hexdigest())


class Uploads:
    """Comparing and sending with one client."""

    def __init__(self, client: "S3Client", bucket: str, parts_above: int = PARTS_ABOVE, part: int = PART) -> None:
        """Sizes in bytes."""
        self._client = client
        self._bucket = bucket
        self._stopped = threading.Event()
        # Each file is read once before it is sent; S3 refuses it if it reads otherwise then.
        self._read: dict[Path, Fingerprint] = {}
        self._config = TransferConfig(
            multipart_threshold=parts_above, multipart_chunksize=part, max_request_concurrency=REQUESTS
        )

    def digest(self, path: Path) -> str:
        """SHA-256 of a file in hexadecimal."""
        return self._fingerprint(path).sha256

    def read(self, paths: Iterable[Path], moved: Callable[[int], None]) -> None:
        """Reads files for their checksums, several at a time; `moved` is told of bytes as they go."""
        self._for_each(paths, lambda path: self._fingerprint(path, moved))

    def compare(self, items: Sequence[Item]) -> dict[Item, State]:
        """What S3 has of each file already."""
        return self._for_each(items, self._compare)

    def _for_each(self, things: Iterable[T], work: Callable[[T], R]) -> dict[T, R]:
        """The work's results in the order of the things, several at a time."""
        with ThreadPoolExecutor(READERS) as pool:
            futures = {thing: pool.submit(work, thing) for thing in dict.fromkeys(things)}
            with self._cancelling(futures.values()):
                for future in as_completed(futures.values()):
                    future.result()
        return {thing: future.result() for thing, future in futures.items()}

    def _fingerprint(self, path: Path, moved: Callable[[int], None] = lambda _: None) -> Fingerprint:
        if path not in self._read:
            self._read[path] = fingerprint(path, self._stopped, moved)
        return self._read[path]

    def send(self, items: Iterable[Item], moved: Callable[[int], None], done: Callable[[Item], None]) -> None:
        """Uploads the files, several at a time; `moved` is told of bytes as they go, `done` of each whole object.

        At an error, or when the user interrupts, what has begun is aborted: S3 shows an object only when it is whole.
        """
        pool = ThreadPoolExecutor(READERS)
        try:
            with TransferManager(self._client, self._config) as manager:
                futures = {pool.submit(self._send, manager, item, moved): item for item in items}
                with self._cancelling(futures):
                    for future in as_completed(futures):
                        future.result()
                        done(futures[future])
        finally:
            pool.shutdown(cancel_futures=True)

    @contextmanager
    def _cancelling(self, futures: Iterable[Future[Any]]) -> Iterator[None]:
        """At the first error what has not begun is dropped, and what is being read is not read to its end."""
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
        kept = head.get("Metadata", {}).get(KEPT)
        if kept and head["ContentLength"] == item.path.stat().st_size:
            return State.SAME if kept == self.digest(item.path) else State.OTHER

        def length(part: int) -> int:
            return self._client.head_object(Bucket=self._bucket, Key=item.key, PartNumber=part)["ContentLength"]

        # Not sent by us: by whatever checksum S3 has.
        return State.SAME if is_same(item.path, head, length) else State.OTHER

    def _send(self, manager: TransferManager, item: Item, moved: Callable[[int], None]) -> None:
        local = self._fingerprint(item.path)
        extra = {"ChecksumCRC32": local.crc32, "Metadata": {KEPT: local.sha256}}
        try:
            manager.upload(str(item.path), self._bucket, item.key, extra, subscribers=[_Moved(moved)]).result()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in REFUSED:
                raise
            raise UserError(
                f"{item.path} did not reach S3 as it was read for its checksum: is it still being written? Nothing was "
                "kept of it; run the command again when it is whole."
            ) from None
        self._refuse_difference(item, local)

    def _refuse_difference(self, item: Item, local: Fingerprint) -> None:
        head = self._head(item.key)
        found = head and (head["ContentLength"], head.get("ChecksumCRC32", local.crc32), head["Metadata"].get(KEPT))
        expected = (local.size, local.crc32, local.sha256)
        if found != expected:
            raise UserError(
                f"s3://{self._bucket}/{item.key} is not what {item.path} was (size, CRC-32, SHA-256): found {found}, "
                f"expected {expected}. Did the file change meanwhile, or does somebody else write there? Run the "
                "command again when neither does."
            )


class _Moved(BaseSubscriber):
    """Tells of bytes as they go; a part that is sent again is first taken back."""

    def __init__(self, moved: Callable[[int], None]) -> None:
        self._moved = moved

    def on_progress(self, future: "TransferFuture", bytes_transferred: int, **_: object) -> None:
        self._moved(bytes_transferred)
