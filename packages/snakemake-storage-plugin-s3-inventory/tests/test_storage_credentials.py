"""A storage waits for an S3 in trouble and for credentials, and uses those that come back."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake_interface_common.exceptions import WorkflowError
from werkzeug.serving import WSGIRequestHandler, make_server

from snakemake_aws_common import patience
from snakemake_storage_plugin_s3_inventory import StorageProvider, StorageProviderSettings, session

LISTING = (
    b'<ListBucketResult><Name>data</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>raw/x</Key>\
<LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>"1"</ETag><Size>3</Size></Contents></ListBucketResult>'
)


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log(self, *_: object, **__: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.05)


class Guarded:
    """An S3 that takes one access key only, and fails as often as `faults` says."""

    def __init__(self) -> None:
        self.taken = "OLD"
        self.faults = 0
        self.keys: list[str] = []
        self.refused: Callable[[], None] = lambda: None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        key = environ["HTTP_AUTHORIZATION"].partition("Credential=")[2].partition("/")[0]
        self.keys.append(key)
        xml = [("Content-Type", "application/xml")]
        if self.faults:
            self.faults -= 1
            start_response("503 Slow Down", xml)
            return [b"<Error><Code>SlowDown</Code><Message>no</Message></Error>"]
        if key != self.taken:
            self.refused()
            start_response("400 Bad Request", xml)
            return [b"<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>"]
        start_response("200 OK", xml)
        return [LISTING]


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Guarded, Path]]:
    """The server, and the file that credentials come from."""
    app, file = Guarded(), tmp_path / "credentials"
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
        "AWS_SHARED_CREDENTIALS_FILE": str(file),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    write(file, "OLD")
    yield app, file
    server.shutdown()


def write(file: Path, key: str) -> None:
    file.write_text(
        f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\naws_session_token = {key}\n"
    )


def provider(folder: Path, then: Callable[[], object] = lambda: None) -> tuple[StorageProvider, list[str]]:
    """And what is said, after each word of which something happens."""
    said: list[str] = []
    logger: Any = SimpleNamespace(warning=lambda line: (said.append(line), then()))
    return StorageProvider(folder, logger, settings=StorageProviderSettings(retries=0)), said


def test_credentials_that_come_back_are_used(guarded: tuple[Guarded, Path], tmp_path: Path) -> None:
    """A client that is there already takes what `aws sso login` or an editor writes into the file meanwhile."""
    server, file = guarded
    storage, said = provider(tmp_path / "local")
    assert storage.object("s3://data/raw/x").exists()
    server.taken = "RENEWED"
    refusals: list[int] = []

    def renewed() -> None:
        refusals.append(1)
        if len(refusals) == 3:
            write(file, "RENEWED")

    server.refused = renewed
    assert not storage.object("s3://data/raw/y").exists()
    assert server.keys[-1] == "RENEWED" and len(refusals) >= 3
    assert "Log in again" in said[0] and "ExpiredToken" in said[0]


def test_credentials_that_were_not_there_are_used(guarded: tuple[Guarded, Path], tmp_path: Path) -> None:
    _, file = guarded
    file.unlink()
    storage, said = provider(tmp_path / "local", lambda: write(file, "OLD"))
    assert storage.object("s3://data/raw/x").exists()
    assert "Unable to locate credentials" in said[0]


def test_an_s3_that_takes_nothing_for_a_while(guarded: tuple[Guarded, Path], tmp_path: Path) -> None:
    server, _ = guarded
    storage, said = provider(tmp_path / "local")
    server.faults = 4
    assert storage.object("s3://data/raw/x").exists()
    assert len(said) == 1 and "SlowDown" in said[0]


def test_a_job_waits_less_long(guarded: tuple[Guarded, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "WORKER_PATIENCE", 0.2)
    server, _ = guarded
    storage, _ = provider(tmp_path / "local")
    storage.session.state.workflow = SimpleNamespace(remote_exec=True, scheduler=None)
    server.faults = 10_000
    with pytest.raises(WorkflowError, match="more requests than it takes"):
        storage.object("s3://data/raw/x").exists()
