"""Join the samples that are called together in one VCF of their mitochondria, with a table of what was seen."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from terraflow_workflow.mitochondrion.alleles import BASES, Allele, Sample
from terraflow_workflow.mitochondrion.circle import read_sequence
from terraflow_workflow.mitochondrion.errors import CERTAIN, POWER, SUSPECTED
from terraflow_workflow.mitochondrion.filters import DESCRIPTIONS, Surroundings, filters_of
from terraflow_workflow.mitochondrion.links import Rare, is_second_genome
from terraflow_workflow.mitochondrion.pileup import Column
from terraflow_workflow.mitochondrion.reads import KEPT, MIN_BASE_QUALITY, REASONS
from terraflow_workflow.mitochondrion.sample import Evidence
from terraflow_workflow.reference.contigs import read_contigs

Key = tuple[int, str, str]
PASS = "PASS"
# Tags of FORMAT: ID, Number, Type, Description.
TAGS = (
    (
        *("GT", "1", "String"),
        "1: ALT is there, and nothing else is told from errors, or what is has filters (homoplasmy); 0/1: ALT and "
        "something else are there "
        "(heteroplasmy; AF says in which share); 0: ALT isn't told from errors; .: it could not have been",
    ),
    ("AF", "A", "Float", "Share of the reads that show ALT: its heteroplasmy"),
    ("AD", "R", "Integer", "Reads that show REF, ALT"),
    ("ADF", "R", "Integer", "Reads on the forward strand that show REF, ALT"),
    ("ADR", "R", "Integer", "Reads on the reverse strand that show REF, ALT"),
    (
        *("DP", "1", "Integer"),
        f"Reads with a base of quality {MIN_BASE_QUALITY} or more here; duplicates and NUMT-like reads are left out",
    ),
    (
        *("MINAF", "A", "Float"),
        f"Smallest AF of this ALT that would have been found here with probability {POWER}, by depth and error",
    ),
    (
        *("LINKED", "A", "Float"),
        "Share of the fragments with this ALT, if less than half of the reads show it, that show another rare allele "
        "of the sample, too: near 1 for a second sequence (NUMT, contamination, mixture) differing in several places, "
        "near 0 for a mutation",
    ),
    ("FT", "1", "String", "PASS or filters that speak against ALT in this sample; . where ALT isn't found"),
)
FORMAT = ":".join(name for name, *_ in TAGS)
# Heteroplasmies that pass the filters: one person hardly has more.
MANY = 8
# Reads that are left out as NUMT-like, by those that are kept.
MANY_FOREIGN = 0.01
COLUMNS = (
    "sample",
    "depth",
    "smallest fraction",
    "homoplasmies",
    "heteroplasmies",
    "reads kept",
    *REASONS,
    "remarks",
)


@dataclass(frozen=True)
class Genotype:
    """One sample's column of one record."""

    allele: Allele | None
    linked: float | None
    filters: tuple[str, ...]

    @property
    def is_found(self) -> bool:
        """Whether the allele is there, perhaps with filters."""
        return self.allele is not None and self.allele.surprise >= SUSPECTED

    @property
    def passes(self) -> bool:
        """Whether the allele is there, and no filter speaks against it."""
        return self.is_found and not self.filters

    @property
    def is_homoplasmic(self) -> bool:
        """Whether the allele is there, and no other."""
        return self.allele is not None and self.is_found and not self.allele.others

    def text(self) -> str:
        """Return the column in FORMAT."""
        allele = self.allele
        if allele is None or not allele.depth:
            return ".:.:.:.:.:0:.:.:."
        seen = "0" if allele.smallest_fraction is not None else "."
        genotype = ("1" if self.is_homoplasmic else "0/1") if self.is_found else seen
        alt, ref = allele.reads, allele.ref_reads
        least = "." if allele.smallest_fraction is None else f"{allele.smallest_fraction:.4f}"
        share = "." if self.linked is None or allele.fraction >= 0.5 else f"{self.linked:.2f}"
        filters = (";".join(self.filters) or PASS) if self.is_found else "."
        pairs = (
            f"{one},{other}"
            for one, other in ((ref.count, alt.count), (ref.forward, alt.forward), (ref.reverse, alt.reverse))
        )
        return ":".join([genotype, f"{allele.fraction:.4f}", *pairs, str(allele.depth), least, share, filters])


