"""Real heads and workers whose inputs are replaced: results are of the reads that are there, or there are none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snakemake_heads import BUCKET, Site, inventory_site

from fake_batch import FakeAws
from replacing import replacing

SNAKEFILE = """
rule all:
    input:
        "results/all.txt",

rule copy:
    input:
        getattr(storage, "s3-inventory")("s3://data/raw/reads"),
    output:
        "results/copy.txt",
    log:
        "logs/copy.log",
    shell:
        "cat {input} > {output} 2> {log}"

rule gather:
    input:
        "results/copy.txt",
    output:
        "results/all.txt",
    shell:
        "cat {input} > {output}"
"""


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    with inventory_site(server, tmp_path, SNAKEFILE) as made:
        put(made, "old reads")
        yield made


def put(site: Site, text: str, key: str = "raw/reads") -> None:
    site.client("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode())


def results(site: Site) -> dict[str, str]:
    return {key.rpartition("/")[2]: text for key, text in site.objects().items() if "/results/" in key}


@pytest.mark.parametrize("ended", [False, True], ids=["running", "ended"])
@pytest.mark.parametrize("text", ["new reads", "other reads, more of them"])
def test_a_job_of_a_killed_head_whose_input_was_replaced_is_not_taken_over(site: Site, ended: bool, text: str) -> None:
    site.batch.engine = lambda job: job.update(status="RUNNING")
    head = site.start()
    site.wait(lambda: site.markers() == 1, head)
    head.kill()
    head.wait()
    (old,) = site.batch.submitted()
    if ended:
        put(site, "old reads", "runs/main/results/copy.txt")
        site.batch.end(old, "SUCCEEDED", 0)
    put(site, text)
    site.batch.engine = site.process
    said = site.run()
    assert results(site) == {"copy.txt": text, "all.txt": text}
    if not ended:
        assert old["status"] == "FAILED" and f"Batch job {old['jobId']} ({old['jobName']}) makes the same" in said
    assert len(site.batch.submitted("copy")) == 2
    assert "Nothing to be done" in site.run()


@pytest.mark.parametrize(
    "when",
    ["managed_retrieve raw/reads", "store_object runs/main/results/copy.txt"],
    ids=["before it is read", "after it was read"],
)
def test_an_input_that_is_replaced_while_a_job_works_fails_it(site: Site, when: str) -> None:
    hook = replacing(site.folder, when, BUCKET, "raw/reads", "new reads")

    def engine(job: dict[str, Any]) -> None:
        # As a worker, which learns nothing of the plan but from the head.
        site.env |= hook
        site.process(job)

    site.batch.engine = engine
    said = site.run("--retries", "2", check=1)
    assert len(site.batch.submitted()) == 1, "another attempt would read something else than was planned, too"
    for part in (
        "An input was replaced by another one after the run was planned.",
        "s3://data/raw/reads is another object than the one that the run was planned with",
        "Start the run again in the same way",
        "run again: no, since the cause stays",
    ):
        assert part in said, said
    assert results(site) == {}
    site.run()
    assert results(site) == {"copy.txt": "new reads", "all.txt": "new reads"}
    assert "Nothing to be done" in site.run()
