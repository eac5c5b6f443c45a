"""terraflow cost: attempts in the record, what runs now and the heads are billed; tables, files and errors of it."""

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from run_objects import ABOUT, LIVE, MINUTE, STACK, put, put_lock
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record.live import LiveJob
from terraflow import cli
from terraflow import stack as stacks
from terraflow.costs import heads
from terraflow.heads.submit import head_name, memory_for
from terraflow.runs import find
from test_costs_bill import GIB, LANE, START, TEN_MINUTES, attempt

# A vCPU and 8 GiB on demand, for half an hour with 30 s for the image's pull.
HEAD = (0.04048 + 8 * 0.004445) * 1830 / 3600 + 0.00001
RECORD = [LANE, attempt(native_id="2", process="multiqc", wildcards={}, queue="ondemand", spot=False)]
DEMAND = (TEN_MINUTES - 0.00001) / 0.4 + 0.00001


class Batch:
    """Batch with jobs that it describes; it lists those on the head queue by name."""

    def __init__(self, *jobs: dict[str, Any]) -> None:
        self.jobs = jobs

    def get_paginator(self, name: str) -> "Batch":
        assert name == "list_jobs"
        return self

    def paginate(self, jobQueue: str, filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert jobQueue == STACK.queues["head"]
        (one,) = filters
        assert one["name"] == "JOB_NAME"
        return [{"jobSummaryList": [job for job in self.jobs if job["jobName"].lower() in one["values"]]}]

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        return {"jobs": [job for job in self.jobs if job["jobId"] in jobs]}


def head_job(job_id: str, *attempts: tuple[int, int], **keys: Any) -> dict[str, Any]:
    return {
        "jobId": job_id,
        "jobName": head_name("cohort7"),
        "jobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/terraflow-head",
        "status": "SUCCEEDED",
        "createdAt": START - MINUTE,
        "attempts": [{"startedAt": start, "stoppedAt": stop} for start, stop in attempts],
        "container": {
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "8192"}],
            "runtimePlatform": {"cpuArchitecture": "X86_64"},
            "networkConfiguration": {"assignPublicIp": "DISABLED"},
        },
        **keys,
    }


