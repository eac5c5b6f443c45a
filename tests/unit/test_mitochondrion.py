"""The mitochondrion: which contig it is, its circle, and the reads that are left out."""

from pathlib import Path

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import Run
from terraflow_workflow.mitochondrion.circle import Circle, read_sequence, write_fasta
from terraflow_workflow.mitochondrion.contig import ContigError, find, messages, setting
from terraflow_workflow.mitochondrion.pileup import Column, Reads, on_contig
from terraflow_workflow.mitochondrion.reads import KEPT, Chosen, differences, is_foreign, reason
from terraflow_workflow.mitochondrion.reads import REASONS as LEFT_OUT
from terraflow_workflow.mitochondrion.sample import both
from terraflow_workflow.mitochondrion.windows import calling_windows

# --- the contig ------------------------------------------------------------------------------------

HUMAN = {"chr1": 248956422, "chrM": 16569}
# `calling.mitochondrion`, contigs, what is called.
FINDS: list[tuple[str, dict[str, int], str | None]] = [
    ("off", HUMAN, None),
    ("auto", HUMAN, "chrM"),
    ("auto", {"1": 9000, "MT": 16569}, "MT"),
    ("auto", {"NC_012920.1": 16569}, "NC_012920.1"),
    ("auto", {"Mito": 85779, "I": 230218}, "Mito"),
    ("auto", {"chr1": 9000, "chrM_random": 9000}, None),
    # Influenza's matrix segment, and a mitochondrion of that name.
    ("auto", {"HA": 1762, "M": 1027}, None),
    ("auto", {"1": 9000, "M": 16569}, "M"),
    ("M", {"HA": 1762, "M": 1027}, "M"),
    ("chr1", HUMAN, "chr1"),
]


@pytest.mark.parametrize(("asked", "contigs", "called"), FINDS)
def test_the_contig_is_found(asked: str, contigs: dict[str, int], called: str | None) -> None:
    assert find(asked, contigs) == called


# `calling.mitochondrion`, contigs, words of the message.
REFUSALS: list[tuple[str, dict[str, int], list[str]]] = [
    ("chrMT", HUMAN, ["calling.mitochondrion", "'chrMT'", "did you mean chrM?"]),
    ("MT", HUMAN, ["'MT'", "did you mean chrM?"]),
    ("chrM", {"chr1": 9000, "chr2": 9000}, ["no contig 'chrM'", "it has chr1, chr2"]),
    ("auto", {"chrM": 16569, "MT": 16571}, ["2 contigs", "chrM, MT", "write the name"]),
    ("auto", {"chrM": 999}, ["chrM has 999 bases", "1000"]),
]


@pytest.mark.parametrize(("asked", "contigs", "words"), REFUSALS)
def test_a_contig_that_is_not_there_is_named(asked: str, contigs: dict[str, int], words: list[str]) -> None:
    with pytest.raises(ContigError) as raised:
        find(asked, contigs)
    assert all(word in str(raised.value) for word in words)


def test_off_without_quotes_is_off() -> None:
    assert (setting(False), setting("off"), setting("MT")) == ("off", "off", "MT")


def test_windows_leave_the_mitochondrion_out_and_it_is_one_more() -> None:
    contigs = {"chr1": 6, "chrM": 5, "chr2": 4}
    pieces = calling_windows(contigs, "chrM", 2)
    assert pieces == [("chr1", 0, 3, 1), ("chr1", 3, 6, 2), ("chr2", 0, 4, 2), ("chrM", 0, 5, 3)]
    # Windows without bases lie behind the end of the last contig, as tools want it.
    assert calling_windows({"chrM": 5}, "chrM", 2) == [("chrM", 5, 6, 1), ("chrM", 5, 6, 2), ("chrM", 0, 5, 3)]
    assert calling_windows({"chr1": 5}, None, 1) == [("chr1", 0, 5, 1), ("chr1", 5, 6, 2)]


def test_auto_without_such_a_contig_warns(script: Run, tmp_path: Path) -> None:
    fai = tmp_path / "g.fa.fai"
    fai.write_text("chr1\t5000\t6\t100\t101\n")
    contig, windows = tmp_path / "contig.bed", tmp_path / "windows.bed"
    run = script("mitochondrion.contig", "--fai", fai, "--asked=auto", "--out", contig)
    assert run.returncode == 0
    assert run.stderr.startswith("warning: calling.mitochondrion is auto")
    assert contig.read_text() == ""
    run = script("mitochondrion.windows", "--fai", fai, "--contig", contig, "--number", 1, "--out", windows)
    assert (run.returncode, run.stderr) == (0, "")
    assert windows.read_text() == "chr1\t0\t5000\t1\nchr1\t5000\t5001\t2\n"


def test_the_contig_that_is_called_is_named() -> None:
    (text,) = messages("auto", "chrM", HUMAN)
    assert text.startswith("chrM is called") and "16569 bases" in text


def test_another_human_mitochondrion_than_the_rcrs_warns() -> None:
    _, warning = messages("chrM", "chrM", {"chr1": 9000, "chrM": 16571})
    assert warning.startswith("warning: chrM") and all(name in warning for name in ("hg19", "NC_001807", "rCRS"))


# --- the circle ------------------------------------------------------------------------------------


@given(st.text("ACGT", min_size=8, max_size=3000))
def test_places_on_the_turned_contig_are_places_of_the_contig(sequence: str) -> None:
    circle = Circle(len(sequence))
    turned = circle.turn(sequence)
    places = range(1, len(sequence) + 1)
    assert sorted(circle.back(place) for place in places) == list(places)
    assert all(turned[place - 1] == sequence[circle.back(place) - 1] for place in places)
    assert all(circle.back(circle.forth(place)) == place for place in places)
    first, last = circle.middle
    ends = [circle.back(place) for place in range(circle.ends[0], circle.ends[1] + 1)]
    assert sorted([*range(first, last + 1), *ends]) == list(places)
    assert all(circle.at_end(place) for place in ends)


