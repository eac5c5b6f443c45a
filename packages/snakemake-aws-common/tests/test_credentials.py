"""Clients use credentials that appear, or are renewed, while they work."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError, NoCredentialsError

from snakemake_aws_common import credentials, patience
from snakemake_aws_common.patience import Patience

LISTING = b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>"


class Guarded:
    """An S3 that takes one access key only, and answers within the client's process."""

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
    """Return the file that credentials come from."""
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


def test_a_client_uses_renewed_credentials_after_a_refusal(file: Path) -> None:
    s3 = credentials.session().create_client("s3")
    guarded = Guarded(s3)
    s3.list_objects_v2(Bucket="data")
    guarded.taken = "RENEWED"
    with pytest.raises(ClientError, match="ExpiredToken"):
        s3.list_objects_v2(Bucket="data")
    write(file, "RENEWED")
    assert s3.list_objects_v2(Bucket="data")["KeyCount"] == 0
    assert guarded.keys == ["OLD", "OLD", "RENEWED"]


def test_who_waits_goes_on_with_the_credentials_that_come(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    said: list[str] = []

    def warn(line: str) -> None:
        said.append(line)
        write(file, "OLD")

    file.unlink()
    s3 = credentials.session().create_client("s3")
    guarded = Guarded(s3)
    assert Patience(warn)(lambda: s3.list_objects_v2(Bucket="data"))["KeyCount"] == 0
    assert guarded.keys == ["OLD"]
    assert len(said) == 1 and "Unable to locate credentials" in said[0] and "Log in again" in said[0]


def test_without_credentials_a_request_says_so(file: Path) -> None:
    file.unlink()
    with pytest.raises(NoCredentialsError):
        credentials.session().create_client("s3").list_objects_v2(Bucket="data")
