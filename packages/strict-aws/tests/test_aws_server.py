"""The server as a process: its command, its start and its end."""

import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from socket import gethostname
from typing import Any

import docker
import psutil
import pytest

from strict_aws import ACCOUNT, LABEL, container, running
from strict_helpers import IMAGE


def test_a_killed_test_run_leaves_no_server_container_or_volume(tmp_path: Path, engine: docker.DockerClient) -> None:
    """Nor does a killed server, once the next one has started; containers of another host's server stay."""
    before = {volume.name for volume in engine.volumes.list()}
    code = "import pathlib, sys, time; from strict_aws import running\n"
    code += "with running(pathlib.Path(sys.argv[1])) as aws:\n print(aws.endpoint, flush=True)\n time.sleep(600)"
    command = [sys.executable, "-c", code, str(tmp_path / "server.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout and "http" in tests.stdout.readline()
        [server] = psutil.Process(tests.pid).children()
        made = [
            engine.containers.run(
                *(IMAGE, ["sleep", "600"]),
                detach=True,
                labels={LABEL: owner},
                volumes=["/work"],
            )
            # No owner on this host is dead yet: other tests' servers, which start at any time, remove what those leave.
            for owner in (f"{gethostname()}:{server.pid}", f"{gethostname()}:{tests.pid}", f"elsewhere:{2**22 + 1}")
        ]
        volumes = {volume.name for volume in engine.volumes.list()} - before
        tests.kill()
    try:
        psutil.wait_procs([server], 120)
        assert not server.is_running()
        with running(tmp_path / "next.log"):
            # Containers of other tests' servers come and go meanwhile.
            found = engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
            left = {one.id for one in found}
        assert [one.id in left for one in made] == [False, False, True]
        assert len(volumes & {volume.name for volume in engine.volumes.list()}) <= len(volumes) - 2
    finally:
        for one in made:
            with suppress(docker.errors.NotFound):
                one.remove(force=True, v=True)


def test_orphans_are_removed_though_another_container_ends_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine has listed a container, and when it is asked about it, it is gone."""
    # A version of the API spares the client the question which one the engine has: nobody listens there.
    client = docker.DockerClient(base_url="tcp://127.0.0.1:9", version="1.41")
    removed: list[str] = []

    def inspect(name: str) -> dict[str, Any]:
        if name == "gone":
            raise docker.errors.NotFound("it ended")
        return {"Id": name, "Config": {"Labels": {LABEL: f"{gethostname()}:{2**22 + 1}"}}}

    monkeypatch.setattr(client.api, "containers", lambda **_: [{"Id": "gone"}, {"Id": "orphan"}])
    monkeypatch.setattr(client.api, "inspect_container", inspect)
    monkeypatch.setattr(client.api, "remove_container", lambda name, **_: removed.append(name))
    monkeypatch.setattr(container, "engine", lambda: client)
    container.remove_orphans()
    assert removed == ["orphan"]


def test_the_command_prints_what_leads_programs_to_it(tmp_path: Path) -> None:
    """A shell that runs the printed lines reaches the server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "strict_aws", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout and server.stderr
        lines = [next(server.stdout) for _ in range(8)]
        call = f'{sys.executable} -c \'import boto3; print(boto3.client("sts").get_caller_identity()["Account"])\''
        done = subprocess.run(["bash", "-c", "".join(lines) + call], capture_output=True, text=True, check=False)
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        server.send_signal(signal.SIGINT)
        rest, said = server.communicate(timeout=120)
    assert done.stdout.strip() == ACCOUNT, done.stderr
    assert f"export AWS_ENDPOINT_URL=http://127.0.0.1:{port}\n" in lines
    assert lines[0] == "unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CA_BUNDLE AWS_REGION\n"
    assert (server.returncode, rest) == (0, "") and "Traceback" not in said
    assert second.returncode != 0 and f"Port {port} is in use" in second.stderr


def test_the_command_has_help_with_an_example() -> None:
    done = subprocess.run([Path(sys.executable).parent / "strict-aws", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "strict-aws --port 5000" in done.stdout
    done = subprocess.run([sys.executable, "-m", "strict_aws", "5000"], capture_output=True, text=True)
    assert done.returncode == 2 and "unrecognized arguments: 5000" in done.stderr


def test_a_server_that_does_not_start_shows_its_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("raise SystemExit('no Python today')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="no Python today"), running():
        pass


def test_a_server_keeps_no_log_unless_asked() -> None:
    with running() as aws:
        assert aws.client("s3").list_buckets()["Buckets"] == [] and aws.log.is_file()
    assert not aws.log.parent.exists()
