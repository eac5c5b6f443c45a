"""The lock of a run: one object in S3, which at most one head holds, and which ends unless it is renewed.

It is made, renewed, taken over and deleted by conditional writes, so that of two heads S3 refuses one. It ends
`seconds` after S3 has stored it last, by S3's own clock: one answer says when it was stored and what time it is.
What a holder knows without asking is how long ago it asked. Where clocks disagree about that (some stand still while a
laptop sleeps, others are set), the longest counts, and the worst that follows is one request too many.
"""

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError

from . import process
from .patience import Patience, retry_seconds, sleep_unless_cancelled

# A client of S3.
Client: TypeAlias = Any
# Seconds after which a lock ends that is not renewed.
SECONDS = 150.0
# Renewals in that time, and the part of it after which a holder that could not renew does nothing more.
RENEWALS = 5
SAFE = 0.8
# S3 answers 409 when writes meet; the same write is tried again.
CONFLICTS = ("ConditionalRequestConflict", "OperationAborted", "409")
REFUSED = ("PreconditionFailed", "412")
MISSING = ("NoSuchKey", "404")
CONFLICT_TRIES = 20
CONFLICT_PAUSE = 0.2
# Whole seconds is what S3 says of time.
COARSE = 1.0
CLOCKS: tuple[Callable[[], float], ...] = (
    time.monotonic,
    time.time,
    *([lambda: time.clock_gettime(time.CLOCK_BOOTTIME)] if hasattr(time, "CLOCK_BOOTTIME") else []),
)


class HeldError(WorkflowError):
    """Another head works."""


class LostError(WorkflowError):
    """This head has lost the run, or can't know whether it still has it."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. `since` is S3's time in seconds since 1970, `seconds` the length of the lease."""

    id: str
    who: str
    pid: int
    place: str
    started: str
    folder: str
    since: float
    seconds: float

    def is_dead(self) -> bool:
        """Whether it was a process of this machine that has ended."""
        return process.is_dead(self.place, self.pid, self.started)


@dataclass(frozen=True)
class Seen:
    """A lock as S3 showed it: `stored` and `now` are S3's times, in seconds since 1970."""

    holder: Holder
    etag: str
    stored: float
    now: float

    @property
    def left(self) -> float:
        """Seconds until it ends; below zero if it has."""
        return self.stored + self.holder.seconds + COARSE - self.now

    def __str__(self) -> str:
        """Who, from where, since when and until when, in four lines."""
        return (
            f"  who:    {self.holder.who}, process {self.holder.pid}\n"
            f"  from:   {self.holder.folder}\n"
            f"  since:  {_clock(self.holder.since)} (times are S3's)\n"
            f"  until:  {_clock(self.stored + self.holder.seconds)}, unless it is renewed; now it is {_clock(self.now)}"
        )


class Mark:
    """A moment, to ask later how long ago it was."""

    def __init__(self) -> None:
        """Now."""
        self._then = [clock() for clock in CLOCKS]

    def elapsed(self) -> float:
        """Seconds since, by the clock that has seen most of them."""
        return max(clock() - then for clock, then in zip(CLOCKS, self._then, strict=True))


