"""Ending jobs when a run is interrupted: within seconds, fifty a call, and none that has succeeded."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from snakemake_executor_plugin_aws_batch_fargate import cancellation


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which only pauses take time: calls may take what they need."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(cancellation, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))


def test_hanging_calls_do_not_hold_up_ctrl_c() -> None:
    over = threading.Event()

    def hang(**_: object) -> dict[str, Any]:
        over.wait(120)
        return {"jobs": []}

    start = time.monotonic()
    left = cancellation.terminate(SimpleNamespace(describe_jobs=hang, terminate_jobs=hang), ["a", "b"], deadline=0.6)
    took = time.monotonic() - start
    over.set()
    assert took < 60
    assert set(left) == {"a", "b"}


@pytest.mark.usefixtures("clock")
def test_what_has_succeeded_is_not_ended_when_calls_fail() -> None:
    """Every second look and the first ends fail, and jobs succeed between two rounds."""
    calls, status_of = {"look": 0, "end": 0}, {"done": "SUCCEEDED", "soon": "RUNNING", "long": "RUNNING"}
    ended: list[str] = []

    def describe_jobs(jobs: list[str]) -> dict[str, Any]:
        calls["look"] += 1
        if calls["look"] % 2:
            raise RuntimeError("500")
        return {"jobs": [{"jobId": job, "status": status_of[job]} for job in jobs]}

    def terminate_jobs(jobs: list[str], reason: str) -> dict[str, Any]:
        calls["end"] += 1
        if calls["end"] <= 2:
            status_of["soon"] = "SUCCEEDED"
            raise RuntimeError("500")
        assert all(status_of[job] == "RUNNING" for job in jobs)
        ended.extend(jobs)
        return {"successful": jobs, "errors": []}

    batch = SimpleNamespace(describe_jobs=describe_jobs, terminate_jobs=terminate_jobs)
    assert cancellation.terminate(batch, list(status_of)) == {}
    assert ended == ["long"]


@pytest.mark.usefixtures("clock")
def test_fifty_jobs_a_call_and_those_refused_are_tried_again() -> None:
    """An answer of 200 may say of single jobs that they were not ended."""
    sizes: list[int] = []
    ended: dict[str, int] = {}

    def terminate_jobs(jobs: list[str], reason: str) -> dict[str, Any]:
        sizes.append(len(jobs))
        for job in jobs:
            ended[job] = ended.get(job, 0) + 1
        again = [job for job in jobs if job.endswith("7") and ended[job] == 1]
        refused = [{"job": job, "code": "ThrottlingException", "message": "slow down"} for job in again]
        return {"successful": [job for job in jobs if job not in again], "errors": refused}

    ids = [f"job{number}" for number in range(120)]
    batch = SimpleNamespace(
        describe_jobs=lambda jobs: {"jobs": [{"jobId": job, "status": "RUNNING"} for job in jobs]},
        terminate_jobs=terminate_jobs,
    )
    assert cancellation.terminate(batch, ids) == {}
    assert sorted(sizes) == [12, 20, 50, 50]
    assert set(ended) == set(ids)
    assert {job for job, times in ended.items() if times == 2} == {job for job in ids if job.endswith("7")}


@pytest.mark.usefixtures("clock")
def test_what_is_refused_is_told() -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("AccessDenied")

    batch = SimpleNamespace(describe_jobs=lambda jobs: {"jobs": []}, terminate_jobs=refuse)
    assert cancellation.terminate(batch, ["a"]) == {"a": "AccessDenied"}
    errors = [{"job": "a", "code": "ServerException", "message": "not now"}]
    batch.terminate_jobs = lambda **_: {"successful": ["b"], "errors": errors}
    assert cancellation.terminate(batch, ["a", "b"]) == {"a": "ServerException: not now"}
