"""The program that says what a run would submit: jobs, groups and shapes, and what is wrong with them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from fake_batch import REGION, FakeAws, FakeBatch
from snakemake_aws_common.rehearsal import Rehearsal, from_json, to_json
from snakemake_executor_plugin_aws_batch_fargate import rehearsal

BUCKET = "planned"
SNAKEFILE = """
if config.get("refuse"):
    raise WorkflowError("Line 3 of the sheet: found 'B C'", "expected letters.")

rule all:
    input:
        "all.txt",

rule split:
    input:
        storage.s3("s3://planned/raw/a.fq"),
    output:
        "{sample}.txt",
    group: "lane"
    resources:
        mem_mb=3000,
        disk_mb=30000,
        runtime=10,
    shell:
        "cp {input} {output}"

rule align:
    input:
        rules.split.output,
        "index.txt",
    output:
        "{sample}.bam",
    group: "lane"
    threads: 3
    resources:
        mem_mb=lambda wildcards, input: max(input.size_mb, 100),
    shell:
        "cp {input} {output}"

rule index:
    output:
        "index.txt",
    resources:
        batch_job_definition="special",
    shell:
        "echo > {output}"

rule gather:
    "Gather all, in a quarter of the memory with one job more."
    input:
        "a.bam",
        "b.bam",
        "index.txt",
    output:
        "all.txt",
    resources:
        mem_mb=config.get("memory", 500),
    shell:
        "cat {input} > {output}"
