"""The last seconds of a head that was told to end: whose the jobs are that run, and which are ended or named."""

import dataclasses
import time
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from left_jobs import RUN, Batch, Hangs
from run_objects import STACK, put_lock
from snakemake_aws_common.lock_object import LockObject
from terraflow.heads.objects import UnreadableError
from terraflow.heads.stopping import Stopping


@pytest.mark.parametrize(
    ("batch", "ended", "left"),
    [
        (Batch([]), [], {}),
        (Batch(["a", "b"]), ["a", "b"], {}),
        (Batch(["a"], late=["b"]), ["a", "b"], {}),
        (Batch(["a", "b"], refused=["b"]), ["a"], {"b": "500: no"}),
        (Batch([f"j{n}" for n in range(120)]), [f"j{n}" for n in range(120)], {}),
    ],
)
def test_jobs_that_snakemake_left_are_ended_or_named(
    s3: Any, monkeypatch: pytest.MonkeyPatch, batch: Batch, ended: list[str], left: dict[str, str]
) -> None:
    """Neither heads nor jobs of a run with a longer name; those that run on for their 30 seconds count as ended."""
    now = [0.0]
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    stopping = Stopping(STACK, RUN, lambda: 60 - now[0], s3=s3, batch=batch)
    assert stopping.end_jobs() == left
    assert batch.ended == ended
    assert now[0] < (60 if batch.refused else 6)


def test_jobs_are_left_to_a_head_that_takes_the_run_meanwhile(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(["a"], late=["b"])

    def sleep(_: float) -> None:
        if batch.looks == 2:
            put_lock(s3, RUN)

    monkeypatch.setattr(time, "sleep", sleep)
    left = Stopping(STACK, RUN, lambda: 60.0, s3=s3, batch=batch).end_jobs()
    assert list(left) == ["jobs of run cohort7"] and "left to another head" in left["jobs of run cohort7"]
    assert (batch.looks, batch.ended) == (3, ["a"])


@pytest.mark.parametrize(
    ("seconds", "age", "ended"),
    [(150, 0, []), (150, 80, []), (150, 152, ["a"]), (-10, 0, ["a"]), (None, 0, ["a"])],
    ids=["renewed", "not renewed twice, and not ended", "ended", "ended before", "no lock"],
)
def test_jobs_are_another_head_s_until_its_lease_has_ended(
    s3: Any, monkeypatch: pytest.MonkeyPatch, seconds: float | None, age: float, ended: list[str]
) -> None:
    """A laptop that slept for a minute renews its lock, and goes on with them."""
    if seconds is not None:
        put_lock(s3, RUN, seconds)
    read = LockObject.read

    def later(self: LockObject) -> Any:
        state, now = read(self)
        return state and dataclasses.replace(state, now=state.now + age), now + age

    monkeypatch.setattr(LockObject, "read", later)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    batch = Batch(["a"])
    left = Stopping(STACK, RUN, lambda: 60.0, s3=s3, batch=batch).end_jobs()
    assert batch.ended == ended and bool(left) != bool(ended)


def test_a_head_that_has_the_lock_does_not_ask_an_s3_that_hangs(hangs: Hangs, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(["a"])
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert Stopping(STACK, RUN, lambda: 60.0, lambda: True, hangs, batch).end_jobs() == {}
    assert batch.ended == ["a"]


@pytest.mark.parametrize("hanging", ["s3", "batch", "whose the run is"])
def test_what_may_still_run_is_said_in_time_where_aws_hangs(s3: Any, hangs: Hangs, hanging: str) -> None:
    """Whose jobs these are is not known, so none is ended."""
    batch = Batch(["a"])
    given = {"s3": s3, "batch": batch, **({hanging: hangs} if hanging in ("s3", "batch") else {})}
    start = time.monotonic()
    stopping = Stopping(STACK, RUN, lambda: start + 0.3 - time.monotonic(), **given)
    left = stopping.end_jobs(hangs if hanging == "whose the run is" else lambda: True)
    assert time.monotonic() - start < 60
    assert left == {f"all jobs of run {RUN}": "AWS has not answered in time"}
    assert batch.ended == []


@pytest.mark.parametrize("asked", ["whose the lock is", "whose the run is", "whose the run is, in a run.json of []"])
def test_jobs_are_named_and_not_ended_where_s3_is_out_of_reach(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    def refuse(**_: object) -> bool:
        raise EndpointConnectionError(endpoint_url="https://s3")

    def misread() -> bool:
        raise UnreadableError("https://s3", ValueError())

    now = [0.0]
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    batch = Batch(["a"])
    stopping = Stopping(STACK, RUN, lambda: 60 - now[0], s3=SimpleNamespace(get_object=refuse), batch=batch)
    left = stopping.end_jobs({"whose the lock is": lambda: True, "whose the run is": refuse}.get(asked, misread))
    assert list(left) == [f"all jobs of run {RUN}"] and "https://s3" in str(left)
    assert batch.ended == []
