"""Clients of AWS: where they look, how often they try again, and how fast they submit."""

import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from snakemake_executor_plugin_aws_batch.batch_client import BatchClient

from snakemake_aws_common import credentials
from snakemake_aws_common.patience import TICK

from .untyped import Client

# AWS takes 50 SubmitJob a second. Requests leave here evenly, and each thread has one under way: however late they
# arrive, no second sees more than the sum of both figures.
SUBMISSIONS_PER_SECOND = 40
SUBMITTERS = 8
CONNECTIONS = 32


class Pacer:
    """Lets callers through evenly, at a limited rate, from any thread."""

    def __init__(self, per_second: float) -> None:
        """Set the rate; `per_second` may be a fraction."""
        self._interval = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, **_: object) -> None:
        """Return when it is the caller's turn. Takes the arguments of botocore's event handlers."""
        with self._lock:
            start = max(time.monotonic(), self._next)
            self._next = start + self._interval
        time.sleep(max(0.0, start - time.monotonic()))


class Closed(BotoCoreError):
    """Raised by calls after the client was closed."""

    fmt = "the run is being ended"


class FargateBatchClient(BatchClient):  # type: ignore[misc]
    """Batch in the region of the settings; throttled calls and server errors are tried again by botocore.

    Every request to submit waits for its turn, those that botocore repeats included.
    """

    region_name: str | None
    client: Client

    def __init__(self, region_name: str | None = None, config: Config | None = None) -> None:
        """Try calls as often and as long as `config` says; by default as `patient` does."""
        self._config: Config = config or patient()
        self._closed = threading.Event()
        self._gate = threading.Lock()
        super().__init__(region_name=region_name)

    def initialize_batch_client(self) -> Client:
        """Return the boto3 client behind this one."""
        client = client_of("batch", self.region_name, self._config)
        # botocore's limiter stands between these two: handlers of longer names come first.
        client.meta.events.register_first("before-send.batch", self._enter)
        client.meta.events.register_last("before-send", self._leave)
        client.meta.events.register("before-send.batch.SubmitJob", Pacer(SUBMISSIONS_PER_SECOND).wait)
        return client

    def close(self) -> None:
        """Make all calls fail with `Closed`; calls under way fail before their next attempt."""
        self._closed.set()

    def _enter(self, **_: object) -> None:
        """Let one call at a time to botocore's limiter: a call that waits there can't be stopped."""
        while not self._gate.acquire(timeout=TICK):
            self._go_on()

    def _leave(self, **_: object) -> None:
        self._gate.release()
        self._go_on()

    def _go_on(self) -> None:
        if self._closed.is_set():
            raise Closed()

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        """Return any other operation of Batch."""
        if operation == "client":
            raise AttributeError(operation)
        call: Callable[..., Any] = getattr(self.client, operation)
        return call


def client_of(service: str, region: str | None, config: Config | None = None) -> Client:
    """Return a boto3 client with a session of its own, so that it can be made in any thread.

    Expired credentials are read again once they are renewed.
    """
    # boto3's stubs have a signature for each service's own name.
    session: Any = boto3.session.Session(botocore_session=credentials.session())
    return session.client(service, region_name=region, config=config or patient())


def patient() -> Config:
    """Return settings for calls that have to succeed: adaptive retries."""
    return _config("adaptive", attempts=10, connect_timeout=10, read_timeout=20)


def repeated() -> Config:
    """Return settings for calls that their callers repeat: adaptive retries, with pauses that Ctrl-C can wait for."""
    return _config("adaptive", attempts=4, connect_timeout=5, read_timeout=10)


def hasty() -> Config:
    """Return settings for calls for which someone waits at the terminal: one attempt, given up after seconds."""
    return _config("standard", attempts=1, connect_timeout=3, read_timeout=5)


def brief() -> Config:
    """Return settings for optional calls: retry when throttled, fail within seconds where nothing answers."""
    return _config("standard", attempts=3, connect_timeout=2, read_timeout=5)


def _config(mode: Literal["adaptive", "standard"], attempts: int, connect_timeout: int, read_timeout: int) -> Config:
    """Return the settings of a client; time limits in seconds."""
    return Config(
        retries={"mode": mode, "total_max_attempts": attempts},
        max_pool_connections=CONNECTIONS,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
    )
