"""Which reads go into calling: those of pairs of any distance and orientation; the others are counted by reason."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from project import NO_DISK_IN_COMMON, Project
from readers import alignments, calls, genotypes, read_json, table
from tiny import (
    GENOME,
    PLAIN,
    Fragment,
    Read,
    Site,
    fasta,
    fragments,
    pair,
    planted_genotypes,
    reverse_complement,
    text_of,
)

from shared import output_of

VCF = "results/variants/all.vcf.gz"
TABLE = "results/qc/calling_reads.tsv"
GENOME_FA = "results/reference/genome.fa"
CALLING = "ploidy windows filters bcftools_call variants"


def changed(read: Read, sequence: str) -> Read:
    return Read(read.name, sequence, "I" * len(sequence))


def turned(read: Read) -> Read:
    return changed(read, reverse_complement(read.sequence))


def with_mates_elsewhere(pairs: list[Fragment]) -> list[Fragment]:
    """First reads with the second read of a fragment far away, often on another contig."""
    half = len(pairs) // 2
    seconds = [second for _, second in pairs[half:] + pairs[:half]]
    return [
        (first, changed(Read(first.name, "", ""), second.sequence))
        for (first, _), second in zip(pairs, seconds, strict=True)
    ]


# Libraries of the same fragments, named after the fault of their pairs.
LIBRARIES: dict[str, Callable[[list[Fragment]], list[Fragment]]] = {
    "second_failed": lambda pairs: [(a, changed(b, "N" * len(b.sequence))) for a, b in pairs],
    "second_of_one_base": lambda pairs: [(a, changed(b, b.sequence[:1])) for a, b in pairs],
    "same_strand": lambda pairs: [(a, turned(b)) for a, b in pairs],
    "same_strand_of_some": lambda pairs: [(a, turned(b) if i % 3 == 0 else b) for i, (a, b) in enumerate(pairs)],
    "outward": lambda pairs: [(turned(a), turned(b)) for a, b in pairs],
    "elsewhere": with_mates_elsewhere,
}


def copies(pairs: list[Fragment]) -> list[Fragment]:
    """One fragment again and again."""
    return [pair(str(number), *(read.sequence for read in pairs[0])) for number in range(40)]


def foreign(pairs: list[Fragment]) -> list[Fragment]:
    """As many reads of another genome as of this one, as single ends of pairs."""
    bases = Random("foreign")
    return [
        mates if number % 2 else pair(str(number), *("".join(bases.choices("ACGT", k=100)) for _ in mates))
        for number, mates in enumerate(pairs[:60])
    ]


# Libraries whose reads cover few of the variants.
WITHOUT_VARIANTS = {"copies": copies, "foreign": foreign}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One sample for each library, with the variants of PLAIN, called together."""
    project = Project(
        tmp_path_factory.mktemp("libraries"), {"reference": {"fasta": "ref.fa"}, "calling": {"windows": 3}}
    )
    project.write("ref.fa", fasta(GENOME))
    pairs = [mates for mates in fragments(PLAIN) if not mates[0].name.endswith(":dup")]
    for name, library in (LIBRARIES | WITHOUT_VARIANTS).items():
        files = [
            project.write(f"reads/{name}_{mate}.fastq", text_of(reads))
            for mate, reads in enumerate(zip(*library(pairs), strict=True), start=1)
        ]
        project.add(name, "L1", *files)
    project.snakemake(VCF).succeeded()
    return project


def expected_of_plain() -> dict[Site, str]:
    """Return the genotypes of PLAIN where it has a variant."""
    return {site: gts[1] for site, gts in planted_genotypes().items() if "1" in gts[1]}


@pytest.mark.parametrize("library", LIBRARIES)
def test_variants_are_found_whatever_the_pairs_look_like(libraries: Project, library: str) -> None:
    place = list(LIBRARIES).index(library)

    assert {site: gts[place] for site, gts in genotypes(calls(libraries[VCF])).items()} == expected_of_plain()


