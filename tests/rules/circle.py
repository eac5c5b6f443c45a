"""Reads of a small genome with a circular contig: planted heteroplasmies, nuclear copies of the contig, duplicates."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tiny import Fragment, pair, reverse_complement

READ = 100
CHROMOSOME, CIRCLE, LAST = "chr1", "MT", "chr2"
DEPTH, NUCLEAR_DEPTH = 300, 20
DUPLICATES = 12


@dataclass(frozen=True)
class Planted:
    """An allele that the copies from `first` on, of all in [0, 1), have: `share` of them. Places are 1-based."""

    position: int
    ref: str
    alt: str
    share: float
    first: float = 0.0

    def in_copy(self, copy: float) -> bool:
        return self.first <= copy < self.first + self.share


def sequence_of(name: str, length: int) -> str:
    return "".join(Random(name).choices("ACGT", k=length))


# The circle stands in the middle, as in many references: a window of calling holds bases before and behind it.
GENOME = {CHROMOSOME: sequence_of("nuclear", 3000), CIRCLE: sequence_of("circle", 2000), LAST: sequence_of("last", 900)}
ANOTHER = {"A": "G", "C": "T", "G": "A", "T": "C"}


def snv(position: int, share: float, first: float = 0.0) -> Planted:
    ref = GENOME[CIRCLE][position - 1]
    return Planted(position, ref, ANOTHER[ref], share, first)


def deletion(position: int, length: int, share: float) -> Planted:
    ref = GENOME[CIRCLE][position - 1 : position + length]
    return Planted(position, ref, ref[0], share)


def insertion(position: int, bases: str, share: float) -> Planted:
    ref = GENOME[CIRCLE][position - 1]
    return Planted(position, ref, ref + bases, share)


# Near both ends of the contig as well as in the middle; more than a fragment apart, and in different copies.
PLANTED = (
    snv(3, 0.3),
    snv(400, 1.0),
    snv(800, 0.1, first=0.5),
    snv(1200, 0.06, first=0.8),
    insertion(
        1400,
        "GTGACT",
        0.25,
    ),
    deletion(1600, 7, 0.15),
    snv(1997, 0.2, first=0.4),
)
# Homozygous variants of the chromosomes, before the circle and behind it.
NUCLEAR = Planted(1500, GENOME[CHROMOSOME][1499], ANOTHER[GENOME[CHROMOSOME][1499]], 1.0)
BEHIND = Planted(450, GENOME[LAST][449], ANOTHER[GENOME[LAST][449]], 1.0)
# Two differences of a nuclear copy that the reference doesn't hold, in one fragment.
NUMT = (snv(1000, 1.0), snv(1040, 1.0))
# A copying error in all duplicates of one fragment.
COPIED = snv(600, 1.0)


def changed(sequence: str, alleles: list[Planted]) -> str:
    """Return a sequence with alleles in it."""
    for allele in sorted(alleles, key=lambda allele: -allele.position):
        at = allele.position - 1
        sequence = sequence[:at] + allele.alt + sequence[at + len(allele.ref) :]
    return sequence


def mates(name: str, fragment: str, forward: bool, quality: str = "I") -> Fragment:
    """Return both reads of a fragment."""
    if not forward:
        fragment = reverse_complement(fragment)
    return pair(name, fragment[:READ], reverse_complement(fragment)[:READ], quality)


def of_circle(planted: tuple[Planted, ...], depth: int, name: str) -> Iterator[Fragment]:
    """Yield fragments that begin anywhere on the circle, each of a copy of its own."""
    random = Random(name)
    for number in range(depth * len(GENOME[CIRCLE]) // (2 * READ)):
        copy = random.random()
        circle = changed(GENOME[CIRCLE], [allele for allele in planted if allele.in_copy(copy)])
        start, length = random.randrange(len(circle)), random.randrange(220, 320)
        yield mates(f"{name}:{number}", (circle + circle)[start : start + length], number % 2 == 0)


def of_line(sequence: str, depth: float, name: str) -> Iterator[Fragment]:
    """Yield fragments of a linear sequence."""
    random = Random(name)
    for number in range(int(depth * len(sequence) / (2 * READ))):
        length = random.randrange(220, 300)
        start = random.randrange(len(sequence) - length + 1)
        yield mates(f"{name}:{number}", sequence[start : start + length], number % 2 == 0)


def diverged(sequence: str) -> str:
    """Return a sequence with six or seven other bases in 100, and stretches between them that an aligner finds."""
    return "".join(ANOTHER[base] if at % 46 in (5, 13, 21) else base for at, base in enumerate(sequence))


def fragments(planted: tuple[Planted, ...] = PLANTED) -> list[Fragment]:
    """Return a sample's fragments: of the circle, the chromosomes, two nuclear copies, and duplicates."""
    circle = GENOME[CIRCLE]
    old = GENOME[CHROMOSOME][:200] + diverged(circle[200:700]) + GENOME[CHROMOSOME][200:400]
    young = changed(circle, list(NUMT))[600:1400]
    copied = changed(circle, [COPIED])[480:730]
    return [
        *of_circle(planted, DEPTH, "circle"),
        *of_line(changed(GENOME[CHROMOSOME], [NUCLEAR]), NUCLEAR_DEPTH, "line"),
        *of_line(changed(GENOME[LAST], [BEHIND]), NUCLEAR_DEPTH, "last"),
        *of_line(old, NUCLEAR_DEPTH, "old"),
        *of_line(young, NUCLEAR_DEPTH, "young"),
        *(mates(f"copied:{number}", copied, True) for number in range(DUPLICATES)),
    ]
