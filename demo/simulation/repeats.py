"""Short tandem repeats: where they are, what people differ in there, and what polymerases make of them.

A polymerase slips at a repeat: the molecule has a unit less or more than its template, and all reads of it do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from simulation.genome import END_MARGIN, Contig
from simulation.sequence import BASES, other_bases
from simulation.variants import Genotype, Site

UNITS = {1: (6, 18), 2: (4, 16), 3: (4, 11), 4: (3, 9), 5: (3, 7), 6: (3, 6)}
"""Fewest and most copies of a unit, by its length in bases."""
WEIGHTS = (45, 25, 9, 11, 6, 4)
"""Loci by length of the unit: homopolymers are nearly half of them."""
SHARE_OF_VARIANT_LOCI = 0.7
SHARE_OF_SNPS = 0.5
"""Places between two loci with a SNP."""
SHARE_OF_TWO_ALLELES = 0.15
"""Of the variant loci: both haplotypes differ from the reference, and from each other."""

FOUND = re.compile("|".join(rf"([ACGT]{{{unit}}})\{unit}{{{fewest - 1},}}" for unit, (fewest, _) in UNITS.items()))
SLIPS = {
    1: (0.001, 6, 1.5),
    2: (0.002, 5, 3.0),
    3: (0.001, 5, 3.5),
    4: (0.001, 4, 3.5),
    5: (0.001, 4, 3.5),
    6: (0.001, 4, 3.5),
}
"""By length of the unit: share of molecules with a slip, at so many copies, and how many copies more double it.

These are assumptions: slips are rarer the longer the unit, grow with the copies, and one of four molecules of 18 A has
one."""
MOST_SLIPS = 0.4
LOST = 0.7
"""Share of slips that lose units; the others gain them."""
ONE_UNIT = 0.9
"""Share of slips by one unit; of the others, the same share is by two, and so on."""


@dataclass(frozen=True)
class Repeat:
    """Copies of a unit in a sequence, from `start` to `end`."""

    start: int
    end: int
    unit: str

    def slip_rate(self) -> float:
        """Return the share of molecules with another number of units than their template."""
        rate, copies, doubling = SLIPS[len(self.unit)]
        return min(MOST_SLIPS, rate * 2 ** ((self.copies - copies) / doubling))

    @property
    def copies(self) -> int:
        """Return the number of whole units."""
        return (self.end - self.start) // len(self.unit)


def repeats_of(sequence: str) -> list[Repeat]:
    """Return the short tandem repeats of a sequence, in its order; each is found once, by its shortest unit."""
    return [
        Repeat(match.start(), match.end(), next(unit for unit in match.groups() if unit))
        for match in FOUND.finditer(sequence)
    ]


def plant_in_repeats(rng: Random, per_10kb: int, contigs: list[Contig]) -> list[Site]:
    """Write repeats over the contigs, plant variants of their length, and SNPs between them; return the sites."""
    sites: list[Site] = []
    step = 10_000 // per_10kb
    for contig in contigs:
        for at in range(END_MARGIN, len(contig.bases) - END_MARGIN - step, step):
            locus = write_repeat(rng, contig, at + rng.randrange(step // 6))
            alleles = draw_alleles(rng, locus)
            if any(alleles):
                sites.append(site_of(contig, locus, alleles))
            if rng.random() < SHARE_OF_SNPS:
                pos = at + step * 2 // 3
                ref = contig.bases[pos]
                genotype = rng.choice([(0, 1), (1, 0), (1, 1)])
                sites.append(Site(contig.name, pos, ref, (rng.choice(other_bases(ref)),), (genotype, (0, 0))))
    return sites


def write_repeat(rng: Random, contig: Contig, start: int) -> Repeat:
    """Write a random repeat over a contig; the bases beside it don't continue it."""
    size = rng.choices(tuple(UNITS), WEIGHTS)[0]
    unit = "".join(rng.sample(BASES, size)) if size <= len(BASES) else BASES + "".join(rng.sample("CGT", size - 4))
    fewest, most = UNITS[size]
    # Long ones are rarer.
    sequence = unit * (fewest + min(rng.randint(0, most - fewest), rng.randint(0, most - fewest)))
    contig.write(start - 1, rng.choice(other_bases(unit[-1])) + sequence + rng.choice(other_bases(unit[0])))
    return Repeat(start, start + len(sequence), unit)


def site_of(contig: Contig, locus: Repeat, alleles: tuple[int, int]) -> Site:
    """Return the variant of a repeat that differs by `alleles` units in the two haplotypes of the first sample."""
    before = contig.bases[locus.start - 1]
    lost = max(0, *(-size for size in alleles))
    sizes = sorted({size for size in alleles if size})
    genotype: Genotype = tuple(sizes.index(size) + 1 if size else 0 for size in alleles)  # type: ignore[assignment]
    alts = tuple(before + locus.unit * (lost + size) for size in sizes)
    return Site(contig.name, locus.start - 1, before + locus.unit * lost, alts, (genotype, (0, 0)))


def draw_alleles(rng: Random, locus: Repeat) -> tuple[int, int]:
    """Draw by how many units each of two haplotypes differs from the reference."""
    if rng.random() >= SHARE_OF_VARIANT_LOCI:
        return 0, 0
    sizes = [size for size in (-3, -2, -1, 1, 2, 3) if locus.copies + size >= 2]
    weights = [4 ** -abs(size) for size in sizes]
    one = rng.choices(sizes, weights)[0]
    if rng.random() < SHARE_OF_TWO_ALLELES:
        return one, rng.choice([size for size in sizes if size != one and abs(size) < 3])
    return rng.choice([(one, one), (one, 0), (0, one)])


def slips(rng: Random, repeats: list[Repeat]) -> Iterator[tuple[Repeat, int]]:
    """Yield the repeats at which a molecule slips, and by how many units."""
    for repeat in repeats:
        if rng.random() < repeat.slip_rate():
            size = 1
            while rng.random() >= ONE_UNIT and size < repeat.copies - 1:
                size += 1
            yield repeat, -size if rng.random() < LOST else size
