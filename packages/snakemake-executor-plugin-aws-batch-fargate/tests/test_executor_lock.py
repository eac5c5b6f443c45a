"""Clients of the executor: their lock is explained if it can't be had, and their credentials are renewed."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import credentials
from snakemake_executor_plugin_aws_batch_fargate import client, lock, signals
from snakemake_executor_plugin_aws_batch_fargate.settings import ExecutorSettings

PREFIX = "s3://data/runs/main"
LISTING = b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>"


class Guarded:
    """An S3 that takes one access key of all; it answers within the client's process."""

    def __init__(self, s3: Any) -> None:
        self.taken = "OLD"
        self.keys: list[str] = []
        s3.meta.events.register("before-send.s3", self._answer)

    def _answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        signed = request.headers["Authorization"]
        key = (signed.decode() if isinstance(signed, bytes) else signed).partition("Credential=")[2].partition("/")[0]
        self.keys.append(key)
        status, body = (200, LISTING) if key == self.taken else (400, EXPIRED)
        raw = SimpleNamespace(stream=lambda: iter([body]))
        return AWSResponse(request.url, status, {"Content-Type": "application/xml"}, raw)


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that credentials come from."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    given = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(given))
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    write(given, "OLD")
    return given


def write(file: Path, key: str) -> None:
    file.write_text(
        f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\naws_session_token = {key}\n"
    )


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket"])
def test_a_lock_that_can_t_be_read_is_explained(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "refused"}}, "GetObject")

    monkeypatch.setattr(client, "client_of", lambda *_: SimpleNamespace(get_object=refuse))
    monkeypatch.setattr(signals, "leave_at_sighup", lambda _: None)
    flow = SimpleNamespace(storage_settings=SimpleNamespace(default_storage_prefix=PREFIX), dag=[1])
    with pytest.raises(WorkflowError, match=rf"{PREFIX} can't be read or written: .*{code}.* s3:ListBucket"):
        lock.take(flow, ExecutorSettings(), "us-east-1", print)


def test_clients_of_the_executor_use_renewed_credentials(file: Path) -> None:
    s3 = client.client_of("s3", "us-east-1")
    guarded = Guarded(s3)
    guarded.taken = "RENEWED"
    with pytest.raises(ClientError, match="ExpiredToken"):
        s3.list_objects_v2(Bucket="data")
    write(file, "RENEWED")
    assert s3.list_objects_v2(Bucket="data")["KeyCount"] == 0
    assert guarded.keys == ["OLD", "RENEWED"]
    assert boto3.session.Session(botocore_session=credentials.session()).get_credentials() is not None
