"""Clients of the executor: their lock is explained if it can't be had, and their credentials are renewed."""

from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from snakemake_interface_common.exceptions import WorkflowError

from fake_batch import FakeAws
from fake_head import Make, ended, until
from fake_jobs import FakeJob
from record_site import BUCKET
from snakemake_aws_common import credentials
from snakemake_aws_common import lease as leases
from snakemake_aws_common.lease import Lease, LostError
from snakemake_executor_plugin_aws_batch_fargate import cancellation, client, lock, signals
from snakemake_executor_plugin_aws_batch_fargate.settings import ExecutorSettings

PREFIX = "s3://data/runs/main"


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket"])
def test_a_lock_that_can_t_be_read_is_explained(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "refused"}}, "GetObject")

    monkeypatch.setattr(client, "client_of", lambda *_: SimpleNamespace(get_object=refuse))
    monkeypatch.setattr(signals, "leave_at_sighup", lambda _: None)
    flow = SimpleNamespace(storage_settings=SimpleNamespace(default_storage_prefix=PREFIX), dag=[1])
    with pytest.raises(WorkflowError, match=rf"{PREFIX} can't be read or written: .*{code}.* s3:ListBucket"):
        lock.take(flow, ExecutorSettings(), "us-east-1", print)


def test_clients_of_the_executor_use_credentials_that_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = botocore.session.Session()
    session.set_credentials("SHARED", "secret")
    monkeypatch.setattr(credentials, "session", lambda: session)
    s3 = client.client_of("s3", "us-east-1")
    assert "SHARED" in s3.generate_presigned_url("get_object", Params={"Bucket": "data", "Key": "a"})


@pytest.mark.parametrize("is_lost", [True, False])
def test_jobs_that_are_ended_by_whoever_took_the_run_have_not_failed(
    is_lost: bool, make: Make, aws: FakeAws, s3: Any
) -> None:
    one = make()
    errors: list[BaseException] = []
    one.workflow.scheduler.executor_error_callback = errors.append
    lease = Lease(s3, BUCKET, key := "runs/main/.head-lock.json", print)
    lease.acquire()
    one._lock = lock.Lock(lease)
    job = FakeJob()
    one.run_jobs([job])
    if is_lost:
        s3.delete_object(Bucket=BUCKET, Key=key)
    aws.batch.end(*aws.batch.submitted(), "FAILED", 1, "ended by hand")
    until(lambda: bool(errors or ended(one)))
    assert [type(error) for error in errors] == [LostError] * is_lost
    assert ended(one) == [(job, False)] * (not is_lost)
    lease.release()


@pytest.mark.parametrize("taken", [True, False])
def test_who_sleeps_between_ctrl_c_and_the_end_of_its_jobs_asks_once_more(
    taken: bool, make: Make, aws: FakeAws, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop whose lid is closed then: another head may have the run, and its jobs, by the time it goes on."""
    real, given = [0.0], cancellation.terminate
    monkeypatch.setattr(leases, "CLOCKS", (lambda: real[0],))
    one, held = make(), Lease(s3, BUCKET, key := "runs/main/.head-lock.json", print)
    held.acquire()
    one._lock = lock.Lock(held)
    one.run_jobs([FakeJob()])

    def sleep(*of: Any) -> Any:
        # Before the clock: the thread that records the run renews the lock as soon as its time is over.
        if taken:
            s3.delete_object(Bucket=BUCKET, Key=key)
        real[0] += 300
        # One that has lost the run tries in vain all the time.
        return given(*of[:2], 5.0 if taken else 120.0)

    monkeypatch.setattr(cancellation, "terminate", sleep)
    one.cancel()
    assert [job["status"] for job in aws.batch.submitted()] == ["SUBMITTED" if taken else "FAILED"]
    assert ("left to whoever has the lock" in one.logger.text) == taken
    assert "aws batch terminate-job" not in one.logger.text
    held.release()
