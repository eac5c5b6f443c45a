"""`terraflow fetch`: which objects, to which places, and what is there, damaged, changed or without room."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import receipt_run
from run_objects import ABOUT, BUCKET, LIVE, STACK, put, put_lock
from terraflow import cli, receipt
from terraflow import stack as stacks
from terraflow.fetching import places

MIB = 1 << 20
RESULTS = {
    "results/variants/all.vcf.gz": b"variants",
    "results/variants/all.vcf.gz.tbi": b"index",
    "results/alignments/A.cram": os.urandom(3 * MIB),
    "results/qc/multiqc.html": b"",
    "ro-crate-metadata.json": b"{}",
}
OTHERS = {
    "results/bwa_mem/A/1.0.cram": b"intermediate",
    "results/reads/A/1.0.fastq.zst": b"intermediate",
    "results/slices/A/1.bcf": b"intermediate",
    "logs/bwa_mem/A/1.0.log": b"log",
    "head/run.json": b"",
    ".run-data.json": b"{}",
    "snakemake-workflow-sources.abc.tar.xz": b"sources",
    "results/": b"",
}


@pytest.fixture
def bucket(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stack's bucket with the run cohort7, and another run whose name begins with that; works in a folder."""
    (tmp_path / "stack.json").write_text(json.dumps(vars(STACK)))
    monkeypatch.setenv(stacks.FILE_VARIABLE, str(tmp_path / "stack.json"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for path, body in (RESULTS | OTHERS).items():
        store(s3, path, body)
    put(s3, "cohort7", about=ABOUT, live=LIVE)
    s3.put_object(Bucket=BUCKET, Key="runs/cohort77/results/variants/all.vcf.gz", Body=b"another run")
    return s3


def store(s3: Any, path: str, body: bytes) -> None:
    """Store an object of the run, with a checksum, as workers do."""
    s3.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{path}", Body=body, ChecksumAlgorithm="CRC32")


class Fetched(NamedTuple):
    """What a call of the command did: its exit code, its report and what it said."""

    code: int
    report: dict[str, Any]
    said: str

    @property
    def paths(self) -> set[str]:
        return {one["path"] for one in self.report["fetched"]}


Fetch = Callable[..., Fetched]


@pytest.fixture
def fetch(bucket: Any, capsys: pytest.CaptureFixture[str]) -> Fetch:
    """A function that calls the command with --json."""

    def call(*words: str) -> Fetched:
        code = cli.main(["fetch", "cohort7", *words, "--json"])
        out, said = capsys.readouterr()
        return Fetched(code, json.loads(out) if out else {}, said)

    return call


def content(folder: Path) -> dict[str, bytes]:
    """The files below a folder, without the marker."""
    found = {path for path in folder.rglob("*") if path.is_file() and path.name != places.MARKER}
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_results_are_fetched_whole_and_once(fetch: Fetch) -> None:
    first = fetch("here")
    assert (first.code, first.paths) == (0, set(RESULTS))
    assert content(Path("here")) == RESULTS
    again = fetch("here")
    assert (again.code, again.paths) == (0, set())
    assert {one["path"] for one in again.report["passed_over"]} == set(RESULTS)
    # What is missing or damaged of an earlier fetch comes again, and nothing else.
    Path("here/results/variants/all.vcf.gz").unlink()
    Path("here/results/alignments/A.cram").write_bytes(os.urandom(3 * MIB))
    assert fetch("here").paths == {"results/variants/all.vcf.gz", "results/alignments/A.cram"}
    assert content(Path("here")) == RESULTS


def test_the_archive_that_the_receipt_describes_comes_along(s3: Any, fetch: Fetch) -> None:
    receipt_run.make(s3)
    receipt.write(STACK, "cohort7", s3=s3)
    done = fetch("here")
    assert done.code == 0 and receipt_run.ARCHIVE in done.paths
    assert {*receipt_run.RESULTS, "ro-crate-metadata.json"} <= done.paths
    assert receipt_run.INTERMEDIATE not in done.paths
    assert receipt_run.ARCHIVE not in fetch("there", "--only", "*").paths
    # A receipt that can't be read keeps nobody from the results.
    store(s3, "ro-crate-metadata.json", b"{}")
    done = fetch("elsewhere")
    assert done.code == 0 and set(receipt_run.RESULTS) <= done.paths
    assert "is not a receipt of terraflow's" in done.said


def test_what_is_said_without_json(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fetch", "cohort7"]) == 0
    said = capsys.readouterr().out
    assert "fetched results/variants/all.vcf.gz\n" in said
    assert "fetched     5 files, 3.1 MB" in said
    assert "passed over 0 files" in said
    assert content(Path("cohort7")) == RESULTS


def test_names_that_look_odd_are_taken(fetch: Fetch, bucket: Any) -> None:
    odd = {f"results/{name}": name.encode() for name in ("a..b", "...", "ä b&c%20+", "-rf", "x" * 250)}
    for path, body in odd.items():
        store(bucket, path, body)
    assert fetch("here").code == 0
    assert content(Path("here")) == RESULTS | odd


def test_only_what_fits_is_fetched(fetch: Fetch) -> None:
    done = fetch("here", "--only", "variants/*", "--only", "logs")
    expected = {path: body for path, body in (RESULTS | OTHERS).items() if "variants" in path or "logs" in path}
    assert (done.code, done.paths) == (0, set(expected))
    assert content(Path("here")) == expected


def test_a_hostile_name_ends_the_command_before_anything_is_fetched(fetch: Fetch, bucket: Any) -> None:
    store(bucket, "results/../../../outside", b"odd")
    done = fetch("here")
    assert (done.code, list(Path().iterdir())) == (1, [])
    assert "'results/../../../outside': leads out of the folder" in done.said


def test_others_files_stay(fetch: Fetch) -> None:
    own = Path("results/variants/all.vcf.gz")
    own.parent.mkdir(parents=True)
    own.write_bytes(b"made on this machine")
    done = fetch(".")
    assert done.code == 1
    assert "other files under these names" in done.said and str(own) in done.said
    assert content(Path()) == {str(own): b"made on this machine"}
    assert fetch(".", "--only", "*.tbi").code == 0
    own.write_bytes(RESULTS[str(own)])
    assert str(own) not in fetch(".").paths


def test_others_files_are_replaced_on_demand(fetch: Fetch) -> None:
    Path("here/results/variants").mkdir(parents=True)
    Path("here/results/variants/all.vcf.gz").write_bytes(b"made on this machine")
    assert fetch("here", "--replace").code == 0
    assert content(Path("here")) == RESULTS


def test_a_folder_of_another_run_is_not_mixed_up(fetch: Fetch) -> None:
    places_of_other = places.claimed(Path("here"), f"s3://{BUCKET}/runs/cohort77")
    with places_of_other:
        Path("here/results/variants").mkdir(parents=True)
    Path("here/results/variants/all.vcf.gz").write_bytes(b"another run")
    assert fetch("here").code == 1
    assert content(Path("here")) == {"results/variants/all.vcf.gz": b"another run"}


def test_a_full_disk_is_told_beforehand(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3 * MIB))
    done = fetch("here/below")
    assert done.code == 1
    assert "here/below: the disk has 3.1 MB left, and 3.1 MB are to be fetched" in done.said
    assert not Path("here").exists()
    # What is there takes no more room.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4 * MIB))
    assert fetch("here/below").code == 0
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    assert fetch("here/below").code == 0


def test_one_process_at_a_time(fetch: Fetch) -> None:
    with places.claimed(Path("here"), f"s3://{BUCKET}/runs/cohort7"):
        done = fetch("here")
    assert (done.code, content(Path("here"))) == (1, {})
    assert "another terraflow fetch writes there" in done.said


def test_a_run_that_runs_is_fetched_with_a_note(fetch: Fetch, bucket: Any) -> None:
    put_lock(bucket, "cohort7")
    done = fetch("here")
    assert done.code == 0
    assert "Note: cohort7 runs." in done.said