def test_alleles_across_the_ends_have_no_place() -> None:
    circle = Circle(1000)
    none: dict[str, Reads] = {}
    inside = on_contig(Column(500, "A", 9, none), circle)
    assert inside and inside.position == 1000
    assert on_contig(Column(500, "AC", 9, none), circle) is None


def test_both_tables_are_joined_in_the_order_of_the_contig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = [tmp_path / "middle", tmp_path / "turned"]
    tables[0].write_text("300\tA\t<*>\t1\t1,0\t0,0\t40,0\n")
    tables[1].write_text("".join(f"{place}\tAC\tA\t9\t1,2\t3,0\t99,70\n" for place in (480, 500, 501)))
    assert [column.position for column in both(tables, Circle(1000))] == [1, 300, 980]
    assert "left out: AC>A at 1000" in capsys.readouterr().err


def test_sequence_of_one_contig(tmp_path: Path) -> None:
    path = tmp_path / "c.fa"
    write_fasta(path, "M", "ACGT" * 60)
    path.write_text(">first\nTT\n" + path.read_text() + ">last\nGG\n")
    assert read_sequence(path, "M") == "ACGT" * 60
    with pytest.raises(KeyError):
        read_sequence(path, "X")


# --- reads -----------------------------------------------------------------------------------------

SEQUENCE = "ACGGATTACAGTCCATGCAA" * 10
OWN = [frozenset(base) for base in SEQUENCE]


def read(changes: dict[int, str] | None = None, **fields: int) -> pysam.AlignedSegment:
    """Return a read of 100 bases that aligns to the first ones of SEQUENCE, with other bases at some offsets."""
    header = pysam.AlignmentHeader.from_references(["M", "chr1"], [len(SEQUENCE), 900])
    made = pysam.AlignedSegment(header)
    bases = list(SEQUENCE[:100])
    for offset, base in (changes or {}).items():
        bases[offset] = base
    made.query_name = "r"
    made.query_sequence = "".join(bases)
    made.query_qualities = pysam.qualitystring_to_array("I" * 100)
    made.flag = fields.get("flag", 0x1 | 0x2)
    made.reference_id, made.reference_start = 0, 0
    made.next_reference_id = fields.get("mate", 0)
    made.mapping_quality = fields.get("quality", 60)
    made.cigarstring = "100M"
    return made


# What a record has, and why it is left out.
REASONS = [
    ({}, None),
    ({"flag": 0x1}, None),
    ({"flag": 0}, None),
    ({"flag": 0x1 | 0x8, "mate": 1}, None),
    ({"flag": 0x1 | 0x200}, "failed"),
    ({"flag": 0x1 | 0x400}, "duplicate"),
    ({"quality": 19}, "low mapping quality"),
    ({"quality": 20}, None),
    ({"mate": 1}, "mate elsewhere"),
]


@pytest.mark.parametrize(("fields", "why"), REASONS)
def test_reads_are_left_out_for_a_reason(fields: dict[str, int], why: str | None) -> None:
    assert reason(read(**fields)) == why


def other(offset: int) -> str:
    return {"A": "C", "C": "A", "G": "T", "T": "G"}[SEQUENCE[offset]]


def test_a_read_that_differs_in_many_places_is_foreign() -> None:
    four, five = ({offset: other(offset) for offset in range(10, 10 + 7 * number, 7)} for number in (4, 5))
    assert not is_foreign(read(four), OWN, SEQUENCE)
    assert is_foreign(read(five), OWN, SEQUENCE)
    # What a quarter of the sample's reads show is no difference, nor is a base of low quality.
    both = [own | {other(offset)} for offset, own in enumerate(OWN[:100])] + OWN[100:]
    assert not is_foreign(read(five), both, SEQUENCE)
    dim = read(five)
    dim.query_qualities = pysam.qualitystring_to_array("4" * 100)
    assert not is_foreign(dim, OWN, SEQUENCE)


def test_differences_follow_gaps() -> None:
    gapped = read()
    gapped.query_sequence = "TT" + SEQUENCE[:40] + SEQUENCE[45:80] + "GG" + SEQUENCE[80:101]
    gapped.query_qualities = pysam.qualitystring_to_array("I" * 100)
    gapped.cigarstring = "2S40M5D35M2I21M"
    assert differences(gapped, OWN, SEQUENCE) == 0


@pytest.mark.parametrize(("fields", "kept"), [([], 0), ([{"quality": 0}], 0), ([{}, {"quality": 0}], 1)])
def test_reads_are_counted_for_each_reason_even_if_there_are_none(
    tmp_path: Path, fields: list[dict[str, int]], kept: int
) -> None:
    reads = [read(**one) for one in fields]
    with pysam.AlignmentFile(str(tmp_path / "r.bam"), "wb", header=read().header) as out:
        for one in reads:
            out.write(one)
    pysam.index(str(tmp_path / "r.bam"))
    with pysam.AlignmentFile(str(tmp_path / "r.bam")) as alignments:
        chosen = Chosen(alignments, "M")
        assert len(list(chosen)) == kept
    expected = {**dict.fromkeys(LEFT_OUT, 0), "low mapping quality": len(reads) - kept, KEPT: kept}
    assert chosen.left_out == expected and chosen.left_out.keys() == expected.keys()
