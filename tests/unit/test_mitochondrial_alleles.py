"""Alleles of the mitochondrion: filters, links, one sample's judgement, and the VCF."""

import math
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from shared import ROOT
from terraflow_workflow.mitochondrion.alleles import Allele, Sample
from terraflow_workflow.mitochondrion.errors import Errors
from terraflow_workflow.mitochondrion.filters import Surroundings, filters_of, fisher, most_nuclear, smallest_unit
from terraflow_workflow.mitochondrion.links import is_second_genome, linked
from terraflow_workflow.mitochondrion.pileup import Column, Reads, columns
from terraflow_workflow.mitochondrion.sample import Evidence, nuclear_depth
from terraflow_workflow.mitochondrion.vcf import FORMAT, Genotype, header, judge, record, remarks

# --- filters ---------------------------------------------------------------------------------------

PLAIN = "ACGTTGCAAC" * 20


def allele(ref: str = "A", alt: str = "C", position: int = 101, **changes: float | Reads) -> Allele:
    """Return an allele that a tenth of 1,000 reads show, with changes."""
    values = {
        "reads": Reads(50, 50, 3500), "ref_reads": Reads(450, 450, 31500), "depth": 1000, "surprise": 900.0,
        "smallest_fraction": 0.01, "others": True,
    }  # fmt: skip
    changes.setdefault("rest", changes.get("ref_reads", values["ref_reads"]))
    return Allele(position, ref, alt, **(values | changes))  # type: ignore[arg-type]


