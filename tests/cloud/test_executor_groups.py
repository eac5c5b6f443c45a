"""Heads that are killed while a group of jobs runs, each time when another of its members has stored its output."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snakemake_heads import BUCKET, Site, inventory_site

from fake_batch import FakeAws

SNAKEFILE = """
rule all:
    input:
        "results/all.txt",

rule cut:
    output:
        temp("results/{sample}.cut"),
    group:
        "lane"
    shell:
        "echo > {output}"

rule look:
    input:
        "results/{sample}.cut",
    output:
        "results/{sample}.look",
    group:
        "lane"
    shell:
        "cp {input} {output}"

rule map:
    input:
        "results/{sample}.cut",
    output:
        "results/{sample}.map",
    group:
        "lane"
    shell:
        "cp {input} {output}"

rule count:
    input:
        "results/{sample}.map",
    output:
        "results/{sample}.count",
    group:
        "lane"
    shell:
        "cp {input} {output}"

rule gather:
    input:
        "results/a.look",
        "results/a.count",
    output:
        "results/all.txt",
    shell:
        "cat {input} > {output}"
"""
# A head looks for unfinished outputs first, and only then at what there is: an output that was stored in between.
LATE = """
import snakemake.cli  # loads Snakemake in an order that works
from snakemake.dag import DAG


async def sees_nothing(self):
    pass


DAG.check_incomplete = sees_nothing
open("late", "w").close()
"""


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    with inventory_site(server, tmp_path, SNAKEFILE) as made:
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "sitecustomize.py").write_text(LATE)
        yield made


def engine(site: Site, job: dict[str, Any]) -> None:
    if job["tags"]["terraflow:rule"] == "lane":
        job["status"] = "RUNNING"
    else:
        site.succeed(job)


@pytest.mark.parametrize("late", [True, False], ids=["marks not seen", "marks seen"])
@pytest.mark.parametrize("kills", [["look", "map"], ["map look count"]], ids=["while it runs", "and it ends"])
def test_heads_that_are_killed_when_members_of_a_group_end(site: Site, late: bool, kills: list[str]) -> None:
    site.batch.engine = lambda job: engine(site, job)
    log = site.folder / "head.log"
    head = site.start()
    site.wait(lambda: site.markers() == 4, head)
    (lane,) = site.batch.submitted()
    left = {"look", "map", "count"}
    if late:
        site.env["PYTHONPATH"] = str(site.folder / "site")

    def store(members: set[str]) -> None:
        for member in members:
            site.client("s3").put_object(Bucket=BUCKET, Key=f"runs/main/results/a.{member}", Body=b"made")

    for stored in kills:
        head.kill()
        head.wait()
        store(set(stored.split()))
        left -= set(stored.split())
        if not left:
            site.batch.end(lane, "SUCCEEDED", 0)
        head = site.start()
        if left:
            site.wait(lambda: f"an earlier start made Batch job {lane['jobId']}" in log.read_text(), head)
    store(left)
    site.batch.end(lane, "SUCCEEDED", 0)
    assert head.wait(300) == 0, log.read_text()
    assert [job["tags"]["terraflow:rule"] for job in site.batch.submitted()] == ["lane", "gather"]
    assert site.batch.count("terminatejob") + site.batch.count("terminatejobs") == 0
    assert (site.folder / "late").exists() is late
    site.env.pop("PYTHONPATH", None)
    assert "Nothing to be done" in site.run()
