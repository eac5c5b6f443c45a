"""A run is stopped while AWS gives no answer: it is asked again, and what may still run is said."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from pretend_batch import PretendBatch
from run_objects import put
from snakemake_aws_common import patience
from snakemake_aws_common.lock_object import LockObject
from stopped_runs import BEGUN, WORKS, Time
from terraflow.runs import batch as batches
from terraflow.runs import ending


def out_of_reach(monkeypatch: pytest.MonkeyPatch, operation: str, times: int) -> list[None]:
    """Let calls get no answer, beginning with the first order to end a job; return those that got none."""
    real, lost = PretendBatch._called, list[None]()

    def called(self: PretendBatch, name: str, given: Any) -> None:
        begun = name == "TerminateJobs" or any(one == "TerminateJobs" for one, _ in self.calls)
        if begun and name == operation and len(lost) < times:
            lost.append(None)
            raise ReadTimeoutError(endpoint_url="https://batch")
        real(self, name, given)

    monkeypatch.setattr(PretendBatch, "_called", called)
    return lost


def sleepy(clock: Time, real: Callable[..., Any]) -> Callable[..., Any]:
    """Let time pass before Batch answers, so that the lock has to be renewed."""

    def active(*given: Any) -> Any:
        clock.sleep(40)
        return real(*given)

    return active


@pytest.mark.parametrize("operation", ["ListJobs", "DescribeJobs", "TerminateJobs"])
def test_a_batch_that_does_not_answer_for_a_moment_leaves_no_job(
    commands: Any, batch: PretendBatch, stop: Any, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("head-1", "cohort7", "head", queue="head")
    batch.add("id-1", "cohort7", "bwa_mem")
    lost = out_of_reach(monkeypatch, operation, 3)
    code, out, _ = stop("--yes")
    assert code == 0 and lost
    assert "2 jobs ended" in out
    assert {one["status"] for one in batch.jobs.values()} == {"FAILED"}


def test_a_batch_that_does_not_answer_at_all_is_no_stopped_run(
    commands: Any, batch: PretendBatch, stop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "UNREACHED", 0.0)
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("id-1", "cohort7", "bwa_mem")
    out_of_reach(monkeypatch, "TerminateJobs", 1000)
    code, _, err = stop("--yes")
    assert code == 1
    assert "Jobs of run cohort7 may still run, and cost money: call `terraflow stop cohort7` again." in err


def test_a_lock_whose_renewal_got_no_answer_is_not_somebody_else_s(
    commands: Any, batch: PretendBatch, clock: Time, stop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    put(commands, "cohort7", about=BEGUN, live=WORKS)
    batch.add("id-1", "cohort7", "bwa_mem")
    real, writes = LockObject.write, list[None]()

    def write(self: LockObject, *given: Any, **condition: str) -> str:
        etag = real(self, *given, **condition)
        writes.append(None)
        if len(writes) == 2:
            raise ReadTimeoutError(endpoint_url="https://s3")
        return etag

    monkeypatch.setattr(LockObject, "write", write)
    monkeypatch.setattr(batches, "active", sleepy(clock, batches.active))
    code, out, err = stop("--yes")
    assert (code, len(writes) > 2) == (0, True), err
    assert "1 job ended" in out
