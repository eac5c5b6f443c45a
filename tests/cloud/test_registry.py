"""Images are pushed to a real registry: with which login, which layers are skipped, and the messages of failures."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import needs
import psutil
import pytest
import registry as loopback
import requests
from registry import PASSWORD, USER, Registry

from strict_aws import Aws
from terraflow import registry
from terraflow.errors import UserError
from terraflow.registry import Authorisation

BY = Authorisation(USER, PASSWORD)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    needs.need_docker()
    with loopback.running(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def image() -> Iterator[str]:
    """Make a local image of a few random bytes."""
    name = f"terraflow-tests:{uuid.uuid4().hex}"
    with io.BytesIO() as layer:
        with tarfile.open(fileobj=layer, mode="w") as archive:
            content = uuid.uuid4().bytes
            member = tarfile.TarInfo("hello")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        subprocess.run(["docker", "import", "-", name], input=layer.getvalue(), check=True, capture_output=True)
    yield name
    subprocess.run(["docker", "rmi", "--force", name], check=True, capture_output=True)


@pytest.fixture
def repository(there: Registry, image: str) -> Iterator[str]:
    """Return a repository of the test's own; delete its local names afterwards."""
    url = f"{there.host}/repo-{uuid.uuid4().hex[:8]}"
    yield url
    names = subprocess.run(
        ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", url], capture_output=True, text=True, check=True
    ).stdout.split()
    if names:
        subprocess.run(["docker", "rmi", *names], check=True, capture_output=True)


def manifest(repository: str, tag: str) -> dict[str, Any]:
    """Return the registry's own content of a tag."""
    host, _, name = repository.partition("/")
    headers = {"Accept": registry.MANIFESTS[0]}
    url = f"http://{host}/v2/{name}/manifests/{tag}"
    answer = requests.get(url, auth=(USER, PASSWORD), headers=headers, timeout=10)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def image_id(name: str) -> str:
    """Digest of what a local image is."""
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_pushed_image_is_there_and_what_is_there_is_not_missing(there: Registry, repository: str, image: str) -> None:
    tags = ["worker-1", "report-1"]
    assert registry.missing(repository, tags, BY) == tags
    registry.push(image, repository, "worker-1", BY)
    assert registry.missing(repository, tags, BY) == ["report-1"]
    # Layers that the registry has are not sent again under another tag: only the manifest is.
    before = len(there.uploads())
    registry.push(image, repository, "report-1", BY)
    name = repository.partition("/")[2]
    assert there.uploads()[before:] == [f"/v2/{name}/manifests/report-1"]


def test_what_is_pulled_is_what_was_pushed(there: Registry, repository: str, image: str, tmp_path: Path) -> None:
    registry.push(image, repository, "worker-1", BY)
    pushed = image_id(image)
    subprocess.run(["docker", "rmi", image, f"{repository}:worker-1"], check=True, capture_output=True)
    env = dict(os.environ, DOCKER_CONFIG=str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"auths": {there.host: {}}}))
    for command in (
        ["login", "--username", USER, "--password-stdin", there.host],
        ["pull", f"{repository}:worker-1"],
        ["tag", f"{repository}:worker-1", image],
    ):
        subprocess.run(["docker", *command], env=env, input=PASSWORD, text=True, check=True, capture_output=True)
    assert image_id(image) == pushed == manifest(repository, "worker-1")["config"]["digest"]


def test_ecr_gives_the_authorisation(
    there: Registry, aws: Aws, settings: Callable[..., AbstractContextManager[None]]
) -> None:
    with settings(registry=there.host, registry_password=PASSWORD):
        by = registry.authorisation(aws.client("ecr"))
    assert by == BY
    assert PASSWORD not in repr(by)


