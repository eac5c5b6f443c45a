"""The record of the run, as this head writes it: attempts as they end, in a thread of its own.

`note` takes what a look at the jobs has shown, without waiting. The thread reads what the workers have measured, writes
all attempts that have ended since in one PUT of the current part, and removes the measurements at the end, or when they
are many. What can't be written is tried again, later and later, and at the end; no run fails for it.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common.record.attempt import Attempt, Step
from snakemake_aws_common.record.measured import MEASURED, measured_name, unpack_steps
from snakemake_aws_common.record.store import MISSING, PART, below, pack, part_name

from .attempts import Known, ended_attempts
from .preflight import DENIED
from .untyped import Client

# Measurements that are read at a time, and objects that one call removes.
READERS = 8
REMOVED_AT_ONCE = 1000
# Seconds between two looks of the thread, and the longest pause after a failed write.
TICK = 0.5
LONGEST_PAUSE = 60.0
TROUBLE = (ClientError, BotoCoreError, WorkflowError)


@dataclass(frozen=True)
class Place:
    """Where a run lies on S3, and the client that changes nothing there without the lock of the run."""

    s3: Client
    bucket: str
    prefix: str

    def at(self, name: str) -> str:
        """Return the key of a name below the run's prefix."""
        return below(self.prefix, name)

    def put(self, name: str, body: bytes, kind: str) -> None:
        """Write an object; `kind` is its content type."""
        self.s3.put_object(Bucket=self.bucket, Key=self.at(name), Body=body, ContentType=kind)


