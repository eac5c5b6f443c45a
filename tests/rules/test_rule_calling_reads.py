"""Which reads go into calling: those of pairs of any distance and orientation, each left out for a reason that is told."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import (
    GENOME,
    NO_DISK_IN_COMMON,
    PLAIN,
    Fragment,
    Project,
    Read,
    Site,
    calls,
    fasta,
    fragments,
    genotypes,
    planted_genotypes,
    reverse_complement,
    text_of,
)

VCF = "results/variants/all.vcf.gz"
CALLING = "ploidy windows filters bcftools_call variants"


def changed(read: Read, sequence: str) -> Read:
    return Read(read.name, sequence, "I" * len(sequence))


def turned(read: Read) -> Read:
    return changed(read, reverse_complement(read.sequence))


def with_mates_elsewhere(pairs: list[Fragment]) -> list[Fragment]:
    """First reads with the second read of a fragment far away, often on another contig."""
    half = len(pairs) // 2
    seconds = [second for _, second in pairs[half:] + pairs[:half]]
    return [(first, changed(Read(first.name, "", ""), second.sequence)) for (first, _), second in zip(pairs, seconds)]


# Libraries of the same fragments, by what is wrong with their pairs.
LIBRARIES: dict[str, Callable[[list[Fragment]], list[Fragment]]] = {
    "second_failed": lambda pairs: [(a, changed(b, "N" * len(b.sequence))) for a, b in pairs],
    "second_of_one_base": lambda pairs: [(a, changed(b, b.sequence[:1])) for a, b in pairs],
    "same_strand": lambda pairs: [(a, turned(b)) for a, b in pairs],
    "same_strand_of_some": lambda pairs: [(a, turned(b) if i % 3 == 0 else b) for i, (a, b) in enumerate(pairs)],
    "outward": lambda pairs: [(turned(a), turned(b)) for a, b in pairs],
    "elsewhere": with_mates_elsewhere,
}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One sample for each library, all of them with the variants of PLAIN, called together."""
    project = Project(
        tmp_path_factory.mktemp("libraries"), {"reference": {"fasta": "ref.fa"}, "calling": {"windows": 3}}
    )
    project.write("ref.fa", fasta(GENOME))
    pairs = [mates for mates in fragments(PLAIN) if not mates[0].name.endswith(":dup")]
    for name, library in LIBRARIES.items():
        files = [
            project.write(f"reads/{name}_{mate}.fastq", text_of(reads))
            for mate, reads in enumerate(zip(*library(pairs), strict=True), start=1)
        ]
        project.add(name, "L1", *files)
    project.snakemake(VCF).succeeded()
    return project


def expected_of_plain() -> dict[Site, str]:
    """The genotypes of PLAIN where it has a variant."""
    return {site: gts[1] for site, gts in planted_genotypes().items() if "1" in gts[1]}


@pytest.mark.parametrize("library", LIBRARIES)
def test_variants_are_found_whatever_the_pairs_look_like(libraries: Project, library: str) -> None:
    place = list(LIBRARIES).index(library)

    assert {site: gts[place] for site, gts in genotypes(calls(libraries[VCF])).items()} == expected_of_plain()


def test_slices_yield_the_same_calls_of_pairs_that_reach_beyond_them(libraries: Project) -> None:
    whole = calls(libraries[VCF])

    libraries.rule(f"{CALLING} slices", VCF, options=[*NO_DISK_IN_COMMON, "--forcerun", "bcftools_call"]).succeeded()

    assert len(libraries.files("results/slices")) == 3 * len(LIBRARIES)
    assert calls(libraries[VCF]) == whole
