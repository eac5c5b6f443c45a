"""Faults of calls; those of jobs are in test_aws_job_faults.py."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ResponseStreamingError

from strict_aws import Aws
from strict_helpers import ONCE, code


def test_calls_fail_on_order(strict_aws: Aws, data: str) -> None:
    s3, batch = strict_aws.client("s3", config=ONCE), strict_aws.client("batch", config=ONCE)
    s3.put_object(Bucket="data", Key="runs/a", Body=b"a")
    strict_aws.fault(call="error", service="s3", operation="GetObject", key="runs/*", skip=1)
    strict_aws.fault(call="error", service="batch", status=429, code="TooManyRequestsException", times=2)
    assert s3.get_object(Bucket="data", Key="runs/a")["Body"].read() == b"a"
    assert code(s3.get_object, Bucket="data", Key="runs/a") == "SlowDown"
    assert s3.get_object(Bucket="data", Key="runs/a")["Body"].read() == b"a"
    for _ in range(2):
        assert code(batch.describe_jobs, jobs=["a"]) == "TooManyRequestsException"
    batch.describe_jobs(jobs=["a"])
    assert strict_aws.faults() == []


def test_connections_are_reset_on_order(strict_aws: Aws, data: str) -> None:
    """The client sees a connection that breaks, not an answer; nothing was done."""
    s3, batch = strict_aws.client("s3", config=ONCE), strict_aws.client("batch", config=ONCE)
    s3.put_object(Bucket="data", Key="runs/long", Body=b"x" * 100_000)
    long = {"Bucket": "data", "Key": "runs/long"}
    calls: dict[str, Callable[[], Any]] = {
        "GetObject": lambda: s3.get_object(**long),
        "HeadObject": lambda: s3.head_object(**long),
        "PutObject": lambda: s3.put_object(**long, Body=b"y" * 3_000_000),
        "DescribeJobs": lambda: batch.describe_jobs(jobs=["a"]),
    }
    strict_aws.requests(forget=True)
    for operation, call in calls.items():
        strict_aws.fault(call="reset", operation=operation)
        with pytest.raises(ConnectionClosedError):
            call()
        call_seen = strict_aws.requests(forget=True)[-1]
        assert (call_seen["operation"], call_seen["status"], call_seen["fault"]) == (operation, 0, "reset")
    assert s3.get_object(**long)["Body"].read() == b"x" * 100_000
    assert "Traceback" not in strict_aws.log.read_text()


def test_answers_are_cut_short_on_order(strict_aws: Aws, data: str) -> None:
    s3 = strict_aws.client("s3", config=ONCE)
    s3.put_object(Bucket="data", Key="runs/long", Body=b"x" * 100_000)
    strict_aws.fault(call="truncate", operation="GetObject")
    with pytest.raises(ResponseStreamingError, match="IncompleteRead\\(50000 bytes read"):
        s3.get_object(Bucket="data", Key="runs/long")["Body"].read()
    assert len(s3.get_object(Bucket="data", Key="runs/long")["Body"].read()) == 100_000
