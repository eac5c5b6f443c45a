"""Fingerprints of inputs; a run reads only the inputs that it was planned with."""

import itertools
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.api import SnakemakeApi  # noqa: F401  (loads Snakemake in an order that works)
from snakemake_interface_common.exceptions import WorkflowError

from replacing import replacing
from snakemake_storage_plugin_s3_inventory import StorageObject, StorageProvider, StorageProviderSettings
from snakemake_storage_plugin_s3_inventory.inputs import PlannedInputs
from snakemake_storage_plugin_s3_inventory.known_objects import ObjectInfo
from snakemake_storage_plugin_s3_inventory.location import Location
from snakemake_storage_plugin_s3_inventory.run_state import RunState
from strict_aws import Aws

NUMBERS = itertools.count()
ANOTHER = "another object than the one that the run was planned with"


@pytest.fixture
def bucket(aws: Aws) -> str:
    """Create a bucket for the test and return its name."""
    name = f"replaced-{os.getpid()}-{next(NUMBERS)}"
    aws.client("s3").create_bucket(Bucket=name)
    return name


Open = Callable[..., StorageObject]


@pytest.fixture
def opened(aws: Aws, bucket: str, tmp_path: Path) -> Open:
    """Return a function that opens objects, each as another worker's process would."""
    folders = itertools.count()

    def make(key: str, worker: bool = True) -> StorageObject:
        keys: dict[str, Any] = {
            "access_key": aws.env["AWS_ACCESS_KEY_ID"],
            "secret_key": aws.env["AWS_SECRET_ACCESS_KEY"],
        }
        settings = StorageProviderSettings(endpoint_url=aws.endpoint, region="us-east-1", **keys)
        folder = tmp_path / str(next(folders))
        provider = StorageProvider(local_prefix=folder, logger=logging.getLogger("storage"), settings=settings)
        provider.session.state.workflow = SimpleNamespace(
            remote_exec=worker, scheduler=None, dag=SimpleNamespace(jobs=())
        )
        made = StorageObject(f"s3://{bucket}/{key}", keep_local=False, retrieve=True, provider=provider)
        made.local_path().parent.mkdir(parents=True, exist_ok=True)
        return made

    return make


def test_a_fingerprint_changes_with_the_object_and_costs_one_question(aws: Aws, bucket: str, opened: Open) -> None:
    s3 = aws.client("s3")
    found = []
    for key, body in (("a", b"one"), ("a", b"two"), ("a", b"one"), ("d/x", b"1"), ("d/y", b"2"), ("d/x", b"3")):
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        aws.requests(forget=True)
        one = opened(key[0])
        found.append(one.fingerprint())
        assert one.fingerprint() == found[-1]
        assert len(aws.requests(forget=True)) == 1
    file, changed, again, *folders = found
    assert file == again == "ETag f97c5d29941bfb1b2fdab0874906ab82, 3 bytes"
    assert len({file, changed, *folders}) == 5
    with pytest.raises(WorkflowError, match="not found in storage"):
        opened("none").fingerprint()


def test_what_was_stored_has_the_fingerprint_that_others_see(opened: Open) -> None:
    one = opened("x")
    one.local_path().write_bytes(b"content")
    one.store_object()
    assert one.fingerprint() == opened("x").fingerprint()


@pytest.mark.parametrize("key", ["x", "folder", "large"])
def test_an_object_that_is_replaced_between_plan_and_fetch_is_refused(
    aws: Aws, bucket: str, opened: Open, key: str
) -> None:
    size = (64 << 20) + 1 if key == "large" else 3
    name = f"{key}/x" if key == "folder" else key
    aws.client("s3").put_object(Bucket=bucket, Key=name, Body=b"a" * size)
    planned = opened(key, worker=False)
    before = planned.fingerprint()
    aws.client("s3").put_object(Bucket=bucket, Key=name, Body=b"b" * size)
    with pytest.raises(WorkflowError, match=ANOTHER) as told:
        planned.retrieve_object()
    for part in (f"s3://{bucket}/{key}", f"planned: {before}", "found: ETag", "Start the run again"):
        assert part in str(told.value)
    assert not planned.local_path().exists()


