"""Signals to the head: SIGTERM ends a run as Ctrl-C does, and while jobs are being ended neither disturbs."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def end_at_sigterm() -> None:
    """Snakemake would let running jobs finish, which can take a day; what sends SIGTERM kills seconds later."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whoever presses Ctrl-C twice would keep jobs from being ended. What is done so takes seconds at most."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler or signal.SIG_DFL)
