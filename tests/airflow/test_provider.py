"""The provider package of Apache Airflow: its own tests, and whether it reads what heads, launchers and deploy write.

The package stands outside the workspace, since Airflow wants other versions of packages than the project does. Its
environment, .tools/airflow, is made here from airflow/uv.lock.
"""

import base64
import dataclasses
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

from run_objects import STACK
from shared import ROOT
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record.live import Live, LiveJob, RuleCount
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.inbox import due, entry
from terraflow.inbox.entry import Entry
from terraflow.launch import publish
from terraflow.runs.find import NAME

QUEUES = {"queues": {"spot": "lab-spot", "ondemand": "lab-ondemand", "head": "lab-head"}}
CONFIG = "reference: {fasta: 's3://lab/reference/g.fa'}\ncalling: {ploidy: 2}\n"
# Settings that would lead pytest or Python in the other environment back to this one.
OWN = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
# Reads objects by their keys as an operator does, and prints what it knows of them.
READ = """
import base64, dataclasses, io, json, sys
from terraflow_airflow import order, outcome, runs, stack
objects = json.load(sys.stdin)
class S3:
    def get_object(self, Bucket, Key):
        return {"Body": io.BytesIO(base64.b64decode(objects[Key]))}
run = runs.Run(S3(), "lab", "cohort")
about, live, entry = run.about(), run.live(), run.entry()
print(json.dumps({
    "about": dataclasses.asdict(about), "live": dataclasses.asdict(live), "entry": dataclasses.asdict(entry),
    "progress": live.progress, "stack": dataclasses.asdict(stack.read(S3(), "lab")),
    "run states": [runs.SUBMITTED, runs.RUNNING, runs.DONE, runs.FAILED, runs.OVER_BUDGET, runs.STOPPED],
    "sheet states": [runs.LAUNCHING, runs.LAUNCHED, runs.WAITING, runs.INCOMPLETE, runs.REFUSED],
    "exit codes": {state: code for code, state in outcome.EXIT_STATES.items()},
    "other exit codes": [outcome.EXIT_HELD, outcome.EXIT_UNUSABLE],
    "name": order.NAME.pattern,
}))
"""


def in_airflow(*words: str, **given: Any) -> "subprocess.CompletedProcess[str]":
    """Run Python in the environment of Airflow."""
    env = {name: value for name, value in os.environ.items() if name not in OWN}
    command = [str(ROOT / "tools/airflow.sh"), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, **given)


def test_the_provider_s_own_tests() -> None:
    done = in_airflow("-m", "pytest", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed in ", done.stdout) and "skipped" not in done.stdout


class Bucket:
    """Keeps what is stored."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, *, Key: str, Body: bytes, **_: object) -> None:
        self.objects[Key] = Body

    def get_object(self, *, Key: str, **_: object) -> None:
        raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject")


def test_it_reads_what_heads_and_launchers_and_deploy_write(tmp_path: Path) -> None:
    bucket: Any = Bucket()
    outputs = {**QUEUES, "inbox_budget": 20.0, "launcher_job_definition": "lab-launcher"}
    stack = dataclasses.replace(STACK, **outputs)  # type: ignore[arg-type]
    for path, text in {"config/aws.yaml": CONFIG, "workflow/Snakefile": "", "profiles/aws/config.yaml": ""}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert publish.publish(bucket, stack, tmp_path).problems == ()
    about = About(
        "cohort", "ann", "airflow", 1, abouts.FAILED, "a", "job-2", "raw/cohort/samples.tsv", '"e"', 3, "0.2.0"
    )
    job = LiveJob("job-3", "call", {}, False, "RUNNING", 1, "", "spot", True, 1.0, 1, 1, 1)
    live = Live(
        "cohort", "h", "ann", lives.RUNNING, 1, 2, rules={"call": RuleCount(4, 1, 1, 2, 0)}, jobs=(job,), spent=1.5
    )
    sheet = Entry('"e"', 1, entry.WAITING, 2, 3, '"c"', 1, "1 file", ("s3://lab/a",))
    objects = {
        "runs/cohort/head/run.json": abouts.to_json(about),
        "runs/cohort/head/live.json": lives.to_json(live),
        "raw/cohort/inbox.json": entry.to_json(sheet),
        **bucket.objects,
    }
    packed = {key: base64.b64encode(body).decode() for key, body in objects.items()}
    done = in_airflow("-c", READ, input=json.dumps(packed))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["stack"] == {
        "bucket": "lab",
        "region": stack.region,
        "name": stack.stack,
        "head_queue": "lab-head",
        "queues": ["lab-ondemand", "lab-spot"],
        "launcher": "lab-launcher",
        "log_group": stack.log_group,
        "tags": dict(stack.tags),
        "budget": 20.0,
        "config": yaml.safe_load(CONFIG),
    }
    assert found["about"].items() <= json.loads(abouts.to_json(about)).items()
    assert found["entry"].items() <= json.loads(entry.to_json(sheet)).items()
    assert found["live"]["jobs"] == ["job-3"]
    assert found["progress"] == "2 of 4 jobs done, 1 run, $1.50 so far"
    states = [abouts.SUBMITTED, abouts.RUNNING, abouts.DONE, abouts.FAILED, abouts.OVER_BUDGET, abouts.STOPPED]
    assert found["run states"] == states
    sheets = [entry.LAUNCHING, entry.LAUNCHED, entry.WAITING, entry.INCOMPLETE, entry.REFUSED]
    assert found["sheet states"] == sheets
    assert found["exit codes"] == abouts.EXIT_CODES
    assert found["other exit codes"] == [abouts.EXIT_HELD, abouts.EXIT_UNUSABLE]
    assert found["name"] == NAME.pattern
    assert (due.AIRFLOW, due.CLOCK) == ("airflow", "clock")


def test_its_lock_fits_and_names_one_public_registry() -> None:
    text = (ROOT / "airflow/uv.lock").read_text()
    assert set(re.findall(r"registry = \"([^\"]+)\"", text)) == {"https://pypi.org/simple"}
    assert set(re.findall(r"https?://([^/\"]+)", text)) == {"pypi.org", "files.pythonhosted.org"}
    project = tomllib.loads((ROOT / "airflow/pyproject.toml").read_text())
    [locked] = [one for one in tomllib.loads(text)["package"] if one["name"] == project["project"]["name"]]
    named = {re.split(r"[\[<>=~ ]", line)[0] for line in project["project"]["dependencies"]}
    assert named == {one["name"] for one in locked["dependencies"]}, "run uv lock in airflow/"
    assert locked["version"] == project["project"]["version"]
