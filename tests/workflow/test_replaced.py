"""A file of the user that is replaced, also by an older one, or that changes while it is read."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from brake import Started, on_tool
from runs import Project

READS, REFERENCE, GFF = "reads/A_L2_R1.fastq.gz", "reference.fa.gz", "genes.gff3"
A_WEEK = 7 * 24 * 3600


def older_of_same_size(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4] ^= 1  # a time in the header of gzip, a letter in a comment
    replace(path, bytes(data))


def older_of_other_size(path: Path) -> None:
    replace(path, path.read_bytes() + b"\n")


def link_to_another(path: Path) -> None:
    """Replace a file by a link that is itself no newer than the results."""
    other = path.with_name(f"other.{path.name}")
    shutil.copy2(path, other)
    older_of_same_size(other)
    path.unlink()
    path.symlink_to(other.name)
    os.utime(path, (0, 0), follow_symlinks=False)


def replace(path: Path, data: bytes) -> None:
    past = path.stat().st_mtime - A_WEEK
    path.unlink()
    path.write_bytes(data)
    os.utime(path, (past, past))


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        (READS, older_of_same_size, {"decompress A L2", "fastqc A L2"}),
        (READS, older_of_other_size, {"decompress A L2", "fastqc A L2"}),
        (READS, link_to_another, {"decompress A L2", "fastqc A L2"}),
        (REFERENCE, older_of_same_size, {"reference"}),
        (GFF, older_of_same_size, {"annotation"}),
    ],
)
def test_jobs_that_read_a_replaced_file_run_again(
    name: str, change: Callable[[Path], None], expected: set[str], done: Project, tmp_path: Path
) -> None:
    project = done.copy(tmp_path / "copy")
    change(project[name])

    plan = project.plan()

    assert expected <= plan.jobs
    # FastQC runs on no other reads.
    assert {job for job in plan.jobs if job.startswith("fastqc")} <= expected
    assert "Params have changed since last execution" in plan.text


def test_nothing_is_done_where_nothing_was_replaced(done: Project, tmp_path: Path) -> None:
    assert "Nothing to be done" in done.copy(tmp_path / "copy").plan().text


def test_a_lane_that_is_replaced_while_it_is_read_is_named_and_read_again(
    fresh: Project, tmp_path: Path, done: Project
) -> None:
    brake = on_tool(tmp_path / "brake", "fastqc", "--quiet")
    started = Started(fresh, brake, "results/qc/fastqc/A/L2.R1_fastqc.zip")
    brake.wait()
    older_of_same_size(fresh[READS])
    brake.release()

    started.ended().failed("Error in rule fastqc:", f"{READS}: was replaced or changed while this job read it")

    assert "qc/fastqc/A/L2.R1_fastqc.zip" not in fresh.files()
    fresh.run("results/qc/fastqc/A/L2.R1_fastqc.zip").succeeded()


@pytest.mark.parametrize("name", [READS, REFERENCE, GFF])
def test_a_time_in_the_future_is_reported_before_anything_runs(name: str, fresh: Project) -> None:
    soon = time.time() + A_WEEK
    os.utime(fresh[name], (soon, soon))

    fresh.run("--dry-run").failed(name, "was last changed in the future, at 2", f"touch -- {name}")
