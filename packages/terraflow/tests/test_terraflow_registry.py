"""Questions to a registry and to the Docker client, and what their answers mean."""

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


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, r"refuses to say whether lab/terraflow:x is there \(401\)"),
        (403, "need ecr:GetAuthorizationToken, ecr:BatchGetImage"),
        (302, "answers 302"),
        (400, "answers 400"),
    ],
)
def test_only_not_found_is_missing(code: int, words: str) -> None:
    with answering(x=[code]) as server, pytest.raises(UserError, match=words) as error:
        registry.missing(server.url, ["x"], BY)
    assert BY.password not in str(error.value)


def test_a_registry_that_recovers_is_asked_again() -> None:
    with answering(x=[503, 429, 200]) as server:
        assert registry.missing(server.url, ["x"], BY) == []
    assert len(server.asked) == 3


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(x=[200]) as server:
        assert registry.missing(server.url, ["x"], BY) == []


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/lab", "https"),
        ("127.0.0.1.example.org:5000/lab", "https"),
        ("127.0.0.1:5000/lab", "http"),
        ("localhost:5000/lab", "http"),
        ("[::1]:5000/lab", "http"),
    ],
)
def test_a_password_goes_in_the_clear_to_this_machine_only(
    url: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def send(_: object, request: requests.PreparedRequest, **__: Any) -> requests.Response:
        asked.append(request.url)
        raise requests.ConnectionError("no network in tests")

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", send)
    with pytest.raises(UserError, match=r"does not answer .no network in tests"):
        registry.missing(url, ["x"], BY)
    host, _, name = url.partition("/")
    assert asked == [f"{scheme}://{host}/v2/{name}/manifests/x"]


def test_authorisation_is_user_and_password() -> None:
    client = boto3.client("ecr", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    token = base64.b64encode(b"AWS:pass:word").decode()
    with Stubber(client) as ecr:
        ecr.add_response("get_authorization_token", {"authorizationData": [{"authorizationToken": token}]})
        by = registry.authorisation(client)
        assert by == BY
        assert "word" not in f"{by} {by!r}"
        ecr.add_client_error("get_authorization_token", "AccessDeniedException", "not for you")
        with pytest.raises(UserError, match=r"ECR gives no authorisation to push images: .*not for you"):
            registry.authorisation(client)


def test_a_push_that_someone_else_was_quicker_with_is_done(docker: Callable[..., Path]) -> None:
    """A tag that is there can't be written again: ECR refuses the second of two pushes at the same time."""
    asked = docker(push=1)
    with answering(x=[200]) as server:
        registry.push("terraflow:local", server.url, "x", BY)
    assert f"push {server.url}:x" in asked.read_text()


@pytest.mark.parametrize("code", [0, 1])
def test_a_push_without_an_image_afterwards_is_told(code: int, docker: Callable[..., Path]) -> None:
    docker(push=code)
    with (
        answering() as server,
        pytest.raises(UserError, match=rf"docker push of \S+:x ended with exit code {code}, and the image is not"),
    ):
        registry.push("terraflow:local", server.url, "x", BY)


def test_a_login_that_fails_is_told_without_the_password(docker: Callable[..., Path]) -> None:
    asked = docker(login='echo "$password is wrong" >&2; exit 1')
    with answering(x=[200]) as server, pytest.raises(UserError, match="docker login failed:") as error:
        registry.push("terraflow:local", server.url, "x", BY)
    assert "*** is wrong" in str(error.value)
    assert BY.password not in str(error.value) + asked.read_text()
    assert not any(line.startswith("push") for line in asked.read_text().splitlines())


@pytest.mark.parametrize("login", ["exit 0", "exit 1"])
def test_the_client_gets_a_configuration_of_its_own(
    login: str, docker: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = docker(login=login)
    own = tmp_path / "own"
    own.mkdir()
    settings = {
        "auths": {"example.org": {"auth": "bWU6bWU="}},
        "credsStore": "desktop",
        "credHelpers": {"example.org": "other"},
        "currentContext": "elsewhere",
        "proxies": {"default": {"httpProxy": "http://proxy"}},
    }
    (own / "config.json").write_text(json.dumps(settings))
    monkeypatch.setenv("DOCKER_CONFIG", str(own))
    with answering(x=[200]) as server:
        try:
            registry.push("terraflow:local", server.url, "x", BY)
        except UserError:
            assert login == "exit 1"
    used = json.loads((tmp_path / "config").read_text())
    # Docker would take a keychain if it found no credentials at all.
    assert used.pop("auths") == {server.url.partition("/")[0]: {}}
    assert used == {key: settings[key] for key in ("currentContext", "proxies")}
    folder = asked.read_text().splitlines()[3]
    assert folder != str(own)
    assert not Path(folder).exists()


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null"])
def test_a_configuration_that_says_nothing_is_none(
    text: str | None, docker: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with answering(x=[200]) as server:
        registry.push("terraflow:local", server.url, "x", BY)
    assert list(json.loads((tmp_path / "config").read_text())) == ["auths"]
