"""The reference is cut into windows."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import Run
from terraflow_workflow.reference.windows import windows

Contigs = dict[str, int]

contig_lengths = st.lists(st.integers(1, 60), min_size=1, max_size=8).map(
    lambda lengths: {f"c{index}": length for index, length in enumerate(lengths)}
)


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Contigs, int]:
    contigs = draw(contig_lengths)
    return contigs, draw(st.integers(1, sum(contigs.values())))


@given(cuts())
def test_every_base_lies_in_one_window_in_order_and_windows_are_of_one_size(cut: tuple[Contigs, int]) -> None:
    contigs, number = cut
    pieces = list(windows(contigs, number))
    bases = [(contig, base, window) for contig, start, end, window in pieces for base in range(start, end)]
    assert [base[:2] for base in bases] == [
        (contig, base) for contig, length in contigs.items() for base in range(length)
    ]
    assert all(start < end for _, start, end, _ in pieces)
    assert len({(contig, window) for contig, *_, window in pieces}) == len(pieces)
    numbers = [window for *_, window in bases]
    assert numbers == sorted(numbers)
    sizes = Counter(numbers)
    assert set(sizes) == set(range(1, number + 1))
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_windows_of_a_human_genome_are_cut_without_rounding() -> None:
    contigs = {"chr1": 248956422, "chr2": 242193529, "chrM": 16569}
    pieces = list(windows(contigs, 3))
    assert pieces == [
        ("chr1", 0, 163722173, 1),
        ("chr1", 163722173, 248956422, 2),
        ("chr2", 0, 78487924, 2),
        ("chr2", 78487924, 242193529, 3),
        ("chrM", 0, 16569, 3),
    ]


def test_the_script_writes_bed(script: Run, tmp_path: Path) -> None:
    fai, out = tmp_path / "g.fa.fai", tmp_path / "w.bed"
    fai.write_text("a\t5\t3\t5\t6\nb\t4\t12\t4\t5\n")
    run = script("reference.windows", "--fai", fai, "--number", 3, "--key", "calling.windows", "--out", out)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert out.read_text() == "a\t0\t3\t1\na\t3\t5\t2\nb\t0\t1\t2\nb\t1\t4\t3\n"


@pytest.mark.parametrize(
    ("key", "bed", "said"),
    [
        # Each window is a job, so there have to be six: the others after the end of the last contig, where no base is.
        (
            "calling.windows",
            "a\t0\t1\t1\na\t1\t3\t2\nb\t0\t2\t3\nb\t2\t3\t4\nb\t2\t3\t5\nb\t2\t3\t6\n",
            "found 6, more than the 3 tiles that the reference is called in: the others are empty\n",
        ),
        (
            "quality.coverage_windows",
            "a\t0\t1\t1\na\t1\t2\t2\na\t2\t3\t3\nb\t0\t1\t4\nb\t1\t2\t5\n",
            "found 6, more than the 5 bases of the reference: one window for each base\n",
        ),
    ],
)
def test_more_windows_than_bases_or_tiles_are_taken(script: Run, tmp_path: Path, key: str, bed: str, said: str) -> None:
    fai, out = tmp_path / "g.fa.fai", tmp_path / "w.bed"
    fai.write_text("a\t3\t3\t3\t4\nb\t2\t10\t2\t3\n")
    run = script("reference.windows", "--fai", fai, "--number", 6, "--key", key, "--out", out)
    assert (run.returncode, run.stderr) == (0, f"{key}: {said}")
    assert out.read_text() == bed