def test_slices_yield_the_same_calls_of_pairs_that_reach_beyond_them(libraries: Project) -> None:
    whole = calls(libraries[VCF])

    libraries.rule(f"{CALLING} slices", VCF, options=[*NO_DISK_IN_COMMON, "--forcerun", "bcftools_call"]).succeeded()

    assert len(libraries.files("results/slices")) == 3 * len(LIBRARIES | WITHOUT_VARIANTS)
    assert calls(libraries[VCF]) == whole


# --- calling_reads ---------------------------------------------------------------------------------

SAMPLES = (*LIBRARIES, *WITHOUT_VARIANTS)
OUT_OF_CALLING = ("unaligned", "secondary", "quality fail", "duplicate", "low mapping quality")


@pytest.fixture(scope="module")
def counted(libraries: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """Count the libraries' reads with a higher mapping quality and a lower depth; return the project and the output."""
    project = libraries.copy(tmp_path_factory.mktemp("counted"), "reference", "alignments", "reads")
    project.config["calling"] |= {"min_mapping_quality": 50, "max_depth": 35}
    return project, project.rule("windows samtools_stats calling_reads", TABLE).succeeded().text


def row_of(project: Project, sample: str) -> dict[str, str]:
    return next(row for row in table(project[TABLE]) if row["sample"] == sample)


def cram(project: Project, sample: str) -> Path:
    return project[f"results/alignments/{sample}.cram"]


@pytest.mark.parametrize("sample", SAMPLES)
def test_called_and_left_out_are_all_that_the_alignments_hold(counted: tuple[Project, str], sample: str) -> None:
    project, _ = counted
    row, records = row_of(project, sample), alignments(cram(project, sample), project[GENOME_FA])

    assert int(row["records"]) == len(records)
    assert int(row["into calling"]) + sum(int(row[reason]) for reason in OUT_OF_CALLING) == len(records)
    assert int(row["reads"]) == read_json(project[f"results/reads/{sample}/L1.counts.json"])["reads"]
    assert int(row["unaligned"]) == sum(bool(record.flag & 0x4) for record in records)
    assert int(row["duplicate"]) == sum(record.flag & 0x404 == 0x400 for record in records)


@pytest.mark.parametrize("sample", SAMPLES)
def test_into_calling_goes_what_a_pileup_shows(counted: tuple[Project, str], sample: str) -> None:
    project, _ = counted
    options = ["-A", "-B", "-x", "-Q", "0", "-q", "50", "-d", "0", "--output-extra", "QNAME,FLAG"]
    pileup = output_of("samtools", "mpileup", *options, "-f", project[GENOME_FA], cram(project, sample))
    seen = {
        record
        for line in pileup.splitlines()
        for record in zip(*(field.split(",") for field in line.split("\t")[6:8]), strict=True)
    }

    assert int(row_of(project, sample)["into calling"]) == len(seen - {("*", "*")})


# Words of the warning of each sample that has one.
REMARKS = {
    "second_failed": "50.0 % of the reads align nowhere",
    "second_of_one_base": "50.0 % of the reads align nowhere",
    "foreign": "50.0 % of the reads align nowhere",
    "copies": "",
    "outward": "reads lie over one base, and calling takes no more than calling.max_depth, 35",
}


@pytest.mark.parametrize("sample", REMARKS)
def test_end_of_the_run_warns_of_losses_but_not_of_duplicates(counted: tuple[Project, str], sample: str) -> None:
    project, printed = counted
    warnings = [line for line in printed.splitlines() if line.startswith(f"WARNING: sample {sample}: ")]

    assert len(warnings) == bool(REMARKS[sample])
    assert all(REMARKS[sample] in line and TABLE in line for line in warnings)
    assert REMARKS[sample] in row_of(project, sample)["remarks"]
    if sample == "copies":
        assert int(row_of(project, sample)["duplicate"]) == 78