@pytest.mark.parametrize("key", ["x", "folder"])
def test_a_worker_reads_only_what_was_planned_elsewhere(
    aws: Aws, bucket: str, opened: Open, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{key}/x" if key == "folder" else key
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key=name, Body=b"old")
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({f"s3://{bucket}/{key}": opened(key).fingerprint()}))
    monkeypatch.setenv("SNAKEMAKE_STORAGE_FINGERPRINTS", str(plan))
    opened(key).retrieve_object()
    s3.put_object(Bucket=bucket, Key=name, Body=b"new")
    with pytest.raises(WorkflowError, match=ANOTHER):
        opened(key).retrieve_object()
    s3.put_object(Bucket=bucket, Key="made", Body=b"by another job")
    opened("made").retrieve_object()


SNAKEFILE = """
rule all:
    input: "out/second.txt"

rule first:
    input: getattr(storage, "s3-inventory")(config["raw"])
    output: "out/first.txt"
    log: "logs/first.log"
    shell: "cat {input} > {output}; echo done > {log}"

rule second:
    input: "out/first.txt"
    output: "out/second.txt"
    shell: "cp {input} {output}"
"""


@pytest.mark.parametrize(
    ("when", "left"),
    [("retrieve_object raw/x", set()), ("store_object runs/main/out/first.txt", {"runs/main/logs/first.log"})],
)
def test_a_run_in_place_gives_no_result_of_what_was_replaced(
    aws: Aws, bucket: str, tmp_path: Path, when: str, left: set[str]
) -> None:
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key="raw/x", Body=b"old reads")
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    hook = replacing(tmp_path, when, bucket, "raw/x", "new reads")
    command = [sys.executable, "-m", "snakemake", "--default-storage-provider", "s3-inventory", "--cores", "1"]
    command += ["--default-storage-prefix", f"s3://{bucket}/runs/main", "--shared-fs-usage", "none"]
    command += ["--config", f"raw=s3://{bucket}/raw/x"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=aws.env | {"PATH": path} | more, capture_output=True, text=True
        )

    def objects() -> dict[str, Any]:
        found = s3.list_objects_v2(Bucket=bucket, Prefix="runs/main/").get("Contents", [])
        return {entry["Key"]: s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in found}

    done = run(**hook)
    assert done.returncode == 1
    assert ANOTHER in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert set(objects()) == left
    again = run()
    assert again.returncode == 0, again.stderr
    assert objects()["runs/main/out/second.txt"] == b"new reads"
    assert "Nothing to be done" in run().stderr


def test_what_a_plan_read_before_a_job_produced_it_again_was_not_replaced() -> None:
    """A file that a Snakefile opens may be an output of the run as well."""
    read, result = Location("data", "table.txt"), Location("data", "result.txt")
    now = ObjectInfo(1, 1.0, etag="old")
    producer: object = None
    job = SimpleNamespace(input=[SimpleNamespace(storage_object=SimpleNamespace(location=read))])
    producers: Any = SimpleNamespace(of=lambda _: producer, of_output=lambda _: job, is_own=lambda _: True)
    catalog: Any = SimpleNamespace(ask_now=lambda _: {read: now})
    state = RunState()
    state.workflow = SimpleNamespace(remote_exec=False)
    inputs = PlannedInputs(state, catalog, producers)
    assert inputs.expected(read.query, read, now) == now
    now = ObjectInfo(1, 2.0, etag="new")
    assert "ETag new" in str(inputs.replaced_since(result)), "somebody has replaced it"
    producer = object()
    assert inputs.expected(read.query, read, now) is None
    assert inputs.replaced_since(result) is None
