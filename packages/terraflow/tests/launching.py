"""A place to start runs from, for tests: a project, a working directory, S3, and the head queue of AWS Batch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from run_objects import BUCKET, STACK
from snakemake_aws_common.rehearsal import PlannedJob, PlannedTask, Rehearsal
from terraflow.costs.expected import Expected, RuleRow
from terraflow.heads import submit
from terraflow.launch import capacity, launcher
from terraflow.launch.capacity import Capacity
from terraflow.launch.request import Request
from terraflow.runs import find

HEADS = replace(STACK, head_job_definition="terraflow-head", inbox_budget=20.0)
CONFIG: dict[str, Any] = {
    "samples": "sheet.tsv",
    "reference": {"fasta": f"s3://{BUCKET}/reference/g.fa"},
    "annotation": {"gff": ""},
    "calling": {"ploidy": 2},
}
SHEET = f"sample\tunit\tfq1\tfq2\na\t1\ts3://{BUCKET}/raw/a_R1.fastq.gz\ts3://{BUCKET}/raw/a_R2.fastq.gz\n"
JOB = PlannedJob("bwa_mem", {"sample": "a"}, 3, 4000, 1000, 0)
PLANNED = Rehearsal((JOB, JOB), (PlannedTask("bwa_mem", (0, 1), (), 4, 8192, 20),))
EXPECTED = Expected((RuleRow("bwa_mem", 2, 1.5, 2.0, 5.0),), hours=1.25, head=0.1, spot=2.1, on_demand=5.1)


@dataclass
class HeadQueue:
    """The head queue: jobs by id with their status, and what was submitted."""

    statuses: dict[str, str] = field(default_factory=dict)
    submitted: list[Mapping[str, Any]] = field(default_factory=list)

    def get_paginator(self, _: str) -> "HeadQueue":
        return self

    def paginate(self, filters: list[Mapping[str, Any]], **_: object) -> list[Mapping[str, Any]]:
        (name,) = filters[0]["values"]
        found = [{"jobId": job, "jobName": name, "status": status} for job, status in self.statuses.items()]
        return [{"jobSummaryList": found}]

    def describe_jobs(self, jobs: list[str]) -> Mapping[str, Any]:
        return {"jobs": [{"jobId": job, "status": self.statuses[job]} for job in jobs if job in self.statuses]}

    def submit_job(self, **given: Any) -> Mapping[str, str]:
        self.submitted.append(given)
        self.statuses[f"head-{len(self.submitted)}"] = "SUBMITTED"
        return {"jobId": f"head-{len(self.submitted)}"}


@dataclass
class Site:
    """A project and a working directory, and what the dry run would say about them."""

    folder: Path
    s3: Any
    queue: HeadQueue
    planned: Rehearsal | Exception = PLANNED
    # Runs that were planned, with their archives.
    rehearsed: list[Any] = field(default_factory=list)
    # What estimates were asked with.
    estimated: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def request(self) -> Request:
        return Request("cohort7", self.folder / "project", self.folder / "cohort", (Path("config.yaml"),), who="ada")

    def keys(self, prefix: str = "runs/") -> list[str]:
        return [one["Key"] for one in self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def make(folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site whose dry run and estimate are what the test says; all else is real."""
    site = Site(folder, s3, HeadQueue())
    for name in ("workflow/Snakefile", "envs/bwa.yaml", "profiles/aws/config.yaml"):
        (folder / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "project" / name).write_text(name)
    (folder / "cohort").mkdir()
    (folder / "cohort/sheet.tsv").write_text(SHEET)
    (folder / "cohort/config.yaml").write_text(yaml.safe_dump(CONFIG))

    def rehearse(*given: Any) -> Rehearsal:
        site.rehearsed.append(given)
        if isinstance(site.planned, Exception):
            raise site.planned
        return site.planned

    def client(service: str, *_: object, **__: object) -> Any:
        return {"s3": s3, "batch": site.queue}[service]

    monkeypatch.setattr(launcher, "rehearse", rehearse)
    monkeypatch.setattr(launcher, "estimate", lambda *_, **given: site.estimated.append(given) or EXPECTED)
    monkeypatch.setattr(capacity, "of_spot", lambda *_: Capacity(6, "the account's quota"))
    monkeypatch.setattr(submit, "_client", client)
    monkeypatch.setattr(find, "client", client)
    return site
