"""A lock that is held: who keeps it through sleep, changed clocks and outages, and who has lost it."""

import threading
import time
from collections.abc import Callable

import pytest
from botocore.exceptions import EndpointConnectionError

from lock_s3 import S3, passes
from snakemake_aws_common import patience
from snakemake_aws_common.lease import Lease, LostError

# Length of the leases that the fixture `head` makes.
SECONDS = 100.0


@pytest.mark.parametrize("wakes", ["monotonic", "wall"])
def test_who_slept_asks_before_it_writes(
    head: Callable[..., Lease], clocks: dict[str, float], monkeypatch: pytest.MonkeyPatch, wakes: str
) -> None:
    """Each clock that ran meanwhile shows the sleep; a lock that nobody took still belongs to the head."""
    s3 = S3()
    one = head(s3)
    one.acquire()
    s3.now += 3600
    clocks[wakes] += 3600
    one.check()
    assert s3.writes == 2
    one.check()
    assert s3.writes == 2
    s3.now += 3600
    head(s3, "another place").acquire()
    clocks[wakes] += 3600
    for _ in range(2):
        with pytest.raises(
            LostError, match=r"has lost the lock of its run(?s:.*)Another head has taken it(?s:.*)process"
        ):
            one.check()
    assert one.lost is not None
    held = s3.body
    one.release()
    assert s3.body == held


def test_a_clock_that_was_set_back_changes_nothing(head: Callable[..., Lease], clocks: dict[str, float]) -> None:
    s3 = S3()
    one = head(s3)
    one.acquire()
    clocks["wall"] -= 10_000
    clocks["monotonic"] += SECONDS * 0.9
    one.check()
    assert s3.writes == 2


def test_a_lock_that_somebody_deleted_is_lost(head: Callable[..., Lease]) -> None:
    s3 = S3()
    one = head(s3)
    one.acquire()
    s3.body = None
    with pytest.raises(LostError, match="Someone has deleted it"):
        one.renew()


def test_a_lock_that_was_released_is_not_taken_again(head: Callable[..., Lease]) -> None:
    s3 = S3()
    one = head(s3)
    one.acquire()
    one.release()
    assert one.renew() is False
    assert s3.body is None


def test_who_has_released_the_run_writes_nothing_more(head: Callable[..., Lease]) -> None:
    """The next head may have it in the same second."""
    s3 = S3()
    one = head(s3)
    one.acquire()
    one.release()
    assert not one.is_sure()
    with pytest.raises(LostError, match="it was released"):
        one.check()
    assert s3.body is None


def test_s3_out_of_reach_stops_writes_and_not_the_run(
    head: Callable[..., Lease], clocks: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = S3()
    one = head(s3)
    one.acquire()
    down = EndpointConnectionError(endpoint_url="https://s3")
    s3.faults = {"put": [down] * 3}
    assert not one.renew()
    clocks["monotonic"] += SECONDS * 0.7
    one.check()
    assert len(s3.faults["put"]) == 2
    clocks["monotonic"] += SECONDS * 0.2
    assert not one.is_sure()
    passes(s3, monkeypatch)
    one.check()
    assert s3.faults["put"] == [] and s3.writes == 2


def test_s3_out_of_reach_for_long_or_refusing_ends_what_waits(
    head: Callable[..., Lease], clocks: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = S3()
    one = head(s3)
    one.acquire()
    passes(s3, monkeypatch, lambda: clocks.update(monotonic=clocks["monotonic"] + 60))
    clocks["monotonic"] += SECONDS
    s3.faults = {"put": [s3.refuse("AccessDenied")]}
    with pytest.raises(LostError, match="AccessDenied"):
        one.check()
    s3.faults = {"put": [EndpointConnectionError(endpoint_url="https://s3")] * 100}
    before = clocks["monotonic"]
    with pytest.raises(LostError, match="could not be renewed"):
        one.check()
    assert clocks["monotonic"] - before >= patience.UNREACHABLE
    assert one.lost is None


def test_who_waits_for_s3_is_called_off(head: Callable[..., Lease], clocks: dict[str, float]) -> None:
    s3 = S3()
    one = head(s3)
    one.acquire()
    clocks["monotonic"] += SECONDS
    s3.faults = {"put": [EndpointConnectionError(endpoint_url="https://s3")] * 100}
    threading.Timer(0.1, one.give_up).start()
    start = time.monotonic()
    with pytest.raises(LostError):
        one.check()
    # It would wait for 100 seconds, until S3 answers.
    assert time.monotonic() - start < 50
