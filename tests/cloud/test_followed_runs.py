"""A real head that keeps a record, and the commands that look at its run, explain its failure, and stop it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from snakemake_heads import BUCKET, SNAKEFILE, Site, new_site

from fake_batch import REGION, FakeAws
from terraflow.stack import Stack

LOCK = "runs/main/.head-lock.json"


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    with new_site(server, tmp_path) as made:
        made.storage = "s3-inventory"
        # Log files of rules have the names that the workflow gives them.
        (tmp_path / "Snakefile").write_text(SNAKEFILE.replace("logs/{sample}.log", "logs/make/{sample}.log"))
        outputs: dict[str, Any] = {field.name: "" for field in fields(Stack) if field.default is MISSING}
        outputs |= {"region": REGION, "bucket": BUCKET, "log_group": "/aws/batch/job"}
        outputs |= {"queues": {"spot": "spot", "ondemand": "ondemand"}}
        (tmp_path / "stack.json").write_text(json.dumps(outputs))
        yield made


def terraflow(site: Site, *command: str, check: int = 0) -> str:
    """What a command prints."""
    env = site.env | {"TERRAFLOW_STACK": str(site.folder / "stack.json")}
    words = [sys.executable, "-m", "terraflow.cli", *command]
    done = subprocess.run(words, env=env, cwd=site.folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == check, done.stdout + done.stderr
    return done.stdout


def seen(site: Site, true: Callable[[dict[str, Any]], bool]) -> Callable[[], bool]:
    """Whether what the head has written of its run is so."""
    return lambda: true(json.loads(site.objects().get("runs/main/head/live.json", '{"jobs": []}')))


def test_a_run_is_followed_and_stopped(site: Site) -> None:
    """Six jobs: one runs, two wait for a machine, and the rest is stopped before it is submitted."""
    head = site.start("--aws-batch-fargate-lock-seconds", "20", "--jobs", "3", samples="a+b+c+d+e")
    site.wait(lambda: len(site.batch.submitted("make")) == 3, head)
    first, second, _ = site.batch.submitted("make")
    second["statusReason"] = "MISCONFIGURATION:too large"
    first["status"], second["status"] = "RUNNING", "RUNNABLE"
    # Of all three: what the head has written first may tell of one alone.
    now = ["RUNNABLE", "RUNNING", "SUBMITTED"]
    site.wait(seen(site, lambda live: sorted(job["status"] for job in live["jobs"]) == now), head)

    [run] = json.loads(terraflow(site, "runs", "--json"))
    assert (run["run"], run["state"], run["has_record"], run["done"]) == ("main", "running", True, 0)
    found = json.loads(terraflow(site, "status", "main", "--json"))
    assert found["head"]["works"] is True
    assert found["rules"]["make"] == {"total": 5, "waiting": 4, "running": 1, "done": 0, "failed": 0}
    assert [job["native_id"] for job in found["running"]] == [first["jobId"]]
    waits = {one["status"]: (one["jobs"], one["reason"], one["position"]) for one in found["waiting"]}
    assert waits == {"RUNNABLE": (1, "MISCONFIGURATION:too large", 1), "SUBMITTED": (1, "", None)}

    said = terraflow(site, "stop", "main", "--yes")
    assert "Run main is stopped" in said
    assert head.wait(300) == 1, site.said()
    assert "This head has lost the lock of its run" in site.said()
    assert all(job["status"] == "FAILED" for job in site.batch.submitted())
    assert LOCK not in site.objects()
    assert "Run main: stopped" in terraflow(site, "status", "main", check=3)


def test_a_failure_is_explained_from_the_record(site: Site) -> None:
    site.batch.engine = site.process
    site.run("--keep-going", check=1, samples="a+bad")
    explained = terraflow(site, "logs", "main", check=3)
    assert "Rule make (sample=bad) failed on AWS Batch." in explained
    assert "reads are damaged" in explained
    job = terraflow(site, "logs", "main", "--rule", "make", "--sample", "bad", check=3)
    assert "== make (sample=bad): failed with exit code 1" in job
    rest = job.partition(f"-- s3://{BUCKET}/runs/main/logs/make/bad.log\n")[2]
    assert rest.startswith("begin\ntoken=[hidden]\nreads are damaged\n")
    done = terraflow(site, "logs", "main", "--sample", "a")
    assert "== make (sample=a): done " in done
    assert "-- CloudWatch, worker/default/" in done
    assert "Run main: failed" in terraflow(site, "status", "main", check=3)
