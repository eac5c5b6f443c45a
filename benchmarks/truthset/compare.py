"""Which alleles of truth and calls match, also where both write one haplotype in different ways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from truthset.alleles import Allele, Copies

CLUSTER_GAP = 50  # bp between neighbouring unmatched alleles that may describe one haplotype together
TYPES = ("SNP", "indel")


@dataclass
class Counts:
    """Matched, surplus and missing alleles; `wrong_genotype` counts those of `tp` with another number of copies."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    wrong_genotype: int = 0

    def with_genotypes(self) -> Counts:
        """Count each wrong genotype as both a surplus and a missing allele."""
        wrong = self.wrong_genotype
        return Counts(self.tp - wrong, self.fp + wrong, self.fn + wrong)

    @staticmethod
    def _ratio(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    @property
    def precision(self) -> float | None:
        """Return the fraction of the calls that are true; None without calls."""
        return self._ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Return the fraction of the true alleles that are called; None without truth."""
        return self._ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """Return the harmonic mean of precision and recall; None without alleles."""
        return self._ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def as_dict(self) -> dict[str, float | None]:
        """Return counts and ratios for JSON."""
        ratios = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {"tp": self.tp, "fp": self.fp, "fn": self.fn, **ratios}


def compare(truth: Copies, calls: Copies, genome: dict[str, str]) -> dict[str, Counts]:
    """Score calls by type.

    Alleles match when they are equal, or when the unmatched ones of a neighbourhood spell the same
    haplotype in truth and calls. The genotypes of a neighbourhood agree when its homozygous alleles
    alone spell the same haplotype, too.
    """
    scores = {kind: Counts() for kind in TYPES}
    for allele in truth.keys() & calls.keys():
        scores[type_of(allele)].tp += 1
        scores[type_of(allele)].wrong_genotype += truth[allele] != calls[allele]
    for group in clusters(truth.keys() ^ calls.keys()):
        missed = [allele for allele in group if allele in truth]
        extra = [allele for allele in group if allele in calls]
        sequence = genome[group[0][0]]
        if missed and extra and same_haplotype(sequence, missed, extra):
            homozygous = ([a for a in missed if truth[a] == 2], [a for a in extra if calls[a] == 2])
            agree = same_haplotype(sequence, *homozygous)
            for allele in missed:
                scores[type_of(allele)].tp += 1
                scores[type_of(allele)].wrong_genotype += not agree
            continue
        for allele in missed:
            scores[type_of(allele)].fn += 1
        for allele in extra:
            scores[type_of(allele)].fp += 1
    return scores


def type_of(allele: Allele) -> str:
    """Return the type of an allele, one of TYPES."""
    return "SNP" if len(allele[2]) == len(allele[3]) else "indel"


def clusters(alleles: Iterable[Allele]) -> list[list[Allele]]:
    """Group alleles whose neighbours start at most CLUSTER_GAP apart."""
    groups: list[list[Allele]] = []
    for allele in sorted(alleles):
        last = groups[-1][-1] if groups else None
        if last and last[0] == allele[0] and allele[1] - last[1] <= CLUSTER_GAP:
            groups[-1].append(allele)
        else:
            groups.append([allele])
    return groups


def same_haplotype(sequence: str, one: Iterable[Allele], other: Iterable[Allele]) -> bool:
    """Tell whether two sets of alleles make the same sequence."""
    one, other = list(one), list(other)
    alleles = one + other
    if not alleles:
        return True
    start = min(pos for _, pos, _, _ in alleles) - 1
    end = max(pos - 1 + len(ref) for _, pos, ref, _ in alleles)
    made = apply_alleles(sequence, one, start, end)
    return made is not None and made == apply_alleles(sequence, other, start, end)


def apply_alleles(sequence: str, alleles: Iterable[Allele], start: int, end: int) -> str | None:
    """Return the window of a contig with the alleles put in; None when two of them overlap."""
    parts: list[str] = []
    at = start
    for _, pos, ref, alt in sorted(alleles):
        if pos - 1 < at:
            return None
        parts += [sequence[at : pos - 1], alt]
        at = pos - 1 + len(ref)
    return "".join([*parts, sequence[at:end]])