def others(sample: Sample, column: Column, alt: str, evidence: Evidence, around: Surroundings) -> bool:
    """Return whether another base than `alt` is there, too.

    It is told from errors, and, if fewer reads show it than `alt`, no filter speaks against it.
    """
    least = column.alleles[alt].count if alt in column.alleles else 0
    found = (sample.snv(column, base) for base in BASES if base != alt and base in column.alleles)
    return any(
        other.reads.count >= least
        or not filters_of(other, replace(around, linked=evidence.linked.get((column.position, other.alt))))
        for other in found
        if other.surprise >= CERTAIN
    )


def rare_fractions(sample: Sample, evidence: Evidence) -> dict[Rare, float]:
    """Return the shares of the reads that show the sample's rarer bases, as far as errors don't explain them."""
    rare = [sample.snv(evidence.snvs[position], base) for position, base in evidence.linked]
    return {(allele.position, allele.alt): allele.fraction for allele in rare if allele.surprise >= CERTAIN}


def judge(evidence: Evidence, keys: Iterable[Key], sequence: str) -> dict[Key, Genotype]:
    """Return a sample's genotype of each allele that some sample has."""
    sample = Sample(evidence.snvs, evidence.indels, sequence, evidence.errors)
    gaps: dict[Key, Allele] = {}
    for column in evidence.indels:
        for alt in column.alleles.keys() - {column.ref}:
            gap = sample.indel(column, alt)
            # Lines of mpileup that differ can be one allele when they are left-aligned.
            if gap.key not in gaps or gaps[gap.key].reads.count < gap.reads.count:
                gaps[gap.key] = gap
    judged = {}
    second_genome = is_second_genome(evidence.linked, rare_fractions(sample, evidence))
    around = Surroundings(sequence, evidence.nuclear_depth, None, second_genome, sample.own)
    for key in keys:
        position, ref, alt = key
        place = evidence.snvs.get(position)
        linked, found = None, gaps.get(key)
        if place and len(ref) == len(alt) == 1:
            linked = evidence.linked.get((position, alt))
            found = replace(sample.snv(place, alt), others=others(sample, place, alt, evidence, around))
        elif place and not found:
            found = sample.without_gap(place, ref, alt)
        suspected = found is not None and found.surprise >= SUSPECTED
        filters = filters_of(found, replace(around, linked=linked)) if found and suspected else []
        judged[key] = Genotype(found, linked, tuple(filters))
    return judged


def record(contig: str, key: Key, genotypes: list[Genotype]) -> str:
    """Return one line of the VCF. FILTER is PASS if the allele passes in a sample."""
    position, ref, alt = key
    quality = max(genotype.allele.surprise for genotype in genotypes if genotype.allele)
    against = {name for genotype in genotypes for name in genotype.filters}
    passes = any(genotype.passes for genotype in genotypes)
    filters = PASS if passes else ";".join(name for name in DESCRIPTIONS if name in against)
    fields = [contig, str(position), ".", ref, alt, f"{quality:.0f}", filters, ".", FORMAT]
    return "\t".join([*fields, *(genotype.text() for genotype in genotypes)]) + "\n"


