"""What Snakemake remembers of a run lies on S3: a head in another folder, as on another machine, knows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from snakemake_heads import Site, new_site

from fake_batch import FakeAws

STORED = "runs/main/head/persistence.db.gz"
DB = ("--persistence-backend", "db")


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "one"
    folder.mkdir()
    with new_site(server, folder) as made:
        made.storage = "s3-inventory"
        yield made


@pytest.fixture
def other(site: Site, tmp_path: Path) -> Site:
    """Another folder on the same AWS."""
    folder = tmp_path / "two"
    folder.mkdir()
    made = Site(folder, site.aws)
    made.storage = site.storage
    return made


def counts(site: Site) -> list[int]:
    return [len(site.batch.submitted(rule)) for rule in ("make", "gather")]


def test_rerun_triggers_work_across_machines(site: Site, other: Site) -> None:
    site.batch.engine = site.succeed
    site.run(*DB)
    assert counts(site) == [2, 1] and STORED in site.objects()
    dry = other.run(*DB, "--dry-run", word="bye")
    assert "Params have changed" in dry and counts(site) == [2, 1]
    other.run(*DB, word="bye")
    assert counts(site) == [4, 2]
    # The first folder's own records are of an earlier state of the run. That a job of before made the file is no reason
    # not to make it once more for someone who asks for it.
    site.run(*DB, "--forcerun", "gather", word="bye")
    assert counts(site) == [4, 3]


def test_a_lost_head_s_jobs_are_not_run_again_from_another_folder(site: Site, other: Site) -> None:
    """One has ended since, one still runs: both were stored as under way, and neither is submitted again."""
    head = site.start(*DB, "--aws-batch-fargate-lock-seconds", "5")
    site.wait(lambda: STORED in site.objects() and counts(site) == [2, 0], head)
    head.kill()
    head.wait()
    first, second = site.batch.submitted("make")
    site.succeed(first)
    site.batch.engine = site.succeed
    going = other.start(*DB, "--aws-batch-fargate-lock-seconds", "5")
    other.wait(lambda: other.said().count("Batch job") >= 1, going)
    site.succeed(second)
    assert going.wait(300) == 0, other.said()
    assert counts(site) == [2, 1]


def test_a_job_that_a_lost_head_has_not_stored_is_not_run_again(site: Site, other: Site) -> None:
    """It was submitted after the memory was stored last, and ended before another head looked."""
    head = site.start(*DB, "--aws-batch-fargate-lock-seconds", "5")
    site.wait(lambda: STORED in site.objects() and counts(site) == [2, 0], head)
    for job in site.batch.submitted("make"):
        site.succeed(job)
    site.wait(lambda: counts(site) == [2, 1], head)
    head.kill()
    head.wait()
    (gather,) = site.batch.submitted("gather")
    site.succeed(gather)
    site.batch.engine = site.succeed
    other.run(*DB, "--aws-batch-fargate-lock-seconds", "5")
    assert counts(site) == [2, 1]
    # The memory has it, and somebody may ask for it once more.
    other.run(*DB, "--forcerun", "gather")
    assert counts(site) == [2, 2]
