"""Errors of S3 reach the user in words that say what to do."""

import asyncio

import pytest
from botocore.exceptions import ConnectTimeoutError, ProxyConnectionError, ReadTimeoutError, SSLError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import patience
from snakemake_storage_plugin_s3_inventory.errors import explain
from storage_lab import Cache, Stores
from strict_aws import Aws


def test_an_archived_object_is_told_before_it_is_read(aws: Aws, stores: Stores, bucket: str) -> None:
    client = aws.client("s3")
    client.put_object(Bucket=bucket, Key="raw/x", Body=b"123", StorageClass="DEEP_ARCHIVE")
    planner, cache = stores(), Cache()
    asyncio.run(planner("raw/x").inventory(cache))
    assert planner("raw/x").exists()
    assert planner("raw/x").cache_key() not in cache.size
    with pytest.raises(WorkflowError, match=r"raw/x is archived: restore it"):
        planner("raw/x").size()
    client.restore_object(Bucket=bucket, Key="raw/x", RestoreRequest={"Days": 1})
    assert planner("raw/x").size() == 3


WORDS = [
    ("ListObjectsV2", 403, "RequestTimeTooSkewed", "clock is wrong"),
    ("ListObjectsV2", 400, "ExpiredToken", "does not accept the credentials"),
    ("ListObjectsV2", 301, "PermanentRedirect", "another region"),
    ("GetObject", 400, "InvalidRequest", "SSE-C"),
    ("GetObject", 403, "InvalidObjectState", "is archived: restore it"),
    ("GetObject", 403, "AccessDenied", "need s3:ListBucket"),
]


@pytest.mark.parametrize(("operation", "status", "code", "words"), WORDS)
def test_what_s3_refuses_is_told_in_words(
    aws: Aws,
    stores: Stores,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    status: int,
    code: str,
    words: str,
) -> None:
    monkeypatch.setattr(patience, "EXPIRED", 0)
    key = f"raw/{bucket}"
    stores().store(key, b"x")
    aws.fault(call="error", status=status, code=code, operation=operation, key=key, times=9)
    with pytest.raises(WorkflowError, match=words):
        stores(retries=0).retrieve(key)


def test_an_endpoint_that_is_none(stores: Stores) -> None:
    reader = stores()
    reader.provider.settings.endpoint_url = "minio:9000"
    with pytest.raises(WorkflowError, match="must begin with https://"):
        reader("raw/x").exists()


def test_refused_access_is_told_with_what_is_needed(aws: Aws, stores: Stores, bucket: str) -> None:
    writer = stores()
    aws.fault(call="error", status=403, code="AccessDenied", operation="PutObject", key=f"runs/{bucket}/x")
    with pytest.raises(WorkflowError, match=r"S3 refuses access to s3://.*s3:PutObject"):
        writer.store(f"runs/{bucket}/x", b"x")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ReadTimeoutError(endpoint_url="https://s3"), "S3 failed with s3://b/x: ReadTimeoutError"),
        (ConnectTimeoutError(endpoint_url="https://s3"), "S3 cannot be reached for s3://b/x: Connect timeout"),
        (
            ProxyConnectionError(proxy_url="http://proxy"),
            "S3 cannot be reached for s3://b/x: Failed to connect to proxy",
        ),
        (SSLError(endpoint_url="https://s3", error="EOF"), "S3 cannot be reached for s3://b/x: SSL validation failed"),
    ],
)
def test_a_network_in_trouble_is_no_local_copy(error: Exception, words: str) -> None:
    """botocore's errors of these are OSErrors, too."""
    assert explain(error, "s3://b/x").startswith(words)
