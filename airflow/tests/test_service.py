"""The image's supervisor and its logs, with what the image has them from."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from airflow.providers.amazon.aws.log.s3_task_handler import S3RemoteLogIO
from airflow_service import supervise

from cloud import BUCKET, Cloud

AIRFLOW = Path(__file__).parents[1]
# A part, and a process of its group, such as a worker of the scheduler; each notes that it was told to end.
PART = """
import os, pathlib, signal, sys, time
def note(name):
    def told(*_):
        pathlib.Path(name).write_text("told to end")
        if name == "part":
            time.sleep(0.5)
            os.kill(worker, signal.SIGKILL)
        sys.exit(0)
    return told
worker = os.fork()
name = "part" if worker else "worker"
signal.signal(signal.SIGTERM, note(name))
print(name, "is there", flush=True)
time.sleep(60)
"""


def test_a_part_alone_is_told_to_end(tmp_path: Path) -> None:
    """A worker that is told to end passes it on to its task, which ends its run."""
    (tmp_path / "part.py").write_text(PART)
    (tmp_path / "Procfile").write_text(f"part: exec {sys.executable} part.py\n")
    command = [sys.executable, "-m", "airflow_service.supervise", "--procfile", "Procfile", "--no-colour", "start"]
    env = {**os.environ, "PYTHONPATH": str(AIRFLOW / "service")}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        there = 0
        while there < 2:
            line = supervisor.stdout.readline()
            assert line
            there += "is there" in line
        supervisor.send_signal(signal.SIGTERM)
        supervisor.stdout.read()
    assert supervisor.returncode == 143
    assert (tmp_path / "part").read_text() == "told to end"
    assert not (tmp_path / "worker").exists()


def test_a_part_that_has_ended_is_left_alone() -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    supervise.terminate(None, done.pid)


def test_the_log_of_a_waiting_task_stays_open(cloud: Cloud, tmp_path: Path) -> None:
    """The worker sends a try's log to S3 when the task is deferred, and the triggerer writes beside it by then."""
    image = (AIRFLOW / "Dockerfile").read_text()
    delete = re.findall(r"AIRFLOW__LOGGING__DELETE_LOCAL_LOGS=(\w+)", image) == ["True"]
    log = tmp_path / "run_id=r1" / "attempt=1.log"
    log.parent.mkdir()
    log.write_text("started\n")
    head = log.with_name("attempt=1.log.trigger.7.log")
    with head.open("w") as waiting:
        waiting.write("first line of the head\n")
        waiting.flush()
        S3RemoteLogIO(f"s3://{BUCKET}/airflow/logs", tmp_path, delete_local_copy=delete).upload(log)
        waiting.write("second\n")
    assert head.read_text() == "first line of the head\nsecond\n"
    assert cloud.get("airflow/logs/run_id=r1/attempt=1.log") == "started\n"
