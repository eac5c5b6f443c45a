"""A run that a version before began, whose records lie as files in its folder and nowhere else, goes on with this one.

Heads of that version are heads with Snakemake's file backend that leave nothing below `head/`.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from snakemake_heads import BUCKET, Site, new_site

from fake_batch import FakeAws
from snakemake_aws_common import file_records

DB = ("--persistence-backend", "db")
SHORT = ("--aws-batch-fargate-lock-seconds", "5")
DONE = "Nothing to be done"


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "laptop"
    folder.mkdir()
    with new_site(server, folder) as made:
        made.storage = "s3-inventory"
        yield made


@pytest.fixture
def head(site: Site, tmp_path: Path) -> Site:
    """Another folder on the same AWS, such as a head in the cloud has."""
    folder = tmp_path / "head"
    folder.mkdir()
    made = Site(folder, site.aws)
    made.storage = site.storage
    return made


def forget(site: Site) -> None:
    """Leave of a run what a version before leaves."""
    for key in [key for key in site.objects() if key.startswith("runs/main/head/")]:
        site.client("s3").delete_object(Bucket=BUCKET, Key=key)


def counts(site: Site) -> list[int]:
    return [len(site.batch.submitted(rule)) for rule in ("make", "gather")]


def made_anew(site: Site) -> int:
    """Return how many jobs of rule `make` a start with another parameter would run for that reason."""
    return site.run(*DB, "--dry-run", word="bye").count("reason: Params have changed")


def test_a_finished_run_stays_finished_and_changes_are_seen(site: Site, head: Site) -> None:
    """From the same folder, and from one to which its records were brought, as `terraflow run` does."""
    site.batch.engine = site.succeed
    site.run()
    forget(site)
    work = site.folder / ".snakemake"
    for path in file_records.paths(work, f"s3://{BUCKET}/runs/main/"):
        brought = head.folder / path.relative_to(site.folder)
        brought.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, brought)
    assert DONE in site.run(*DB, "--dry-run")
    for here in (site, head):
        assert made_anew(here) == 2
    assert counts(site) == [2, 1]


def test_jobs_of_a_head_before_are_taken_over(site: Site) -> None:
    """One has ended since the head was killed, one still runs: neither is submitted again."""
    before = site.start(*SHORT)
    site.wait(lambda: site.markers() == 2 and counts(site) == [2, 0], before)
    before.kill()
    subprocess.Popen.wait(before)
    forget(site)
    ended, going = site.batch.submitted("make")
    site.succeed(ended)
    site.batch.engine = site.succeed
    after = site.start(*DB, *SHORT)
    site.wait(lambda: site.said().count("Batch job") >= 1, after)
    site.succeed(going)
    assert after.wait(60) == 0, site.said()
    assert counts(site) == [2, 1]
    # What both jobs of before have made is recorded with how it was made.
    assert made_anew(site) == 2
