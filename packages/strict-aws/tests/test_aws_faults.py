"""Faults of calls; those of jobs are in test_aws_job_faults.py."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ResponseStreamingError

from strict_aws import Aws
from strict_helpers import ONCE, code, status


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


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"call": "eror"}, "there is no fault call='eror'; there are error, reset, truncate"),
        ({"job": "relcaim"}, "there is no fault job='relcaim'"),
        ({"call": "error", "opration": "GetObject"}, "has no 'opration'; its fields are"),
        ({"job": "pull", "operation": "SubmitJob"}, "a fault of a job has no 'operation'"),
        ({"service": "s3"}, "either 'call' or 'job'"),
        ({"call": "error", "job": "pull"}, "either 'call' or 'job'"),
    ],
)
def test_a_fault_that_could_never_strike_is_refused(strict_aws: Aws, fault: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        strict_aws.fault(**fault)
    assert strict_aws.faults() == []


@pytest.mark.parametrize(
    ("pattern", "strikes"),
    [
        ({"bucket": "data"}, True),
        ({"bucket": "other"}, False),
        ({"key": "runs/*"}, True),
        ({"service": "batch"}, False),
        ({"caller": "AKIA*"}, True),
    ],
)
def test_a_fault_strikes_calls_that_fit(strict_aws: Aws, data: str, pattern: dict[str, str], strikes: bool) -> None:
    s3 = strict_aws.client("s3", config=ONCE)
    strict_aws.fault(call="error", status=500, code="InternalError", message="on purpose", **pattern)
    assert (status(s3.put_object, Bucket=data, Key="runs/fits", Body=b"a") == 500) is strikes
    assert (strict_aws.faults() == []) is strikes