def test_no_password_stays_anywhere(
    repository: str, image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config, temporary = tmp_path / "docker", tmp_path / "tmp"
    config.mkdir()
    temporary.mkdir()
    own = {"auths": {"example.org": {"auth": "bWU6bWU="}}, "credsStore": "not-there", "HttpHeaders": {"X-A": "b"}}
    (config / "config.json").write_text(json.dumps(own))
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    registry.push(image, repository, "worker-1", BY)
    assert json.loads((config / "config.json").read_text()) == own
    assert list(temporary.iterdir()) == []
    printed = capfd.readouterr()
    assert PASSWORD not in printed.out + printed.err


class Stalled(BaseHTTPRequestHandler):
    """Lets everyone in who has a password, has nothing, and is slow to take the first layer."""

    reached = threading.Event()
    ended = threading.Event()

    def do_GET(self) -> None:
        known = "Authorization" in self.headers
        self.send_response(200 if known else 401)
        if not known:
            self.send_header("WWW-Authenticate", 'Basic realm="tests"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.reached.set()
        self.ended.wait(300)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


PUSH = """
import sys
from terraflow import registry
registry.push(sys.argv[1], sys.argv[2], "worker-1", registry.Authorisation("AWS", sys.stdin.read()))
"""


def test_an_interrupted_push_leaves_no_password(image: str, tmp_path: Path) -> None:
    """Nor is it to be seen while the push runs, in a list of processes or by another user."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (tmp_path / "password").write_text(PASSWORD)
    env = dict(os.environ, TMPDIR=str(temporary))
    with (tmp_path / "password").open() as password, ThreadingHTTPServer(("127.0.0.1", 0), Stalled) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"127.0.0.1:{server.server_port}/terraflow"
        pushing = subprocess.Popen(
            [sys.executable, "-c", PUSH, image, url],
            env=env,
            stdin=password,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            assert Stalled.reached.wait(300)
            parent = psutil.Process(pushing.pid)
            family = [parent, *parent.children(recursive=True)]
            assert len(family) > 1
            seen = [" ".join([*process.cmdline(), *process.environ().values()]) for process in family]
            (folder,) = temporary.iterdir()
            mode = folder.stat().st_mode & 0o777
        finally:
            os.killpg(pushing.pid, signal.SIGINT)
            said = pushing.communicate(timeout=300)[0]
            Stalled.ended.set()
            server.shutdown()
            subprocess.run(["docker", "rmi", f"{url}:worker-1"], check=True, capture_output=True)
    coded = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    for text in (*seen, said):
        assert PASSWORD not in text
        assert coded not in text
    assert mode == 0o700
    assert "KeyboardInterrupt" in said
    assert list(temporary.iterdir()) == []


def test_the_users_keychain_is_left_alone(
    repository: str, image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Docker takes a keychain by itself where it finds the program of one and no settings that say otherwise."""
    asked = tmp_path / "asked"
    for keychain in ("secretservice", "pass", "osxkeychain"):
        program = tmp_path / f"docker-credential-{keychain}"
        program.write_text(f'#!/bin/sh\necho "$0 $1" >> {asked}\ncat >> {asked}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    registry.push(image, repository, "worker-1", BY)
    assert not asked.exists(), asked.read_text()


def test_a_wrong_password_is_told_and_nothing_is_pushed(there: Registry, repository: str, image: str) -> None:
    wrong = Authorisation(USER, "wrong-password")
    with pytest.raises(UserError, match=r"refuses to say whether .*worker-1 is there \(401\)"):
        registry.missing(repository, ["worker-1"], wrong)
    before = there.uploads()
    with pytest.raises(UserError, match="docker login failed") as error:
        registry.push(image, repository, "worker-1", wrong)
    assert "wrong-password" not in str(error.value)
    assert there.uploads() == before


def test_a_registry_that_is_away_is_told(tmp_path: Path, image: str) -> None:
    with loopback.running(tmp_path / "short") as short:
        url = f"{short.host}/terraflow"
    with pytest.raises(UserError, match=f"Registry {short.host} does not answer"):
        registry.missing(url, ["worker-1"], BY)
    with pytest.raises(UserError, match="docker login failed"):
        registry.push(image, url, "worker-1", BY)
    subprocess.run(["docker", "rmi", f"{url}:worker-1"], check=True, capture_output=True)


def test_a_registry_in_trouble_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    """Where a registry can't read its own disk it answers 500: the image is neither there nor missing."""
    with loopback.running(tmp_path / "broken") as broken:
        manifests = tmp_path / "broken/images/docker/registry/v2/repositories/x/_manifests/tags/worker-1/current"
        (manifests / "link").mkdir(parents=True)
        with pytest.raises(UserError, match="answers 500"):
            registry.missing(f"{broken.host}/x", ["worker-1"], BY)


def test_an_image_that_was_never_built_is_told(repository: str) -> None:
    with pytest.raises(UserError, match=r"docker tag failed: .*No such image"):
        registry.push("terraflow-tests:never-built", repository, "worker-1", BY)


def test_the_engine_of_the_users_context_is_used(
    repository: str, image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With Docker Desktop and the like the engine's address stands in the user's own configuration only."""
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for command in (["create", "elsewhere", "--docker", f"host={socket}"], ["use", "elsewhere"]):
        subprocess.run(["docker", "context", *command], check=True, capture_output=True)
    moved = json.loads(next(tmp_path.glob("contexts/meta/*/meta.json")).read_text())
    assert moved["Name"] == "elsewhere"
    registry.push(image, repository, "worker-1", BY)
    assert registry.missing(repository, ["worker-1"], BY) == []
