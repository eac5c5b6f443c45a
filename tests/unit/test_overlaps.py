"""Indels that contradict a better one are marked; everything else stays as it is."""

from collections.abc import Sequence

import pytest

from terraflow_workflow.calling.overlaps import HEADER, mark

# Position, REF, ALT, QUAL and the genotypes of the samples.
Row = tuple[int, str, str, float, str]
HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tA\tB\n"


def lines(rows: Sequence[Row], contig: str = "c") -> list[str]:
    return [
        f"{contig}\t{position}\t.\t{ref}\t{alt}\t{quality}\t.\tDP=9\tGT:DP\t"
        + "\t".join(f"{gt}:9" for gt in genotypes.split())
        + "\n"
        for position, ref, alt, quality, genotypes in rows
    ]


def marks(rows: Sequence[Row]) -> list[bool]:
    """Return which of the records are marked, after all else was seen to be unchanged."""
    text = [*HEAD.splitlines(keepends=True), *lines(rows)]
    head, contig_line, columns, *found = (line.decode() for line in mark(line.encode() for line in text))
    assert (head + columns, contig_line.encode()) == (HEAD, HEADER)
    assert [line.replace(";OVERLAP\t", "\t") for line in found] == lines(rows)
    return [";OVERLAP\t" in line for line in found]


DELETION: Row = (100, "ACACA", "A", 90, "1/1 0/0")
CASES: dict[str, tuple[list[Row], list[bool]]] = {
    "two that both take all copies": ([DELETION, (104, "ACA", "A", 50, "1/1 0/0")], [False, True]),
    "the better one is the second": (
        [(100, "ACACA", "A", 50, "1/1 0/0"), (104, "ACA", "A", 90, "0/1 0/0")],
        [True, False],
    ),
    "one on each copy": (
        [(100, "ACACA", "A", 90, "0/1 0/0"), (104, "ACA", "A", 50, "0/1 0/0")],
        [False, False],
    ),
    "another sample has room": ([DELETION, (104, "ACA", "A", 50, "1/1 0/1")], [False, False]),
    "no other sample has room": (
        [(100, "ACACA", "A", 90, "1/1 0/1"), (104, "ACA", "A", 50, "1/1 1/1")],
        [False, True],
    ),
    "side by side": ([DELETION, (105, "TCA", "T", 50, "1/1 0/0")], [False, False]),
    "a SNP in a deletion is left alone": ([DELETION, (102, "A", "G", 5, "1/1 0/0")], [False, False]),
    "two alleles of one site": ([(100, "ACACA", "A,ACA", 90, "1/2 0/0")], [False]),
    "both copies are taken by two alleles of one site": (
        [(100, "ACACA", "A,ACA", 90, "1/2 0/0"), (104, "A", "AC", 50, "0/1 0/0")],
        [False, True],
    ),
    "haploid": ([(100, "ACACA", "A", 90, "1 0"), (104, "ACA", "A", 50, "1 .")], [False, True]),
    # Planted: CCAT>C on one copy and AT>A on the other; reads of both are counted for AT>A.
    "a shorter deletion within it, on the other copy": (
        [(100, "CCAT", "C", 50, "0/1 0/0"), (102, "AT", "A", 90, "1/1 0/0")],
        [False, False],
    ),
    "the same, in a repeat that goes on behind": (
        [(100, "CCAT", "C", 50, "0/1 0/0"), (102, "ATTT", "ATT", 90, "1/1 0/0")],
        [False, False],
    ),
    "the same, the longer one in a repeat": (
        [(100, "GTTCATTCA", "GTTCA", 50, "0/1 0/0"), (104, "ATT", "AT", 90, "1/1 0/0")],
        [False, False],
    ),
    "the same, and a third one": (
        [(100, "CCAT", "C", 50, "0/1 0/0"), (101, "CAT", "C", 60, "0/1 0/0"), (102, "AT", "A", 90, "1/1 0/0")],
        [True, False, False],
    ),
    "a shorter deletion that reaches beyond it": (
        [(100, "CCAT", "C", 50, "0/1 0/0"), (103, "TG", "T", 90, "1/1 0/0")],
        [True, False],
    ),
    # Planted: ACTCTGCGAAAA>A on one copy and CTCTGCGAA>C on the other, as mpileup writes them.
    "a part of it deleted on the other copy, for which reads of both are counted": (
        [(299, "GACTCTGCGAAAACT", "GACT", 153, "0/1 0/0"), (301, "CTCTGCGAA", "C", 105, "1/1 0/0")],
        [False, False],
    ),
    "the same, and that one is better": (
        [(100, "CCATGACG", "C", 50, "0/1 0/0"), (104, "GACGTTA", "GA", 90, "1/1 0/0")],
        [False, False],
    ),
    "the same, and both are called for all copies": (
        [(100, "CCATGACG", "C", 50, "1/1 0/0"), (104, "GACGTTA", "GA", 90, "1/1 0/0")],
        [True, False],
    ),
    "bases that both delete are those of a repeat, and may be others": (
        [(100, "CCAGAGA", "CCAGA", 50, "0/1 0/0"), (102, "AGAGAT", "AGAT", 90, "1/1 0/0")],
        [True, False],
    ),
    "a longer one on all copies": (
        [(100, "CCAT", "C", 50, "1/1 0/0"), (102, "AT", "A", 90, "1/1 0/0")],
        [True, False],
    ),
    "haploid, a longer one": ([(100, "CCAT", "C", 50, "1 0"), (102, "AT", "A", 90, "1 0")], [True, False]),
    "an insertion within a deletion": (
        [(100, "CCAT", "C", 50, "0/1 0/0"), (102, "A", "AT", 90, "1/1 0/0")],
        [True, False],
    ),
    "nobody has the genotype": ([DELETION, (104, "ACA", "A", 50, "./. 0/0")], [False, True]),
    "what is marked takes no copies": (
        [DELETION, (103, "CACA", "C", 50, "1/1 0/0"), (106, "ACC", "A", 40, "1/1 0/0")],
        [False, True, False],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_indel_without_a_copy_left_is_marked(name: str) -> None:
    rows, expected = CASES[name]
    assert marks(rows) == expected


def test_contigs_are_told_apart_and_an_empty_info_gets_the_flag_alone() -> None:
    first, second = lines([DELETION], "c"), lines([(104, "ACA", "A", 50, "1/1 0/0")], "d")
    assert [*mark(line.encode() for line in first + second)] == [line.encode() for line in first + second]
    near = [line.replace("DP=9", ".") for line in [*first, *lines([(104, "ACA", "A", 50, "1/1 0/0")])]]
    assert [line.split(b"\t")[7] for line in mark(line.encode() for line in near)] == [b".", b"OVERLAP"]


def test_which_one_is_better_is_asked_in_each_sample() -> None:
    row = "c\t{}\t.\t{}\tA\t{}\t.\tDP=9\tGT:PL\t{}\n".format
    # QUAL of the first is that of the second sample.
    common = row(100, "ACACA", 600, "0/1:60,0,90\t0/1:200,0,200")
    own = row(104, "ACA", 150, "1/1:175,30,0\t0/0:0,60,200")
    weak = row(104, "ACA", 150, "1/1:55,9,0\t0/0:0,60,200")

    assert list(mark(line.encode() for line in (common, own))) == [common.encode(), own.encode()]
    assert [b"OVERLAP" in line for line in mark(line.encode() for line in (common, weak))] == [False, True]
