"""The server as a process: its command, its start and its end."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from socket import gethostname

import docker
import psutil

from strict_aws import LABEL, running
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
            for owner in (f"{gethostname()}:{server.pid}", f"{gethostname()}:{2**22 + 1}", f"elsewhere:{2**22 + 1}")
        ]
        volumes = {volume.name for volume in engine.volumes.list()} - before
        tests.kill()
    try:
        psutil.wait_procs([server], 20)
        assert not server.is_running()
        with running(tmp_path / "next.log"):
            left = {one.id for one in engine.containers.list(all=True, filters={"label": LABEL})}
        assert [one.id in left for one in made] == [False, False, True]
        assert len(volumes & {volume.name for volume in engine.volumes.list()}) <= len(volumes) - 2
    finally:
        for one in made:
            with suppress(docker.errors.NotFound):
                one.remove(force=True, v=True)
