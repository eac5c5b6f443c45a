"""A run that a version without a record began: each command says what it can, and touches this run's jobs alone."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from pretend_batch import PretendBatch
from run_objects import BUCKET, STACK, put_lock
from terraflow import cli
from terraflow import stack as stacks
from terraflow.runs import ending, find

RESULTS = {"results/variants/all.vcf.gz": b"variants", "results/alignments/a.cram": b"alignments"}
OTHERS = {
    ".run-data.json": b'{"data": {}}',
    "snakemake-workflow-sources.0123.tar.xz": b"sources",
    "logs/bwa_mem/a/1.1.log": b"[M::main]",
}
OWN, OTHER = ["id-1", "id-2"], ["id-3", "id-4"]
Call = Callable[..., tuple[int, str]]


@pytest.fixture
def bucket(s3: Any, batch: PretendBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The run cohort7, whose head was killed and whose jobs run on, and cohort7-b, of which so far only jobs exist."""
    (tmp_path / "stack.json").write_text(json.dumps(vars(STACK) | {"old_versions_days": 30}))
    monkeypatch.setenv(stacks.FILE_VARIABLE, str(tmp_path / "stack.json"))
    monkeypatch.chdir(tmp_path)
    client = find.client
    monkeypatch.setattr(
        find, "client", lambda service, *given: batch if service == "batch" else client(service, *given)
    )
    passed = count(step=5)
    clock = ending.Clock(now=lambda: float(next(passed)), sleep=lambda _: None)
    monkeypatch.setattr(ending, "Clock", lambda: clock)
    for path, body in (RESULTS | OTHERS).items():
        s3.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{path}", Body=body, ChecksumAlgorithm="CRC32")
    put_lock(s3, "cohort7", seconds=-1)
    for job, run in zip((*OWN, *OTHER), ("cohort7", "cohort7", "cohort7-b", "cohort7-b"), strict=True):
        batch.add(job, run, "bwa_mem", "RUNNING" if job == "id-1" else "RUNNABLE")
        batch.jobs[job]["tags"]["terraflow:sample"] = "a"
    boto3.client("logs", region_name=STACK.region).create_log_group(logGroupName=STACK.log_group)
    return s3


@pytest.fixture
def call(bucket: Any, capsys: pytest.CaptureFixture[str]) -> Call:
    """What a command returns, and what it prints to both streams."""

    def called(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return called


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["runs"], 0, ["no record", "There is no record of cohort7: no job was submitted yet, or by a version that"]),
        (["status", "cohort7"], 0, ["nobody holds the run's lock", "bwa_mem        1        1", "id-1"]),
        (["logs", "cohort7"], 1, ["ada@laptop's own Snakemake", ".snakemake/log of the folder", "--rule and --sample"]),
        (["logs", "cohort7", "--rule", "bwa_mem"], 0, ["bwa_mem (sample=a): RUNNING", "Batch job id-1"]),
        (["logs", "cohort7", "--rule", "variants"], 1, ["only jobs are known that have not ended", "cohort7/logs/"]),
        (["cost", "cohort7"], 1, ["There is no record of run cohort7", "under the tag terraflow:run=cohort7"]),
        (["timeline", "cohort7"], 1, ["Run cohort7 has no record", "The next start of the run makes one"]),
        (["verify", "cohort7"], 1, ["no receipt"]),
        (["remove", "cohort7", "--yes"], 1, ["has jobs that have not ended, so nothing was removed", "id-1", "id-2"]),
    ],
)
def test_what_is_not_known_is_said(
    call: Call, batch: PretendBatch, command: list[str], code: int, words: list[str]
) -> None:
    found, said = call(*command)
    assert found == code, said
    assert [word for word in words if word not in said] == [], said
    assert not [job for job in OTHER if job in said], said
    assert not [one for one, _ in batch.calls if one == "TerminateJobs"]


def test_results_are_fetched_jobs_ended_and_a_receipt_made(call: Call, batch: PretendBatch, bucket: Any) -> None:
    code, said = call("fetch", "cohort7")
    assert code == 0, said
    assert {path: Path("cohort7", path).read_bytes() for path in RESULTS} == RESULTS
    code, said = call("stop", "cohort7", "--yes")
    assert code == 0 and "Run cohort7 is stopped; 2 jobs ended." in said, said
    assert [job for job, one in batch.jobs.items() if one["status"] == "FAILED"] == OWN
    assert "Run cohort7: stopped" in call("status", "cohort7")[1]
    code, said = call("verify", "cohort7", "--write")
    assert code == 0, said
    code, said = call("verify", "cohort7")
    assert code == 0 and "2 outputs" in said, said
    code, said = call("remove", "cohort7", "--yes")
    assert code == 0, said
    assert bucket.list_objects_v2(Bucket=BUCKET).get("KeyCount") == 0
