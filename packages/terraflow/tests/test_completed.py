"""Ctrl-C ends the wait for other threads between two results, wherever it comes."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from terraflow.completed import for_each


@pytest.fixture(autouse=True)
def python_s_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


def test_results_come_as_they_are_there(pool: ThreadPoolExecutor) -> None:
    first = threading.Event()
    slow = pool.submit(lambda: first.wait(60) and "slow")
    quick = pool.submit(lambda: "quick")
    found: list[object] = []

    def done(future: Future[object]) -> None:
        found.append(future.result())
        first.set()

    for_each([slow, quick], done)
    assert found == ["quick", "slow"]


def test_an_error_of_one_ends_the_wait(pool: ThreadPoolExecutor) -> None:
    over = threading.Event()
    futures = [pool.submit(over.wait, 60), pool.submit(int, "x")]
    with pytest.raises(ValueError, match="invalid literal"):
        for_each(futures, lambda future: future.result())
    over.set()


def test_ctrl_c_comes_between_two_results(pool: ThreadPoolExecutor) -> None:
    found: list[int] = []

    def done(future: Future[int]) -> None:
        signal.raise_signal(signal.SIGINT)
        found.append(future.result())

    over = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        for_each([pool.submit(int, "1"), pool.submit(lambda: over.wait(60) and 2)], done)
    over.set()
    assert found == [1]


@pytest.mark.parametrize("at", [1, 2, 3])
def test_ctrl_c_is_not_lost_where_results_are_there(at: int) -> None:
    """Nothing is waited for any more then, and nothing is begun after the last of them either."""
    futures = [Future[int]() for _ in range(3)]
    for number, future in enumerate(futures, start=1):
        future.set_result(number)
    found: list[int] = []

    def done(future: Future[int]) -> None:
        found.append(future.result())
        if found[-1] == at:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        for_each(futures, done)
    assert found == [*range(1, at + 1)]


def test_ctrl_c_is_not_lost_where_there_is_nothing_to_wait_for() -> None:
    def none() -> Iterator[Future[int]]:
        signal.raise_signal(signal.SIGINT)
        yield from ()

    with pytest.raises(KeyboardInterrupt):
        for_each(none(), lambda future: future.result())


def test_ctrl_c_ends_a_wait_for_what_hangs(pool: ThreadPoolExecutor) -> None:
    over, this = threading.Event(), threading.get_ident()

    def press() -> None:
        # Before, Python's own handler would end the tests.
        while signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            time.sleep(0.01)
        signal.pthread_kill(this, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        for_each([pool.submit(over.wait, 120), pool.submit(press)], lambda future: future.result())
    over.set()
