"""Downloads objects: none twice, none half, and each is compared with the checksum that S3 has of it.

The bytes of an object go to a part file beside its place, named for the object's key and ETag. Whatever ends a
download, the next one goes on where the part file ends. A part file that is whole and has the right checksum gets the
name of the object's place.
"""

import contextlib
import hashlib
import os
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from snakemake_aws_common.checksums import expected, is_same
from snakemake_aws_common.conditional import error_code
from snakemake_aws_common.patience import retry_seconds
from terraflow.completed import for_each
from terraflow.errors import UserError
from terraflow.runs.find import Run

from .objects import Object

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")
R = TypeVar("R")
MIB = 1 << 20
# Files that are fetched or compared at a time.
WORKERS = 8
# Tries in a row that bring nothing, seconds before the second one, and the longest pause.
TRIES = 8
PAUSE, LONGEST_PAUSE = 0.5, 30.0
# Times that an object may change, or arrive damaged, while it is fetched.
VERSIONS = 3
DAMAGED = 3
GONE = ("404", "NoSuchKey", "NotFound")
CHANGED = ("412", "PreconditionFailed", *GONE)
# Errors of a connection that another try may mend; `ssl` and `socket` raise OSError.
PASSING = (BotoCoreError, HTTPError, OSError)


class State(Enum):
    """A local file, compared with the object that it is a copy of."""

    ABSENT = "absent"
    SAME = "same"
    DIFFERENT = "different"


class ChangedError(Exception):
    """S3 has another object under a key than a moment ago."""


@dataclass(frozen=True)
class Copy:
    """An object of a run, and its place on this disk."""

    object: Object
    path: Path

    def part(self, etag: str) -> Path:
        """Return the file that takes the bytes of the object with this ETag. Its name is short, whatever the key's."""
        digest = hashlib.sha256(etag.encode()).hexdigest()[:8]
        return self.path.with_name(f"{self._stem}{digest}.part")

    def parts(self) -> list[Path]:
        """Return all part files of this object, also those of earlier versions of it."""
        return sorted(self.path.parent.glob(f"{self._stem}*.part"))

    @property
    def _stem(self) -> str:
        return f".{hashlib.sha256(self.object.path.encode()).hexdigest()[:16]}."


