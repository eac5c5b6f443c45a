"""Records that Snakemake has kept as files, read by its database: all of each, and those of this run alone."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from snakemake.persistence import MetadataRecord
from snakemake.persistence.db import DbPersistence
from snakemake.persistence.file import FilePersistence

from snakemake_aws_common import file_records, memory

PREFIX = "s3://data/runs/main"
RECORD = MetadataRecord(
    rule="bwa_mem",
    input=[f"{PREFIX}/reads/a.fastq", "s3://data/reference/g.fa"],
    log=["logs/a.log"],
    shellcmd="bwa mem 'é'",
    params=["'a'", "{'x': [1]}"],
    code="bwa mem {params}",
    record_format_version=6,
    software_stack_hash="d41d8cd9",
    job_hash=-(2**62),
    starttime=1.5,
    endtime=2.5,
    incomplete=False,
    input_checksums={"g.fa": "sha256:0"},
)
# Longer than a file's name can be.
LONG = f"{PREFIX}/{hashlib.sha512(b'').hexdigest() * 4}.cram"


@pytest.fixture
def s3() -> Any:
    with mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="tests", aws_secret_access_key="tests")
        client.create_bucket(Bucket="data")
        yield client


def recalled(folder: Path, s3: Any) -> DbPersistence:
    """Return Snakemake's database of the folder after a plan has begun there."""
    database = DbPersistence(path=folder)
    workflow = SimpleNamespace(
        persistence=database, storage_settings=SimpleNamespace(default_storage_prefix=PREFIX)
    )  # fmt: skip
    kept = memory.of_workflow(workflow, s3, pytest.fail)
    assert kept is not None
    kept.recall()
    kept.store()
    return database


def test_the_database_knows_what_the_files_say(tmp_path: Path, s3: Any) -> None:
    files = FilePersistence(path=tmp_path / "one")
    targets = [f"{PREFIX}/a.cram", LONG]
    for target in (*targets, "s3://data/runs/main-2/a.cram", "results/a.cram"):
        files._write_record(target, RECORD)
    files._mark_incomplete(targets[0], "job-1")
    files._mark_incomplete(f"{PREFIX}/b.cram", None)
    everything = {*targets, f"{PREFIX}/b.cram"}

    here = recalled(tmp_path / "one", s3)
    # What the database has stored on S3 is all that another machine needs.
    for database in (here, recalled(tmp_path / "two", s3)):
        assert database._read_record(LONG) == RECORD
        assert database._filter_incomplete_keys(everything) == everything - {LONG}
        assert database._get_external_jobids(everything) == {"job-1"}
        marked = database._read_record(targets[0])
        assert marked is not None and (marked.params, marked.code) == (RECORD.params, RECORD.code)
        assert database._read_record("s3://data/runs/main-2/a.cram") is None
        assert database._read_record("results/a.cram") is None


def test_files_that_travel_are_those_of_the_run(tmp_path: Path) -> None:
    files = FilePersistence(path=tmp_path)
    for target in (f"{PREFIX}/a.cram", LONG, "s3://data/runs/main-2/a.cram"):
        files._write_record(target, RECORD)
    files._mark_incomplete(f"{PREFIX}/b.cram", "job-1")
    there = {path for kind in ("metadata", "incomplete") for path in (tmp_path / kind).rglob("*") if path.is_file()}
    other = Path(files._record_path(files._metadata_path, "s3://data/runs/main-2/a.cram"))
    assert set(file_records.paths(tmp_path, f"{PREFIX}/")) == there - {other}
