"""Two real heads of one run, from two folders: one works; a dead one's place is taken; who lost the run lets go."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snakemake_heads import BUCKET, Site, new_site

from fake_batch import FakeAws

LOCK = "runs/main/.head-lock.json"
SHORT = ("--aws-batch-fargate-lock-seconds", "5")


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "one"
    folder.mkdir()
    with new_site(server, folder) as made:
        yield made


@pytest.fixture
def other(site: Site, tmp_path: Path) -> Site:
    """Another folder on the same AWS."""
    folder = tmp_path / "two"
    folder.mkdir()
    return Site(folder, site.aws)


def begin(site: Site, *more: str) -> "subprocess.Popen[str]":
    log = (site.folder / "head.log").open("w")
    command = site.command(*SHORT, *more)
    return subprocess.Popen(command, cwd=site.folder, env=site.env, stdout=log, stderr=log, text=True)


def said(site: Site) -> str:
    return (site.folder / "head.log").read_text()


def running(site: Site) -> Any:
    return lambda: len(site.batch.submitted("make")) == 2


def lock_of(site: Site) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(site.objects()[LOCK])
    return held


@pytest.mark.parametrize("storage", ["s3", "s3-inventory"])
def test_of_two_heads_that_start_in_one_moment_one_works(site: Site, other: Site, storage: str) -> None:
    """Each job is submitted once, and the second head's folder, user and time are in the message of the other."""
    heads: dict[Site, subprocess.Popen[str]] = {}

    def wait_for_the_other(job: dict[str, Any]) -> None:
        while all(head.poll() is None for head in heads.values()):
            time.sleep(0.1)
        site.succeed(job)

    site.batch.engine = wait_for_the_other
    # A head that gets no turn for some seconds is not dead.
    options = ("--default-storage-provider", storage, "--aws-batch-fargate-lock-seconds", "30")
    heads |= {one: begin(one, *options) for one in (site, other)}
    codes = {one: head.wait(300) for one, head in heads.items()}
    assert sorted(codes.values()) == [0, 1], said(site) + said(other)
    (first,) = [one for one, code in codes.items() if code == 0]
    (second,) = [one for one, code in codes.items() if code == 1]
    names = [job["jobName"] for job in site.batch.submitted()]
    assert len(names) == len(set(names)) == 3
    text = said(second)
    assert f"Another head works on s3://{BUCKET}/runs/main" in text
    assert f"from:   {first.folder}\n" in text and f"process {heads[first].pid}\n" in text
    assert re.search(r"since:  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", text)
    assert "Nothing was submitted, written or deleted" in text
    assert "Batch job" not in text
    assert LOCK not in site.objects()
    assert not site.batch.count("terminatejob")


def test_a_killed_head_s_place_is_taken_at_once_on_its_machine(site: Site, other: Site) -> None:
    head = begin(site)
    site.wait(running(site), head)
    head.kill()
    head.wait()
    held = lock_of(site)
    assert (held["pid"], held["folder"]) == (head.pid, str(site.folder))
    site.batch.engine = site.succeed
    for job in site.batch.submitted():
        site.succeed(job)
    start = time.monotonic()
    done = other.run("--aws-batch-fargate-lock-seconds", "600")
    assert time.monotonic() - start < 300
    assert f"The head that worked on s3://{BUCKET}/runs/main is dead; this one takes its place" in done
    assert LOCK not in site.objects()


def test_a_head_that_slept_lets_go_of_what_another_has_taken(site: Site, other: Site) -> None:
    """While it is stopped its lease ends, and another head goes on with its jobs; woken, it ends none of them."""
    head = begin(site)
    site.wait(running(site), head)
    head.send_signal(signal.SIGSTOP)
    second = begin(other)
    try:
        site.wait(lambda: LOCK in site.objects() and lock_of(site)["pid"] == second.pid, second)
        other.wait(lambda: said(other).count("Batch job") >= 2, second)
        head.send_signal(signal.SIGCONT)
        assert head.wait(300) == 1, said(site)
        assert "This head has lost the lock of its run" in said(site)
        assert f"from:   {other.folder}\n" in said(site)
        assert not site.batch.count("terminatejob")
        assert lock_of(site)["pid"] == second.pid
        site.batch.engine = site.succeed
        for job in site.batch.submitted():
            site.succeed(job)
        assert second.wait(300) == 0, said(other)
    finally:
        head.kill()
        second.kill()
    assert len(site.batch.submitted("make")) == 2
    assert LOCK not in site.objects()


