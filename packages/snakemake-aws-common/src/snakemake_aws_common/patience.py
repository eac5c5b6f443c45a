"""Which failures of AWS pass by themselves, and waiting for that."""

import asyncio
import math
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

T = TypeVar("T")
# Seconds for which calls are repeated while AWS is out of reach, and while it takes no credentials: someone has to
# notice, and to log in again.
UNREACHABLE = 1800
EXPIRED = 1800
# Seconds between two tries, between two words about it, and after which one who waits asks whether that is still
# wanted.
PAUSE = 5.0
WORD = 60.0
TICK = 0.2
OUT_OF_REACH = (ConnectionError, HTTPClientError)
# What botocore raises when it has none, or renews them and can't.
NO_CREDENTIALS = (
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
# Seconds without a failure after which the next one is the first. One call with all its tries takes less: up to ten of
# 20 s each, and the pauses between them.
FORGOTTEN = 900
# Set in the context of a thread when nobody waits for it any more.
_CANCELLED: ContextVar[threading.Event | None] = ContextVar("cancelled", default=None)


def lacks_credentials(error: Exception) -> bool:
    """Whether a call failed for want of credentials that are in force."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        return code.startswith("ExpiredToken") or code == "TokenRefreshRequired"
    return isinstance(error, NO_CREDENTIALS)


def retry_seconds(error: Exception) -> float:
    """Seconds for which a call that failed so is worth to be repeated; 0 if AWS has refused it."""
    if lacks_credentials(error):
        return EXPIRED
    if not isinstance(error, ClientError):
        return UNREACHABLE if isinstance(error, OUT_OF_REACH) else 0
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    passes = status == 429 or status >= 500 or "Throttl" in code or "TooManyRequests" in code
    # S3 calls a request whose body came too slowly by this name, with status 400; its HEAD has no code but the status.
    return UNREACHABLE if passes or code in ("RequestTimeout", "SlowDown", "500", "503") else 0


class Outage:
    """A time in which calls fail, in any thread."""

    def __init__(self) -> None:
        """Begin without an outage."""
        self._since = self._latest = -math.inf
        self._lock = threading.Lock()

    def record_failure(self) -> float:
        """Return how many seconds ago the outage began: with this failure, if none came before it for long."""
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
    """Repeats calls that fail for a reason that may pass. Safe to use from several threads, which share one limit."""

    def __init__(self, warn: Callable[[str], None], service: str = "S3", longest: float = math.inf) -> None:
        """`warn` is told of trouble once a minute; `longest` bounds what `patience` allows, in seconds."""
        self._warn = warn
        self._service = service
        self._longest = longest
        self._trouble = Outage()
        self._next_word = -math.inf
        self._closed = threading.Event()

    def close(self) -> None:
        """Repeat nothing more, in whatever thread."""
        self._closed.set()

    def __call__(self, call: Callable[[], T]) -> T:
        """Return the call's result. Raises what it raised last, when that is a refusal or has lasted too long."""
        while True:
            try:
                result = call()
            except (ClientError, BotoCoreError) as error:
                allowed = min(retry_seconds(error), self._longest)
                if not allowed or self._closed.is_set() or self._trouble.record_failure() >= allowed:
                    raise
                self._note(error, allowed)
                if self._wait():
                    raise
            else:
                self._trouble.record_success()
                return result

    def _wait(self) -> bool:
        """Wait until the next try; whether none is wanted any more."""
        return sleep_unless_cancelled(PAUSE, self._closed)

    def _note(self, error: Exception, allowed: float) -> None:
        now = time.monotonic()
        if now < self._next_word:
            return
        self._next_word = now + WORD
        todo = "Log in again, or renew the credentials of this machine: they are used as soon as they are there. " * (
            lacks_credentials(error)
        )
        self._warn(f"{self._service} can't be used just now ({error}). {todo}It is tried for {allowed / 60:.0f} min.")


def sleep_unless_cancelled(seconds: float, called_off: threading.Event) -> bool:
    """Wait, unless that is called off, or what waits is cancelled; whether it was."""
    until = time.monotonic() + seconds
    cancelled = _CANCELLED.get()
    with interruptible():
        while not (called_off.is_set() or (cancelled is not None and cancelled.is_set())):
            left = until - time.monotonic()
            if left <= 0:
                return False
            called_off.wait(min(left, TICK))
    return True


async def in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own. When this is cancelled, as by Ctrl-C, nothing in there rests any more."""
    cancelled = threading.Event()
    before = _CANCELLED.set(cancelled)
    try:
        return await asyncio.to_thread(asyncio.run, coroutine)
    except asyncio.CancelledError:
        cancelled.set()
        raise
    finally:
        _CANCELLED.reset(before)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends what waits in here at once.

    Within asyncio's runner the first Ctrl-C only cancels a task, which takes effect when the waiting is over.
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