class Downloads:
    """Compares and downloads objects of one run with one client."""

    def __init__(self, client: "S3Client", run: Run) -> None:
        """Ask S3 nothing yet."""
        self._client, self._run = client, run
        self._stopped = threading.Event()
        # Paths of objects of which S3 has no checksum of use, so that only their sizes could be compared.
        self.by_size: set[str] = set()

    def compare(self, copies: Sequence[Copy], progress: Callable[[int], None]) -> dict[Copy, State]:
        """Compare local files with their objects, several at a time; `progress` gets the size of each that is done."""

        def compare(copy: Copy) -> State:
            state = self._compare(copy)
            progress(copy.object.size)
            return state

        return self._in_parallel(copies, compare, lambda _: None)

    def fetch(self, copies: Iterable[Copy], progress: Callable[[int], None], done: Callable[[Copy], None]) -> None:
        """Download objects, several at a time; call `progress` with numbers of bytes, `done` with each that is whole.

        `progress` also gets what earlier downloads have brought, and what has to be fetched again as a negative number.
        Raise UserError for an object that can't be had as S3 describes it.
        """
        self._in_parallel(copies, lambda copy: self._fetch(copy, progress), done)

    def _in_parallel(self, items: Iterable[T], function: Callable[[T], R], done: Callable[[T], None]) -> dict[T, R]:
        """Call a function with each item; at the first error, end all others where they are."""
        results: dict[T, R] = {}
        pool = ThreadPoolExecutor(WORKERS)
        try:
            futures = {pool.submit(function, item): item for item in items}

            def take(future: Future[R]) -> None:
                results[futures[future]] = future.result()
                done(futures[future])

            for_each(futures, take)
        except BaseException:
            self._stopped.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        return results

    def _address(self, copy: Copy) -> str:
        return f"{self._run.address}/{copy.object.path}"

    def _place(self, copy: Copy) -> dict[str, str]:
        return {"Bucket": self._run.bucket, "Key": f"{self._run.prefix}/{copy.object.path}"}

    def _head(self, copy: Copy) -> Mapping[str, Any]:
        try:
            return self._client.head_object(**self._place(copy), ChecksumMode="ENABLED")  # type: ignore[arg-type]
        except ClientError as error:
            if error_code(error) not in GONE:
                raise
            raise UserError(
                f"{self._address(copy)} is gone since it was listed. Does the run work, or does somebody remove it? "
                "Run the command again: what has arrived is not fetched twice."
            ) from None

    def _is_same(self, path: Path, copy: Copy, head: Mapping[str, Any]) -> bool | None:
        def length(part: int) -> int:
            answer = self._client.head_object(**self._place(copy), PartNumber=part)  # type: ignore[arg-type]
            return answer["ContentLength"]

        return is_same(path, head, length)

    def _compare(self, copy: Copy) -> State:
        if not copy.path.exists():
            return State.ABSENT
        if not copy.path.is_file():
            raise UserError(f"{copy.path} is no file, so {self._address(copy)} can't take its place: move it away.")
        if copy.path.stat().st_size != copy.object.size:
            return State.DIFFERENT
        return State.SAME if self._is_same(copy.path, copy, self._head(copy)) else State.DIFFERENT

    def _fetch(self, copy: Copy, progress: Callable[[int], None]) -> None:
        copy.path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(VERSIONS):
            head = self._head(copy)
            try:
                self._fetch_version(copy, head, progress)
            except ChangedError:
                continue
            for part in copy.parts():
                part.unlink()
            return
        raise UserError(
            f"{self._address(copy)} was written anew {VERSIONS} times while it was fetched. Does the run work? Run the "
            "command again when it has ended: what has arrived is not fetched twice."
        )

    def _fetch_version(self, copy: Copy, head: Mapping[str, Any], progress: Callable[[int], None]) -> None:
        part, size = copy.part(head["ETag"]), int(head["ContentLength"])
        for _ in range(DAMAGED):
            self._fill(copy, part, head, progress)
            same = self._is_same(part, copy, head)
            if same is not False:
                break
            part.unlink()
            progress(-size)
        else:
            checksum = expected(head)
            raise UserError(
                f"{self._address(copy)} arrived {DAMAGED} times with another checksum than S3 has of it "
                f"({checksum.algorithm if checksum else 'its size'}). Nothing was kept of it. Check the network and "
                "this machine's memory and disk, and whether the object itself is whole."
            )
        if same is None:
            self.by_size.add(copy.object.path)
        # Snakemake compares times, and those of results are S3's.
        time_of_object = head["LastModified"].timestamp()
        os.utime(part, (time_of_object, time_of_object))
        part.replace(copy.path)
        _sync_folder(copy.path.parent)

    def _fill(self, copy: Copy, part: Path, head: Mapping[str, Any], progress: Callable[[int], None]) -> None:
        """Fetch what a part file lacks, with another try after each error of the connection."""
        size, idle = int(head["ContentLength"]), 0
        with _written(part), part.open("ab") as file:
            if file.tell() > size:
                file.truncate(0)
            progress(file.tell())
            while file.tell() < size:
                before = file.tell()
                try:
                    self._append(copy, file, head, progress)
                    # S3 has ended its answer early.
                    trouble: Exception | None = None
                except ClientError as error:
                    if error_code(error) in CHANGED:
                        progress(-file.tell())
                        raise ChangedError from error
                    if not retry_seconds(error):
                        raise
                    trouble = error
                except PASSING as error:
                    trouble = error
                idle = 0 if file.tell() > before else idle + 1
                if idle == TRIES:
                    raise UserError(
                        f"{self._address(copy)} can't be fetched: {TRIES} tries in a row brought nothing "
                        f"({trouble or 'an empty answer'}). Is there a network? Run the command again: what has "
                        "arrived is kept."
                    )
                if idle and self._stopped.wait(min(PAUSE * 2**idle, LONGEST_PAUSE) * random.uniform(0.5, 1.0)):
                    raise CancelledError
            file.flush()
            os.fsync(file.fileno())

    def _append(self, copy: Copy, file: IO[bytes], head: Mapping[str, Any], progress: Callable[[int], None]) -> None:
        """Ask once for what a part file lacks, and append what comes."""
        begin, size = file.tell(), int(head["ContentLength"])
        wanted = {"IfMatch": head["ETag"], "Range": f"bytes={begin}-{size - 1}"}
        answer = self._client.get_object(**self._place(copy), **wanted)  # type: ignore[arg-type]
        with contextlib.closing(answer["Body"]) as body:
            for chunk in body.iter_chunks(MIB):
                if self._stopped.is_set():
                    raise CancelledError
                with _written(copy.path):
                    file.write(chunk)
                progress(len(chunk))


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    """Name the file in errors of this disk."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}. What has arrived is kept.") from error


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
