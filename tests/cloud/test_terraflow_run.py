"""`terraflow run` as a user types it, with the example's data: a plan, an estimate and one head, or words and none."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from snakemake_heads import BUCKET, Site, new_site

from fake_batch import REGION, FakeAws
from shared import ROOT
from snakemake_aws_common.packing import SUFFIX
from terraflow.heads import about as abouts
from terraflow.heads import archive
from terraflow.stack import Stack

STACK = {
    **{field.name: field.name for field in dataclasses.fields(Stack) if field.type is str},
    "region": REGION,
    "architecture": "X86_64",
    "bucket": BUCKET,
    "images": {},
    "queues": {"spot": "spot", "ondemand": "ondemand", "head": "head"},
    "job_definitions": {"20": "worker-20gib", "50": "worker-50gib"},
    "report_job_definition": "report",
    "head_job_definition": "head",
    "tags": {"stack": "terraflow"},
}


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    """A checkout's files that a run needs, and an AWS with queues and definitions as the stack has them."""
    with new_site(server, tmp_path) as made:
        (tmp_path / "Snakefile").unlink()
        for name in ("workflow", "config", "envs", "profiles"):
            shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        server.batch.queues["head"] = {**server.batch.queues["ondemand"], "jobQueueName": "head"}
        for name in ("report", "head"):
            server.batch.define(name, 20, image="debian:trixie-slim")
        (tmp_path / "stack.json").write_text(json.dumps(STACK))
        made.env["TERRAFLOW_STACK"] = str(tmp_path / "stack.json")
        yield made


def terraflow(site: Site, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "terraflow.cli", *arguments]
    return subprocess.run(
        command, cwd=site.folder, env=site.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_the_example_is_planned_estimated_and_submitted(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    staged = terraflow(site, "stage", "config/example/samples.tsv", "--configfile", "config/example/config.yaml")
    assert staged.returncode == 0, staged.stdout + staged.stderr
    assert "  terraflow run config/aws.yaml\n" in staged.stdout

    done = terraflow(
        site, "run", "config/aws.yaml", "--name", "example", "--yes", "--budget", "5", "--", "--until", "variants"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = {words[0]: words[1:] for line in done.stdout.splitlines() if (words := line.split())}
    assert {rule: rows[rule][0] for rule in ("decompress", "bwa_mem", "sort_index", "bcftools_call", "variants")} == {
        **{"decompress": "2", "bwa_mem": "2", "sort_index": "2"},
        **{"bcftools_call": "1", "variants": "1"},
    }
    assert "multiqc" not in rows
    (head,) = site.batch.submitted()
    assert (head["jobQueue"], head["jobDefinition"], head["jobName"]) == ("head", "head", "example-head")
    assert head["tags"] == {"stack": "terraflow", "terraflow:run": "example", "terraflow:rule": "head"}
    about = abouts.from_json(site.objects()["runs/example/head/run.json"].encode())
    assert about.estimate is not None
    assert (about.head_job, about.state, about.estimate["jobs"]) == (
        head["jobId"],
        "submitted",
        int(rows["all"][0]) - 1,
    )
    assert 0 < about.estimate["spot"] < about.estimate["on_demand"] < 1

    # The head gets what was planned: it unpacks, and names the files that were staged.
    body = site.client("s3").get_object(Bucket=BUCKET, Key=about.archive)["Body"].read()
    unpacked = tmp_path_factory.mktemp("head")
    sha256 = Path(about.archive).name.removesuffix(SUFFIX)
    manifest = archive.unpack(body, sha256, unpacked)
    assert list(manifest.arguments) == ["--until", "variants", "--aws-batch-fargate-budget", "5"]
    assert f"s3://{BUCKET}/reference/" in (unpacked / archive.FILES / manifest.configfiles[0]).read_text()


def test_a_wrong_sheet_is_refused_in_the_workflows_words(site: Site) -> None:
    bad = "sample\tunit\tfq1\tfq2\nA\tL1\ts3://data/a.fastq.gz\t\nB C\tL1\ts3://data/b.fastq.gz\t\n"
    (site.folder / "config/bad.tsv").write_text(bad)
    (site.folder / "bad.yaml").write_text(
        "samples: config/bad.tsv\nreference: {fasta: s3://data/g.fa}\nannotation: {gff: ''}\n"
    )

    done = terraflow(site, "run", "bad.yaml", "--yes")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "terraflow run: Problems in the sample sheet (samples), nothing was run:\n"
        "config/bad.tsv, line 3: sample: found 'B C'; expected letters, digits, `_`, `.`, `-` and `+`, with a letter "
        "or digit first, at most 100 of them\n"
    )
    assert site.batch.submitted() == [] and not [key for key in site.objects() if key.startswith("runs/")]
