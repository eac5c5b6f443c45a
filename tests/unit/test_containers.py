"""Containers of a real CRAM file that hold the reads in some places."""

import random
import subprocess
from pathlib import Path

import pytest

from terraflow_workflow.reads.containers import Piece, containers_of

LENGTHS = {"c1": 30_000, "silent": 500, "c2": 9_000, "tiny": 200, "last": 300}
PER_SLICE = 50


def samtools(*arguments: str, text: str | None = None) -> str:
    return subprocess.run(["samtools", *arguments], input=text, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def cram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sorted CRAM file of many containers, some of them with several contigs, with reads without a place."""
    draw = random.Random(1)
    folder = tmp_path_factory.mktemp("cram")
    lines = [f"@SQ\tSN:{contig}\tLN:{length}\n" for contig, length in LENGTHS.items()]
    number = 0
    for contig, reads in {"c1": 900, "c2": 400, "tiny": 3, "last": 4}.items():
        for at in sorted(draw.randint(1, LENGTHS[contig] - 150) for _ in range(reads)):
            cigar = draw.choice(("100M", "40M30D60M", "100M"))
            lines.append(f"r{number}\t0\t{contig}\t{at}\t60\t{cigar}\t*\t0\t0\t{'A' * 100}\t{'I' * 100}\n")
            number += 1
    lines += [f"u{n}\t4\t*\t0\t0\t*\t*\t0\t0\tACGT\tIIII\n" for n in range(70)]
    path = folder / "a.cram"
    options = f"cram,version=3.0,no_ref=1,seqs_per_slice={PER_SLICE}"
    samtools("view", "-O", options, "--write-index", "-o", f"{path}##idx##{path}.crai", "-", text="".join(lines))
    return path


def names(*arguments: str) -> list[str]:
    return [line.split("\t")[0] for line in samtools("view", *arguments).splitlines()]


PLACES: dict[str, list[Piece]] = {
    "the beginning": [("c1", 0, 200)],
    "the middle": [("c1", 12_000, 15_000)],
    "a border of contigs": [("c1", 29_000, 30_000), ("silent", 0, 500), ("c2", 0, 100)],
    "a whole contig": [("c2", 0, 9_000)],
    "contigs that share a container": [("last", 0, 300)],
    "everything": [(contig, 0, length) for contig, length in LENGTHS.items()],
}


@pytest.mark.parametrize("place", PLACES)
def test_containers_hold_all_reads_of_a_place_and_few_others(cram: Path, tmp_path: Path, place: str) -> None:
    pieces = PLACES[place]
    found = containers_of(Path(f"{cram}.crai"), LENGTHS, pieces)
    assert found

    part = tmp_path / "part.cram"
    samtools("cat", "--no-PG", "-r", "#:{}-{}".format(*found), "-o", str(part), str(cram))
    regions = [f"{contig}:{start + 1}-{end}" for contig, start, end in pieces]
    expected = names("-M", str(cram), *regions)
    copied = names(str(part))

    assert set(expected) <= set(copied) != set()
    assert len(copied) <= len(expected) + 2 * PER_SLICE
    whole = names(str(cram))
    begin = whole.index(copied[0])
    assert copied == whole[begin : begin + len(copied)]
    samtools("index", str(part))
    assert names("-M", str(part), *regions) == expected


def test_a_place_without_reads_has_no_container(cram: Path) -> None:
    assert containers_of(Path(f"{cram}.crai"), LENGTHS, [("silent", 0, 500)]) is None
