"""The lock of a run: who gets it, who is refused, and what a dead head leaves."""

from collections.abc import Callable
from typing import Any

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from lock_s3 import S3, passes
from snakemake_aws_common import lock_object, process
from snakemake_aws_common.lease import HeldError, Lease, LostError

# Length of the leases that the fixture `head` makes.
SECONDS = 100.0


def test_a_lock_is_made_renewed_and_released(head: Callable[..., Lease]) -> None:
    s3 = S3()
    one = head(s3)
    one.acquire()
    first = s3.etag
    assert one.renew() and s3.etag != first
    one.check()
    one.release()
    assert s3.body is None
    two = head(s3)
    two.acquire()
    two.check()


def test_the_second_head_is_told_who_works(head: Callable[..., Lease], monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = S3()
    one = head(s3)
    one.acquire()
    passes(s3, monkeypatch, one.renew)
    two = head(s3, "another place")
    with pytest.raises(HeldError) as error:
        two.acquire()
    holder = one._holder
    assert holder is not None
    said = str(error.value)
    for part in (
        holder.who,
        f"process {holder.pid}",
        holder.folder,
        "since:  2001-09-09 01:46:40 UTC",
        "until:",
        "Name it.",
    ):
        assert part in said
    assert "Nothing was submitted, written or deleted" in said
    assert lock_object.parse_holder(s3.body or b"", 0).id == holder.id
    one.check()


@pytest.mark.parametrize(
    ("age", "place", "kept"),
    [(0, "there", True), (60, "there", True), (74, "there", True), (76, "there", False), (0, "here", False)],
    ids=["new", "one renewal was lost", "and the next is late", "two were lost", "its process has ended"],
)
def test_a_lock_is_kept_while_one_renewal_may_be_late(
    monkeypatch: pytest.MonkeyPatch, age: float, place: str, kept: bool
) -> None:
    monkeypatch.setattr(process, "is_dead", lambda place, pid, started: place == "here")
    holder = lock_object.Holder("id", "ada", 1, place, "start", "/work", since=1000.0, seconds=150.0)
    assert lock_object.LockState(holder, '"1"', stored=1000.0, now=1000.0 + age).is_kept(2.5) == kept


@pytest.mark.parametrize("drift", [-7200.0, 0.0, 7200.0])
def test_a_dead_head_s_lock_is_taken_over_by_s3_s_time(
    head: Callable[..., Lease], clocks: dict[str, float], monkeypatch: pytest.MonkeyPatch, drift: float
) -> None:
    s3 = S3()
    head(s3).acquire()
    began = s3.now
    clocks["wall"] += drift
    passes(s3, monkeypatch)
    two = head(s3, "another place")
    two.acquire()
    assert SECONDS < s3.now - began < SECONDS + 5
    assert "is dead" in str(two.said)  # type: ignore[attr-defined]
    two.check()


def test_a_process_of_this_machine_that_ended_is_not_waited_for(
    head: Callable[..., Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = S3()
    one = head(s3, "here")
    one.acquire()
    monkeypatch.setattr(process, "is_dead", lambda place, pid, started: place == "here")
    began = s3.now
    head(s3, "here").acquire()
    assert s3.now == began
    with pytest.raises(LostError):
        one.renew()


@pytest.mark.parametrize("operation", ["acquire", "renew", "release"])
@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "OperationAborted"])
def test_writes_that_meet_are_tried_again(head: Callable[..., Lease], operation: str, code: str) -> None:
    s3 = S3()
    one = head(s3)
    if operation != "acquire":
        one.acquire()
    s3.faults = {name: [s3.refuse(code, 409), s3.refuse(code, 409)] for name in ("put", "delete")}
    getattr(one, operation)()
    if operation == "release":
        assert s3.body is None
    else:
        one.check()


@pytest.mark.parametrize("operation", ["acquire", "renew"])
def test_an_answer_that_got_lost_costs_nothing(head: Callable[..., Lease], operation: str) -> None:
    """S3 has stored the lock, and refuses the next write, which still names the state before."""
    s3 = S3()
    one = head(s3)
    if operation != "acquire":
        one.acquire()
    s3.faults = {"put": ["lost"]}
    getattr(one, operation)()
    assert one.renew()
    one.check()


def test_a_lock_that_can_t_be_written_is_explained(head: Callable[..., Lease]) -> None:
    s3 = S3()
    s3.faults = {"put": [s3.refuse("AccessDenied")]}
    with pytest.raises(WorkflowError, match="needs s3:GetObject, s3:PutObject and s3:DeleteObject"):
        head(s3).acquire()


def test_what_is_no_lock_ends_like_one(head: Callable[..., Lease], monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = S3()
    s3.body, s3.etag, s3.stored = b"hello", '"x"', s3.now
    passes(s3, monkeypatch)
    began = s3.now
    head(s3).acquire()
    assert lock_object.SECONDS < s3.now - began < lock_object.SECONDS + 60


def test_of_heads_that_start_at_once_one_works(head: Callable[..., Lease], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both see no lock; the second one to write is refused and looks again."""
    s3 = S3()
    one, two = head(s3), head(s3, "another place")
    looked = s3.get_object

    def look(**asked: Any) -> dict[str, Any]:
        try:
            return looked(**asked)
        finally:
            if one._holder is None:
                one.acquire()

    one_looks = one._object.read
    monkeypatch.setattr(one._object, "read", lambda: (None, s3.now) if one._holder is None else one_looks())
    monkeypatch.setattr(s3, "get_object", look)
    passes(s3, monkeypatch, one.renew)
    with pytest.raises(HeldError):
        two.acquire()
    one.check()
