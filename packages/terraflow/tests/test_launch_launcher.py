"""Starts of runs: what is refused before anything is written, and what a head is given."""

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from launching import EXPECTED, HEADS, PLANNED, Site, make
from run_objects import ABOUT, BUCKET, LIVE, put
from snakemake_aws_common.rehearsal import Rehearsal
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.heads import archive
from terraflow.heads.submit import UnderWayError
from terraflow.launch import launcher
from terraflow.launch.inputs import MissingError
from terraflow.launch.launcher import BUDGET, OverBudgetError, Prepared, launch
from terraflow.launch.rehearse import RefusedError


@pytest.fixture
def site(tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    return make(tmp_path, s3, monkeypatch)


def test_a_run_is_checked_estimated_approved_and_submitted(site: Site, tmp_path: Path) -> None:
    asked: list[Prepared] = []
    request = dataclasses.replace(site.request, budget=20, arguments=("--until", "bwa_mem"))

    def approve(prepared: Prepared) -> None:
        assert site.keys() == [] and not site.queue.submitted
        asked.append(prepared)

    launched = launch(request, HEADS, approve)

    assert launched.head_job == "head-1" and launched.prepared == asked[0]
    (archived, about_key) = site.keys()
    assert about_key == "runs/cohort7/head/run.json"
    about = abouts.from_json(site.s3.get_object(Bucket=BUCKET, Key=about_key)["Body"].read())
    assert (about.state, about.who, about.started_by) == ("submitted", "ada", "terraflow run")
    assert (about.head_job, about.archive, about.budget) == ("head-1", archived, 20)
    assert about.estimate is not None
    assert (about.estimate["spot"], about.estimate["hours"], about.estimate["jobs"]) == (EXPECTED.spot, 1.25, 2)
    packed, name = site.rehearsed[0]
    assert name == "cohort7"
    assert site.s3.get_object(Bucket=BUCKET, Key=archived)["Body"].read() == packed.body, "what was planned is sent"
    manifest = archive.unpack(packed.body, packed.sha256, tmp_path / "unpacked")
    assert manifest.arguments == ["--until", "bwa_mem", BUDGET, "20"]


@pytest.mark.parametrize("stored", [False, True])
def test_a_head_is_given_records_that_s3_lacks(site: Site, tmp_path: Path, stored: bool) -> None:
    """A run that Snakemake began on this machine, with a version that kept them as files here."""
    if stored:
        site.s3.put_object(Bucket=BUCKET, Key="runs/cohort7/head/persistence.db.gz", Body=b"")
    name = base64.urlsafe_b64encode(f"s3://{BUCKET}/runs/cohort7/results/x".encode()).decode()
    record = site.request.directory / ".snakemake/metadata" / name
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    launch(site.request, HEADS)
    packed, _ = site.rehearsed[0]
    manifest = archive.unpack(packed.body, packed.sha256, tmp_path / "unpacked")
    sent = tmp_path / "unpacked/files" / manifest.directory / ".snakemake/metadata" / name
    assert sent.exists() != stored


def test_the_estimate_has_what_earlier_starts_have_cost(site: Site) -> None:
    put(site.s3, "cohort7", live=dataclasses.replace(LIVE, spent=5.0))
    launch(site.request, HEADS)
    about = abouts.from_json(site.s3.get_object(Bucket=BUCKET, Key="runs/cohort7/head/run.json")["Body"].read())
    assert about.estimate is not None
    found = {name: about.estimate[name] for name in ("spot", "on_demand", "low", "high", "head", "earlier")}
    assert found == pytest.approx(
        {"spot": 7.1, "on_demand": 10.1, "low": EXPECTED.low + 5, "high": EXPECTED.high + 5, "head": 0.1, "earlier": 5}
    )


PRICES = {
    "date": "today", "source": "us",
    "regions": {"us-east-1": {"X86_64": {"vcpu_hour": 1, "memory_gb_hour": 0},
                              "disk_gb_hour": 0, "address_hour": 0, "endpoint_gb": 0}},
}  # fmt: skip


def test_prices_of_ones_own_reach_the_estimate_and_the_head(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    file.write_text(json.dumps(PRICES))
    stack = dataclasses.replace(HEADS, architecture="X86_64")
    assert launch(dataclasses.replace(site.request, prices=file), stack).head_job == "head-1"
    assert site.estimated == [{"prices_file": file}]
    packed, _ = site.rehearsed[0]
    manifest = archive.unpack(packed.body, packed.sha256, tmp_path / "unpacked")
    words = archive.snakemake_arguments(manifest, tmp_path / "unpacked")
    given = Path(words[words.index("--aws-batch-fargate-prices") + 1])
    assert json.loads(given.read_text()) == PRICES


@pytest.mark.parametrize(
    ("text", "architecture", "words"),
    [(None, "X86_64", "can't be read"), ("{}", "X86_64", "'regions'"),
     (json.dumps(PRICES), "ARM64", "has prices of X86_64, and the stack's jobs run on ARM64")],
)  # fmt: skip
def test_prices_that_can_t_be_used_are_refused_before_a_run_is_planned(
    site: Site, tmp_path: Path, text: str | None, architecture: str, words: str
) -> None:
    if text is not None:
        (tmp_path / "contract.json").write_text(text)
    request = dataclasses.replace(site.request, prices=tmp_path / "contract.json")
    with pytest.raises(UserError, match=words):
        launch(request, dataclasses.replace(HEADS, architecture=architecture))
    assert not site.rehearsed


def test_nothing_to_do_is_said_and_nothing_is_submitted(site: Site) -> None:
    site.planned = Rehearsal()
    assert launch(site.request, HEADS).head_job is None
    assert site.keys() == [] and not site.queue.submitted


@pytest.mark.parametrize("status", ["SUBMITTED", "RUNNABLE", "RUNNING"])
def test_a_run_that_has_a_head_is_refused_before_it_is_planned(site: Site, status: str) -> None:
    put(site.s3, "cohort7", dataclasses.replace(ABOUT, state="running", head_job="other"))
    site.queue.statuses["other"] = status
    with pytest.raises(UnderWayError, match=r"Batch job other, submitted by ada at 2026-03-01 11:59 UTC"):
        launch(site.request, HEADS)
    assert not site.rehearsed


def test_a_stack_without_heads_is_told_how_to_get_them(site: Site) -> None:
    with pytest.raises(UserError, match=r"head_jobs = true"):
        launch(site.request, dataclasses.replace(HEADS, head_job_definition=None))


@pytest.mark.parametrize(
    ("budget", "spent", "words"),
    [
        (2.1, None, None),
        (2.0, None, r"cost \$2.10, and its budget is \$2.00. Nothing was submitted"),
        (3.0, 1.5, r"cost \$2.10 after the \$1.50 that earlier starts have cost, and its budget is \$3.00"),
        (3.6, 1.5, None),
        (None, 1.5, None),
    ],
)
def test_a_budget_refuses_what_is_expected_to_cost_more(
    site: Site, budget: float | None, spent: float | None, words: str | None
) -> None:
    if spent:
        put(site.s3, "cohort7", live=dataclasses.replace(LIVE, spent=spent))
    request = dataclasses.replace(site.request, budget=budget)
    if words is None:
        assert launch(request, HEADS).head_job == "head-1"
        return
    with pytest.raises(OverBudgetError, match=words):
        launch(request, HEADS)
    assert not site.queue.submitted


def test_whoever_says_no_leaves_nothing(site: Site) -> None:
    def refuse(_: Prepared) -> None:
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        launch(site.request, HEADS, refuse)
    assert site.keys() == [] and not site.queue.submitted


def test_missing_files_are_all_named_with_what_names_them(site: Site) -> None:
    site.planned = RefusedError("MissingInputException in rule decompress in file x:\nMissing input files")
    site.s3.put_object(Bucket=BUCKET, Key="raw/a_R1.fastq.gz", Body=b"x")
    with pytest.raises(MissingError) as raised:
        launch(site.request, HEADS)
    assert raised.value.addresses == (f"s3://{BUCKET}/raw/a_R2.fastq.gz", f"s3://{BUCKET}/reference/g.fa")
    assert f"sheet.tsv, line 2: s3://{BUCKET}/raw/a_R2.fastq.gz: there is no such file" in str(raised.value)
    assert f"reference.fasta: s3://{BUCKET}/reference/g.fa: there is no such file" in str(raised.value)


@pytest.mark.parametrize("error", ["Problems in the sample sheet:\nline 3", "MissingInputException: made by no rule"])
def test_other_errors_stay_the_workflows_words(site: Site, error: str) -> None:
    for key in ("raw/a_R1.fastq.gz", "raw/a_R2.fastq.gz", "reference/g.fa"):
        site.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    site.planned = RefusedError(error)
    with pytest.raises(RefusedError) as raised:
        launch(site.request, HEADS)
    assert str(raised.value) == f"{error}\nNothing was submitted."


def test_files_that_come_while_the_run_is_planned_are_found(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = [RefusedError("MissingInputException in rule decompress in file x")]

    def rehearse(*_: object) -> Rehearsal:
        if not planned:
            return PLANNED
        for key in ("raw/a_R1.fastq.gz", "raw/a_R2.fastq.gz", "reference/g.fa"):
            site.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        raise planned.pop()

    monkeypatch.setattr(launcher, "rehearse", rehearse)
    assert launch(site.request, HEADS).head_job == "head-1"
