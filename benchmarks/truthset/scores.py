"""The scores of a sample in each BED file, as a table and for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from truthset.alleles import read_alleles, read_bed
from truthset.compare import Counts, compare
from truthset.folder import TruthSet, read_fasta


@dataclass(frozen=True)
class Score:
    """The counts of one type of allele for one sample in one BED file."""

    sample: str
    bed: str
    kind: str
    counts: Counts

    def as_dict(self) -> dict[str, object]:
        """Return labels, counts and counts with genotypes for JSON."""
        labels = {"sample": self.sample, "bed": self.bed, "type": self.kind}
        return {**labels, **self.counts.as_dict(), "genotypes": self.counts.with_genotypes().as_dict()}


def score_sample(truth: TruthSet, sample: str, calls: Path, reference: Path, only: str = "") -> list[Score]:
    """Score the calls of one sample in every BED file, those that the bcftools expression `only` holds for."""
    genome = read_fasta(reference)
    expected = read_alleles(truth.truths[sample], reference, sample, passing=False)
    called = read_alleles(calls, reference, sample, passing=True, only=only)
    scores: list[Score] = []
    for bed in truth.beds:
        regions = read_bed(bed)
        parts = [{a: n for a, n in alleles.items() if regions.hold(a)} for alleles in (expected, called)]
        for kind, counts in compare(parts[0], parts[1], genome).items():
            scores.append(Score(sample, bed.stem, kind, counts))
    return scores


def table(scores: list[Score]) -> str:
    """Return the scores as text, one line for alleles and one for alleles with genotypes."""
    names = max(len(score.sample) for score in scores)
    beds = max(len(score.bed) for score in scores)
    columns = f"{'TP':>6}{'FP':>6}{'FN':>6}{'precision':>11}{'recall':>9}{'F1':>9}"
    lines = [f"{'sample':<{names + 6}}  {'regions':<{beds + 7}}  {'type':<6}{'match':<10}{columns}"]
    for score in scores:
        label = f"{score.sample:<{names + 6}}  {score.bed:<{beds + 7}}  {score.kind:<6}"
        for match, counts in (("allele", score.counts), ("genotype", score.counts.with_genotypes())):
            ratios = [counts.precision, counts.recall, counts.f1]
            cells = [f"{'-' if ratio is None else format(ratio, '.4f'):>9}" for ratio in ratios]
            numbers = f"{counts.tp:>6}{counts.fp:>6}{counts.fn:>6}  "
            lines.append(f"{label}{match:<10}{numbers}{''.join(cells)}")
    return "\n".join(lines)
