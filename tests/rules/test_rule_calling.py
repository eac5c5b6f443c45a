"""Rules ploidy, bcftools_call and variants: the planted variants with their genotypes, and filters that only mark."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project import NO_DISK_IN_COMMON, Copy, Project, dying
from readers import calls, genotypes
from tiny import LENGTHS, NASTY, PLAIN, PLANTED, SAMPLES, Site, planted_genotypes

import real_reads
from shared import output_of

VCF = "results/variants/all.vcf.gz"
NEEDS = ("reference", "alignments")
CALLING = "ploidy windows filters bcftools_call variants"

DEFAULT_FILTERS = ("LowQual", "AlleleBalance", "Overlap")


def called(copy: Copy, calling: dict[str, Any], *targets: str, **files: str) -> Project:
    """Return a project whose variants are called with these settings."""
    project = copy(*NEEDS)
    project.config["calling"] |= calling
    project["results/reference/calling_windows.bed"].unlink()
    for name, text in files.items():
        project.write(name, text)
    project.rule(CALLING, *(targets or (VCF,))).succeeded()
    return project


# --- bcftools_call ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_by_one(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Each window called, and not yet joined."""
    project = finished.copy(tmp_path_factory.mktemp("bcftools_call"), *NEEDS)
    project.rule("bcftools_call", *(f"results/calls/all/{window}.bcf" for window in (1, 2, 3))).succeeded()
    return project


def test_windows_hold_each_planted_site_once_as_it_is(one_by_one: Project) -> None:
    found = [call for window in (1, 2, 3) for call in calls(one_by_one[f"results/calls/all/{window}.bcf"])]

    assert [call.site[:2] for call in found] == [(site.contig, site.position) for site in PLANTED]
    assert {call.site[:2]: set(call.site[3].split(",")) for call in found if "," in call.site[3]} == {
        ("chr2", 801): {"C", "G"}
    }


@pytest.mark.parametrize("window", [1, 2, 3])
def test_each_window_calls_its_own_bases_only(one_by_one: Project, window: int) -> None:
    bed = one_by_one["results/reference/calling_windows.bed"].read_text().splitlines()
    own = [
        (contig, range(int(start) + 1, int(end) + 1))
        for contig, start, end, number in (line.split("\t") for line in bed)
        if int(number) == window
    ]

    for call in calls(one_by_one[f"results/calls/all/{window}.bcf"]):
        assert any(call.site[0] == contig and call.site[1] in bases for contig, bases in own)


def test_each_sample_has_genotype_depth_and_reads_of_each_allele(one_by_one: Project) -> None:
    for window in (1, 2, 3):
        for call in calls(one_by_one[f"results/calls/all/{window}.bcf"]):
            for sample in call.samples:
                depths = [int(number) for number in sample["AD"].split(",")]
                assert set(sample) >= {"GT", "DP", "AD", "GQ", "PL"}
                assert len(depths) == 1 + len(call.site[3].split(","))
                # Reads that end within an indel show no allele.
                assert int(sample["DP"]) - 3 <= sum(depths) <= int(sample["DP"])
                assert 20 <= int(sample["DP"]) <= 50


@pytest.mark.parametrize("part", ["mpileup", "call", "view"])
def test_part_that_dies_fails_the_rule(copy: Copy, tmp_path: Path, part: str) -> None:
    project = copy(*NEEDS)
    target = "results/calls/all/1.bcf"

    project.rule("bcftools_call", target, env=dying(tmp_path / "fake", "bcftools", 9, 3, part)).failed()

    place = ["mpileup", "call", "view"].index(part)
    found = re.search(r"in order: (\d+) (\d+) (\d+)$", project.log("bcftools_call/all/1"), re.MULTILINE)
    assert found
    assert found[place + 1] == "9"
    assert not project[target].exists()
    assert project.scratch() == []


# --- ploidy ----------------------------------------------------------------------------------------

DIPLOID = planted_genotypes()


def test_whole_run_finds_what_was_planted_and_nothing_else(finished: Project) -> None:
    assert genotypes(calls(finished[VCF])) == DIPLOID
    assert output_of("bcftools", "query", "-l", finished[VCF]).split() == list(SAMPLES)


def only_homozygous(found: dict[Site, list[str]]) -> dict[Site, list[str]]:
    """Return the sites where no planted genotype is heterozygous, as one haploid allele."""
    return {site: [gt[0] for gt in gts] for site, gts in found.items() if "0/1" not in gts}


def test_ploidy_1_gives_haploid_genotypes(copy: Copy) -> None:
    found = genotypes(calls(called(copy, {"ploidy": 1, "windows": 2})[VCF]))

    assert all(gt in ("0", "1", ".") for gts in found.values() for gt in gts)
    expected = {site: gts for site, gts in only_homozygous(DIPLOID).items() if site[:2] != ("chr2", 801)}
    assert len(expected) >= 3
    assert {site: found[site] for site in expected} == expected