class Lease:
    """The lock of one run as this process sees it. Safe to use from several threads once it is acquired."""

    def __init__(
        self,
        client: Client,
        bucket: str,
        key: str,
        say: Callable[[str], None],
        seconds: float = SECONDS,
        advice: str = "",
    ) -> None:
        """`say` is told what is waited for; `advice` ends the message of a head that comes second."""
        self._s3, self._bucket, self._key = client, bucket, key
        self._say, self._advice = say, advice
        self._patiently = Patience(say)
        self._id = uuid.uuid4().hex
        self._seconds = seconds
        self._holder: Holder | None = None
        self._renewals = 0
        self._etag = ""
        self._asked = Mark()
        self._lost: LostError | None = None
        self._trouble: Exception | None = None
        self._renewing = threading.RLock()
        self._stop = threading.Event()

    @property
    def query(self) -> str:
        """Where the lock lies."""
        return f"s3://{self._bucket}/{self._key}"

    @property
    def lost(self) -> LostError | None:
        """Why this head may do nothing more, if it has lost the run."""
        return self._lost

    # Taking it

    def acquire(self) -> None:
        """Take the lock, and renew it from now on in a thread.

        A lock that has ended, or whose holder is provably dead, is taken over. One that lives is looked at until it is
        renewed, or ends, which takes no longer than a lease. Raises HeldError, which says who has it.
        """
        first: Seen | None = None
        while True:
            seen, now = self._patiently(self._look)
            if seen is None:
                taken = self._take(now, IfNoneMatch="*")
            elif seen.holder.id == self._id:
                # An answer that was lost.
                self._etag, taken = seen.etag, True
            elif seen.left <= 0 or seen.holder.is_dead():
                self._say(f"The head that worked on {self._folder} is dead; this one takes its place. It was:\n{seen}")
                taken = self._take(now, IfMatch=seen.etag)
            elif first is not None and seen.etag != first.etag:
                raise HeldError(self._refusal(seen))
            else:
                if first is None:
                    first = seen
                    self._say(
                        f"Another head holds {self._folder}. If it does not renew its lock within {seen.left:.0f} s, "
                        f"it is dead, and this one takes its place.\n{seen}"
                    )
                if sleep_unless_cancelled(min(seen.left, max(0.2, seen.holder.seconds / RENEWALS / 3)), self._stop):
                    raise HeldError(self._refusal(seen))
                taken = False
            if taken:
                threading.Thread(target=self._keep, name="lock of the run", daemon=True).start()
                return

    def _take(self, now: float, **condition: str) -> bool:
        """Write the lock as this head's. False if another one was faster."""
        self._holder = Holder(
            id=self._id,
            who=process.user(),
            pid=os.getpid(),
            place=process.place(),
            started=process.started(os.getpid()),
            folder=str(Path.cwd()),
            since=now,
            seconds=self._seconds,
        )
        mark = Mark()
        try:
            answer = self._patiently(lambda: self._put(**condition))
        except ClientError as error:
            if _code(error) in (*REFUSED, *MISSING):
                return False
            raise WorkflowError(
                f"The lock {self.query} can't be written ({error}). Whoever starts runs needs s3:GetObject, "
                "s3:PutObject and s3:DeleteObject on it, and a storage that knows conditional writes."
            ) from error
        self._etag, self._asked = answer["ETag"], mark
        return True

    @property
    def _folder(self) -> str:
        return self.query.rpartition("/")[0]

    def _refusal(self, seen: Seen) -> str:
        return (
            f"Another head works on {self._folder}:\n{seen}\n"
            "Nothing was submitted, written or deleted. Wait until it has ended, or end it there with Ctrl-C. If it "
            f"dies, this command can take its place, at most {seen.holder.seconds:.0f} s later. {self._advice}"
        ).rstrip()

    # Keeping it

    def _keep(self) -> None:
        while not self._stop.wait(self._seconds / RENEWALS):
            try:
                self.renew()
            except LostError:
                return
            except Exception as error:  # such as a program for credentials that is not there for a moment
                self._trouble = error

    def renew(self) -> bool:
        """Ask S3 for another lease. False if S3 did not answer. Raises LostError if another head has the run."""
        with self._renewing:
            if self._lost:
                raise self._lost
            mark = Mark()
            try:
                self._etag = self._put(IfMatch=self._etag)["ETag"]
            except ClientError as error:
                if _code(error) not in (*REFUSED, *MISSING):
                    self._trouble = error
                    return False
                return self._look_again()
            except BotoCoreError as error:
                self._trouble = error
                return False
            self._asked, self._trouble = mark, None
            return True

    def _look_again(self) -> bool:
        """After a refused renewal. An earlier one may have been stored though its answer was lost."""
        mark = Mark()
        try:
            seen, _ = self._look()
        except (ClientError, BotoCoreError) as error:
            self._trouble = error
            return False
        if seen is not None and seen.holder.id == self._id:
            self._etag = seen.etag
            if seen.left > self._seconds * SAFE:
                self._asked, self._trouble = mark, None
                return True
            return False
        whose = f"Another head has taken it:\n{seen}" if seen else "Someone has deleted it."
        self._lost = LostError(
            f"This head has lost the lock of its run ({self.query}): it was not renewed in time, as when a machine "
            f"sleeps. {whose}\nThis head submits, writes and deletes nothing any more, and ends no jobs: they are left "
            "to whoever has the run. When no other head works, start the same command again to go on."
        )
        raise self._lost

    def check(self) -> None:
        """Return if this head has the run: to be called before each write.

        Where that is not known any more, S3 is asked, for as long as it is out of reach. Raises LostError otherwise.
        """
        start = Mark()
        while not self.is_sure():
            over = self._trouble is not None and start.elapsed() >= retry_seconds(self._trouble)
            if over or sleep_unless_cancelled(1.0, self._stop):
                raise LostError(
                    f"The lock of the run ({self.query}) could not be renewed ({self._trouble or 'it was released'}), "
                    "so another head may have the run by now. This one submits, writes and deletes nothing any more, "
                    "and jobs run on. Start the same command again to go on."
                )

    def is_sure(self) -> bool:
        """Whether this head is known to have the run; S3 is asked once if need be.

        Raises LostError if another head has it.
        """
        if self._lost:
            raise self._lost
        if self._asked.elapsed() < self._seconds * SAFE:
            return True
        with self._renewing:
            return self._asked.elapsed() < self._seconds * SAFE or self.renew()

    # Leaving it

    def give_up(self) -> None:
        """Renew no more, and let nobody wait for it."""
        self._stop.set()
        self._patiently.close()

    def release(self) -> None:
        """Let the next head have the run at once. What goes wrong is not said: the lock ends by itself."""
        self.give_up()
        holder, self._holder = self._holder, None
        if holder is None or self._lost or holder.pid != os.getpid() or not self._renewing.acquire(timeout=2):
            return
        try:
            for _ in range(CONFLICT_TRIES):
                try:
                    self._s3.delete_object(Bucket=self._bucket, Key=self._key, IfMatch=self._etag)
                except ClientError as error:
                    if _code(error) in CONFLICTS:
                        time.sleep(CONFLICT_PAUSE)
                        continue
                except BotoCoreError:
                    pass
                return
        finally:
            self._renewing.release()

    # S3

    def _look(self) -> tuple[Seen | None, float]:
        """The lock, if there is one, and S3's time."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if _code(error) not in MISSING:
                raise
            return None, _date(error.response)
        stored, now = answer["LastModified"].timestamp(), _date(answer)
        return Seen(_holder(answer["Body"].read(), stored), answer["ETag"], stored, now), now

    def _put(self, **condition: str) -> Mapping[str, Any]:
        assert self._holder is not None
        # No two versions of the lock may be equal: their ETags would be.
        self._renewals += 1
        body = json.dumps({**asdict(self._holder), "renewals": self._renewals}, indent=2).encode()
        for last in [*[False] * CONFLICT_TRIES, True]:
            try:
                return dict(
                    self._s3.put_object(
                        Bucket=self._bucket, Key=self._key, Body=body, ContentType="application/json", **condition
                    )
                )
            except ClientError as error:
                if last or _code(error) not in CONFLICTS:
                    raise
                time.sleep(CONFLICT_PAUSE)
        raise AssertionError("the last try returns or raises")


def _holder(body: bytes, stored: float) -> Holder:
    """Who wrote a lock; of what is none, somebody whose lease ends like any."""
    try:
        told = json.loads(body)
        return Holder(**{name: told[name] for name in Holder.__dataclass_fields__})
    except (ValueError, TypeError, KeyError):
        return Holder("", "someone unknown", 0, "", "", "a folder unknown", stored, SECONDS)


def _date(answer: Mapping[str, Any]) -> float:
    """S3's time when it answered. Raises WorkflowError if it did not say."""
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        raise WorkflowError(
            "The storage's answers have no Date, so that a lock can't be known to have ended."
        ) from None


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
