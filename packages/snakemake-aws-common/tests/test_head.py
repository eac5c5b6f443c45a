"""Requests that wait for the lock are signed afterwards; renewals survive trouble; a wait can be cancelled."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.auth
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from snakemake_aws_common import head, lease, lock_object
from snakemake_aws_common.lease import HeldError, Lease, LostError

REQUESTS: dict[str, tuple[str, Callable[[Any], object]]] = {
    "s3": ("s3", lambda s3: s3.put_object(Bucket="data", Key="x", Body=b"")),
    "batch": ("batch.TerminateJob", lambda batch: batch.terminate_job(jobId="1", reason="x")),
}


@pytest.mark.parametrize("service", REQUESTS)
def test_a_request_that_waits_for_the_lock_is_signed_afterwards(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS refuses signatures that are older than 15 minutes."""
    now = [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)]
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: now[0])
    waits = [timedelta(minutes=20)]
    sent: list[str] = []
    made = botocore.session.Session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        config=Config(retries={"total_max_attempts": 1}),
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )

    def check() -> None:
        if waits:
            now[0] += waits.pop()

    def send(request: Any, **_: object) -> None:
        sent.append(str(request.headers["X-Amz-Date"].decode()))

    event, call = REQUESTS[service]
    head.check_before_writes(made, check, event)
    made.meta.events.register_last("before-send", send)
    with pytest.raises(EndpointConnectionError):
        call(made)
    assert not waits and sent == ["20260102T032405Z"]


def test_trouble_with_a_renewal_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program or file with credentials may be replaced at that moment."""
    one = Lease(None, "data", "lock", print, seconds=0.01)
    outcomes: list[Exception] = [FileNotFoundError("aws-vault"), PermissionError("file"), LostError("taken")]

    def renew() -> bool:
        raise outcomes.pop(0)

    monkeypatch.setattr(one, "renew", renew)
    one._keep()
    assert outcomes == []
    assert isinstance(one._trouble, PermissionError)


def test_who_waits_for_another_head_is_called_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a thread, which Ctrl-C does not interrupt. S3 is not asked again."""
    looks: list[None] = []
    holder = lock_object.Holder("another", "someone@host", 1, "", "", str(Path("/elsewhere")), 0.0, 100.0)

    def look() -> tuple[lock_object.LockState, float]:
        looks.append(None)
        assert len(looks) < 10
        return lock_object.LockState(holder, '"1"', stored=1000.0, now=1001.0), 1001.0

    one = Lease(None, "data", "lock", print)
    monkeypatch.setattr(one._object, "read", look)
    monkeypatch.setattr(lease, "sleep_unless_cancelled", lambda *_: True)
    with pytest.raises(HeldError, match="someone@host"):
        one.acquire()
    assert len(looks) == 1
