"""The lock of the run that this process works on: taken once, whichever plugin asks first."""

import atexit
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config

from . import credentials
from .lease import SECONDS, Client, Lease
from .proof import Proof

# Beside the run's files; no rule's output has this name.
NAME = ".head-lock.json"
# HTTP methods that change nothing.
READING = ("GET", "HEAD")
_held: dict[str, Lease] = {}
_lock = threading.Lock()


def hold(
    prefix: str,
    warn: Callable[[str], None],
    *,
    seconds: float = SECONDS,
    advice: str = "",
    client_of: Callable[[Config], Client] | None = None,
    proof: Proof | None = None,
) -> Lease:
    """Return this process's lease on `s3://BUCKET/PREFIX`, and take it first if need be.

    `warn` gets a line for each wait, `seconds` is the length of the lease, and `advice` ends the message that refuses
    a second head. `client_of` makes a client of S3 from botocore's settings; the default uses the AWS environment.
    `proof` tells other processes of this machine that the lock is held.
    Raise HeldError if another head has the run.
    """
    prefix = prefix.rstrip("/")
    with _lock:
        if prefix not in _held:
            parts = urlsplit(prefix)
            key = "/".join(filter(None, [parts.path.strip("/"), NAME]))
            client = (client_of or _client)(quick_config())
            lease = Lease(client, parts.netloc, key, warn, seconds, advice, proof.note if proof else None)
            lease.acquire()
            _held[prefix] = lease
            atexit.register(release, prefix)
        return _held[prefix]


def release(prefix: str) -> None:
    """Let another head have the run. Runs by itself when the process ends."""
    lease = _held.pop(prefix.rstrip("/"), None)
    if lease is not None:
        lease.release()


def release_all(within: float) -> None:
    """Release all locks of this process within so many seconds, whatever its threads do."""

    def all_of_them() -> None:
        for prefix in list(_held):
            release(prefix)

    thread = threading.Thread(target=all_of_them, daemon=True)
    thread.start()
    thread.join(within)


def quick_config() -> Config:
    """Return settings for calls that renew a lease: give up each try within seconds, and try again."""
    return Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=10)


def check_before_writes(client: Client, check: Callable[[], None], event: str) -> None:
    """Call `check` before each request of a client that may change something; if `check` raises, send nothing.

    `event` names the requests as botocore's events do: "s3", or "batch.SubmitJob". `check` runs before a request is
    signed, since AWS refuses signatures older than 15 minutes, and again before it is sent.
    """
    for moment in ("before-sign", "before-send"):
        client.meta.events.register_first(f"{moment}.{event}", partial(_check_write, check))


def _check_write(check: Callable[[], None], request: Any, **_: object) -> None:  # noqa: ANN401
    if request.method not in READING:
        check()


def _client(config: Config) -> Client:
    return credentials.session().create_client("s3", config=config)
