"""The planted variants: sites that reads can tell apart, at a distance from each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random

from simulation import SimulationError
from simulation.genome import END_MARGIN, Contig, Gene
from simulation.plan import Plan
from simulation.sequence import other_bases, overlaps, random_bases

SPACING = 60  # bp kept free on both sides of a variant
MAX_INDEL = 12  # bp
MAX_EXTENT = 12  # bp, length of an indel plus how far it can slide: reads ending there do not show it
FLANK, MIN_DIFFERENCES = 8, 4  # bp beside a deletion, and how many of them differ from what is deleted

Genotype = tuple[int, int]


@dataclass(frozen=True)
class Site:
    """A planted variant; genotypes hold, for each sample, the allele of both haplotypes."""

    contig: str
    pos: int
    ref: str
    alts: tuple[str, ...]
    genotypes: tuple[Genotype, ...]


def plant_variants(rng: Random, plan: Plan, contigs: list[Contig], genes: list[Gene]) -> list[Site]:
    """Plant the variants of a plan, coding ones first, and return them in genome order."""
    planter = Planter(rng, contigs, genes)
    coding_snps = 2 * len(genes)
    for _ in range(coding_snps):
        planter.plant("snp", coding=True)
    planter.plant("deletion", coding=True, length=3)
    planter.plant("insertion", coding=True, length=1)
    planter.plant_multiallelic(((0, 1), (2, 2)))
    planter.plant_multiallelic(((1, 2), (0, 0)))
    left = {
        "snp": plan.snps - coding_snps - 2,
        "insertion": plan.insertions - 1,
        "deletion": plan.deletions - 1,
    }
    for kind, count in left.items():
        for _ in range(count):
            planter.plant(kind)
    for _ in range(plan.both_alleles):
        planter.plant_multiallelic(((1, 2), (0, 2)))
        planter.plant_indel_and_other(((2, 1), (0, 1)))
    order = [name for name, _ in plan.contigs]
    return sorted(planter.sites, key=lambda site: (order.index(site.contig), site.pos))


class Planter:
    """Chooses sites that reads can tell apart and keeps them at a distance from each other."""

    def __init__(self, rng: Random, contigs: list[Contig], genes: list[Gene]) -> None:
        """Remember sequence, repeats and coding parts of the contigs."""
        self.rng = rng
        self.sequences = {contig.name: "".join(contig.bases) for contig in contigs}
        self.blocked = {contig.name: list(contig.ambiguous) for contig in contigs}
        self.coding = [(gene.contig, start, end) for gene in genes for start, end in gene.cds]
        self.patterns = genotype_patterns(rng)
        self.sites: list[Site] = []

    def position(self, coding: bool) -> tuple[str, int]:
        """Draw a contig and a position away from its ends."""
        names = list(self.sequences)
        if coding:
            name, start, end = self.rng.choice(self.coding)
            return name, self.rng.randrange(start + 3, end - 3)
        name = self.rng.choices(names, [len(self.sequences[name]) for name in names])[0]
        return name, self.rng.randrange(END_MARGIN, len(self.sequences[name]) - END_MARGIN)

    def plant(self, kind: str, coding: bool = False, length: int | None = None) -> None:
        """Add one variant with two alleles; raise SimulationError when no site suits."""
        for _ in range(5000):
            name, at = self.position(coding)
            sequence = self.sequences[name]
            pos, ref, alt = draw_variant(self.rng, kind, sequence, at, length or indel_length(self.rng))
            shift = shift_room(sequence, pos, ref, alt)
            start, end = pos - SPACING, pos + len(ref) + shift + SPACING
            clear = abs(len(alt) - len(ref)) + shift <= MAX_EXTENT and stands_out(sequence, pos, ref, alt, shift)
            if clear and not overlaps(start, end, self.blocked[name]):
                self.blocked[name].append((pos, pos + len(ref) + shift))
                self.sites.append(Site(name, pos, ref, (alt,), next(self.patterns)))
                return
        raise SimulationError(f"no place left for another {kind}")

    def plant_multiallelic(self, genotypes: tuple[Genotype, ...]) -> None:
        """Add a substitution with two alternative alleles."""
        self.plant("snp")
        site = self.sites.pop()
        alts = tuple(self.rng.sample(list(other_bases(site.ref)), 2))
        self.sites.append(replace(site, alts=alts, genotypes=genotypes))

    def plant_indel_and_other(self, genotypes: tuple[Genotype, ...]) -> None:
        """Add a deletion with a second alternative allele, which lacks the first half of the deleted bases."""
        while True:
            self.plant("deletion", length=self.rng.choice((2, 4, 6)))
            site = self.sites.pop()
            half = site.ref[: 1 + (len(site.ref) - 1) // 2]
            # Both are one site only if they are written at one position.
            if left_align(self.sequences[site.contig], site.pos, half, half[0])[0] == site.pos:
                other = site.ref[0] + site.ref[len(half) :]
                self.sites.append(replace(site, alts=(site.alts[0], other), genotypes=genotypes))
                return


def genotype_patterns(rng: Random) -> Iterator[tuple[Genotype, ...]]:
    """Yield genotypes of the two samples, endlessly: private and shared, heterozygous and homozygous."""
    het, hom, none = (0, 1), (1, 1), (0, 0)
    for pair in cycle([(het, none), (none, hom), (het, het), (none, het), (hom, none), (het, hom), (hom, hom)]):
        yield tuple(genotype[::-1] if rng.random() < 0.5 else genotype for genotype in pair)


# --- single variants -------------------------------------------------------------------------------


def draw_variant(rng: Random, kind: str, sequence: str, pos: int, length: int) -> tuple[int, str, str]:
    """Draw a left-aligned variant of a kind (snp, insertion, deletion) at or near a position."""
    base = sequence[pos]
    if kind == "snp":
        return pos, base, rng.choice(other_bases(base))
    if kind == "deletion":
        return left_align(sequence, pos, sequence[pos : pos + length + 1], base)
    tandem = rng.random() < 0.4
    inserted = sequence[pos + 1 : pos + 1 + length] if tandem else random_bases(rng, length)
    return left_align(sequence, pos, base, base + inserted)


def indel_length(rng: Random) -> int:
    """Draw a length in bp; short ones are the most frequent."""
    lengths = range(1, MAX_INDEL + 1)
    return rng.choices(lengths, [1 / length for length in lengths])[0]


def left_align(sequence: str, pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Return the leftmost, shortest equivalent of a variant, as `bcftools norm` writes it."""
    while ref[-1] == alt[-1] and (pos > 0 or min(len(ref), len(alt)) > 1):
        ref, alt = ref[:-1], alt[:-1]
        if not ref or not alt:
            pos -= 1
            ref, alt = sequence[pos] + ref, sequence[pos] + alt
    while ref[0] == alt[0] and min(len(ref), len(alt)) > 1:
        ref, alt, pos = ref[1:], alt[1:], pos + 1
    return pos, ref, alt


def shift_room(sequence: str, pos: int, ref: str, alt: str) -> int:
    """Count the bases that a left-aligned indel can slide to the right; 0 for a substitution."""
    moved = (ref if len(ref) > len(alt) else alt)[1:]
    if not moved:
        return 0
    after = sequence[pos + len(ref) :]
    return next((i for i, base in enumerate(after) if base != moved[i % len(moved)]), len(after))


def stands_out(sequence: str, pos: int, ref: str, alt: str, shift: int) -> bool:
    """Tell whether a deletion's flanks, laid over the deleted bases, differ enough to show a read's place."""
    size = len(ref) - len(alt)
    if size <= 0:
        return True
    for start in (pos + 1 - FLANK, pos + 1 + shift):
        kept, shifted = sequence[start : start + FLANK], sequence[start + size : start + size + FLANK]
        if sum(a != b for a, b in zip(kept, shifted, strict=True)) < MIN_DIFFERENCES:
            return False
    return True
