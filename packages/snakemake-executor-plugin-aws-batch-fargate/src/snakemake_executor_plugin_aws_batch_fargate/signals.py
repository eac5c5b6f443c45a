"""Signals to the head: SIGTERM ends a run as Ctrl-C does, and neither interrupts the ending of jobs.

SIGHUP, when a terminal is closed, ends the head alone: its jobs run on, and the next start finds them.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def end_at_sigterm() -> None:
    """End the run at SIGTERM. Snakemake would let jobs finish, for a day perhaps; a kill follows SIGTERM in seconds."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def leave_at_sighup(leave: Callable[[], None]) -> None:
    """Call `leave` before SIGHUP ends this process; under nohup SIGHUP does nothing."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGHUP) != signal.SIG_DFL:
        return

    def left(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        leave()
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGHUP, left)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM for some seconds: a second Ctrl-C would keep jobs from being ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler or signal.SIG_DFL)
