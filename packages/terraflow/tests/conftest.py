"""Fixtures that several tests of terraflow need."""

import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from left_jobs import Hangs
from pretend_batch import PretendBatch
from run_objects import BUCKET, STACK
from stopped_runs import Time
from terraflow import cli
from terraflow.heads import leaving
from terraflow.runs import ending


@pytest.fixture(scope="session", autouse=True)
def _descriptions_are_read_once(one_botocore_loader: None) -> None:
    """Each command makes a session of boto3."""


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS account in this process; no credentials or settings of the user's lead elsewhere.

    Calls are answered one at a time: moto looks whether an object fits a condition, and stores it in a later step.
    """
    answer, turn = BotocoreStubber.__call__, threading.RLock()

    def alone(self: BotocoreStubber, *given: Any, **named: Any) -> Any:
        with turn:
            return answer(self, *given, **named)

    monkeypatch.setattr(BotocoreStubber, "__call__", alone)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "tests")
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


@pytest.fixture
def s3(account: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of S3 in an account with the stack's bucket. Answers have a Date, as AWS's have and moto's lack."""
    answer = BotocoreStubber.__call__

    def dated(self: BotocoreStubber, *given: Any, **named: Any) -> Any:
        response = answer(self, *given, **named)
        if response is not None:
            response.headers.setdefault("date", formatdate(usegmt=True))
        return response

    monkeypatch.setattr(BotocoreStubber, "__call__", dated)
    client = boto3.client("s3", region_name=STACK.region)
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def lost_answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have every conditional write repeated, as botocore does when S3's answer is lost; return the keys."""
    call, lost = BaseClient._make_api_call, list[str]()

    def repeated(self: BaseClient, operation: str, given: dict[str, Any]) -> Any:
        if operation == "PutObject" and given.keys() & {"IfMatch", "IfNoneMatch"}:
            call(self, operation, given)
            lost.append(given["Key"])
        return call(self, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", repeated)
    return lost


@pytest.fixture
def batch() -> PretendBatch:
    """AWS Batch without jobs."""
    return PretendBatch()


@pytest.fixture
def commands(s3: Any, batch: PretendBatch, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of S3 with the stack's bucket, in which commands find the stack."""
    clients = {"s3": s3, "batch": batch}
    monkeypatch.setattr("terraflow.stack.deployed", lambda: STACK)
    monkeypatch.setattr("terraflow.runs.find.client", lambda service, *_: clients[service])
    return s3


@pytest.fixture
def hangs() -> Iterator[Hangs]:
    """An AWS that answers when the test is over."""
    made = Hangs()
    yield made
    made.over.set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Time that nobody waits for."""
    made = Time()
    monkeypatch.setattr(ending, "Clock", lambda: made)
    return made


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose timeline and receipt would have been written."""
    made: list[str] = []
    monkeypatch.setattr(leaving, "leave", lambda _, run: made.append(run))
    return made


@pytest.fixture
def stop(
    commands: Any, clock: Time, left: list[str], capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """What the command returns, and prints to both streams."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["stop", "cohort7", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
