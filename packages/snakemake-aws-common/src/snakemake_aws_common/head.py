"""The lock of the run that this process works on, whichever plugin asks for it first."""

import atexit
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config

from . import credentials
from .lease import SECONDS, Client, Lease

# Beside the run's files; no rule's output has this name.
NAME = ".head-lock.json"
# Methods of HTTP that change nothing.
READING = ("GET", "HEAD")
_held: dict[str, Lease] = {}
_lock = threading.Lock()


def hold(
    prefix: str,
    say: Callable[[str], None],
    *,
    seconds: float = SECONDS,
    advice: str = "",
    client_of: Callable[[Config], Client] | None = None,
) -> Lease:
    """The lease of this process on `s3://BUCKET/PREFIX`, taken if need be. Raises HeldError if another head has it.

    `client_of` makes a client of S3; without it, one of the AWS environment is made.
    """
    prefix = prefix.rstrip("/")
    with _lock:
        if prefix not in _held:
            parts = urlsplit(prefix)
            key = "/".join(filter(None, [parts.path.strip("/"), NAME]))
            client = (client_of or _client)(quick_config())
            lease = Lease(client, parts.netloc, key, say, seconds, advice)
            lease.acquire()
            _held[prefix] = lease
            atexit.register(release, prefix)
        return _held[prefix]


def release(prefix: str) -> None:
    """Let another head have the run. Called by itself when the process ends."""
    lease = _held.pop(prefix.rstrip("/"), None)
    if lease is not None:
        lease.release()


def release_all(within: float) -> None:
    """Release what this process holds, in at most so many seconds, whatever its threads are at."""

    def all_of_them() -> None:
        for prefix in list(_held):
            release(prefix)

    thread = threading.Thread(target=all_of_them, daemon=True)
    thread.start()
    thread.join(within)


def quick_config() -> Config:
    """Settings for calls that renew a lease: each is given up after seconds and made again."""
    return Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=10)


def check_before_writes(client: Client, check: Callable[[], None], event: str) -> None:
    """Have `check` called before each request of these events of botocore that may change something.

    Before it is signed, since AWS refuses a signature that has waited for a quarter of an hour, and before it is sent.
    """
    for moment in ("before-sign", "before-send"):
        client.meta.events.register_first(f"{moment}.{event}", partial(_checked, check))


def _checked(check: Callable[[], None], request: Any, **_: object) -> None:  # noqa: ANN401
    if request.method not in READING:
        check()


def _client(config: Config) -> Client:
    return credentials.session().create_client("s3", config=config)
