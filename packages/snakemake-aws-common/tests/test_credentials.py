"""Clients use credentials that appear, or are renewed, while they work."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError, CredentialRetrievalError, NoCredentialsError

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


@pytest.mark.parametrize(
    "setting",
    [
        "credential_process = /nowhere/helper",
        "credential_process = /bin/echo logged out",
        "role_arn = arn:aws:iam::123456789012:role/x\nweb_identity_token_file = /nowhere/token",
    ],
)
def test_credentials_that_can_t_be_had_for_a_moment_are_waited_for(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """botocore raises what the system or the parser raises."""
    config = tmp_path / "config"
    config.write_text(f"[default]\n{setting}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    file.unlink()
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    s3 = credentials.session().create_client("s3")
    Guarded(s3)
    with pytest.raises(CredentialRetrievalError) as raised:
        s3.list_objects_v2(Bucket="data")
    assert patience.lacks_credentials(raised.value)
    said: list[str] = []

    def warn(line: str) -> None:
        said.append(line)
        config.write_text("")
        write(file, "OLD")

    assert Patience(warn)(lambda: s3.list_objects_v2(Bucket="data"))["KeyCount"] == 0
    assert "Log in again" in said[0]
