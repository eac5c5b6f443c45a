"""The reads of an alignment file are counted against those that went into it."""

import json
import random
import subprocess
from pathlib import Path

import pytest

from shared import Run
from terraflow_workflow.reads.count_reads import difference, reads_in_alignment

GENOME = "".join(random.Random(1).choices("ACGT", k=400))
# Pairs, an unmapped read, a secondary and a supplementary alignment, a duplicate: six reads in all.
READS = [
    ("p1", 99, 11, "50M"),
    ("p1", 147, 101, "50M"),
    ("p2", 77, 0, "*"),
    ("p2", 141, 0, "*"),
    ("s1", 0, 51, "50M"),
    ("s1", 256, 151, "50M"),
    ("s1", 2048, 201, "50M"),
    ("s2", 1024, 51, "50M"),
]


@pytest.fixture(params=["bam", "cram"])
def alignment(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Write a BAM or CRAM file of six reads in eight lines, and its reference beside it."""
    (tmp_path / "g.fa").write_text(f">c\n{GENOME}\n")
    subprocess.run(["samtools", "faidx", tmp_path / "g.fa"], check=True)
    sam = f"@HD\tVN:1.6\n@SQ\tSN:c\tLN:{len(GENOME)}\n"
    for name, flag, position, cigar in READS:
        sequence = GENOME[position - 1 : position + 49] if position else GENOME[:50]
        contig = "c" if position else "*"
        sam += f"{name}\t{flag}\t{contig}\t{position}\t60\t{cigar}\t*\t0\t0\t{sequence}\t{'I' * 50}\n"
    path = tmp_path / f"a.{request.param}"
    command = ["samtools", "view", "-O", request.param, "-T", tmp_path / "g.fa", "-o", path, "-"]
    subprocess.run(command, input=sam, text=True, check=True)
    return path


def count(script: Run, alignment: Path, *reads: int) -> tuple[int, str]:
    files = []
    for number, found in enumerate(reads, start=1):
        files.append(alignment.with_name(f"L{number}.counts.json"))
        files[-1].write_text(json.dumps({"reads": found}))
    reference = alignment.with_name("g.fa")
    run = script(
        "reads.count_reads", "--counts", *files, "--alignment", alignment, "--name", "A.cram", "--reference", reference
    )
    return run.returncode, run.stderr


def test_each_read_counts_once_however_often_it_is_aligned(alignment: Path) -> None:
    assert reads_in_alignment(str(alignment), str(alignment.with_name("g.fa"))) == 6


def test_a_lost_read_is_an_error(alignment: Path, script: Run) -> None:
    assert count(script, alignment, 4, 2) == (0, "")
    assert count(script, alignment, 4, 3) == (
        1,
        "A.cram: holds 6 reads, expected 7 (L1: 4, L2: 3). Reads were lost between the FASTQ files and here; "
        "nothing was kept. Run again; if it comes back, please report it with this log.\n",
    )


def test_a_file_cut_short_is_an_error_without_a_traceback(alignment: Path, script: Run) -> None:
    alignment.write_bytes(alignment.read_bytes()[:300])
    code, message = count(script, alignment, 4, 2)
    assert code == 1
    assert "A.cram: can't be read back (samtools ended with code 1); run again.\n" in message
    assert "Traceback" not in message


def test_what_a_difference_says() -> None:
    assert difference({"L1": 2, "L2": 0}, 2, "x.bam") is None
    message = difference({"L1": 2}, 3, "x.bam")
    assert message is not None
    assert message.startswith("x.bam: holds 3 reads, expected 2 (L1: 2). Reads were counted twice between")