class Recorder:
    """Writes attempts that have ended. Safe to use from several threads."""

    def __init__(
        self,
        place: Place,
        head: str,
        is_spot: Mapping[str, bool],
        warn: Callable[[str], None],
        ticked: Callable[[], None] = lambda: None,
    ) -> None:
        """Write nothing yet; `head` begins with the time when this head began.

        `ticked` is called in the thread, after each round.
        """
        self._place = place
        self.head, self._is_spot = head, is_spot
        self._warn, self._ticked = warn, ticked
        self._lock = threading.Lock()
        self._wake, self._over = threading.Event(), threading.Event()
        # Attempts that are known to be in the record, or on their way to it.
        self._known: set[tuple[str, int]] = set()
        self._waiting: list[Attempt] = []
        # The current part, its number, and whether S3 lacks some of it.
        self._part: list[Attempt] = []
        self._number = 1
        # Measurements that are in the record, and not removed yet.
        self._spent: set[tuple[str, int]] = set()
        self._unwritten = False
        self._warned = False
        self._pause, self._next = TICK, 0.0
        self._thread = threading.Thread(target=self._work, name="record of the run", daemon=True)

    def start(self) -> None:
        """Write from here on."""
        self._thread.start()

    def is_known(self, native_id: str, attempt: int) -> bool:
        """Return whether an attempt is recorded, or about to be."""
        with self._lock:
            return (native_id, attempt) in self._known

    def know(self, attempts: Iterable[Attempt]) -> None:
        """Note that earlier heads have recorded these."""
        with self._lock:
            self._known.update((one.native_id, one.attempt) for one in attempts)

    def note(self, description: Mapping[str, Any], of: Known) -> list[Attempt]:
        """Record the attempts of a job that have ended, if they are not recorded; return those that are added."""
        if not description.get("attempts") and description["status"] not in ("SUCCEEDED", "FAILED"):
            return []
        with self._lock:
            found = [
                one
                for one in ended_attempts(description, of, self._is_spot, self.head)
                if (one.native_id, one.attempt) not in self._known
            ]
            self._known.update((one.native_id, one.attempt) for one in found)
            self._waiting += found
        return found

    def write_soon(self) -> None:
        """Let the thread write what was noted: called once after a look, so that one PUT holds all of it."""
        self._wake.set()

    def finish(self, within: float) -> int:
        """Write what is left, within so many seconds; return how many attempts the record lacks."""
        self._over.set()
        self._next = 0.0
        self._wake.set()
        self._thread.join(within)
        with self._lock:
            return len(self._waiting) + (len(self._part) if self._unwritten else 0)

    def _work(self) -> None:
        while True:
            self._wake.wait(TICK)
            over = self._over.is_set()
            if self._wake.is_set() or self._unwritten:
                self._wake.clear()
                if over or time.monotonic() >= self._next:
                    self._try_to_write()
                else:
                    self._over.wait(TICK)
                    self._wake.set()
            self._ticked()
            if over:
                return

    def _try_to_write(self) -> None:
        try:
            self.write()
        except TROUBLE as error:
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
            self._next = time.monotonic() + self._pause
            if not self._warned:
                self._warned = True
                self._warn(f"The record of the run can't be written just now ({error}). It is tried again.")
        else:
            self._pause = TICK

    def write(self) -> None:
        """Write all that waits. Raises what S3 says if it does not take it; nothing is lost by that."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        try:
            measured = self._measured(waiting)
        except BaseException:
            with self._lock:
                self._waiting = waiting + self._waiting
            raise
        with self._lock:
            self._waiting = [_with_steps(one, measured.get(_key(one), ())) for one in waiting] + self._waiting
            ready = len(waiting)
        while True:
            with self._lock:
                taken = min(ready, PART - len(self._part))
                self._part += self._waiting[:taken]
                del self._waiting[:taken]
                ready -= taken
                self._unwritten = self._unwritten or taken > 0
            if self._unwritten:
                self._place.put(part_name(self.head, self._number), pack(self._part), "application/gzip")
                self._unwritten = False
            if len(self._part) >= PART:
                self._part, self._number = [], self._number + 1
            if not ready:
                break
        self._spent.update(measured)
        if self._over.is_set() or len(self._spent) >= REMOVED_AT_ONCE:
            spent, self._spent = self._spent, set()
            self.remove_measured(spent)

    def _measured(self, attempts: Sequence[Attempt]) -> dict[tuple[str, int], tuple[Step, ...]]:
        """Return what workers have measured, by job and attempt, as far as they have."""
        ran = [_key(one) for one in attempts if one.start is not None]
        if not ran:
            return {}
        with ThreadPoolExecutor(min(READERS, len(ran))) as pool:
            found = zip(ran, pool.map(self._read, ran), strict=True)
            return {key: steps for key, steps in found if steps is not None}

    def _read(self, key: tuple[str, int]) -> tuple[Step, ...] | None:
        try:
            place = self._place
            answer = place.s3.get_object(Bucket=place.bucket, Key=place.at(measured_name(*key)))
            return unpack_steps(answer["Body"].read())
        except ClientError as error:
            # Without the permission to list the bucket, S3 says so of objects that are not there.
            if error.response["Error"]["Code"] in (*MISSING, *DENIED):
                return None
            raise
        except (ValueError, TypeError, AttributeError):
            # Not what a worker writes.
            return ()

    def sweep(self) -> None:
        """Remove measurements of attempts that are in the record: an earlier head was ended before it could."""
        place, found = self._place, set()
        for page in place.s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.at(MEASURED)):
            for item in page.get("Contents", ()):
                native_id, _, number = item["Key"].rpartition("/")[2].removesuffix(".json").rpartition("-")
                if number.isdigit() and self.is_known(native_id, int(number)):
                    found.add((native_id, int(number)))
        self.remove_measured(found)

    def remove_measured(self, attempts: Iterable[tuple[str, int]]) -> None:
        """Remove measurements that are in the record, as far as S3 lets it."""
        keys = [{"Key": self._place.at(measured_name(*one))} for one in attempts]
        for start in range(0, len(keys), REMOVED_AT_ONCE):
            some = keys[start : start + REMOVED_AT_ONCE]
            with contextlib.suppress(*TROUBLE):
                self._place.s3.delete_objects(Bucket=self._place.bucket, Delete={"Objects": some, "Quiet": True})


def _key(attempt: Attempt) -> tuple[str, int]:
    return attempt.native_id, attempt.attempt


def _with_steps(attempt: Attempt, measured: Sequence[Step]) -> Attempt:
    """Return the attempt with what was measured of its steps; steps that were not measured stay as they are."""
    if not measured:
        return attempt
    if not attempt.steps:
        # A job that an earlier head submitted: its worker knows better what it was.
        alone = len(measured) == 1 and measured[0].process == attempt.process
        attempt = replace(attempt, is_group=not alone, wildcards=measured[0].wildcards if alone else attempt.wildcards)
    by_name = {(one.process, one.tag): one for one in attempt.steps} | {(one.process, one.tag): one for one in measured}
    return replace(attempt, steps=tuple(by_name.values()))