@pytest.fixture
def a_run(commands: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The run `cohort7` in the bucket, and a head of half an hour that Batch knows."""
    put(commands, "cohort7", ABOUT, LIVE, RECORD)
    real = find.client
    known = Batch(head_job("head-1", (START, START + 30 * MINUTE)))
    monkeypatch.setattr(find, "client", lambda service, stack: known if service == "batch" else real(service, stack))
    return known


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert cli.main(["cost", "cohort7", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("rule", {"multiqc": DEMAND, "head": HEAD, "bwa_mem": 0.6, "fastqc": 0.28, "decompress": 0.12}),
        ("sample", {"shared": DEMAND + HEAD, "a": TEN_MINUTES}),
        ("day", {"2026-03-01": DEMAND + HEAD + TEN_MINUTES}),
        ("queue", {"spot": TEN_MINUTES, "ondemand": DEMAND, "terraflow-head": HEAD}),
    ],
)
def test_a_runs_cost(by: str, rows: dict[str, float], a_run: Batch, capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capsys, "--by", by)
    expected = {key: value * TEN_MINUTES if value in (0.6, 0.28, 0.12) else value for key, value in rows.items()}
    assert {row[by]: row["total"] for row in found["rows"]} == pytest.approx(expected, abs=1e-8)
    assert found["total"] == pytest.approx(DEMAND + HEAD + TEN_MINUTES, abs=1e-8)
    assert found["prices"]["region"] == "us-east-1"
    assert any("requests" in note and "logs" in note for note in found["notes"])


def test_a_table_for_people(a_run: Batch, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cost", "cohort7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["RULE", "ATTEMPTS", "VCPU", "MEMORY", "DISK", "ADDRESS", "TOTAL"]
    row = next(line.split() for line in lines if line.startswith("multiqc"))
    assert (row[1], row[-1]) == ("1", f"{DEMAND:.4f}")
    assert next(line for line in lines if line.startswith("sum")).split()[-1] == f"{DEMAND + HEAD + TEN_MINUTES:.4f}"
    said = "\n".join(lines)
    assert "Not in it: objects in S3 and requests to it, logs" in said
    assert "Spot costs 60% less" in said
    assert "pulls its image for 30 s" in said


def test_a_table_for_spreadsheets_adds_up_exactly(a_run: Batch, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cost", "cohort7", "--csv", "--by", "sample"]) == 0
    said = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["sample"] for row in rows] == ["shared", "a"]
    assert said.err.splitlines()[-1].startswith("Not in it: objects in S3 and requests to it, ")
    nano = [round(1e9 * float(row["total"])) for row in rows]
    assert sum(nano) == round(1e9 * shown(capsys)["total"])


def test_prices_of_ones_own(a_run: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prices.json"
    price = {"vcpu_hour": 1, "memory_gb_hour": 0}
    free = {"disk_gb_hour": 0, "address_hour": 0, "endpoint_gb": 0}
    own = {"date": "today", "source": "us", "regions": {"us-east-1": {"X86_64": price, **free}}, "pull_seconds": 0}
    file.write_text(json.dumps({**own, "spot_discount": 0.5}))
    found = shown(capsys, "--by", "queue", "--prices", str(file))
    assert {row["queue"]: row["vcpu"] for row in found["rows"]} == pytest.approx(
        {"spot": 4 * 570 / 3600 / 2, "ondemand": 4 * 570 / 3600, "terraflow-head": 0.5}, abs=1e-8
    )
    file.write_text("{}")
    assert cli.main(["cost", "cohort7", "--prices", str(file)]) == 1
    assert f"{file}: 'regions' has to name at least one region" in capsys.readouterr().err


def test_what_runs_now_counts_up_to_now(a_run: Batch, commands: Any, capsys: pytest.CaptureFixture[str]) -> None:
    job = LiveJob(
        "3", "bwa_mem", {"sample": "b"}, False, "RUNNING", START, "", "spot", True, 4, 8 * GIB, 20 * GIB, START
    )
    waits = dataclasses.replace(job, native_id="4", status="RUNNABLE")
    state = dataclasses.replace(LIVE, state=lives.RUNNING, ended=None, jobs=(job, waits), updated=START + 570_000)
    put(commands, "cohort7", ABOUT, state)
    found = shown(capsys, "--by", "sample")
    # Its head is gone: it counts until the head was last heard of.
    assert next(row for row in found["rows"] if row["sample"] == "b")["total"] == pytest.approx(TEN_MINUTES, abs=1e-8)
    assert any("1 job of it runs now" in note for note in found["notes"])
    put_lock(commands, "cohort7")
    assert next(row for row in shown(capsys, "--by", "sample")["rows"] if row["sample"] == "b")["total"] > 1


@pytest.mark.parametrize(
    ("last", "count"),
    [
        pytest.param({}, 1, id="ended well"),
        pytest.param({"status": "FAILED"}, 1, id="failed before live.json was written"),
        pytest.param({"status": "FAILED", "complete": START + 9 * MINUTE}, 1, id="failed after it was written"),
        pytest.param({"status": "FAILED", "complete": START - MINUTE}, 2, id="lost, and runs again"),
    ],
)
def test_a_job_that_has_just_ended_counts_once(
    last: dict[str, Any], count: int, a_run: Batch, commands: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its record is written before live.json, which still says that it runs."""
    job = LiveJob(
        "9", "bwa_mem", {"sample": "b"}, False, "RUNNING", START, "", "spot", True, 4, 8 * GIB, 20 * GIB, START
    )
    state = dataclasses.replace(LIVE, state=lives.RUNNING, ended=None, jobs=(job,), updated=START + 2 * MINUTE)
    one = dataclasses.replace(
        attempt(native_id="9", wildcards={"sample": "b"}, start=START - 5 * MINUTE, complete=START + MINUTE), **last
    )
    put(commands, "cohort7", ABOUT, state, [*RECORD, one])
    found = shown(capsys, "--by", "sample")
    assert next(row for row in found["rows"] if row["sample"] == "b")["attempts"] == count


@pytest.mark.parametrize(
    ("jobs", "hours", "note"),
    [
        pytest.param([head_job("head-1", (START, START + 30 * MINUTE))], [30], "", id="as Batch knows it"),
        pytest.param(
            [head_job("head-1", (START, START + MINUTE), (START + 5 * MINUTE, START + 9 * MINUTE))], [1, 4], "",
            id="started again after it was lost",
        ),
        pytest.param(
            [head_job("head-0", (START, START + MINUTE)), head_job("head-1", (START, START + 9 * MINUTE))], [1, 9], "",
            id="two heads, one after the other",
        ),
        pytest.param([head_job("head-1", startedAt=START)], [None], "", id="runs"),
        pytest.param(
            [head_job("head-1", (START, START + MINUTE), startedAt=START + 2 * MINUTE)], [1, None], "",
            id="runs again",
        ),
        pytest.param(
            [head_job("head-1", (START, START + MINUTE)), head_job("x", (0, MINUTE), jobName="Cohort7-head")], [1], "",
            id="another run's, whose name differs in a capital",
        ),
        pytest.param(
            [
                head_job("old", (START - 9 * MINUTE, START - 2 * MINUTE), createdAt=START - 10 * MINUTE),
                head_job("head-1", (START, START + MINUTE)),
            ],
            [1], "", id="one of a removed run of the same name",
        ),
        pytest.param([], [30], "Batch forgets jobs after a week", id="forgotten"),
    ],
)  # fmt: skip
def test_heads(jobs: list[dict[str, Any]], hours: list[int | None], note: str, commands: Any) -> None:
    put(commands, "cohort7", ABOUT, LIVE, RECORD)
    found = heads.heads_of(find.find("cohort7"), RECORD, STACK, Batch(*jobs))  # type: ignore[arg-type]
    minutes = [None if one.complete is None else (one.complete - (one.start or 0)) // MINUTE for one in found.attempts]
    assert minutes == hours
    assert {(one.cpus, one.spot, one.process) for one in found.attempts} == {(1, False, "head")}
    assert note in found.note
    assert bool(note) == bool(found.note)


KILLED = {"startedAt": START, "stoppedAt": START + MINUTE, "statusReason": "Essential container in task exited"}
ENDED = {"startedAt": START + 2 * MINUTE, "stoppedAt": START + 3 * MINUTE, "container": {"exitCode": 0}}


@pytest.mark.parametrize(
    ("job", "ends"),
    [
        ({"attempts": [{**KILLED, "container": {"exitCode": 137, "reason": "OutOfMemoryError"}}, ENDED]},
         [("FAILED", 137, "Essential container in task exited; OutOfMemoryError"), ("COMPLETED", 0, "")]),
        ({"attempts": [KILLED], "status": "RUNNING", "startedAt": START + 2 * MINUTE},
         [("FAILED", None, "Essential container in task exited"), ("RUNNING", None, "")]),
        ({"attempts": [KILLED], "status": "RUNNABLE"}, [("FAILED", None, "Essential container in task exited")]),
        ({"attempts": [{**ENDED, "container": {"exitCode": 60}}], "status": "FAILED"}, [("FAILED", 60, "")]),
        ({"attempts": [{**ENDED, "container": {"exitCode": 143}}], "status": "FAILED", "isTerminated": True},
         [("ABORTED", 143, "")]),
    ],
)  # fmt: skip
def test_how_heads_ended(job: dict[str, Any], ends: list[tuple[str, int | None, str]], commands: Any) -> None:
    put(commands, "cohort7", ABOUT, LIVE)
    found = heads.heads_of(find.find("cohort7"), RECORD, STACK, Batch(head_job("head-1", **job)))  # type: ignore[arg-type]
    assert [(one.status, one.exit, one.reason) for one in found.attempts] == ends


@pytest.mark.parametrize(
    ("about", "end"),
    [(ABOUT, ("COMPLETED", 0)), (dataclasses.replace(ABOUT, exit_code=61), ("FAILED", 61)),
     (dataclasses.replace(ABOUT, exit_code=None, ended=None), ("FAILED", None))],
)  # fmt: skip
def test_how_a_head_ended_that_batch_has_forgotten(about: Any, end: tuple[str, int | None], commands: Any) -> None:
    put(commands, "cohort7", about, LIVE)
    (one,) = heads.heads_of(find.find("cohort7"), RECORD, STACK, Batch()).attempts  # type: ignore[arg-type]
    assert (one.status, one.exit) == end


def test_a_run_that_a_laptop_conducted_has_no_head(commands: Any) -> None:
    put(commands, "cohort7", None, LIVE, RECORD)
    found = heads.heads_of(find.find("cohort7"), RECORD, STACK, Batch())  # type: ignore[arg-type]
    assert (found.attempts, found.note) == (
        (), "There was no head in the cloud: another machine conducted the run."
    )  # fmt: skip


# Run.json does not say how much memory a head had: it is reckoned as for a head of so many jobs.
BY_FILE = HEAD + (memory_for(4) / 1024 - 8) * 0.004445 * 1830 / 3600
REFUSED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListJobs")
SILENT = EndpointConnectionError(endpoint_url="https://batch.us-east-1.amazonaws.com")


@pytest.mark.parametrize("trouble", [REFUSED, SILENT], ids=["refuses", "does not answer"])
@pytest.mark.parametrize(
    ("about", "head", "note"),
    [
        (ABOUT, BY_FILE, "The head's hours are those of its last start, by run.json."),
        (None, 0.0, "There was no head in the cloud: by run.json, another machine conducted the run."),
    ],
    ids=["a head in the cloud", "none"],
)
def test_batch_that_says_nothing_of_heads_leaves_the_tasks_cost(
    trouble: Exception, about: Any, head: float, note: str, commands: Any, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    put(commands, "cohort7", about, LIVE, RECORD)
    real, known = find.client, Batch()
    monkeypatch.setattr(stacks, "deployed", lambda: dataclasses.replace(STACK, architecture="X86_64"))

    def nothing(**_: object) -> None:
        raise trouble

    monkeypatch.setattr(known, "paginate", nothing)
    monkeypatch.setattr(find, "client", lambda service, stack: known if service == "batch" else real(service, stack))
    found = shown(capsys)
    costs = {row["rule"]: row["total"] for row in found["rows"]}
    assert costs.pop("head", 0.0) == pytest.approx(head, abs=1e-8)
    assert sum(costs.values()) == pytest.approx(DEMAND + TEN_MINUTES, abs=1e-8)
    (said,) = (one for one in found["notes"] if one.startswith("Batch does not say how long the heads ran. AWS "))
    assert said.endswith(f". {note}")
    assert ".." not in said
    assert cli.main(["cost", "cohort7", "--csv"]) == 0
    assert capsys.readouterr().err.splitlines()[0] == said


def test_earlier_heads_that_batch_has_forgotten_are_named(commands: Any) -> None:
    put(commands, "cohort7", ABOUT, LIVE)
    record = [attempt(head="20260201T120000Z-ab12cd34"), attempt(native_id="2", head="20260301T120000Z-cd12ab34")]
    job = head_job("head-1", (START, START + MINUTE))
    found = heads.heads_of(find.find("cohort7"), record, STACK, Batch(job))  # type: ignore[arg-type]
    assert "Not counted: 1 earlier head, which Batch has forgotten." in found.note


def test_the_estimate_stands_beside_the_cost(a_run: Batch, commands: Any, capsys: pytest.CaptureFixture[str]) -> None:
    estimate = {"spot": 0.05, "on_demand": 0.12, "low": 0.03, "high": 0.07}
    put(commands, "cohort7", dataclasses.replace(ABOUT, estimate=estimate))
    assert cli.main(["cost", "cohort7"]) == 0
    said = capsys.readouterr().out
    assert "expected were $0.05 ($0.03 to $0.07): more than expected" in said


@pytest.mark.parametrize(
    ("live", "arguments", "words"),
    [
        (None, ["cohort7"], "There is no record of run cohort7"),
        (LIVE, ["cohort8"], "There is no run 'cohort8' in s3://data/runs/. Is it cohort7?"),
    ],
)
def test_what_is_not_there(
    live: Any, arguments: list[str], words: str, commands: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    put(commands, "cohort7", ABOUT, live)
    assert cli.main(["cost", *arguments]) == 1
    assert words in capsys.readouterr().err


def test_a_region_without_prices_says_whose_stand_in(
    a_run: Batch, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("terraflow.stack.deployed", lambda: dataclasses.replace(STACK, region="mars-north-1"))
    found = shown(capsys)
    assert found["total"] == pytest.approx(1.75 * (DEMAND + HEAD + TEN_MINUTES), abs=1e-8)
    assert "no prices of mars-north-1: reckoned with those of us-east-1 times 1.75" in found["notes"][0]
