"""Which fragments show several of a sample's rarer alleles: the sign of a second sequence, not of one mutation.

A NUMT, another person's DNA, or a mixture that was made on purpose differ from the sample's mitochondrion in many
places, and thus often in several places of one fragment. A heteroplasmy of one person is mostly alone.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median

import pysam

from terraflow_workflow.mitochondrion.reads import MIN_BASE_QUALITY

Rare = tuple[int, str]  # a place of the contig, 1-based, and a base that less than half of the reads show
DEEPEST = 10_000_000
# Rare alleles of a second person lie all around the circle, in this number of kilobases at least; those of a NUMT
# lie in one or two, which is what most of them hold.
PARTS, PART = 5, 1000
# Alleles speak for it if this share of their fragments shows another rare one, too, or if they are about as common as
# those that do: the second genome has one share. Errors, and heteroplasmies of the sample itself, are alone, and have
# any share. Two people's differences are often too far apart for one fragment.
SECOND, LIKE = 0.1, 1.5


def fragments_of(alignments: Path, contig: str, alleles: Mapping[Rare, Rare]) -> dict[Rare, set[str]]:
    """Return the names of the fragments that show each allele.

    `alleles` maps alleles of the contig to place and base in `alignments`, a BAM with an index.
    """
    found: dict[Rare, set[str]] = {}
    with pysam.AlignmentFile(str(alignments)) as bam:
        for allele, (position, base) in alleles.items():
            names = found.setdefault(allele, set())
            for column in bam.pileup(
                contig,
                position - 1,
                position,
                truncate=True,
                stepper="nofilter",
                min_base_quality=MIN_BASE_QUALITY,
                max_depth=DEEPEST,
            ):
                bases = column.get_query_sequences()
                names.update(
                    name for name, shown in zip(column.get_query_names(), bases, strict=True) if shown.upper() == base
                )
    return found


def linked(fragments: Mapping[Rare, Iterable[str]]) -> dict[Rare, float]:
    """Return, for each allele, the share of its fragments that show a rare allele of another place, too."""
    places: dict[str, set[int]] = {}
    for (position, _), names in fragments.items():
        for name in names:
            places.setdefault(name, set()).add(position)
    shares = {}
    for allele, names in fragments.items():
        whole = set(names)
        shares[allele] = sum(len(places[name]) > 1 for name in whole) / len(whole) if whole else 0.0
    return shares


def is_second_genome(links: Mapping[Rare, float], fractions: Mapping[Rare, float]) -> bool:
    """Return whether rare alleles lie in so many parts of the contig that they are a second genome and no NUMT.

    `links` is what `linked` returns; `fractions` has the share of the reads of those alleles that errors don't explain.
    """
    together = {allele for allele, share in links.items() if share >= SECOND}
    known = [fractions[allele] for allele in together if allele in fractions]
    typical = median(known) if known else 0.0
    alike = {allele for allele, fraction in fractions.items() if typical / LIKE <= fraction <= typical * LIKE}
    return len({position // PART for position, _ in together | alike}) >= PARTS
