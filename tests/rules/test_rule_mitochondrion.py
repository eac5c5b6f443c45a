"""Rules of the mitochondrion: planted shares are found all around the circle, and what isn't the sample's is not."""

import gzip
import json
import math
import re
from pathlib import Path
from random import Random

import pytest
from circle import (
    BEHIND,
    CHROMOSOME,
    CIRCLE,
    COPIED,
    DEPTH,
    DUPLICATES,
    GENOME,
    LAST,
    NUCLEAR,
    NUMT,
    PLANTED,
    Planted,
    changed,
    fragments,
    mates,
    of_circle,
    snv,
)
from project import NO_DISK_IN_COMMON, Project
from readers import Call, calls, table
from tiny import Fragment, fasta, text_of

VCF = "results/mitochondrion/all.vcf.gz"
TABLE = "results/mitochondrion/all.tsv"
OTHERS = "results/variants/all.vcf.gz"
SAMPLES = ("mixed", "plain")


def add(project: Project, sample: str, made: list[Fragment]) -> None:
    """Write a sample's reads, and a line of the sheet."""
    files = [
        project.write(f"reads/{sample}_{mate}.fq", text_of(reads))
        for mate, reads in enumerate(zip(*made, strict=True), start=1)
    ]
    project.add(sample, "L1", *files)


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two samples, one of them with everything planted, whose mitochondrion is found by its name."""
    config = {
        "reference": {"fasta": "ref.fa"},
        "calling": {"windows": 2, "mitochondrion": "auto"},
        "quality": {"coverage_windows": 3},
    }
    project = Project(tmp_path_factory.mktemp("mitochondrion"), config)
    project.write("ref.fa", fasta(GENOME))
    add(project, "mixed", fragments())
    add(project, "plain", list(of_circle((), DEPTH // 10, "plain")))
    project.snakemake("--", VCF, OTHERS).succeeded()
    return project


def by_place(project: Project) -> dict[tuple[int, str, str], Call]:
    found = calls(project[VCF])
    assert {call.site[0] for call in found} == {CIRCLE}
    return {call.site[1:]: call for call in found}


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: str(planted.position))
def test_planted_shares_are_found(called: Project, planted: Planted) -> None:
    call = by_place(called)[planted.position, planted.ref, planted.alt]
    mixed, plain = call.samples
    depth, share = int(mixed["DP"]), float(mixed["AF"])
    # Indels lose the reads that end within them; a nuclear copy adds to the depth of some.
    assert DEPTH * 0.5 < depth < DEPTH * 1.2
    assert abs(share - planted.share) < 4 * math.sqrt(planted.share * (1 - planted.share) / depth) + 0.02
    assert (call.filters, mixed["FT"]) == ("PASS", "PASS")
    assert mixed["GT"] == ("1" if planted.share == 1 else "0/1")
    alt = int(mixed["AD"].split(",")[1])
    assert alt == sum(int(mixed[strand].split(",")[1]) for strand in ("ADF", "ADR"))
    assert min(int(mixed[strand].split(",")[1]) for strand in ("ADF", "ADR")) > 0
    assert float(mixed["MINAF"]) < planted.share
    assert share == pytest.approx(alt / depth, abs=1e-4)
    # The other sample has a tenth of the reads.
    assert (plain["GT"], plain["FT"], plain["AD"].split(",")[1]) == ("0", ".", "0")
    assert 0.1 < float(plain["MINAF"]) < 0.7


def test_nothing_else_passes(called: Project) -> None:
    passing = {key for key, call in by_place(called).items() if call.filters == "PASS"}
    assert passing == {(planted.position, planted.ref, planted.alt) for planted in PLANTED}


@pytest.mark.parametrize("numt", NUMT, ids=lambda numt: str(numt.position))
def test_a_young_nuclear_copy_is_marked(called: Project, numt: Planted) -> None:
    call = by_place(called)[numt.position, numt.ref, numt.alt]
    assert call.filters == call.samples[0]["FT"] == "NUMT"
    assert float(call.samples[0]["LINKED"]) > 0.5
    assert int(call.samples[0]["AD"].split(",")[1]) > 5


def test_an_error_that_duplicates_copied_is_no_allele(called: Project) -> None:
    assert (COPIED.position, COPIED.ref, COPIED.alt) not in by_place(called)


def test_the_evidence_names_what_aligned_the_ends(called: Project) -> None:
    with gzip.open(called["results/mitochondrion/mixed.evidence.json.gz"], "rt") as file:
        programs = json.load(file)["programs"]
    assert programs.keys() == {"bwa", "samtools"}
    planned = called.snakemake("--dry-run", "--", "results/qc/versions.tsv").succeeded().text
    assert "results/mitochondrion/mixed.evidence.json.gz" in planned.split("rule versions:")[1].split("output:")[0]


def test_another_number_of_windows_counts_no_reads_anew(called: Project) -> None:
    planned = called.snakemake("--dry-run", "--config", "calling={windows: 3}", "--", VCF, OTHERS).succeeded().text
    rules = set(re.findall(r"^rule (\w+):$", planned, re.M))
    assert {"nuclear_windows", "bcftools_call", "variants"} <= rules
    assert not rules & {"mitochondrial_contig", "mitochondrial_reads", "sort_index", "samtools_stats"}


def sites(project: Project, sample: str) -> list[dict[str, str]]:
    with gzip.open(project[f"results/mitochondrion/{sample}.sites.tsv.gz"], "rt") as lines:
        head, *rows = (line.rstrip("\n").split("\t") for line in lines)
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.mark.parametrize(("sample", "depth"), [("mixed", DEPTH), ("plain", DEPTH // 10)])
def test_each_place_says_what_could_have_been_seen(called: Project, sample: str, depth: int) -> None:
    rows = sites(called, sample)
    assert [int(row["position"]) for row in rows] == list(range(1, len(GENOME[CIRCLE]) + 1))
    assert "".join(row["reference"] for row in rows) == GENOME[CIRCLE]
    depths = [int(row["forward"]) + int(row["reverse"]) for row in rows]
    # The ends have as many reads as the middle: reads go round the circle.
    for part in (depths[:100], depths[-100:], depths[900:1100]):
        assert 0.8 < sum(part) / len(part) / depth < 1.2
    assert all(0 < float(row["smallest_fraction"]) < 1 for row in rows if int(row["forward"]) > 9)


def test_reads_that_are_left_out_are_counted(called: Project) -> None:
    mixed, plain = table(called[TABLE])
    assert (mixed["sample"], plain["sample"]) == SAMPLES
    assert int(mixed["duplicate"]) >= 2 * (DUPLICATES - 1)
    assert int(mixed["NUMT-like"]) > 20
    assert int(mixed["mate elsewhere"]) > 5
    assert (plain["NUMT-like"], plain["mate elsewhere"], plain["low mapping quality"]) == ("0", "0", "0")
    assert int(plain["reads kept"]) + int(plain["duplicate"]) == 2 * (DEPTH // 10 * len(GENOME[CIRCLE]) // 200)
    assert (mixed["homoplasmies"], mixed["heteroplasmies"]) == ("1", str(len(PLANTED) - 1))
    assert float(mixed["smallest fraction"]) < float(plain["smallest fraction"])


def test_overlapping_mates_of_short_fragments_are_counted_once(tmp_path: Path) -> None:
    """Of pairs much shorter than most, which aligners don't call proper; in the middle of the contig and at its end."""
    config = {"reference": {"fasta": "ref.fa"}, "calling": {"windows": 1, "mitochondrion": CIRCLE}}
    project = Project(tmp_path, config)
    project.write("ref.fa", fasta(GENOME))
    depth, short, places = 100, 20, (snv(900, 1.0), snv(1990, 1.0))
    length, random = len(GENOME[CIRCLE]), Random("common")
    made = []
    for number in range(depth * length // 200):
        start, size = random.randrange(length), random.randrange(390, 410)
        made.append(mates(f"common:{number}", (2 * GENOME[CIRCLE])[start : start + size], number % 2 == 0))
    twice = changed(GENOME[CIRCLE], list(places)) + GENOME[CIRCLE]
    for place in places:
        for number in range(short):
            start = place.position - 50 - number
            made.append(mates(f"short:{place.position}:{number}", twice[start : start + 120], number % 2 == 0))
    add(project, "short", made)

    project.snakemake("--", VCF).succeeded()

    found = by_place(project)
    for place in places:
        (sample,) = found[place.position, place.ref, place.alt].samples
        reference, alternative = map(int, sample["AD"].split(","))
        assert alternative == short
        assert reference > depth / 2


def test_the_other_calls_leave_the_contig_out(called: Project) -> None:
    passing = {call.site for call in calls(called[OTHERS]) if call.filters == "PASS"}
    planted = {CHROMOSOME: NUCLEAR, LAST: BEHIND}
    assert passing == {(contig, allele.position, allele.ref, allele.alt) for contig, allele in planted.items()}
    assert CIRCLE not in {call.site[0] for call in calls(called[OTHERS])}
    rows = [line.split("\t") for line in called["results/reference/nuclear_windows.bed"].read_text().splitlines()]
    assert [row[0] for row in rows if row[3] == "2"] == [CHROMOSOME, LAST]
    assert int(called["results/qc/coverage/mixed.deepest.txt"].read_text()) < DEPTH / 2
    assert rows[-1] == [CIRCLE, "0", str(len(GENOME[CIRCLE])), "3"]


def test_slices_give_the_same_bytes(called: Project, tmp_path: Path) -> None:
    project = called.copy(tmp_path / "copy", "reference", "alignments", "qc")
    project.rule("slices mitochondrial_reads mitochondrion", VCF, options=NO_DISK_IN_COMMON).succeeded()
    assert project[VCF].read_bytes() == called[VCF].read_bytes()


def test_without_being_asked_for_it_is_called_as_any_other_contig(finished: Project) -> None:
    assert not finished["results/mitochondrion"].exists()
    assert not finished["results/reference/nuclear_windows.bed"].exists()
