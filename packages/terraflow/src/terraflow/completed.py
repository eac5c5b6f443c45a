"""Waits for the work of other threads in such a way that Ctrl-C leaves them sound."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

R = TypeVar("R")


def for_each(futures: Iterable[Future[R]], done: Callable[[Future[R]], object]) -> None:
    """Call `done` with each future that completes, in that order; raise what it raises.

    Raise KeyboardInterrupt after Ctrl-C, as soon as `done` has returned. Python raises it anywhere, also where a lock
    that workers wait for is about to be taken or released: they die then, or hang.
    """
    completed: SimpleQueue[Future[R] | None] = SimpleQueue()
    interrupts: list[None] = []

    def interrupt() -> None:
        interrupts.append(None)
        completed.put(None)

    with _interrupts(interrupt):
        waited_for = list(futures)
        for future in waited_for:
            future.add_done_callback(completed.put)
        for _ in waited_for:
            one = completed.get()
            if one is None or interrupts:
                raise KeyboardInterrupt
            done(one)
    if interrupts:
        raise KeyboardInterrupt


@contextmanager
def _interrupts(noted: Callable[[], None]) -> Iterator[None]:
    """Call `noted` at Ctrl-C, where Python would raise KeyboardInterrupt."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: noted())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