def header(contigs: dict[str, int], contig: str | None, samples: list[str]) -> Iterator[str]:
    """Return the lines of the VCF's header."""
    yield "##fileformat=VCFv4.3\n"
    yield f"##mitochondrion={contig or 'none'}\n"
    yield f'##FILTER=<ID={PASS},Description="All filters passed">\n'
    yield from (f'##FILTER=<ID={name},Description="{text}">\n' for name, text in DESCRIPTIONS.items())
    yield from (f"##contig=<ID={name},length={length}>\n" for name, length in contigs.items())
    yield from (
        f'##FORMAT=<ID={name},Number={number},Type={kind},Description="{text}">\n' for name, number, kind, text in TAGS
    )
    yield "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]) + "\n"


def remarks(evidence: Evidence, genotypes: Iterable[Genotype]) -> Iterator[str]:
    """Return what a user should look at in a sample."""
    passing = [genotype for genotype in genotypes if genotype.passes and not genotype.is_homoplasmic]
    if len(passing) > MANY:
        shares = [min(found.allele.fraction, 1 - found.allele.fraction) for found in passing if found.allele]
        yield (
            f"{len(passing)} heteroplasmies, and a person has fewer (median share of the rarer allele "
            f"{median(shares):.3f}): look for contamination, a mixture, NUMTs"
        )
    foreign = evidence.reads["NUMT-like"]
    if not evidence.reads[KEPT]:
        yield "no reads: nothing could have been seen"
    elif foreign > MANY_FOREIGN * evidence.reads[KEPT]:
        yield f"{foreign} reads differ from the sample's mitochondrion as NUMTs do, and were left out"
    if evidence.reads["duplicate"] > evidence.reads[KEPT]:
        yield (
            f"{evidence.reads['duplicate']} reads, more than were kept, are marked as duplicates; in single reads "
            "deeper than their length, and in amplicons, most are none, and alignment.mark_duplicates: false keeps them"
        )


def row(name: str, evidence: Evidence, genotypes: list[Genotype]) -> list[str]:
    """Return a sample's line of the table."""
    passing = [genotype for genotype in genotypes if genotype.passes]
    same = sum(genotype.is_homoplasmic for genotype in passing)
    fraction = "." if evidence.smallest_fraction is None else f"{evidence.smallest_fraction:.4f}"
    reads = [str(evidence.reads[reason]) for reason in (KEPT, *REASONS)]
    numbers = [f"{evidence.depth:.1f}", fraction, str(same), str(len(passing) - same)]
    return [name, *numbers, *reads, "; ".join(remarks(evidence, genotypes))]


def main() -> None:
    """Run the command line of the rule `mitochondrion`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", required=True, nargs="+")
    parser.add_argument("--evidence", required=True, type=Path, help="list of the samples' files, in the same order")
    parser.add_argument("--fai", required=True, help="index of the reference")
    parser.add_argument("--fasta", required=True, type=Path, help="FASTA of the contig, if there is one")
    parser.add_argument("--contig", default="", help="the mitochondrion; empty if the reference has none")
    parser.add_argument("--out", required=True, type=Path, help="VCF")
    parser.add_argument("--out-table", required=True, type=Path)
    options = parser.parse_args()
    contigs = read_contigs(options.fai)
    paths = [Path(line) for line in options.evidence.read_text().splitlines()]
    keys: list[Key] = []
    rows: list[list[str]] = []
    judged: list[dict[Key, Genotype]] = []
    if options.contig:
        sequence = read_sequence(options.fasta, options.contig)
        keys = sorted({key for path in paths for key in Evidence.read(path).suspects})
        for name, path in zip(options.samples, paths, strict=True):
            evidence = Evidence.read(path)
            judged.append(judge(evidence, keys, sequence))
            rows.append(row(name, evidence, list(judged[-1].values())))
    with options.out.open("w") as out:
        out.writelines(header(contigs, options.contig or None, options.samples))
        out.writelines(record(options.contig, key, [found[key] for found in judged]) for key in keys)
    options.out_table.write_text("".join("\t".join(line) + "\n" for line in [list(COLUMNS), *rows]))


if __name__ == "__main__":
    main()
