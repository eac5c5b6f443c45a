"""An AWS and heads in the test's own process, for the tests of the executor."""

from collections.abc import Iterator
from typing import Any

import boto3
import botocore.loaders
import pytest
from hypothesis import HealthCheck, settings
from moto.backends import get_backend

from fake_batch import FakeAws, FakeBatch, serving
from fake_head import SETTINGS, Log, Make, leave
from fake_jobs import without_sources, workflow
from record_site import BUCKET
from snakemake_executor_plugin_aws_batch_fargate import Executor, ExecutorSettings, journal, logs, preflight

# The time of one example depends more on the machine than on the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def one_loader() -> Iterator[None]:
    """Read botocore's descriptions of services once: each client has a session, and each session reads them."""
    loader = botocore.loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[FakeAws]:
    with serving() as aws:
        yield aws


@pytest.fixture
def aws(server: FakeAws, monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """The server with an empty Batch and an empty S3; the rest of the stack counts as right."""
    # moto has one S3 for all servers of a process.
    get_backend("s3").reset()
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    server.batch.__dict__.update(FakeBatch().__dict__)
    monkeypatch.setattr(preflight, "check", lambda *_: preflight.Report())
    monkeypatch.setattr(logs, "tail", lambda *_: None)
    without_sources(monkeypatch)
    return server


@pytest.fixture
def s3(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An S3 with an empty bucket, and queues whose kinds are known."""
    kinds = preflight.Report(spot={"spot": True, "ondemand": False})
    monkeypatch.setattr(preflight, "check", lambda *_: kinds)
    monkeypatch.setattr(journal, "LIVE_SECONDS", 0.2)
    # What is written last is waited for, however slow the machine.
    monkeypatch.setattr(journal, "IN_HASTE", 120.0)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def make(aws: FakeAws) -> Iterator[Make]:
    made: list[Executor] = []

    def new(shell: Any = None, **changed: Any) -> Executor:
        flow = workflow(ExecutorSettings(**{**SETTINGS, "lock_seconds": 0, **changed}))
        flow.__dict__.update(shell or {})
        made.append(Executor(flow, Log()))
        return made[-1]

    yield new
    for one in made:
        leave(one)
