"""The lock of a run as this process holds it: it ends unless it is renewed, and at most one head has it.

The lock is made, renewed, taken over and deleted by conditional writes, so that S3 refuses one of two heads. It ends
`seconds` after S3 has stored it last, by S3's own clock: one answer says when it was stored and what time it is.
A holder knows without asking how long ago it renewed. Clocks may disagree about that: some stand still while a
laptop sleeps, others are set. The longest time counts, and the worst that follows is one request too many.
"""

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError

from . import process
from .conditional import REFUSED, Client, error_code
from .lock_object import RENEWALS, SECONDS, Holder, LockObject, LockState
from .patience import Patience, retry_seconds, sleep_unless_cancelled

__all__ = ["SECONDS", "Client", "HeldError", "Lease", "LostError"]

# The part of a lease after which a holder that could not renew does nothing more.
SAFE = 0.8
CLOCKS: tuple[Callable[[], float], ...] = (
    time.monotonic,
    time.time,
    *([lambda: time.clock_gettime(time.CLOCK_BOOTTIME)] if hasattr(time, "CLOCK_BOOTTIME") else []),
)


class HeldError(WorkflowError):
    """Another head works."""


class LostError(WorkflowError):
    """This head has lost the run, or can't know whether it still has it."""


class Stopwatch:
    """Measures time by several clocks at once."""

    def __init__(self, start: Sequence[float] | None = None) -> None:
        """Start now, or when all clocks showed `start`."""
        self.start = [clock() for clock in CLOCKS] if start is None else start

    def elapsed(self) -> float:
        """Return the seconds since the start, by the clock that has counted most of them."""
        return max(clock() - start for clock, start in zip(CLOCKS, self.start, strict=True))


