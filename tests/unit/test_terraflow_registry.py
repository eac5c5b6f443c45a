"""What is asked of a registry and of the Docker client, and what their answers mean."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.stub import Stubber

from terraflow import registry
from terraflow.errors import UserError
from terraflow.registry import Authorisation

BY = Authorisation("AWS", "pass:word")

# A Docker client that writes down what it is asked, with its configuration, and pushes with the given exit code.
DOCKER = """\
#!/bin/sh
{{ echo "$*"; echo "$DOCKER_CONFIG"; }} >> {asked}
case $1 in
login) cat "$DOCKER_CONFIG/config.json" > {config}; read -r password
       {login};;
push) exit {push};;
esac
"""


class Answers(BaseHTTPRequestHandler):
    """Answers a HEAD with the next of the tag's status codes; the last of them goes on for ever."""

    server: "Server"

    def do_HEAD(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        codes = self.server.codes.get(self.path.rpartition("/")[2], [404])
        self.send_response(codes.pop(0) if len(codes) > 1 else codes[0])
        self.send_header("Location", "/v2/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A registry that has only answers: {tag: status codes}."""

    def __init__(self, codes: dict[str, list[int]]) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.codes = codes
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.server_port}/lab/terraflow"


@contextmanager
def answering(**codes: list[int]) -> Iterator[Server]:
    with Server(codes) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield server
        finally:
            server.shutdown()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a Docker client on PATH; its result is the file of what it was asked."""

    def make(push: int = 0, login: str = "exit 0") -> Path:
        program, asked = tmp_path / "bin" / "docker", tmp_path / "asked"
        program.parent.mkdir()
        program.write_text(DOCKER.format(asked=asked, config=tmp_path / "config", push=push, login=login))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=":")
        return asked

    return make


def test_tags_that_are_not_there_are_missing() -> None:
    with answering(there=[200]) as server:
        assert registry.missing(server.url, ["away", "there", "also-away"], BY) == ["away", "also-away"]
    path, headers = server.asked[1]
    assert path == "/v2/lab/terraflow/manifests/there"
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "AWS:pass:word"
    assert set(headers["Accept"].split(", ")) == set(registry.MANIFESTS)
