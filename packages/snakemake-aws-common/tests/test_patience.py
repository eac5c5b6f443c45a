"""Calls are repeated through outages, and Ctrl-C ends the wait."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    LoginRefreshRequired,
    NoCredentialsError,
)

from snakemake_aws_common import patience
from snakemake_aws_common.patience import Patience, in_thread, interruptible


def error(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutObject",
    )


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.05)


@pytest.mark.parametrize(
    ("failure", "passes"),
    [
        (error("InternalError", 500), True),
        (error("SlowDown", 503), True),
        (error("503", 503), True),
        (error("RequestTimeout", 400), True),
        (error("ExpiredToken"), True),
        (error("ExpiredTokenException"), True),
        (EndpointConnectionError(endpoint_url="https://s3"), True),
        (NoCredentialsError(), True),
        (LoginRefreshRequired(), True),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), True),
        (error("AccessDenied", 403), False),
        (error("NoSuchKey", 404), False),
        (error("InvalidAccessKeyId", 403), False),
    ],
)
def test_what_passes_is_waited_for(failure: Exception, passes: bool) -> None:
    said: list[str] = []
    failures = [failure] * 3

    def call() -> str:
        if failures:
            raise failures.pop()
        return "done"

    wait = Patience(said.append)
    if not passes:
        with pytest.raises(type(failure)):
            wait(call)
        assert said == []
        return
    assert wait(call) == "done"
    assert len(said) == 1 and "S3 can't be used just now" in said[0] and "30 min" in said[0]
    assert ("Log in again" in said[0]) is patience.lacks_credentials(failure)


def test_what_lasts_ends_with_the_last_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def call() -> None:
        raise error("SlowDown", 503)

    with pytest.raises(ClientError, match="SlowDown"):
        Patience(print, longest=0.2)(call)


@pytest.fixture
def heard() -> Iterator[None]:
    """Hear Ctrl-C, which a shell's job in the background was told to ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_the_waiting_in_a_loop_and_in_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake asks storages in asyncio's loop, where the first Ctrl-C waits for what is under way; it must not."""
    monkeypatch.setattr(patience, "PAUSE", 240)
    ended: list[str] = []
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise error("SlowDown", 503)

    async def here() -> None:
        Patience(print)(fail)

    async def elsewhere() -> None:
        try:
            await here()
        finally:
            ended.append("thread")

    def press(waits: Callable[[], bool]) -> None:
        """Press Ctrl-C when the call has failed and is waited for."""
        failed.wait(60)
        end = time.monotonic() + 60
        while not waits() and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    # asyncio's runner has put its own handler in the place of this one, which is back while the loop's thread waits.
    def is_interruptible() -> bool:
        return signal.getsignal(signal.SIGINT) is signal.default_int_handler

    for what, waits in ((here(), is_interruptible), (in_thread(elsewhere()), lambda: True)):
        failed.clear()
        threading.Thread(target=press, args=(waits,)).start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(what)
        assert time.monotonic() - start < 120
    assert ended == ["thread"]
    before = signal.getsignal(signal.SIGINT)
    with interruptible():
        pass
    assert signal.getsignal(signal.SIGINT) == before
