"""Airflow's image as the stack's task runs it: its user, a read-only root, an encrypted database, secrets of AWS."""

import json
import re
import signal
import subprocess
import time
import urllib.request
from typing import Any

import airflows
import pytest
from airflows import PASSWORD, Desk, Service
from airflows import PATIENCE as SECONDS
from images import output_of, run_in

from shared import ROOT

LIMIT_MB = 500
# Volumes of the task, as Terraform mounts them.
VOLUMES = (ROOT / "terraform/airflow.tf").read_text().partition("airflow_volumes = {")[2].partition("}")[0]
WRITABLE = re.findall(r'"(/.+)"', VOLUMES)


@pytest.fixture(scope="module")
def image() -> str:
    return airflows.image()


def inspected(image: str) -> dict[str, Any]:
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout)[0])


# ---- what is in it -----------------------------------------------------------------------------------------------


def test_it_is_small_and_not_root(image: str) -> None:
    found = inspected(image)
    print(f"{image}: {found['Size'] / 1e6:.0f} MB")
    assert found["Size"] <= LIMIT_MB * 1e6
    assert found["Config"]["User"] == "1000:1000"
    assert set(found["Config"]["Volumes"]) == set(WRITABLE)


def test_only_the_volumes_can_be_written_to(image: str) -> None:
    assert output_of(image, "bash", "-c", "id -u; echo >/airflow/x; echo >/tmp/x; echo ok").split() == ["1000", "ok"]
    for place in ("/x", "/opt/dags/x", "/opt/airflow/x", "/usr/lib/x"):
        refused = run_in(image, "bash", "-c", f"echo >{place}")
        assert refused.returncode == 1
        assert b"Read-only file system" in refused.stderr or b"Permission denied" in refused.stderr


def test_modules_are_compiled_and_no_tools_are_left(image: str) -> None:
    script = (
        "import importlib.util, pathlib, airflow.providers.amazon as a, airflow_service as s, terraflow_airflow as t\n"
        "import airflow.sdk as k, sqlalchemy as q\n"
        "for m in a, s, t, k, q:\n"
        "    for f in pathlib.Path(m.__file__).parent.rglob('*.py'):\n"
        "        if not pathlib.Path(importlib.util.cache_from_source(str(f))).exists(): print(f)"
    )
    assert output_of(image, "python", "-c", script).split() == []
    tools = "gcc make pip pip3 uv git psql"
    assert output_of(image, "bash", "-c", f"for tool in {tools}; do type -P $tool || true; done").split() == []


def test_no_file_gives_its_user_more_rights(image: str) -> None:
    found = output_of(image, "bash", "-c", "find / -xdev -type f -perm /6000 2>/dev/null || true")
    assert found.split() == []


# ---- how it starts -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(desk: Desk) -> Service:
    """Return the Airflow that tests share; the last test ends it."""
    return desk.service


def test_all_parts_are_healthy_and_the_page_answers(service: Service) -> None:
    def states() -> dict[str, str]:
        page = f"http://127.0.0.1:{service.port}/api/v2/monitor/health"
        with urllib.request.urlopen(page, timeout=SECONDS) as answer:
            parts = json.load(answer)
        return {part: parts[part]["status"] for part in parts}

    healthy = dict.fromkeys(("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy")
    end = time.monotonic() + SECONDS
    # A part's heartbeat may be late for a moment on a machine that does much else.
    while (found := states()) != healthy:
        assert time.monotonic() < end, found
        time.sleep(1)


def test_the_password_of_the_secret_opens_it_and_no_other(service: Service) -> None:
    def sign_in(password: str) -> int:
        body = json.dumps({"username": "admin", "password": password}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{service.port}/auth/token", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert sign_in(service.values["password"]) == 201
    assert sign_in("admin") == 401


ENVIRONMENTS = """
import contextlib, pathlib

for process in pathlib.Path('/proc').glob('[0-9]*'):
    # Processes come and go.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        print((process / 'environ').read_text(), (process / 'cmdline').read_text())
"""


def test_no_secret_stands_in_log_or_environment(service: Service) -> None:
    config = subprocess.run(["docker", "inspect", service.container], capture_output=True, text=True, check=True).stdout
    environments = service.seen_by_root(ENVIRONMENTS)
    assert f"AIRFLOW__API__PORT={service.port}" in environments
    for secret in (*service.values.values(), PASSWORD):
        for text in (service.log, config, environments):
            assert secret not in text


def test_its_dags_are_there(service: Service) -> None:
    """That of the inbox is there since the stack says so: tests/unit/test_airflow_service.py."""
    end = time.monotonic() + SECONDS
    while service.database.query("select count(*) from dag") < "3":
        assert time.monotonic() < end, service.log
        time.sleep(1)
    found = service.database.query("select dag_id, is_paused from dag order by 1").split()
    assert found == ["terraflow_inbox|f", "terraflow_nightly|t", "terraflow_run|f"]
    # One that took too long on a busy machine is read again.
    while service.database.query("select count(*) from import_error") != "0":
        assert time.monotonic() < end, service.log
        time.sleep(1)
    assert service.database.query("select slots, include_deferred from slot_pool where pool = 'terraflow'") == "16|t"


LISTENING = """
import contextlib, pathlib

own = set()
for process in pathlib.Path('/proc').glob('[0-9]*'):
    # Processes come and go, and so do their files.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for file in (process / 'fd').iterdir():
            with contextlib.suppress(FileNotFoundError): own.add(str(file.readlink()))
for name in 'tcp', 'tcp6':
    for line in pathlib.Path('/proc/net', name).read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == '0A' and f'socket:[{words[9]}]' in own: print(words[1])
"""


def test_nothing_listens_to_the_outside(service: Service) -> None:
    """Sockets of the container's processes; the network's own files tell of the whole machine's."""
    printed = service.seen_by_root(LISTENING)
    assert {line.rpartition(":")[0] for line in printed.split()} == {"0100007F"}, printed


SIGNAL = """
import contextlib, os, pathlib, sys
part, signal = sys.argv[1].encode(), int(sys.argv[2])
for process in filter(str.isdigit, os.listdir('/proc')):
    # Processes come and go.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        if b'airflow\\0' + part in pathlib.Path('/proc', process, 'cmdline').read_bytes(): os.kill(int(process), signal)
"""


def test_a_part_that_hangs_is_not_healthy(service: Service) -> None:
    """ECS replaces a task whose health check fails five times in a row."""
    check = ("python", "-m", "airflow_service.health")
    assert service.run("python", "-c", SIGNAL, "triggerer", str(signal.SIGSTOP.value)).stderr == ""
    end = time.monotonic() + SECONDS
    # Other parts may be late for a moment on a machine that does much else.
    while ((done := service.run(*check)).returncode, done.stderr) != (1, "triggerer: unhealthy\n"):
        assert time.monotonic() < end, f"{done.returncode} {done.stderr}\n{service.log}"
        time.sleep(2)
    assert service.run("python", "-c", SIGNAL, "triggerer", str(signal.SIGCONT.value)).stderr == ""
    end = time.monotonic() + SECONDS
    while service.run(*check).returncode:
        assert time.monotonic() < end, service.log
        time.sleep(2)


def test_a_part_that_ends_takes_the_container_along(service: Service) -> None:
    """The last test of the service: nothing is left of it."""
    assert service.run("python", "-c", SIGNAL, "dag-processor", str(signal.SIGKILL.value)).stderr == ""
    end = time.monotonic() + SECONDS
    while service.state["Running"]:
        assert time.monotonic() < end, service.log
        time.sleep(1)
    assert service.state["ExitCode"] != 0
