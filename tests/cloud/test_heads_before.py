"""A run that a version before began, whose records lie as files in its folder and nowhere else, goes on with this one.

Heads of that version are heads with Snakemake's file backend that leave nothing below `head/`.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from snakemake_heads import BUCKET, SNAKEFILE, Site, new_site

from fake_batch import REGION, FakeAws
from terraflow.heads import archive
from terraflow.launch.rehearse import rehearse
from terraflow.stack import Stack

DB = ("--persistence-backend", "db")
SHORT = ("--aws-batch-fargate-lock-seconds", "5")
DONE = "Nothing to be done"
# As commit e730b5f names the jobs of `make`: jobs that it has submitted are found by them.
NAMES = {"main-make-a-bd198516b1b5-4a2641", "main-make-b-f70b7965c627-6de2e8"}
# The dry run of a head's archive needs the bucket's name alone.
STACK = Stack(**{field.name: {} for field in fields(Stack)} | {"bucket": BUCKET, "region": REGION})  # type: ignore[arg-type]


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "laptop"
    folder.mkdir()
    with new_site(server, folder) as made:
        made.storage = "s3-inventory"
        yield made


@pytest.fixture
def project(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the same workflow, from which `terraflow run` starts heads on the same AWS."""
    for name, text in {
        "workflow/Snakefile": SNAKEFILE,
        "profiles/aws/config.yaml": "persistence-backend: db\n",
    }.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True)
        (tmp_path / "project" / name).write_text(text)
    # The tests' workflow takes names of samples where ours takes a sheet, and this is no sheet.
    (site.folder / site.config["samples"]).touch()
    for name, value in site.env.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return tmp_path / "project"


def forget(site: Site) -> None:
    """Leave of a run what a version before leaves."""
    for key in [key for key in site.objects() if key.startswith("runs/main/head/")]:
        site.client("s3").delete_object(Bucket=BUCKET, Key=key)


def counts(site: Site) -> list[int]:
    return [len(site.batch.submitted(rule)) for rule in ("make", "gather")]


def made_anew(site: Site) -> int:
    """Return how many jobs of rule `make` a start with another parameter would run for that reason."""
    return site.run(*DB, "--dry-run", word="bye").count("reason: Params have changed")


def test_a_finished_run_stays_finished_and_changes_are_seen(site: Site, project: Path) -> None:
    """By the next start in its folder, and by a head in the cloud, to which `terraflow run` brings the records."""
    site.batch.engine = site.succeed
    site.run()
    forget(site)
    assert DONE in site.run(*DB, "--dry-run")
    assert made_anew(site) == 2
    another = site.command(word="bye")[3:]
    for brought, jobs in ((True, ["gather", "make", "make"]), (False, [])):
        packed = archive.build("main", STACK, project, site.folder, arguments=another, with_records=brought)
        assert sorted(job.rule for job in rehearse(packed, "main").jobs) == jobs
    assert counts(site) == [2, 1]


def test_jobs_of_a_head_before_are_taken_over(site: Site) -> None:
    """One has ended since the head was killed, one still runs: neither is submitted again."""
    before = site.start(*SHORT)
    site.wait(lambda: site.markers() == 2 and counts(site) == [2, 0], before)
    before.kill()
    subprocess.Popen.wait(before)
    forget(site)
    ended, going = site.batch.submitted("make")
    assert {ended["jobName"], going["jobName"]} == NAMES
    site.succeed(ended)
    site.batch.engine = site.succeed
    after = site.start(*DB, *SHORT)
    site.wait(lambda: site.said().count("Batch job") >= 1, after)
    site.succeed(going)
    assert after.wait(300) == 0, site.said()
    assert counts(site) == [2, 1]
    # What both jobs of before have made is recorded with how it was made.
    assert made_anew(site) == 2
