"""What goes from and to a storage, for whoever in this process wants to know: a storage plugin says it, others observe.

Without an observer nothing is kept.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

FETCHED = "fetched"
STORED = "stored"


@dataclass(frozen=True)
class Transfer:
    """A file or folder that was fetched or stored: its query in the storage, bytes, and when, in seconds since 1970."""

    kind: str
    query: str
    size: int
    start: float
    end: float


class Size:
    """The size of what is being transferred, which may be known only at the end."""

    bytes = 0


_observers: list[Callable[[Transfer], None]] = []


def observe(observer: Callable[[Transfer], None]) -> None:
    """Call `observer` after each transfer, in the thread that made it."""
    _observers.append(observer)


@contextmanager
def timed(kind: str, query: str) -> Iterator[Size]:
    """Tell observers of what the block transfers, if it succeeds; the block sets `bytes` of what it gets."""
    size, start = Size(), time.time()
    yield size
    transfer = Transfer(kind, query, size.bytes, start, time.time())
    for observer in _observers:
        observer(transfer)


def seconds_of(transfers: list[Transfer]) -> float:
    """Return the seconds in which at least one of the transfers was under way: several run at a time."""
    covered, until = 0.0, 0.0
    for one in sorted(transfers, key=lambda one: one.start):
        covered += max(0.0, one.end - max(one.start, until))
        until = max(until, one.end)
    return covered
