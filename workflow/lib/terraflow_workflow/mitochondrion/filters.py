"""What speaks against an allele: the filters of the mitochondrion, by the names that the VCF has them under."""

import math
from dataclasses import dataclass

from terraflow_workflow.mitochondrion.alleles import Allele
from terraflow_workflow.mitochondrion.errors import CERTAIN, surprise

# A strand shows the allele less than a quarter as often as the other, by more than chance.
STRAND_RATIO, STRAND_CHANCE = 0.25, 1e-3
# Reads of a nuclear copy on both chromosomes: no more than its depth gives in 99 of 100 places. GATK's NuMTFilter tests
# this, with twice as many copies, for all alleles; here, links have to speak for a copy, too. Where the reference holds
# no other contig, or hardly any reads lie there (it is a control such as phiX, or mitochondria were captured), a copy's
# share is taken to be below a tenth.
NUMT_CHANCE, NUMT_SHARE, NUMT_DEPTH = 0.01, 0.1, 1
LINKED = 0.5
# Copying errors of polymerases lengthen and shorten such repeats in every tube.
REPEAT_COPIES, REPEAT_BASES = 5, 6
NEAR_N = 2

DESCRIPTIONS = {
    "LowEvidence": f"Errors could show the allele so often, at one of the contig's sites: QUAL below {CERTAIN}",
    "StrandBias": "One strand shows the allele, beside all others, less than a quarter as often as the other (Fisher's "
    f"exact test, P < {STRAND_CHANCE})",
    "NUMT": "Most fragments show another rare allele, too; such alleles, and others of their share, lie in few parts "
    "of the contig; and reads are no more than a nuclear copy (NUMT) gives at the depth of the other contigs (Poisson, "
    f"99 %), or, where those have a mean depth below {NUMT_DEPTH} or there are none, less than {NUMT_SHARE:.0%} of all",
    "Repeat": f"Insertion or deletion in a repeat of {REPEAT_COPIES} or more copies and {REPEAT_BASES} or more bases, "
    "in less than half of the reads: polymerases make such ones",
    "ReferenceN": f"The reference has an N within {NEAR_N} bases, such as the placeholder 3107 of the human rCRS",
}


@dataclass(frozen=True)
class Surroundings:
    """What an allele is judged by beside its own reads: the contig, the other contigs' mean depth, links (links.py).

    `nuclear_depth` is None if the reference has no other contig. `own` is the contig with the sample's own bases.
    """

    sequence: str
    nuclear_depth: float | None
    linked: float | None
    second_genome: bool = False
    own: str = ""


def filters_of(allele: Allele, around: Surroundings) -> list[str]:
    """Return the names of the filters that speak against an allele; none if all is well."""
    verdicts = {
        "LowEvidence": allele.surprise < CERTAIN,
        "StrandBias": is_one_sided(allele),
        "NUMT": is_numt(allele, around),
        "Repeat": allele.fraction < 0.5 and in_repeat(allele, around.own or around.sequence),
        "ReferenceN": near_n(allele, around.sequence),
    }
    return [name for name in DESCRIPTIONS if verdicts[name]]


def is_one_sided(allele: Allele) -> bool:
    """Return whether the strands disagree about the allele's share."""
    alt, ref = allele.reads, allele.rest
    if not alt.forward + ref.forward or not alt.reverse + ref.reverse:
        return False
    shares = alt.forward / (alt.forward + ref.forward), alt.reverse / (alt.reverse + ref.reverse)
    if min(shares) >= STRAND_RATIO * max(shares):
        return False
    return fisher(alt.forward, ref.forward, alt.reverse, ref.reverse) < STRAND_CHANCE


def is_numt(allele: Allele, around: Surroundings) -> bool:
    """Return whether an allele may come from a nuclear copy that the reference doesn't hold."""
    if allele.fraction >= 0.5 or (around.linked or 0) < LINKED or around.second_genome:
        return False
    if around.nuclear_depth is None or around.nuclear_depth < NUMT_DEPTH:
        return allele.fraction < NUMT_SHARE
    return allele.reads.count <= most_nuclear(around.nuclear_depth)


def fisher(a: int, b: int, c: int, d: int) -> float:
    """Return the two-sided P of Fisher's exact test of the table [[a, b], [c, d]]."""
    row, column, total = a + b, a + c, a + b + c + d

    def log_chance(x: int) -> float:
        return _log_choose(column, x) + _log_choose(total - column, row - x) - _log_choose(total, row)

    own = log_chance(a) + 1e-7
    range_ = range(max(0, row + column - total), min(row, column) + 1)
    return min(1.0, sum(math.exp(log) for x in range_ if (log := log_chance(x)) <= own))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def most_nuclear(depth: float) -> int:
    """Return the most reads, in 99 of 100 places, of a nuclear copy at this mean depth."""
    if depth <= 0:
        return 0
    count = math.ceil(depth)
    while surprise(count + 1, depth, 0.0) < -10 * math.log10(NUMT_CHANCE):
        count += 1
    return count


def in_repeat(allele: Allele, sequence: str) -> bool:
    """Return whether an insertion or deletion lengthens or shortens a repeat of the sample's own sequence.

    It stands as far left as the reference lets it. The repeat goes on to the left where the sample has one that the
    reference lacks, as behind 16189T>C of the human mitochondrion; what is deleted is then the sample's bases.
    """
    longer, shorter = sorted((allele.ref, allele.alt), key=len, reverse=True)
    if len(longer) == len(shorter) or not longer.startswith(shorter):
        return False
    start = allele.position + len(shorter) - 1
    changed = longer[len(shorter) :]
    unit = smallest_unit(sequence[start : start + len(changed)] if longer == allele.ref else changed)
    copies = 0
    while sequence[start + copies * len(unit) : start + (copies + 1) * len(unit)] == unit:
        copies += 1
    while start >= len(unit) and sequence[start - len(unit) : start] == unit:
        copies, start = copies + 1, start - len(unit)
    return copies >= REPEAT_COPIES and copies * len(unit) >= REPEAT_BASES


def smallest_unit(text: str) -> str:
    """Return the shortest sequence that `text` is copies of."""
    return next(
        text[:size]
        for size in range(1, len(text) + 1)
        if len(text) % size == 0 and text[:size] * (len(text) // size) == text
    )


def near_n(allele: Allele, sequence: str) -> bool:
    """Return whether the reference has an N in the allele or near it."""
    start = max(0, allele.position - 1 - NEAR_N)
    return "N" in sequence[start : allele.position - 1 + len(allele.ref) + NEAR_N]