# Ploidy files (the sheet has NASTY as M, PLAIN as F), and the resulting ploidy of each sample on each contig.
PLOIDIES: dict[str, tuple[str, Callable[[str, str], int]]] = {
    "contig for all": ("chrM * * * 1\n", lambda sample, contig: 1 if contig == "chrM" else 2),
    "contig of a sex": (
        "# males\nchrM 1 1600 M 1\n",
        lambda sample, contig: 1 if (sample, contig) == (NASTY, "chrM") else 2,
    ),
    "a place over the whole genome": (
        "chrM 1 1600 M 1\n* * * M 2\n* * * F 2\n",
        lambda sample, contig: 1 if (sample, contig) == (NASTY, "chrM") else 2,
    ),
    "a sample over its sex": (
        f"chrM * * F 0\nchrM * * {PLAIN} 1\n",
        lambda sample, contig: 1 if (sample, contig) == (PLAIN, "chrM") else 2,
    ),
}


@pytest.mark.parametrize("name", PLOIDIES)
def test_ploidy_file_decides_for_contigs_sexes_and_samples(copy: Copy, name: str) -> None:
    text, ploidy = PLOIDIES[name]

    project = called(copy, {"ploidy": "ploidy.txt"}, **{"ploidy.txt": text})

    assert genotypes(calls(project[VCF])) == planted_genotypes(ploidy)


def test_ploidy_file_of_another_genome_fails_with_line_and_contigs(copy: Copy) -> None:
    project = copy(*NEEDS)
    project.config["calling"]["ploidy"] = project.write("ploidy.txt", "chrM * * * 1\n\nMT * * * 1\n")

    project.rule("ploidy", "results/reference/ploidy/all.ploidy.txt").failed("ploidy.txt, line 3", "'MT'", "chr1")

    assert not any("ploidy" in name for name in project.files())


# --- modes and windows -----------------------------------------------------------------------------


def test_each_sample_by_itself_has_its_own_variants(copy: Copy) -> None:
    vcfs = [f"results/variants/{sample}.vcf.gz" for sample in SAMPLES]

    project = called(copy, {"mode": "per-sample", "windows": 2, "ploidy": "p"}, *vcfs, p="chrM * * M 1\n")

    expected = planted_genotypes(lambda sample, contig: 1 if (sample, contig) == (NASTY, "chrM") else 2)
    for index, (sample, vcf) in enumerate(zip(SAMPLES, vcfs, strict=True)):
        assert output_of("bcftools", "query", "-l", project[vcf]).split() == [sample]
        own = {site: [gts[index]] for site, gts in expected.items() if "1" in gts[index]}
        assert genotypes(calls(project[vcf])) == own


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Real reads of one person, aligned."""
    data = real_reads.GIAB
    project = Project(tmp_path_factory.mktemp("real"), {"reference": {"fasta": str(data / "ref.fa")}})
    for fq1 in sorted((data / "lanes").glob("*_R1.fastq.gz"))[:2]:
        unit = fq1.name.removesuffix("_R1.fastq.gz")
        project.add("NA12878", unit, str(fq1), str(fq1.with_name(f"{unit}_R2.fastq.gz")))
    project.config["alignment"] = {"format": "bam"}
    project.snakemake("results/alignments/NA12878.bam").succeeded()
    return project


@real_reads.needed
def test_number_of_windows_changes_nothing_in_real_calls(real: Project) -> None:
    found = {}
    for windows in (1, 3, 7):
        real.config["calling"] = {"windows": windows}
        options = ["--forcerun", "windows", "bcftools_call"]
        real.rule(CALLING, VCF, options=options).succeeded()
        found[windows] = calls(real[VCF])

    assert len(found[1]) > 100
    for windows in (3, 7):
        assert found[windows] == found[1]


@real_reads.needed
def test_slices_of_alignments_yield_the_same_calls(real: Project) -> None:
    found = []
    for options in ([], NO_DISK_IN_COMMON):
        real.config["calling"] = {"windows": 5}
        rules = f"{CALLING} slices" if options else CALLING
        options = [*options, "--forcerun", "windows", "bcftools_call"]
        real.rule(rules, VCF, options=options).succeeded()
        found.append(calls(real[VCF]))

    assert len(real.files("results/slices")) == 5
    assert len(found[0]) > 100
    assert found[1] == found[0]


# --- filters ---------------------------------------------------------------------------------------

TRIED = "results/reference/filters.tsv"


def test_filters_are_tried_and_listed(copy: Copy) -> None:
    project = copy()
    own = {
        "Own": 'TYPE = "snp" & QUAL < 3',
        "Second_sample": "FMT/DP[1] < 5 | GT[1] = 'het'",
        "Fields": "N_PASS(GQ < 20) > 1 | INFO/MQ < 20 | AVG(FMT/DP) < 4",
        "Braces": r'REF ~ "A\{4,\}" | ALT ~ "{callset}"',
        "LowQual": "",
    }
    project.config["filters"] = own

    project.rule("filters", TRIED).succeeded()

    tried = dict(line.split("\t") for line in project[TRIED].read_text().splitlines())
    assert set(tried) == {*DEFAULT_FILTERS, "Own", "Second_sample", "Fields", "Braces"} - {"LowQual"}
    assert {name: tried[name] for name in own if own[name]} == {name: text for name, text in own.items() if text}


WRONG = {"cut": "QUAL <", "unknown": "NOSUCH > 3", "quote": "it's 5", "third of two samples": "FMT/DP[2] < 5"}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_filter_is_found_before_anything_else_runs(copy: Copy, name: str) -> None:
    project = copy()
    project.config["filters"] = {"Wrong": WRONG[name]}

    project.rule("filters", TRIED).failed(f"filters.Wrong: found {WRONG[name]!r}, which bcftools can't use: ")

    reason = project.log("filters").split("which bcftools can't use: ")[1]
    assert "NOSUCH" in reason if name == "unknown" else re.search("filter|expression|index|pars", reason)
    assert not project[TRIED].exists()
    assert project.scratch() == []


# --- variants --------------------------------------------------------------------------------------


def joined(project: Project, filters: dict[str, str]) -> Project:
    """Return a project with its finished calls joined and filtered."""
    project.config["filters"] = filters
    project.rule("variants", VCF).succeeded()
    return project


JOINED_FROM = ("reference", "calls")


@pytest.fixture(scope="module")
def plain(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the project with its calls joined, and the default filters only."""
    return joined(finished.copy(tmp_path_factory.mktemp("variants"), *JOINED_FROM), {})


