"""The lock of a run: who gets it, who keeps it, and who loses it, on an S3 with a clock of its own."""

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import lease, patience, process
from snakemake_aws_common.lease import HeldError, Lease, LostError

SECONDS = 100.0
Fault = Exception | str | None


class S3:
    """One object, conditional writes, and a clock that stands apart from the machine's."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0
        self.body: bytes | None = None
        self.etag, self.stored, self.writes = "", 0.0, 0
        self.calls: list[str] = []
        # What an operation fails with, each once: an error, or "lost" for an answer that does not arrive.
        self.faults: dict[str, list[Fault]] = {}

    def _answer(self, **more: Any) -> dict[str, Any]:
        return {"ResponseMetadata": {"HTTPHeaders": {"date": formatdate(self.now, usegmt=True)}}, **more}

    def refuse(self, code: str, status: int = 400) -> ClientError:
        answer = self._answer(Error={"Code": code, "Message": "refused"})
        answer["ResponseMetadata"]["HTTPStatusCode"] = status
        return ClientError(answer, "PutObject")  # type: ignore[arg-type]

    def _begin(self, operation: str) -> bool:
        self.calls.append(operation)
        faults = self.faults.get(operation, [])
        fault = faults.pop(0) if faults else None
        if isinstance(fault, Exception):
            raise fault
        return fault == "lost"

    def _compare(self, asked: dict[str, Any]) -> None:
        if asked.get("IfNoneMatch") == "*" and self.body is not None:
            raise self.refuse("PreconditionFailed")
        if "IfMatch" in asked and self.body is None:
            raise self.refuse("NoSuchKey")
        if "IfMatch" in asked and asked["IfMatch"] != self.etag:
            raise self.refuse("PreconditionFailed")

    def get_object(self, **_: Any) -> dict[str, Any]:
        self._begin("get")
        if self.body is None:
            raise self.refuse("NoSuchKey")
        modified = datetime.fromtimestamp(int(self.stored), UTC)
        return self._answer(Body=io.BytesIO(self.body), ETag=self.etag, LastModified=modified)

    def put_object(self, **asked: Any) -> dict[str, Any]:
        lost = self._begin("put")
        self._compare(asked)
        self.body, self.stored, self.writes = asked["Body"], self.now, self.writes + 1
        self.etag = f'"{hash(self.body)}"'
        if lost:
            raise EndpointConnectionError(endpoint_url="https://s3")
        return self._answer(ETag=self.etag)

    def delete_object(self, **asked: Any) -> dict[str, Any]:
        self._begin("delete")
        self._compare(asked)
        self.body = None
        return self._answer()


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The machine's clocks: hours behind S3's, and each set by itself."""
    times = {"monotonic": 5.0, "wall": 900_000_000.0}
    monkeypatch.setattr(lease, "CLOCKS", (lambda: times["monotonic"], lambda: times["wall"]))
    return times


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch, clocks: dict[str, float]) -> Iterator[Callable[..., Lease]]:
    """Makes heads; nothing renews by itself, and nobody waits in earnest: S3's clock goes on instead."""
    made: list[Lease] = []
    monkeypatch.setattr(Lease, "_keep", lambda _: None)
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    monkeypatch.setattr(lease, "CONFLICT_PAUSE", 0.0)
    said: list[str] = []

    def make(s3: S3, place: str = "elsewhere") -> Lease:
        monkeypatch.setattr(process, "place", lambda: place)
        made.append(Lease(s3, "data", "runs/main/.head-lock.json", said.append, SECONDS, "Name it."))
        made[-1].said = said  # type: ignore[attr-defined]
        return made[-1]

    yield make
    for one in made:
        one.give_up()


def passes(s3: S3, monkeypatch: pytest.MonkeyPatch, then: Callable[[], object] = lambda: None) -> None:
    """Waiting makes S3's clock go on, and whatever else happens meanwhile."""

    def rest(seconds: float, _: threading.Event) -> bool:
        s3.now += seconds
        then()
        return False

    monkeypatch.setattr(lease, "sleep_unless_cancelled", rest)


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
    assert lease._holder(s3.body or b"", 0).id == holder.id
    one.check()


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


@pytest.mark.parametrize("wakes", ["monotonic", "wall"])
def test_who_slept_asks_before_it_writes(
    head: Callable[..., Lease], clocks: dict[str, float], monkeypatch: pytest.MonkeyPatch, wakes: str
) -> None:
    """Whichever clock has gone on meanwhile tells of it; and a lock that nobody took is still one's own."""
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
    """S3 has stored the lock; the next write is refused, since what it compares with is no longer there."""
    s3 = S3()
    one = head(s3)
    if operation != "acquire":
        one.acquire()
    s3.faults = {"put": ["lost"]}
    getattr(one, operation)()
    assert one.renew()
    one.check()


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
    assert time.monotonic() - start < 30


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
    assert lease.SECONDS < s3.now - began < lease.SECONDS + 60


def test_of_heads_that_start_at_once_one_works(head: Callable[..., Lease], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen that there is none; the one that comes second to write looks again."""
    s3 = S3()
    one, two = head(s3), head(s3, "another place")
    looked = s3.get_object

    def look(**asked: Any) -> dict[str, Any]:
        try:
            return looked(**asked)
        finally:
            if one._holder is None:
                one.acquire()

    one_looks = one._look
    monkeypatch.setattr(one, "_look", lambda: (None, s3.now) if one._holder is None else one_looks())
    monkeypatch.setattr(s3, "get_object", look)
    passes(s3, monkeypatch, one.renew)
    with pytest.raises(HeldError):
        two.acquire()
    one.check()


def test_which_process_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    here, me = process.place(), os.getpid()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    began = process.started(ended.pid)
    while (status := process._status(ended.pid)) and status[0] not in "ZX":
        time.sleep(0.01)
    assert process.is_dead(here, ended.pid, began), "a process that nobody has waited for"
    ended.wait()
    assert process.is_dead(here, ended.pid, began)
    assert not process.is_dead("another machine", ended.pid, began)
    assert not process.is_dead(here, me, process.started(me))
    assert process.is_dead(here, me, "another start") is bool(process.started(me))
    assert not process.is_dead("", 0, "")
    assert replace(lease._holder(b"", 0.0), pid=ended.pid).is_dead() is False
