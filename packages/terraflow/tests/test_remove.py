"""`terraflow remove`: all objects of one run, when nobody works on it, and never without a question."""

import builtins
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from run_objects import ABOUT, BUCKET, LIVE, STACK, put, put_lock
from snakemake_aws_common import head, lease
from terraflow import cli, remove
from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.runs import find

OTHERS = ("runs/cohort77/results/a", "runs/cohort/results/a", "raw/cohort7/a", "reference/a")
RUN = {"results/variants/all.vcf.gz": b"variants", "results/bwa_mem/A.cram": b"intermediate", "logs/a.log": b""}


class Batch:
    """AWS Batch with these jobs on the spot queue, by their status."""

    def __init__(self, **jobs: str) -> None:
        self.jobs = jobs

    def get_paginator(self, _: str) -> "Batch":
        return self

    def paginate(self, *, jobQueue: str, jobStatus: str) -> Iterator[dict[str, Any]]:
        names = [name for name, status in self.jobs.items() if jobQueue == "terraflow-spot" and status == jobStatus]
        yield {"jobSummaryList": [{"jobId": f"id-of-{name}", "jobName": f"{name}-rest"} for name in names]}

    def describe_jobs(self, *, jobs: list[str]) -> Any:
        names = [name for job in jobs if (name := job.removeprefix("id-of-")) in self.jobs]
        described = [
            {
                "jobId": f"id-of-{name}",
                "jobName": f"{name}-rest",
                "status": self.jobs[name],
                "tags": {"terraflow:run": name, "terraflow:rule": "bwa_mem"},
            }
            for name in names
        ]
        return {"jobs": described}


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Batch:
    """AWS Batch without jobs of the run."""
    made = Batch(cohort77="RUNNING")
    client = find.client
    monkeypatch.setattr(find, "client", lambda service, stack: made if service == "batch" else client(service, stack))
    return made


@pytest.fixture
def bucket(s3: Any, batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stack's versioned bucket with the run cohort7 and other objects."""
    (tmp_path / "stack.json").write_text(json.dumps(vars(STACK) | {"old_versions_days": 30}))
    monkeypatch.setenv(stacks.FILE_VARIABLE, str(tmp_path / "stack.json"))
    monkeypatch.delenv("YES", raising=False)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for path, body in RUN.items():
        s3.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{path}", Body=body)
    for key in OTHERS:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"other")
    put(s3, "cohort7", about=ABOUT, live=LIVE)
    return s3


def keys(s3: Any) -> list[str]:
    """All keys in the bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return sorted(one["Key"] for page in pages for one in page.get("Contents", ()))


def test_all_of_the_run_goes_and_nothing_else(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["remove", "cohort7", "--yes"]) == 0
    said = capsys.readouterr().out
    assert keys(bucket) == sorted(OTHERS)
    assert "s3://data/runs/cohort7: 5 objects, " in said
    assert "results: 1 object, 8 bytes" in said
    assert "as old versions for 30 days (old_versions_days), which costs $0.00" in said
    assert "Removed cohort7: 5 objects" in said
    versions = bucket.list_object_versions(Bucket=BUCKET, Prefix="runs/cohort7/results/variants/")
    assert len(versions["Versions"]) == 1
    assert cli.main(["remove", "cohort7", "--yes"]) == 1
    assert "There is no run 'cohort7'" in capsys.readouterr().err


def test_json(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["remove", "cohort7", "--json"]) == 1
    assert "say --yes" in capsys.readouterr().err
    assert cli.main(["remove", "cohort7", "--json", "--yes"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.pop("bytes") > 20
    assert report == {"run": "cohort7", "objects": 5}


@pytest.mark.parametrize(("answer", "code"), [("cohort7", 0), ("y", 1), ("", 1)])
def test_the_name_is_the_answer(bucket: Any, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    before = keys(bucket)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(builtins, "input", lambda _: answer)
    assert cli.main(["remove", "cohort7"]) == code
    assert keys(bucket) == (before if code else sorted(OTHERS))


def test_without_a_terminal_nothing_goes(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = keys(bucket)
    assert cli.main(["remove", "cohort7"]) == 1
    assert "Say --yes, or set YES=1" in capsys.readouterr().err
    assert keys(bucket) == before


@pytest.mark.parametrize("path", ["head/run.json", "head/live.json"])
def test_a_run_that_cannot_be_read_goes(
    bucket: Any, batch: Batch, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    bucket.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{path}", Body=b"{")
    batch.jobs["cohort7"] = "RUNNING"
    assert cli.main(["remove", "cohort7", "--yes"]) == 1
    assert "cohort7 has jobs that have not ended" in capsys.readouterr().err
    del batch.jobs["cohort7"]
    assert cli.main(["remove", "cohort7", "--yes"]) == 0
    assert f"s3://data/runs/cohort7/{path} is not what a head writes there" in capsys.readouterr().out
    assert keys(bucket) == sorted(OTHERS)


def test_not_while_a_head_works(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    put_lock(bucket, "cohort7")
    before = keys(bucket)
    assert cli.main(["remove", "cohort7", "--yes"]) == 1
    said = capsys.readouterr().err
    assert "cohort7 is at work" in said and "ada@laptop" in said and "terraflow stop cohort7" in said
    assert keys(bucket) == before


def test_a_dead_heads_lock_goes_with_the_run(bucket: Any) -> None:
    put_lock(bucket, "cohort7", seconds=-10)
    assert cli.main(["remove", "cohort7", "--yes"]) == 0
    assert keys(bucket) == sorted(OTHERS)


@pytest.mark.parametrize("status", ["SUBMITTED", "RUNNABLE", "RUNNING"])
def test_not_while_jobs_run(bucket: Any, batch: Batch, capsys: pytest.CaptureFixture[str], status: str) -> None:
    batch.jobs["cohort7"] = status
    before = keys(bucket)
    assert cli.main(["remove", "cohort7", "--yes"]) == 1
    said = capsys.readouterr().err
    assert "cohort7 has jobs that have not ended" in said and f"id-of-cohort7 cohort7-rest ({status})" in said
    assert keys(bucket) == before


@pytest.mark.parametrize("job", ["", "id-of-unknown"])
def test_not_while_its_head_is_being_submitted(bucket: Any, capsys: pytest.CaptureFixture[str], job: str) -> None:
    """A launcher has claimed the run, and has no job's id from Batch yet, or Batch does not know the job yet."""
    put(bucket, "cohort7", about=replace(ABOUT, state=abouts.SUBMITTED, head_job=job))
    before = keys(bucket)
    assert cli.main(["remove", "cohort7", "--yes"]) == 1
    assert "its head is not there yet" in capsys.readouterr().err
    assert keys(bucket) == before