def test_alleles_are_split_and_sorted(plain: Project) -> None:
    found = calls(plain[VCF])

    assert genotypes(found) == DIPLOID
    assert not any("," in call.site[3] for call in found)
    order = [(list(LENGTHS).index(call.site[0]), call.site[1]) for call in found]
    assert order == sorted(order)
    assert {call.filters for call in found} == {"PASS"}


@pytest.mark.parametrize(
    ("region", "positions"), {"chr1:1100-2001": [1120, 1180, 1238, 2001], "chrM": [501], "chr2:1-800": []}.items()
)
def test_index_finds_what_lies_in_a_region(plain: Project, region: str, positions: list[int]) -> None:
    assert [call.site[1] for call in calls(plain[VCF], "-r", region)] == positions


def test_filters_mark_what_they_say_and_remove_nothing(copy: Copy, plain: Project) -> None:
    filters = {
        "Everything": "QUAL >= 0",
        "Nothing": "QUAL < 0",
        "Snps": 'TYPE = "snp"',
        "Braces": r'REF ~ "^[ACGT]\{1\}$" & ALT ~ "^[ACGT]\{1\}$"',
        "AlleleBalance": "MAX(FMT/AD[*:1] / (FMT/AD[*:0] + FMT/AD[*:1])) < 0.6",
        "IndelFraction": 'TYPE = "indel" & MAX(FMT/AD[*:1] / FMT/DP) < 0.6',
        "LowQual": "",
    }

    project = joined(copy(*JOINED_FROM), filters)

    before, after = calls(plain[VCF]), calls(project[VCF])
    assert [(call.site, call.samples) for call in after] == [(call.site, call.samples) for call in before]
    heterozygous_only = {(s.contig, s.position) for s in PLANTED if (1, 1) not in (s.nasty, s.plain)}
    for call in after:
        snp = len(call.site[2]) == len(call.site[3])
        expected = {
            "Everything": True,
            "Snps": snp,
            "Braces": snp,
            "AlleleBalance": call.site[:2] in heterozygous_only,
            "IndelFraction": call.site[:2] == ("chr1", 2601),
        }
        assert set(call.filters.split(";")) == {name for name, marked in expected.items() if marked}, call
    header = output_of("bcftools", "view", "-h", project[VCF])
    assert set(re.findall("##FILTER=<ID=([^,]+),", header)) == {"PASS", *filters, "Overlap"} - {"LowQual"}


def test_defaults_stand_in_the_header(plain: Project) -> None:
    header = output_of("bcftools", "view", "-h", plain[VCF])

    assert set(re.findall("##FILTER=<ID=([^,]+),", header)) == {"PASS", *DEFAULT_FILTERS}


def test_wrong_filter_fails_with_the_message_of_bcftools(copy: Copy) -> None:
    project = copy(*JOINED_FROM)
    project.config["filters"] = {"Wrong": "NOSUCH > 3"}

    project.rule("variants", VCF).failed("exit codes of the parts of what failed", "NOSUCH")

    assert re.search("[^:]NOSUCH", project.log("variants/all"))
    assert not any(name.startswith("results/variants") for name in project.files())
    assert project.scratch() == []


def test_window_that_is_cut_short_fails_the_rule(copy: Copy) -> None:
    project = copy(*JOINED_FROM)
    window = project["results/calls/all/2.bcf"]
    window.write_bytes(window.read_bytes()[:-200])

    project.rule("variants", VCF).failed("exit codes of the parts of what failed")

    assert not project[VCF].exists()