@pytest.mark.parametrize(("number", "ended"), [(signal.SIGHUP, 0), (signal.SIGINT, 2), (signal.SIGTERM, 2)])
def test_who_is_told_to_end_releases_the_lock(site: Site, number: signal.Signals, ended: int) -> None:
    """A closed terminal leaves the jobs, Ctrl-C ends them; either way the next head may begin at once."""
    head = begin(site, "--aws-batch-fargate-lock-seconds", "600")
    site.wait(running(site), head)
    assert LOCK in site.objects()
    head.send_signal(number)
    assert head.wait(300) != 0
    assert LOCK not in site.objects()
    assert len([job for job in site.batch.submitted() if "terminations" in job]) == ended
    for job in site.batch.submitted():
        site.succeed(job)


@pytest.mark.parametrize("storage", ["s3", "s3-inventory"])
def test_an_input_that_somebody_deletes_is_no_failure_of_the_tool(site: Site, storage: str) -> None:
    def engine(job: dict[str, Any]) -> None:
        if job["tags"]["terraflow:rule"] == "make":
            site.succeed(job)
            return
        site.client("s3").delete_object(Bucket=BUCKET, Key="runs/main/results/a.txt")
        site.process(job)

    site.batch.engine = engine
    said = site.run("--default-storage-provider", storage, check=1)
    assert "A file that it reads was not there any more" in said
    assert "results/a.txt" in said.partition("not there any more")[2]
    assert "Running it again would give the same" not in said
    assert len(site.batch.submitted("gather")) == 1


DATA = """
rule all:
    input: "all.txt"

rule make:
    input: storage.s3("s3://data/raw/{sample}.txt")
    output: "results/{sample}.txt"
    shell: "cp {input} {output}"

rule gather:
    input: [f"results/{sample}.txt" for sample in config["samples"].split("+")]
    output: "all.txt"
    shell: "cat {input} > {output}"
"""


def test_the_default_name_is_refused_for_another_project_s_data(site: Site, other: Site) -> None:
    site.batch.engine = lambda job: site.batch.end(job, "FAILED", 1)
    for sample in "abcd":
        site.client("s3").put_object(Bucket=BUCKET, Key=f"raw/{sample}.txt", Body=b"reads")
    for one in (site, other):
        (one.folder / "Snakefile").write_text(DATA)
    site.run(check=1)
    submitted, before = len(site.batch.jobs), site.objects()
    assert submitted
    said = other.run("--aws-batch-fargate-run-hint", "RUN=NAME", check=1, samples="c+d")
    assert "s3://data/runs/main holds the run of another project, which read s3://data/raw/a.txt" in said
    assert "this one reads s3://data/raw/c.txt, s3://data/raw/d.txt" in said and "a name of its own: RUN=NAME" in said
    assert (len(site.batch.jobs), site.objects()) == (submitted, before)
    # The same project from another folder, with a sample more; then the other one on purpose, and the run is its own.
    other.run(check=1, samples="a+b+c")
    assert len(site.batch.jobs) > submitted
    other.run("--aws-batch-fargate-any-data", check=1, samples="d")
    assert "another project" in site.run(check=1)
    assert "another project" not in other.run(check=1, samples="d")


def test_dry_runs_and_finished_runs_take_no_lock(site: Site, other: Site) -> None:
    head = begin(site)
    site.wait(running(site), head)
    dry = other.run("--dry-run")
    other.run("--summary")
    assert "Another head" not in dry
    site.batch.engine = site.succeed
    for job in site.batch.submitted():
        site.succeed(job)
    assert head.wait(300) == 0, said(site)
    assert LOCK not in site.objects()