def test_not_while_a_head_waits_that_batch_does_not_list_yet(bucket: Any, batch: Batch) -> None:
    put(bucket, "cohort7", about=replace(ABOUT, state=abouts.SUBMITTED, head_job="id-of-unlisted"))
    batch.jobs["unlisted"] = "SUBMITTED"
    before = keys(bucket)
    assert cli.main(["remove", "cohort7", "--yes"]) == 1
    assert keys(bucket) == before


def test_jobs_that_come_during_the_question_count(bucket: Any, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(bucket)

    def start(*_: Any, **__: Any) -> None:
        batch.jobs["cohort7"] = "RUNNING"

    monkeypatch.setattr(remove, "confirm", start)
    assert cli.main(["remove", "cohort7"]) == 1
    assert keys(bucket) == before


def test_nobody_starts_meanwhile(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While objects are deleted, the lock is held; a head that begins then is refused, and the lock goes last."""
    delete, seen = remove._delete, list[bool]()

    def watched(s3: Any, run: find.Run, listed: Any) -> Any:
        now = find.find("cohort7", STACK, s3)
        seen.append(now.has_head and now.lock is not None and now.lock.holder.id != "")
        assert all(one.path != head.NAME for one in listed)
        return delete(s3, run, listed)

    monkeypatch.setattr(remove, "_delete", watched)
    assert cli.main(["remove", "cohort7", "--yes"]) == 0
    assert seen == [True]
    assert keys(bucket) == sorted(OTHERS)


def test_a_lock_that_was_not_renewed_in_time_is_renewed_before_the_next_write(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asleep(lease.Stopwatch):
        """Says that the laptop slept."""

        def elapsed(self) -> float:
            return 130.0

    acquire, renew = lease.Lease.acquire, lease.Lease.renew
    renewals: list[bool] = []

    def acquire_and_sleep(lock: lease.Lease) -> None:
        acquire(lock)
        lock._since_renewal = Asleep()

    def note(lock: lease.Lease) -> bool:
        renewals.append(renew(lock))
        return renewals[-1]

    monkeypatch.setattr(lease.Lease, "acquire", acquire_and_sleep)
    monkeypatch.setattr(lease.Lease, "renew", note)
    assert cli.main(["remove", "cohort7", "--yes"]) == 0
    assert renewals == [True]
    assert keys(bucket) == sorted(OTHERS)


def test_what_comes_meanwhile_goes_and_run_json_goes_last(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remove, "OBJECTS", 6)
    run = find.find("cohort7", STACK, bucket)
    for number in range(21):
        bucket.put_object(Bucket=BUCKET, Key=f"runs/cohort7/results/qc/{number}", Body=b"")
    late, order = iter(["results/late", "a-late"]), list[str]()

    def note(params: Any, **_: Any) -> None:
        order.extend(one["Key"].removeprefix("runs/cohort7/") for one in params["Delete"]["Objects"])

    def write(**_: Any) -> None:
        for path in late:
            bucket.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{path}", Body=b"late")

    bucket.meta.events.register("provide-client-params.s3.DeleteObjects", note)
    bucket.meta.events.register("after-call.s3.DeleteObjects", write)
    assert len(remove.delete(bucket, run)) == 21 + 5 + 2
    assert keys(bucket) == sorted(OTHERS)
    first = order[: 21 + 5]
    assert [path.startswith("head/") for path in first] == [False] * (21 + 3) + [True] * 2


@pytest.mark.parametrize(
    ("code", "times", "words"),
    [("AccessDenied", 100, r"can't be deleted \(AccessDenied.*s3:DeleteObject"), ("SlowDown", 100, "again later")],
)
def test_what_is_not_deleted_is_told(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, code: str, times: int, words: str
) -> None:
    run, before = find.find("cohort7", STACK, bucket), keys(bucket)

    def refuse(**request: Any) -> Any:
        return {"Errors": [{"Key": one["Key"], "Code": code, "Message": "no"} for one in request["Delete"]["Objects"]]}

    monkeypatch.setattr(bucket, "delete_objects", refuse)
    with pytest.raises(UserError, match=words):
        remove.delete(bucket, run)
    assert keys(bucket) == before
