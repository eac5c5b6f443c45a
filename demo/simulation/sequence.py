"""Bases, intervals and random sequence: what genome, variants and reads have in common."""

from __future__ import annotations

from random import Random

BASES = "ACGT"
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")

Interval = tuple[int, int]


def reverse_complement(sequence: str) -> str:
    """Return the opposite strand, read 5' to 3'."""
    return sequence.translate(COMPLEMENT)[::-1]


def other_bases(base: str) -> str:
    """Return the three bases that differ from `base`."""
    return BASES.replace(base, "")


def overlaps(start: int, end: int, intervals: list[Interval]) -> bool:
    """Tell whether the interval shares a base with any of the others."""
    return any(start < other_end and other_start < end for other_start, other_end in intervals)


def random_bases(rng: Random, length: int, gc: float = 0.5) -> str:
    """Draw independent bases with the given GC content."""
    return "".join(rng.choices(BASES, ((1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2), k=length))


def mutate(rng: Random, sequence: str, rate: float) -> str:
    """Substitute each base with probability `rate`."""
    return "".join(rng.choice(other_bases(base)) if rng.random() < rate else base for base in sequence)
