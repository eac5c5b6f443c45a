"""AWS in trouble is waited for, credentials that come back are used, and Ctrl-C ends the waiting."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from snakemake_interface_common.exceptions import WorkflowError
from werkzeug.serving import make_server

from executor_fakes import Environ, Quiet
from snakemake_aws_common import credentials, patience
from snakemake_aws_common.patience import Patience, in_thread, interruptible
from snakemake_executor_plugin_aws_batch_fargate import client as batch
from snakemake_storage_plugin_s3_inventory import StorageProvider, StorageProviderSettings, run

LISTING = (
    b'<ListBucketResult><Name>data</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>raw/x</Key>\
<LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>"1"</ETag><Size>3</Size></Contents></ListBucketResult>'
)


def error(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutObject",
    )


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.05)


@pytest.mark.parametrize(
    ("failure", "passes"),
    [
        (error("InternalError", 500), True),
        (error("SlowDown", 503), True),
        (error("503", 503), True),
        (error("RequestTimeout", 400), True),
        (error("ExpiredToken"), True),
        (error("ExpiredTokenException"), True),
        (EndpointConnectionError(endpoint_url="https://s3"), True),
        (NoCredentialsError(), True),
        (error("AccessDenied", 403), False),
        (error("NoSuchKey", 404), False),
        (error("InvalidAccessKeyId", 403), False),
    ],
)
def test_what_passes_is_waited_for(failure: Exception, passes: bool) -> None:
    said: list[str] = []
    failures = [failure] * 3

    def call() -> str:
        if failures:
            raise failures.pop()
        return "done"

    wait = Patience(said.append)
    if not passes:
        with pytest.raises(type(failure)):
            wait(call)
        assert said == []
        return
    assert wait(call) == "done"
    assert len(said) == 1 and "S3 can't be used just now" in said[0] and "30 min" in said[0]
    assert ("Log in again" in said[0]) is patience.lacks_credentials(failure)


def test_what_lasts_ends_with_the_last_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def call() -> None:
        raise error("SlowDown", 503)

    with pytest.raises(ClientError, match="SlowDown"):
        Patience(print, longest=0.2)(call)


def test_ctrl_c_ends_the_waiting_in_a_loop_and_in_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake asks storages in asyncio's loop, where the first Ctrl-C waits for what is under way; it must not."""
    monkeypatch.setattr(patience, "PAUSE", 60)
    ended: list[str] = []

    def fail() -> None:
        raise error("SlowDown", 503)

    async def here() -> None:
        Patience(print)(fail)

    async def elsewhere() -> None:
        try:
            await here()
        finally:
            ended.append("thread")

    for what in (here(), in_thread(elsewhere())):
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(what)
        assert time.monotonic() - start < 30
    assert ended == ["thread"]
    before = signal.getsignal(signal.SIGINT)
    with interruptible():
        pass
    assert signal.getsignal(signal.SIGINT) == before


class Guarded:
    """An S3 that takes one key of all, and fails as told before."""

    def __init__(self) -> None:
        self.taken = "OLD"
        self.faults = 0
        self.keys: list[str] = []
        self.refused: Callable[[], None] = lambda: None

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
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


def test_clients_of_the_executor_use_them_too(guarded: tuple[Guarded, Path]) -> None:
    server, file = guarded
    s3 = batch.client_of("s3", "us-east-1")
    server.taken = "RENEWED"
    with pytest.raises(ClientError, match="ExpiredToken"):
        s3.list_objects_v2(Bucket="data")
    write(file, "RENEWED")
    assert s3.list_objects_v2(Bucket="data")["KeyCount"] == 1
    assert boto3.session.Session(botocore_session=credentials.session()).get_credentials() is not None


def test_an_s3_that_takes_nothing_for_a_while(guarded: tuple[Guarded, Path], tmp_path: Path) -> None:
    server, _ = guarded
    storage, said = provider(tmp_path / "local")
    server.faults = 4
    assert storage.object("s3://data/raw/x").exists()
    assert len(said) == 1 and "SlowDown" in said[0]


def test_a_job_waits_less_long(guarded: tuple[Guarded, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ON_A_WORKER", 0.2)
    server, _ = guarded
    storage, _ = provider(tmp_path / "local")
    storage.workflow = SimpleNamespace(remote_exec=True, scheduler=None)
    server.faults = 10_000
    with pytest.raises(WorkflowError, match="more requests than it takes"):
        storage.object("s3://data/raw/x").exists()