HOMOPOLYMER = PLAIN[:101] + "C" * 6 + PLAIN[107:]
DINUCLEOTIDE = PLAIN[:101] + "GT" * 5 + PLAIN[111:]
# As the human 16184 to 16193: the reference has a T within C, many samples have none.
BROKEN = PLAIN[:101] + "CCCCCTCCCC" + "A" + PLAIN[112:]
WHOLE = BROKEN.replace("CCCCCTCCCC", "C" * 10)
# Allele, surroundings, filters.
VERDICTS: dict[str, tuple[Allele, Surroundings, list[str]]] = {
    "clean": (allele(), Surroundings(PLAIN, 30.0, 0.0), []),
    "weak": (allele(surprise=59.9), Surroundings(PLAIN, None, None), ["LowEvidence"]),
    "one strand": (allele(reads=Reads(95, 5, 3500)), Surroundings(PLAIN, None, None), ["StrandBias"]),
    "few reads on one strand": (
        allele(reads=Reads(4, 0, 140), ref_reads=Reads(18, 18, 1200), depth=40), Surroundings(PLAIN, None, None), [],
    ),
    "all of the reads are on one strand": (
        allele(reads=Reads(40, 0, 1400), ref_reads=Reads(), depth=40), Surroundings(PLAIN, None, None), [],
    ),
    "one strand, the other base is not the reference's": (
        allele(reads=Reads(95, 5, 3500), ref_reads=Reads(), rest=Reads(450, 450, 31500)),
        Surroundings(PLAIN, None, None),
        ["StrandBias"],
    ),
    "most reads, and errors on one strand": (
        allele(reads=Reads(480, 500, 3500), ref_reads=Reads(), rest=Reads(20, 0, 700)),
        Surroundings(PLAIN, None, None),
        [],
    ),
    "no commoner than a nuclear copy, linked": (allele(), Surroundings(PLAIN, 100.0, 0.8), ["NUMT"]),
    "commoner than a nuclear copy, linked": (allele(), Surroundings(PLAIN, 30.0, 0.8), []),
    "no commoner than a nuclear copy, alone": (allele(), Surroundings(PLAIN, 100.0, 0.1), []),
    "of a second genome": (allele(), Surroundings(PLAIN, 100.0, 0.8, second_genome=True), []),
    "no other contigs, linked, rare": (
        allele(reads=Reads(45, 45, 3000)), Surroundings(PLAIN, None, 0.8), ["NUMT"],
    ),
    "no other contigs, linked, common": (allele(), Surroundings(PLAIN, None, 0.8), []),
    "hardly any reads on other contigs, linked, rare": (
        allele(reads=Reads(45, 45, 3000)), Surroundings(PLAIN, 0.9, 0.8), ["NUMT"],
    ),
    "hardly any reads on other contigs, linked, common": (allele(), Surroundings(PLAIN, 0.9, 0.8), []),
    "one base more in a run": (allele("G", "GC"), Surroundings(HOMOPOLYMER, None, None), ["Repeat"]),
    "two bases less in a run": (allele("GCC", "G"), Surroundings(HOMOPOLYMER, None, None), ["Repeat"]),
    "most reads have one base more": (
        allele("G", "GC", reads=Reads(400, 400, 9)), Surroundings(HOMOPOLYMER, None, None), [],
    ),
    "another base in a run": (allele("G", "GT"), Surroundings(HOMOPOLYMER, None, None), []),
    "a unit less": (allele("AGT", "A"), Surroundings(DINUCLEOTIDE, None, None), ["Repeat"]),
    "one base more in a run that only the sample has": (
        allele("A", "AC"), Surroundings(BROKEN, None, None, own=WHOLE), ["Repeat"],
    ),
    "the base less that breaks the reference's run": (
        allele("CT", "C", position=106), Surroundings(BROKEN, None, None, own=WHOLE), ["Repeat"],
    ),
    "one base more in a run that the sample lacks": (
        allele("A", "AC"), Surroundings(WHOLE, None, None, own=BROKEN), [],
    ),
    "near N": (allele(), Surroundings(PLAIN[:102] + "N" + PLAIN[103:], None, None), ["ReferenceN"]),
    "not so near N": (allele(), Surroundings(PLAIN[:103] + "N" + PLAIN[104:], None, None), []),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
def test_filters_say_what_speaks_against_an_allele(name: str) -> None:
    judged, around, filters = VERDICTS[name]
    assert filters_of(judged, around) == filters


def test_fisher_is_fishers() -> None:
    # R: fisher.test(matrix(c(3, 1, 1, 3), 2))$p.value and fisher.test(matrix(c(10, 2, 3, 15), 2))$p.value
    assert fisher(3, 1, 1, 3) == pytest.approx(0.4857, abs=1e-4)
    assert fisher(10, 2, 3, 15) == pytest.approx(0.0005367, abs=1e-6)
    assert fisher(5, 5, 5, 5) == pytest.approx(1.0)


def test_reads_of_a_nuclear_copy() -> None:
    # qpois(0.99, 30), and without reads elsewhere.
    assert most_nuclear(30) == 43
    assert most_nuclear(0) == 0


def test_units_of_repeats() -> None:
    assert [smallest_unit(text) for text in ("CCC", "CACA", "CAC", "G")] == ["C", "CA", "CAC", "G"]


# --- links -----------------------------------------------------------------------------------------


def test_fragments_with_rare_alleles_of_several_places_are_linked() -> None:
    shares = linked(
        {(100, "A"): {"f1", "f2"}, (150, "T"): {"f2", "f3", "f4", "f5"}, (100, "G"): {"f9"}, (7, "C"): set()}
    )
    assert shares == {(100, "A"): 0.5, (150, "T"): 0.25, (100, "G"): 0.0, (7, "C"): 0.0}


NUMT = [(place, "A") for place in (12684, 12705, 13062, 13105)]
PERSON = [(place, "A") for place in (150, 1541, 2352, 4823, 8701, 9540)]
# Shares of fragments that show another allele, too; shares of reads of the alleles that errors don't explain; verdict.
SECOND_GENOMES: dict[str, tuple[dict[tuple[int, str], float], dict[tuple[int, str], float], bool]] = {
    "nothing": ({}, {}, False),
    "a person": (dict.fromkeys(PERSON, 0.2), {}, True),
    "a person of whose alleles two are near each other": (
        dict.fromkeys(PERSON, 0.0) | dict.fromkeys(PERSON[1:3], 0.9),
        dict(zip(PERSON, (0.011, 0.01, 0.009, 0.014, 0.012, 0.008), strict=True)),
        True,
    ),
    "a nuclear copy": (dict.fromkeys(NUMT, 0.9), dict.fromkeys(NUMT, 0.015), False),
    "a nuclear copy and errors": (
        dict.fromkeys(NUMT, 0.9) | dict.fromkeys(PERSON, 0.0), dict.fromkeys(NUMT, 0.015), False,
    ),
    "a nuclear copy and heteroplasmies": (
        dict.fromkeys(NUMT, 0.9) | dict.fromkeys(PERSON, 0.0),
        dict.fromkeys(NUMT, 0.015) | dict(zip(PERSON, (0.05, 0.03, 0.05, 0.2, 0.4, 0.025), strict=True)),
        False,
    ),
    "heteroplasmies": (dict.fromkeys(PERSON, 0.0), dict.fromkeys(PERSON, 0.1), False),
}  # fmt: skip


@pytest.mark.parametrize("name", SECOND_GENOMES)
def test_a_second_genome_differs_all_around(name: str) -> None:
    links, fractions, verdict = SECOND_GENOMES[name]
    assert is_second_genome(links, fractions) is verdict


def test_depth_of_the_other_contigs(tmp_path: Path) -> None:
    table = tmp_path / "c.tsv"
    head = "#rname\tstartpos\tendpos\tnumreads\tcovbases\tcoverage\tmeandepth\tmeanbaseq\tmeanmapq\n"
    rows = [
        "chr1\t1\t300\t9\t9\t9\t10\t30\t60\n",
        "chr2\t1\t100\t9\t9\t9\t30\t30\t60\n",
        "M\t1\t99\t9\t9\t9\t999\t9\t9\n",
    ]
    table.write_text(head + "".join(rows))
    assert nuclear_depth(table, "M") == 15.0
    table.write_text(head + rows[2])
    assert nuclear_depth(table, "M") is None


# --- one sample, and the VCF -----------------------------------------------------------------------

LINE = "101\tA\tC,<*>\t1000\t450,50,0\t450,50,0\t31500,3500,0\n"


def test_lines_of_mpileup() -> None:
    (column,) = columns([LINE])
    assert column == Column(101, "A", 1000, {"A": Reads(450, 450, 31500), "C": Reads(50, 50, 3500)})
    assert list(columns([column.line()])) == [column]
    assert column.reads == Reads(500, 500, 35000)
    (empty,) = columns(["7\tN\t<*>\t0\t0,0\t0,0\t0,0\n"])
    assert list(columns([empty.line()])) == [empty]


def evidence(*lines: str, indels: tuple[str, ...] = (), sequence: str = PLAIN) -> Evidence:
    """Return the evidence of a sample whose places are those of `lines`, and 300 reads of the reference elsewhere."""
    own = {column.position: column for column in columns(lines)}
    snvs = {
        place: own.get(place) or Column(place, base, 300, {base: Reads(150, 150, 10500)})
        for place, base in enumerate(sequence, start=1)
    }
    gaps = list(columns(indels))
    sample = Sample(snvs, gaps, sequence)
    suspects = [found.key for found in sample.suspects()]
    reads = {"kept": 900, "NUMT-like": 0, "duplicate": 0}
    return Evidence(reads, None, sample.errors, snvs, gaps, suspects, {}, 300.0, 0.02, {})


def test_evidence_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = evidence(LINE, indels=("50\tC\tCA\t300\t130,20\t130,20\t9000,1400\n",))
    made.write(tmp_path / "e.json.gz")
    assert Evidence.read(tmp_path / "e.json.gz") == made


def test_a_line_of_the_vcf_says_what_each_sample_has() -> None:
    some = evidence(LINE)
    whole = evidence("101\tA\tC,<*>\t300\t0,150,0\t0,150,0\t0,10500,0\n")
    none = evidence("101\tA\t<*>\t0\t0,0\t0,0\t0,0\n")
    key = (101, "A", "C")
    assert some.suspects == whole.suspects == [key]
    found = [judge(sample, [key], PLAIN)[key] for sample in (some, whole, evidence(), none)]
    fields = record("M", key, found).rstrip("\n").split("\t")
    assert fields[:5] == ["M", "101", ".", "A", "C"]
    assert fields[6] == "PASS" and int(fields[5]) > 60
    columns_ = [dict(zip(fields[8].split(":"), text.split(":"), strict=True)) for text in fields[9:]]
    assert [column["GT"] for column in columns_] == ["0/1", "1", "0", "."]
    assert [column["AF"] for column in columns_] == ["0.1000", "1.0000", "0.0000", "."]
    assert [column["AD"] for column in columns_] == ["900,100", "0,300", "300,0", "."]
    assert [column["ADF"] for column in columns_] == ["450,50", "0,150", "150,0", "."]
    assert [column["FT"] for column in columns_] == ["PASS", "PASS", ".", "."]
    assert float(columns_[0]["MINAF"]) < float(columns_[2]["MINAF"]) < 0.1


def test_the_query_of_the_documentation_asks_each_sample_for_all(tmp_path: Path) -> None:
    samples = {
        "passes": "0/1:0.2000:80,20:40,10:40,10:100:0.0500:0.00:PASS",
        "rare": "0/1:0.0200:980,20:490,10:490,10:1000:0.0100:0.00:PASS",
        "weak": "0/1:0.3333:2,1:1,1:1,0:3:0.9000:0.00:LowEvidence",
    }
    vcf = tmp_path / "all.vcf"
    line = "\t".join(["M", "9", ".", "A", "C", "99", "PASS", ".", FORMAT, *samples.values()])
    vcf.write_text("".join(header({"M": 20}, "M", list(samples))) + line + "\n")
    (command,) = re.findall("^bcftools query .*", (ROOT / "docs/mitochondrion.md").read_text(), re.MULTILINE)
    command = command.replace("results/mitochondrion/all.vcf.gz", "all.vcf")

    said = subprocess.run(["bash", "-c", command], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True).stdout

    assert said == "passes 9 A>C 0.2 100\n"


def test_insertions_count_by_all_reads_of_the_place() -> None:
    made = evidence(indels=("50\tC\tCA\t300\t125,20\t125,20\t9000,1400\n",))
    assert made.suspects == [(50, "C", "CA")]
    (found,) = judge(made, made.suspects, PLAIN).values()
    assert found.allele and found.allele.fraction == pytest.approx(40 / 300)
    # Another sample without it has the place's depth.
    (none,) = judge(evidence(), made.suspects, PLAIN).values()
    assert none.text().split(":")[:3] == ["0", "0.0000", "300,0"]


def test_the_sites_of_a_sample_say_what_could_be_seen() -> None:
    deep = "101\tA\t<*>\t3000\t1500,0\t1500,0\t105000,0\n"
    few = "102\tC\t<*>\t4\t2,0\t2,0\t140,0\n"
    made = evidence(deep, few)
    sites = list(Sample(made.snvs, [], PLAIN).sites())
    assert [site.position for site in sites] == list(range(1, len(PLAIN) + 1))
    by_place = {site.position: site.smallest_fraction or 1 for site in sites}
    assert by_place[101] < by_place[100] < by_place[102]


def test_a_sample_with_many_heteroplasmies_has_a_remark() -> None:
    made = evidence()
    few, many = ([Genotype(allele(), None, ())] * number for number in (8, 9))
    assert list(remarks(made, few)) == []
    (text,) = remarks(made, many)
    assert text.startswith("9 heteroplasmies") and "contamination" in text


# Reads by reason, and words of the remark.
LOSSES = [
    ({"kept": 900, "duplicate": 900, "NUMT-like": 9}, []),
    ({"kept": 900, "duplicate": 901, "NUMT-like": 0}, ["901 reads", "alignment.mark_duplicates: false"]),
    ({"kept": 900, "duplicate": 0, "NUMT-like": 10}, ["10 reads", "as NUMTs do"]),
    ({"kept": 0, "duplicate": 0, "NUMT-like": 0}, ["nothing could have been seen"]),
]


@pytest.mark.parametrize(("reads", "words"), LOSSES)
def test_reads_that_are_lost_have_a_remark(reads: dict[str, int], words: list[str]) -> None:
    texts = list(remarks(replace(evidence(), reads=reads), []))
    assert len(texts) == bool(words)
    assert all(word in text for text in texts for word in words)


def test_errors_of_a_sample_without_reads() -> None:
    none = {place: Column(place, base, 0, {base: Reads()}) for place, base in enumerate(PLAIN, start=1)}
    sample = Sample(none, [], PLAIN)
    assert sample.errors.spread == 0.0
    assert isinstance(sample.errors, Errors)
    assert {site.smallest_fraction for site in sample.sites()} == {None}


# --- a rarer allele that is no sample's own -----------------------------------------------------------

# The place 101, reference A: its line of mpileup, share of linked fragments by base, genotype and filters of A>C.
RARER = {
    "a nuclear copy has the reference's base": (
        "101\tA\tC,<*>\t2000\t13,987\t13,987\t910,69090\n", {"A": 0.9, "C": 0.0}, "1", "PASS",
    ),
    "errors of one strand have the reference's base": (
        "101\tA\tC,<*>\t2000\t60,940\t0,1000\t2100,67900\n", {}, "1", "PASS",
    ),
    "the reference's base is there": (
        "101\tA\tC,<*>\t2000\t30,970\t30,970\t2100,67900\n", {"A": 0.1}, "0/1", "PASS",
    ),
    "a nuclear copy has another base": (
        "101\tA\tC,<*>\t2000\t987,13\t987,13\t69090,910\n", {"C": 0.9}, "0/1", "NUMT",
    ),
    "errors of one strand beside another base than the reference's": (
        "101\tA\tC,G,<*>\t2000\t0,60,940\t0,0,1000\t0,2100,67900\n", {}, "0/1", "StrandBias",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RARER)
def test_the_rarer_base_is_judged_whichever_it_is(name: str) -> None:
    line, shares, genotype, filters = RARER[name]
    links = {(101, base): share for base, share in shares.items()}
    made = replace(evidence(line), errors=Errors(), nuclear_depth=30.0, linked=links)
    (found,) = judge(made, [(101, "A", "C")], PLAIN).values()
    assert (found.text().split(":")[0], found.text().split(":")[-1]) == (genotype, filters)


def test_a_rare_base_beside_a_common_one_is_not_alone_where_a_filter_speaks_against_both() -> None:
    sequence = PLAIN[:101] + "N" + PLAIN[102:]
    made = evidence("101\tA\tC,<*>\t1000\t450,50\t450,50\t31500,3500\n")
    (found,) = judge(made, made.suspects, sequence).values()
    assert found.text().split(":")[0] == "0/1" and found.filters == ("ReferenceN",)


@pytest.mark.parametrize(("count", "filters"), [(30, ("NUMT",)), (9, ())])
def test_a_nuclear_copy_is_none_beside_others_of_its_share_all_around(count: int, filters: tuple[str, ...]) -> None:
    # Two linked alleles at 3 %, and six alone, at 10 % or at 3 %, in other kilobases.
    sequence = PLAIN * 40
    shown = {101: 9, 141: 9} | dict.fromkeys(range(1101, 7000, 1000), count)
    lines = (
        f"{place}\tA\tC,<*>\t300\t{150 - n // 2},{n // 2}\t{150 - n + n // 2},{n - n // 2}\t{35 * (300 - n)},{35 * n}\n"
        for place, n in shown.items()
    )
    links = {(place, "C"): 0.9 if place < 1000 else 0.0 for place in shown}
    made = replace(evidence(*lines, sequence=sequence), errors=Errors(), nuclear_depth=30.0, linked=links)
    found = judge(made, [(101, "A", "C"), (141, "A", "C"), (1101, "A", "C")], sequence)
    assert [genotype.filters for genotype in found.values()] == [filters, filters, ()]


def test_links_of_a_base_are_none_of_a_deletion() -> None:
    made = evidence(indels=("50\tCAC\tC\t300\t130,20\t130,20\t9000,1400\n",))
    made = replace(made, nuclear_depth=900.0, linked={(50, "C"): 0.9})
    (found,) = judge(made, made.suspects, PLAIN).values()
    assert (found.linked, found.filters) == (None, ())


# --- insertions and deletions ------------------------------------------------------------------------


def at_least(count: int, depth: int, share: float) -> float:
    return 1 - sum(math.comb(depth, k) * share**k * (1 - share) ** (depth - k) for k in range(count))


@pytest.mark.parametrize("depth", [600, 2000, 10_000])
def test_no_indel_is_promised_that_mpileup_does_not_write(depth: int) -> None:
    half = depth // 2
    line = f"50\tC\t<*>\t{depth}\t{half}\t{half}\t{35 * depth}\n"
    gap = f"50\tC\tCA\t{depth}\t{half - 30},30\t{half - 30},30\t{35 * depth},2100\n"
    for made in (evidence(line, indels=(gap,)), evidence(line)):
        made = replace(made, errors=Errors())
        (found,) = judge(made, [(50, "C", "CA")], PLAIN).values()
        assert found.allele and found.allele.smallest_fraction
        assert at_least(max(3, math.ceil(0.005 * depth)), depth, found.allele.smallest_fraction) >= 0.949


def test_of_two_lines_that_are_one_allele_the_larger_counts() -> None:
    more, less = (f"50\tC\tCA\t300\t{150 - n},{n}\t{150 - n},{n}\t9000,1400\n" for n in (20, 9))
    for lines in ((more, less), (less, more)):
        made = evidence(indels=lines)
        (found,) = judge(made, [(50, "C", "CA")], PLAIN).values()
        assert found.allele and found.allele.reads.count == 40


def test_the_largest_gap_of_a_place_is_measured() -> None:
    many, one = (f"50\tC\t{alt}\t300\t{150 - n},{n}\t{150 - n},{n}\t9000,900\n" for alt, n in (("CA", 3), ("CG", 1)))
    made = evidence()
    rates = [
        Sample(made.snvs, list(columns(lines)), PLAIN).errors.rates["gap", "1"] for lines in ((many, one), (one, many))
    ]
    assert rates[0] == rates[1]


def test_gaps_are_judged_by_the_run_that_the_sample_has() -> None:
    # Place 107, a T of the reference within C, is C in the sample, a tenth of which has one C more.
    line = "107\tT\tC,<*>\t300\t0,150\t0,150\t0,10500\n"
    made = evidence(line, indels=("101\tA\tAC\t300\t135,15\t135,15\t9450,1050\n",), sequence=BROKEN)
    sample = Sample(made.snvs, [], BROKEN)
    assert sample.own == WHOLE
    assert [sample.kind_of_gap(place) for place in (101, 106)] == [("gap", "10")] * 2
    assert ("gap", "10") in sample.errors.rates and ("gap", "5") not in sample.errors.rates
    (found,) = judge(made, [(101, "A", "AC")], BROKEN).values()
    assert found.filters == ("Repeat",)


def test_one_strand_alone_speaks_against_an_insertion_beside_another() -> None:
    one_sided, both = (f"50\tC\t{alt}\t300\t0,{f}\t0,{r}\t0,4000\n" for alt, f, r in (("CA", 50, 0), ("CAA", 100, 150)))
    made = evidence(indels=(one_sided, both))
    found = judge(made, made.suspects, PLAIN)
    assert found[50, "C", "CA"].filters == ("StrandBias",)
    assert found[50, "C", "CAA"].filters == ()
