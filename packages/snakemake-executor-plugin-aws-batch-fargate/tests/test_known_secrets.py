"""Secrets hidden in messages: also keys that were renewed while a head works; without keys messages appear."""

from pathlib import Path

import pytest

from snakemake_executor_plugin_aws_batch_fargate.known_secrets import KnownSecrets


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file from which AWS's tools read keys."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    return tmp_path / "keys"


def write(keys: Path, name: str) -> None:
    keys.write_text(f"[default]\naws_access_key_id = {name}-id\naws_secret_access_key = {name}-secret\n")


def test_renewed_keys_and_those_before_them_are_known(keys: Path) -> None:
    write(keys, "first")
    secrets = KnownSecrets(["licence", ""])
    assert secrets.known() == ["first-id", "first-secret", "licence"]
    write(keys, "second")
    assert secrets.known() == ["first-id", "first-secret", "licence", "second-id", "second-secret"]


@pytest.mark.parametrize(
    "settings",
    [
        "",
        "[default]\nrole_arn = x\nsource_profile = gone\n",
        "[default]\ncredential_process = /nowhere/helper\n",
        "[default]\ncredential_process = /bin/echo logged out\n",
    ],
)
def test_keys_that_cannot_be_read_stop_nothing(keys: Path, settings: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(settings)
    secrets = KnownSecrets(["licence"])
    assert secrets.known() == ["licence"]
    (tmp_path / "config").write_text("")
    write(keys, "later")
    assert secrets.known() == ["later-id", "later-secret", "licence"]


def test_aws_that_refuses_a_role_stops_nothing(keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")

    write(keys, "base")
    (tmp_path / "config").write_text(
        "[profile lab]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = default\nregion = eu-west-1\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "lab")
    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    assert KnownSecrets(["licence"]).known() == ["licence"]