class Lease:
    """The lock of one run as this process sees it. Safe to use from several threads once it is acquired."""

    def __init__(
        self,
        client: Client,
        bucket: str,
        key: str,
        warn: Callable[[str], None],
        seconds: float = SECONDS,
        advice: str = "",
        note: Callable[[Stopwatch | None], None] | None = None,
    ) -> None:
        """Ask S3 nothing yet. `warn` gets a line for each wait; `advice` ends the message for a second head.

        `note` gets the time since each renewal, and None when this head loses the lock or is about to release it.
        """
        self._object = LockObject(client, bucket, key)
        self._warn, self._advice, self._note = warn, advice, note or (lambda _: None)
        self._with_patience = Patience(warn)
        self._id = uuid.uuid4().hex
        self._seconds = seconds
        self._holder: Holder | None = None
        self._etag = ""
        self._since_renewal = Stopwatch()
        self._lost: LostError | None = None
        # Why the last renewal failed.
        self._trouble: Exception | None = None
        self._renewing = threading.RLock()
        self._stop = threading.Event()

    @property
    def lost(self) -> LostError | None:
        """Return why this head may do nothing more, if it has lost the run."""
        return self._lost

    # Taking it

    def acquire(self) -> None:
        """Take the lock, and renew it from now on in a thread.

        A lock that has ended, or whose holder is provably dead, is taken over. One that lives is watched until it is
        renewed, or ends, which takes no longer than a lease. Raise HeldError, which says who has it.
        """
        first: LockState | None = None
        while True:
            state, now = self._with_patience(self._object.read)
            if state is None:
                taken = self._take(now, IfNoneMatch="*")
            elif state.holder.id == self._id:
                # This head wrote it, and S3's answer was lost.
                self._etag, taken = state.etag, True
            elif state.left <= 0 or state.holder.is_dead():
                self._warn(
                    f"The head that worked on {self._object.folder} is dead; this one takes its place. It was:\n{state}"
                )
                taken = self._take(now, IfMatch=state.etag)
            elif first is not None and state.etag != first.etag:
                raise HeldError(self._refusal(state))
            else:
                if first is None:
                    first = state
                    self._warn(
                        f"Another head holds {self._object.folder}. If it does not renew its lock within "
                        f"{state.left:.0f} s, it is dead, and this one takes its place.\n{state}"
                    )
                pause = min(state.left, max(0.2, state.holder.seconds / RENEWALS / 3))
                if sleep_unless_cancelled(pause, self._stop):
                    raise HeldError(self._refusal(state))
                taken = False
            if taken:
                threading.Thread(target=self._keep, name="lock of the run", daemon=True).start()
                return

    def _take(self, now: float, **condition: str) -> bool:
        """Write the lock as this head's. Return False if another one was faster."""
        holder = Holder(
            id=self._id,
            who=process.user(),
            pid=os.getpid(),
            place=process.place(),
            started=process.started(os.getpid()),
            folder=str(Path.cwd()),
            since=now,
            seconds=self._seconds,
        )
        self._holder = holder
        since_request = Stopwatch()
        try:
            self._etag = self._with_patience(lambda: self._object.write(holder, **condition))
        except ClientError as error:
            if error_code(error) in REFUSED:
                return False
            raise WorkflowError(
                f"The lock {self._object.query} can't be written ({error}). Whoever starts runs needs s3:GetObject, "
                "s3:PutObject and s3:DeleteObject on it, and a storage that knows conditional writes."
            ) from error
        self._renewed(since_request)
        return True

    def _renewed(self, since_request: Stopwatch) -> None:
        self._since_renewal, self._trouble = since_request, None
        self._note(since_request)

    def _refusal(self, state: LockState) -> str:
        return (
            f"Another head works on {self._object.folder}:\n{state}\n"
            "Nothing was submitted, written or deleted. Wait until it has ended, or end it there with Ctrl-C. If it "
            f"dies, this command can take its place, at most {state.holder.seconds:.0f} s later. {self._advice}"
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
        """Ask S3 for another lease; raise LostError if another head has the run.

        Return False if S3 did not answer, or if this head has released the run.
        """
        with self._renewing:
            if self._lost:
                raise self._lost
            if self._holder is None:
                return False
            since_request = Stopwatch()
            try:
                self._etag = self._object.write(self._holder, IfMatch=self._etag)
            except ClientError as error:
                if error_code(error) not in REFUSED:
                    self._trouble = error
                    return False
                return self._compare()
            except BotoCoreError as error:
                self._trouble = error
                return False
            self._renewed(since_request)
            return True

    def _compare(self) -> bool:
        """After a refused renewal, see whose lock it is: S3 may have stored an earlier one whose answer was lost."""
        since_request = Stopwatch()
        try:
            state, _ = self._object.read()
        except (ClientError, BotoCoreError) as error:
            self._trouble = error
            return False
        if state is not None and state.holder.id == self._id:
            self._etag = state.etag
            if state.left > self._seconds * SAFE:
                self._renewed(since_request)
                return True
            return False
        whose = f"Another head has taken it:\n{state}" if state else "Someone has deleted it."
        self._lost = LostError(
            f"This head has lost the lock of its run ({self._object.query}): it was not renewed in time, as when a "
            f"machine sleeps. {whose}\nThis head submits, writes and deletes nothing any more, and ends no jobs: they "
            "are left to whoever has the run. When no other head works, start the same command again to go on."
        )
        self._note(None)
        raise self._lost

    def check(self) -> None:
        """Return if this head has the run: call it before each write.

        If that is in doubt, ask S3, for as long as it is out of reach. Raise LostError otherwise.
        """
        waited = Stopwatch()
        while not self.is_sure():
            over = self._trouble is not None and waited.elapsed() >= retry_seconds(self._trouble)
            if over or sleep_unless_cancelled(1.0, self._stop):
                raise LostError(
                    f"The lock of the run ({self._object.query}) could not be renewed "
                    f"({self._trouble or 'it was released'}), so another head may have the run by now. This one "
                    "submits, writes and deletes nothing any more, and jobs run on. Start the same command again to "
                    "go on."
                )

    def is_sure(self) -> bool:
        """Return whether this head certainly has the run, asking S3 once if need be.

        Raise LostError if another head has it.
        """
        if self._lost:
            raise self._lost
        if self._is_fresh():
            return True
        with self._renewing:
            return self._is_fresh() or self.renew()

    def _is_fresh(self) -> bool:
        """Return whether this head holds a lock that it has renewed in time."""
        return self._holder is not None and self._since_renewal.elapsed() < self._seconds * SAFE

    # Leaving it

    def give_up(self) -> None:
        """Renew no more, and end all waiting for S3."""
        self._stop.set()
        self._with_patience.close()

    def release(self) -> None:
        """Let the next head have the run at once. Say nothing of failures: the lock ends by itself."""
        self.give_up()
        holder, self._holder = self._holder, None
        if holder is None or self._lost or holder.pid != os.getpid() or not self._renewing.acquire(timeout=2):
            return
        try:
            self._note(None)
            with contextlib.suppress(ClientError, BotoCoreError):
                self._object.delete(self._etag)
        finally:
            self._renewing.release()