"""


@dataclass
class Site:
    """A folder with a workflow, and an AWS."""

    folder: Path
    aws: FakeAws

    @property
    def s3(self) -> Any:
        keys = {"aws_access_key_id": "tests", "aws_secret_access_key": "tests"}
        return boto3.client("s3", endpoint_url=self.aws.endpoint, region_name=REGION, **keys)

    def rehearse(self, *arguments: str) -> tuple[int, Rehearsal]:
        """Run the program; return its exit code and what it wrote."""
        settings = ("--aws-batch-fargate-queue", "spot", "--aws-batch-fargate-region", REGION)
        definitions = ("--aws-batch-fargate-job-definitions", "20=worker-20gib 50=worker-50gib")
        storage = ("--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{BUCKET}/runs/main")
        command = [sys.executable, "-m", rehearsal.__name__, "plan.json", "--executor", "aws-batch-fargate"]
        command += ["--jobs", "9", "--shared-fs-usage", "none", *settings, *definitions, *storage, *arguments]
        env = os.environ | self.aws.env | {"HOME": str(self.folder)}
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        file = self.folder / "plan.json"
        assert file.is_file(), done.stdout + done.stderr
        return done.returncode, from_json(file.read_text())


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    server.batch.__dict__.update(FakeBatch().__dict__)
    server.batch.define("special", 50)
    made = Site(tmp_path, server)
    made.s3.create_bucket(Bucket=BUCKET)
    made.s3.put_object(Bucket=BUCKET, Key="raw/a.fq", Body=b"r" * 1000)
    iam = boto3.client(
        "iam",
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id="tests",
        aws_secret_access_key="tests",
    )
    for name in ("execution", "job"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({}))
    for definition in server.batch.definitions.values():
        definition["containerProperties"]["image"] = "debian"
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    yield made
    for name in ("execution", "job"):
        iam.delete_role(RoleName=name)
    for entry in made.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        made.s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    made.s3.delete_bucket(Bucket=BUCKET)


def test_jobs_of_batch_with_shapes_inputs_and_order(site: Site) -> None:
    code, planned = site.rehearse()

    assert (code, planned.errors, planned.problems) == (0, (), ())
    jobs = [
        (job.rule, dict(job.wildcards), job.threads, job.memory_mib, job.disk_mib, job.minutes) for job in planned.jobs
    ]
    assert sorted(jobs, key=str) == sorted(
        [
            ("index", {}, 1, 0, 0, 0),
            *(("split", {"sample": sample}, 1, 3000, 30000, 10) for sample in "ab"),
            # What follows from files that are not there is not known.
            *(("align", {"sample": sample}, 3, 0, 0, 0) for sample in "ab"),
            ("gather", {}, 1, 500, 0, 0),
        ],
        key=str,
    )
    assert {job.rule: dict(job.given) for job in planned.jobs if job.given} == {
        "split": {f"s3://{BUCKET}/raw/a.fq": 1000}
    }
    index, *lanes, gather = planned.tasks
    assert (index.name, index.definition, index.needs, index.disk_gib) == ("index", "special", (), 50)
    for lane in lanes:
        assert [planned.jobs[n].rule for n in lane.jobs] == ["split", "align"]
        assert (lane.name, lane.needs, lane.vcpus, lane.memory_mib, lane.disk_gib) == ("lane", (0,), 4, 8192, 50)
    assert (gather.name, gather.needs, gather.vcpus, gather.memory_mib) == ("gather", (0, 1, 2), 1, 2048)
    assert from_json(to_json(planned)) == planned
    assert site.aws.batch.count("SubmitJob") == 0
    assert not (site.s3.list_objects_v2(Bucket=BUCKET, Prefix="runs/").get("Contents")), "neither lock nor sources"


def test_what_is_there_is_not_planned(site: Site) -> None:
    for name in ("index.txt", "a.txt", "a.bam", "b.txt", "b.bam"):
        site.s3.put_object(Bucket=BUCKET, Key=f"runs/main/{name}", Body=b"")
    assert [job.rule for job in site.rehearse()[1].jobs] == ["gather"]

    site.s3.put_object(Bucket=BUCKET, Key="runs/main/all.txt", Body=b"")
    site.aws.batch.queues.clear()
    code, planned = site.rehearse()
    assert (code, planned.jobs, planned.tasks, planned.problems + planned.passing) == (0, (), (), ()), (
        "nothing to do needs no queue"
    )


def test_all_that_would_end_the_run_is_named(site: Site) -> None:
    site.aws.batch.queues["spot"]["state"] = "DISABLED"
    del site.aws.batch.definitions["special"]

    code, planned = site.rehearse("--config", "memory=900000", "--aws-batch-fargate-budget=-1")

    assert code == 0
    text = "\n".join(planned.problems)
    assert ["Job queue spot is DISABLED" in one for one in planned.passing] == [True], "no fault of the run"
    assert "names special, which has no active revision" in text
    assert "Rule gather is larger than Fargate allows: 900000 MiB" in text
    assert "The rule: Gather all, in a quarter of the memory with one job more." in text, "its own words say what to do"
    assert "budget is -1: it has to be more than 0" in text


def test_the_default_run_of_another_project_is_refused_before_it_begins(site: Site) -> None:
    record = {"examples": ["s3://planned/raw/other.fq"], "data": {"split": ["0123456789ab"]}}
    site.s3.put_object(Bucket=BUCKET, Key="runs/main/.run-data.json", Body=json.dumps(record).encode())
    (problem,) = site.rehearse()[1].problems
    assert "holds the run of another project, which read s3://planned/raw/other.fq" in problem
    kept = site.s3.get_object(Bucket=BUCKET, Key="runs/main/.run-data.json")["Body"].read()
    assert json.loads(kept) == record


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--config", "refuse=1"], "Line 3 of the sheet: found 'B C'\nexpected letters."),
        (["--list-rules"], "These arguments make Snakemake run no jobs."),
        (["--configfile", "gone.yaml"], "FileNotFoundError: [Errno 2] No such file or directory: 'gone.yaml'"),
    ],
)
def test_an_error_is_the_workflows_own_words(site: Site, arguments: list[str], error: str) -> None:
    code, planned = site.rehearse(*arguments)
    assert (code == 0, planned.errors) == ("--list-rules" in arguments, (error,))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            'WorkflowError in file "/w/Snakefile", line 3:\nNo sheet.\n  File "/w/Snakefile", line 3, in <module>',
            "No sheet.",
        ),
        ('WorkflowError in rule a in file "/w/Snakefile", line 3:\nNo.', "No."),
        ('NameError in file "/w/Snakefile", line 3:\nname', 'NameError in file "/w/Snakefile", line 3:\nname'),
        ("Traceback (most recent call last):\n  more\nKeyError: 'a'\n", "KeyError: 'a'"),
    ],
)
def test_only_places_of_workflow_errors_are_left_out(message: str, words: str) -> None:
    assert rehearsal.plain(message) == words
