"""Whole runs on S3, counted in requests: planning, a head whose jobs run elsewhere, one worker, and a run in place."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from strict_aws import Aws

HERE = Path(__file__).resolve().parent
SOURCES = re.compile(r"\S+ -m snakemake --deploy-sources .*? && ")


@dataclass
class Lab:
    """A bucket, a folder with the workflow, and runs in it."""

    aws: Aws
    folder: Path
    bucket: str
    samples: int
    seen: list[dict[str, Any]]

    @property
    def jobs(self) -> int:
        """Jobs of a whole run, without the target."""
        return 6 * self.samples + 2

    def snakemake(self, *arguments: str) -> str:
        """Run Snakemake on the bucket and return its text; keep the requests that it did not make for workers."""
        (self.folder / "commands").mkdir(exist_ok=True)
        command = [sys.executable, "-m", "snakemake", "--default-storage-provider", "s3-inventory"]
        command += ["--default-storage-prefix", f"s3://{self.bucket}/runs/main", "--seconds-between-status-checks", "1"]
        command += ["--shared-fs-usage", "none", "--config", f"samples={self.samples}", *arguments]
        return self.run(command)

    def run(self, command: list[str], folder: Path | None = None) -> str:
        """Run a command in the lab's environment."""
        own = {"PYTHONPATH": str(HERE / "plugins"), "PRETEND_COMMANDS": str(self.folder / "commands")}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.requests()
        done = subprocess.run(
            command, cwd=folder or self.folder, env=self.aws.env | own | {"PATH": path}, capture_output=True, text=True
        )
        self.seen = self.requests()
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests to the bucket since the last call."""
        every = self.aws.requests(forget=True)
        return [call for call in every if call["bucket"] == self.bucket and call["caller"] != "PRETEND"]

    def seen_stored(self, key: str) -> bool:
        """Return whether the last command stored this object."""
        return any((call["operation"], call["key"]) == ("PutObject", key) for call in self.seen)

    @property
    def operations(self) -> Counter[str]:
        """Requests of the last command, by operation."""
        return Counter(call["operation"] for call in self.seen)

    def stored(self, prefix: str = "") -> set[str]:
        """Return the keys in the bucket."""
        pages = self.aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}


@pytest.fixture
def lab(request: pytest.FixtureRequest, aws: Aws, tmp_path: Path) -> Iterator[Lab]:
    """Make a lab with as many samples as the test wants (2)."""
    bucket = f"lab-{os.getpid()}-{abs(hash(request.node.nodeid)) % 10**9}"
    aws.client("s3").create_bucket(Bucket=bucket)
    shutil.copy(HERE / "storage_run.smk", tmp_path / "Snakefile")
    yield Lab(aws, tmp_path, bucket, getattr(request, "param", 2), [])


ELSEWHERE = ("--executor", "pretend", "--jobs", "100", "--scheduler", "greedy")
SAMPLES = pytest.mark.parametrize("lab", [8, 33], indirect=True, ids=["50 jobs", "200 jobs"])


@SAMPLES
def test_a_head_asks_little_however_many_jobs_there_are(lab: Lab) -> None:
    lab.aws.client("s3").put_object(Bucket=lab.bucket, Key="runs/other/out/0.cram", Body=b"x")
    lab.snakemake(*ELSEWHERE)
    per_job = len(lab.seen) / lab.jobs
    print(f"{lab.jobs} jobs, {len(lab.seen)} requests, {per_job:.2f} a job: {dict(lab.operations)}")
    assert 1 < per_job < 3
    left = {key.removeprefix("runs/main/").split("/")[0] for key in lab.stored("runs/main/")}
    assert left == {"out", "all.txt", "pages", "logs", "bench"}
    assert not [call for call in lab.seen if "other" in call["key"] or call["key"] in ("runs/", "")]
    assert lab.stored("runs/other/") == {"runs/other/out/0.cram"}

    again = lab.snakemake(*ELSEWHERE)
    assert "Nothing to be done" in again
    assert lab.operations == {"ListObjectsV2": 1}


def test_what_goes_wrong_while_planning_is_told_without_lines_of_code(lab: Lab) -> None:
    lab.bucket += "-none"
    with pytest.raises(AssertionError, match="There is no bucket") as failed:
        lab.snakemake("--cores", "1", "--dry-run")
    assert "storage_object.py" not in str(failed.value)


def test_an_archived_input_stops_a_run_before_its_first_job_and_no_run_that_is_done(lab: Lab) -> None:
    (lab.folder / "Snakefile").write_text(
        "rule copy:\n"
        f"    input: getattr(storage, 's3-inventory')('s3://{lab.bucket}/raw/x')\n"
        "    output: 'x'\n"
        "    shell: 'cp {input} {output}'\n"
    )
    s3 = lab.aws.client("s3")
    s3.put_object(Bucket=lab.bucket, Key="raw/x", Body=b"x", StorageClass="DEEP_ARCHIVE")
    with pytest.raises(AssertionError, match="raw/x is archived: restore it") as failed:
        lab.snakemake("--cores", "1")
    assert "rule copy" not in str(failed.value)
    s3.put_object(Bucket=lab.bucket, Key="runs/main/x", Body=b"x")
    assert "Nothing to be done" in lab.snakemake("--cores", "1")


@pytest.mark.parametrize("lab", [1], indirect=True)
def test_results_of_jobs_that_run_again_are_asked_for_again(lab: Lab) -> None:
    lab.snakemake(*ELSEWHERE)
    lab.snakemake(*ELSEWHERE, "--forceall")
    asked = {call["key"] for call in lab.seen if call["operation"] == "ListObjectsV2"}
    results = {f"runs/main/out/{i}.{ext}" for i in range(lab.samples) for ext in ("cram", "stats")}
    assert results <= asked


@pytest.mark.parametrize("lab", [20], indirect=True)
def test_a_worker_asks_for_its_own_files_only(lab: Lab, tmp_path: Path) -> None:
    lab.snakemake(*ELSEWHERE)
    s3 = lab.aws.client("s3")
    counts = {}
    for rule, most in {"align": 8, "sort": 14, "all_stats": 5 + 20 + 3}.items():
        command = SOURCES.sub("", (lab.folder / "commands" / rule).read_text())
        wildcards = dict(re.findall(r"(i|shard)=(\d+)", command))
        for key in {"align": ["cut/{i}.{shard}.fq"], "sort": ["align/{i}.1.bam", "align/{i}.2.bam"]}.get(rule, []):
            s3.put_object(Bucket=lab.bucket, Key=f"runs/main/{key.format(**wildcards)}", Body=b"x")
        folder = tmp_path / "worker" / rule
        folder.mkdir(parents=True)
        shutil.copy(lab.folder / "Snakefile", folder)
        lab.run(["bash", "-c", command], folder)
        counts[rule] = len(lab.seen)
        assert len(lab.seen) <= most, f"{rule}: {lab.operations}"
        assert not [call for call in lab.seen if call["key"] in ("runs/main/", "")]
    print(f"requests of a worker: {counts}")
    assert s3.get_object(Bucket=lab.bucket, Key="runs/main/all.txt")["Body"].read() == b"stats" * 20


@pytest.mark.parametrize("lab", [1], indirect=True)
def test_a_worker_tags_intermediates_as_the_head_was_told(lab: Lab, tmp_path: Path) -> None:
    tag = ("--storage-s3-inventory-intermediates-tag", "lab:lifetime=short")
    lab.snakemake(*ELSEWHERE, "--storage-s3-inventory-intermediates", "runs/main/cut/*", *tag)
    command = SOURCES.sub("", (lab.folder / "commands" / "cut").read_text())
    folder = tmp_path / "worker"
    folder.mkdir()
    shutil.copy(lab.folder / "Snakefile", folder)
    lab.run(["bash", "-c", command], folder)
    s3 = lab.aws.client("s3")
    tags = {
        key: s3.get_object_tagging(Bucket=lab.bucket, Key=key)["TagSet"]
        for folder in ("cut", "logs/cut")
        for key in lab.stored(f"runs/main/{folder}/")
        if lab.seen_stored(key)
    }
    expected = [{"Key": "lab:lifetime", "Value": "short"}]
    assert sorted(tags.values(), key=len) == [[], expected], tags


@pytest.mark.parametrize("gone", [False, True])
def test_a_worker_fetches_what_later_jobs_of_its_lanes_share_once_while_the_first_ones_run(
    lab: Lab, tmp_path: Path, gone: bool
) -> None:
    shutil.copy(HERE / "storage_group.smk", lab.folder / "Snakefile")
    s3 = lab.aws.client("s3")
    sizes = {"raw/reads.1": 5, "raw/reads.2": 7, "raw/index.1": 11, "raw/index.2": 13}
    for key, size in sizes.items():
        s3.put_object(Bucket=lab.bucket, Key=key, Body=key[-1:].encode() * size)
    config = ("--config", f"samples={lab.samples}", f"bucket={lab.bucket}")
    lab.snakemake(*ELSEWHERE, "--group-components", "lanes=2", *config)
    for lane in "12":
        s3.delete_object(Bucket=lab.bucket, Key=f"runs/main/out/{lane}")
    if gone:
        missing = {"call": "error", "operation": "GetObject", "status": 404, "code": "NoSuchKey", "times": 9}
        lab.aws.fault(**missing, bucket=lab.bucket, key="raw/index.1")
    folder = tmp_path / "worker"
    folder.mkdir()
    shutil.copy(lab.folder / "Snakefile", folder)
    command = ["bash", "-c", SOURCES.sub("", (lab.folder / "commands" / "lanes_align_check").read_text())]
    if gone:
        with pytest.raises(AssertionError, match=r"raw/index\.1 does not exist"):
            lab.run(command, folder)
        assert not lab.stored("runs/main/out/")
        return
    lab.run(command, folder)
    fetched = [(call["key"], call["sent"]) for call in lab.seen if call["operation"] == "GetObject"]
    assert sorted(fetched) == sorted(sizes.items())
    assert fetched[2:] == [("raw/index.1", 11), ("raw/index.2", 13)], "after all reads, in order"
    for lane, size in (("1", 5), ("2", 7)):
        body = s3.get_object(Bucket=lab.bucket, Key=f"runs/main/out/{lane}")["Body"].read().decode()
        assert body == lane * size + "1" * 11 + "2" * 13


def test_a_run_in_place(lab: Lab) -> None:
    lab.aws.client("s3").put_object(Bucket=lab.bucket, Key="raw/x y.fq", Body=b"ACGT")
    arguments = ("--cores", "2", "--config", f"samples={lab.samples}", f"raw=s3://{lab.bucket}/raw/x y.fq")
    lab.snakemake(*arguments)
    results = {f"out/{i}.{ext}" for i in range(lab.samples) for ext in ("cram", "cram.crai", "stats")}
    assert {f"runs/main/{name}" for name in results | {"all.txt", "pages/a", "pages/empty"}} <= lab.stored()
    # An input that is not retrieved stays where it is.
    assert "raw/x y.fq" in lab.stored()
    copies = lab.folder / ".snakemake" / "storage" / "s3-inventory" / lab.bucket
    assert not [p for p in copies.rglob("*") if p.is_file() and not {"logs", "bench"} & set(p.parts)]

    assert "Nothing to be done" in lab.snakemake(*arguments)
    lab.snakemake(*arguments, "--forcerun", "all_stats", "--keep-storage-local-copies", "pages")
    assert (copies / "runs" / "main" / "pages" / "a").is_file()

    lab.snakemake(*arguments, "--touch", "--forceall")
    assert {f"runs/main/{name}" for name in results} <= lab.stored()
    assert "Nothing to be done" in lab.snakemake(*arguments)
