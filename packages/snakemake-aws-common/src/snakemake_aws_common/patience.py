"""Retry calls of AWS that fail for a reason that may pass: an outage, throttling, expired credentials."""

import asyncio
import math
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import botocore.exceptions
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

T = TypeVar("T")
# Seconds for which calls are repeated while AWS is out of reach, and while it takes no credentials: a person has to
# notice, and to log in again.
UNREACHABLE = 1800
EXPIRED = 1800
# Seconds between two tries, between two warnings, and between two looks at whether the wait was cancelled.
PAUSE = 5.0
REMINDER = 60.0
TICK = 0.2
# IncompleteReadError: a body ended early.
OUT_OF_REACH = (ConnectionError, HTTPClientError, IncompleteReadError)
# Errors that botocore raises when it has no credentials, or can't renew them.
NO_CREDENTIALS = (
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
    # Of `aws login`, which older versions of botocore don't know.
    getattr(botocore.exceptions, "LoginError", SSOError),
)
# Seconds without a failure after which the next failure begins another outage. One call takes less with all its tries:
# up to ten of 20 s each, and the pauses between them.
FORGOTTEN = 900
# Set for a thread that nobody waits for any more.
_CANCELLED: ContextVar[threading.Event | None] = ContextVar("cancelled", default=None)


def lacks_credentials(error: Exception) -> bool:
    """Return whether a call failed because there are no credentials, or they have expired."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        return code.startswith("ExpiredToken") or code == "TokenRefreshRequired"
    return isinstance(error, NO_CREDENTIALS)


def retry_seconds(error: Exception) -> float:
    """Return the seconds for which to repeat a call that failed so; 0 if AWS has refused it."""
    if lacks_credentials(error):
        return EXPIRED
    if not isinstance(error, ClientError):
        return UNREACHABLE if isinstance(error, OUT_OF_REACH) else 0
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    passes = status == 429 or status >= 500 or "Throttl" in code or "TooManyRequests" in code
    # RequestTimeout, with status 400: the body came too slowly. An answer to HEAD has no code but the status.
    return UNREACHABLE if passes or code in ("RequestTimeout", "SlowDown", "500", "503") else 0


class Outage:
    """A time in which calls fail, in any thread."""

    def __init__(self) -> None:
        """Begin without an outage."""
        self._since = self._latest = -math.inf
        self._lock = threading.Lock()

    def record_failure(self) -> float:
        """Return how many seconds ago the outage began: now, if the last failure is long ago."""
        with self._lock:
            now = time.monotonic()
            if now - self._latest > FORGOTTEN:
                self._since = now
            self._latest = now
            return now - self._since

    def record_success(self) -> None:
        """End the outage."""
        with self._lock:
            self._latest = -math.inf


class Patience:
    """Return a call's result, retrying through outages. All callers, also in other threads, share one time limit."""

    def __init__(self, warn: Callable[[str], None], service: str = "S3", longest: float = math.inf) -> None:
        """`warn` gets a line a minute during an outage; `longest` bounds the seconds that `retry_seconds` allows."""
        self._warn = warn
        self._service = service
        self._longest = longest
        self._trouble = Outage()
        self._next_reminder = -math.inf
        self._closed = threading.Event()

    def close(self) -> None:
        """Repeat nothing more, in any thread."""
        self._closed.set()

    def __call__(self, call: Callable[[], T]) -> T:
        """Return the call's result. Raise its last error if that is a refusal, or if the outage has lasted too long."""
        while True:
            try:
                result = call()
            except (ClientError, BotoCoreError) as error:
                allowed = min(retry_seconds(error), self._longest)
                if not allowed or self._closed.is_set() or self._trouble.record_failure() >= allowed:
                    raise
                self._note(error, allowed)
                if sleep_unless_cancelled(PAUSE, self._closed):
                    raise
            else:
                self._trouble.record_success()
                return result

    def _note(self, error: Exception, allowed: float) -> None:
        now = time.monotonic()
        if now < self._next_reminder:
            return
        self._next_reminder = now + REMINDER
        todo = "Log in again, or renew the credentials of this machine: they are used as soon as they are there. "
        self._warn(
            f"{self._service} can't be used just now ({error}). {todo if lacks_credentials(error) else ''}"
            f"The call is repeated for {allowed / 60:.0f} min."
        )


def sleep_unless_cancelled(seconds: float, cancel: threading.Event) -> bool:
    """Sleep until the time is up, `cancel` is set or the caller is cancelled (`in_thread`); return whether it was."""
    until = time.monotonic() + seconds
    cancelled = _CANCELLED.get()
    with interruptible():
        while not (cancel.is_set() or (cancelled is not None and cancelled.is_set())):
            left = until - time.monotonic()
            if left <= 0:
                return False
            cancel.wait(min(left, TICK))
    return True


async def in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own. When this is cancelled, as by Ctrl-C, all waiting in the thread ends."""
    cancelled = threading.Event()
    with cancelled_by(cancelled):
        try:
            return await asyncio.to_thread(asyncio.run, coroutine)
        except asyncio.CancelledError:
            cancelled.set()
            raise


@contextmanager
def cancelled_by(event: threading.Event) -> Iterator[None]:
    """Let `event` end all waiting in this block."""
    before = _CANCELLED.set(event)
    try:
        yield
    finally:
        _CANCELLED.reset(before)


def cancellation() -> Callable[[], bool]:
    """Return a function that says, in any thread, whether nobody waits any more for what the caller does."""
    cancelled = _CANCELLED.get()
    return (lambda: False) if cancelled is None else cancelled.is_set


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end the wait in this block at once.

    In asyncio's runner the first Ctrl-C only cancels a task, which would take effect after the wait.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.getsignal(signal.SIGINT)
    if not callable(earlier):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)
