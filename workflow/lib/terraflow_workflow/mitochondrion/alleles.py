"""Tell the alleles of one sample from its errors, and state which share could have been seen at each place."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from terraflow_workflow.mitochondrion.errors import (
    CERTAIN,
    SUSPECTED,
    Doubt,
    Errors,
    Kind,
    Strand,
    kinds,
    least_count,
    least_fraction,
    measure,
)
from terraflow_workflow.mitochondrion.pileup import GAPPED_READS, GAPPED_SHARE, Column, Reads, together

BASES = "ACGT"
# Runs of one base longer than this are one kind of place.
LONGEST_RUN = 10
# Share of the reads over a gap that end within it, or are aligned without it.
UNCLEAR = 0.05


@dataclass(frozen=True)
class Allele:
    """One allele of one sample. `surprise` is -10 log10 P(errors), `smallest_fraction` the least share that is found.

    `ref_reads` show the reference's allele, `rest` all but this one. `others` says whether something else than this
    allele is there, too, beyond errors.
    """

    position: int
    ref: str
    alt: str
    reads: Reads
    ref_reads: Reads
    rest: Reads
    depth: int
    surprise: float
    smallest_fraction: float | None
    others: bool

    @property
    def fraction(self) -> float:
        """Share of the reads that show the allele."""
        return self.reads.count / self.depth if self.depth else 0.0

    @property
    def key(self) -> tuple[int, str, str]:
        """What tells it from other alleles."""
        return self.position, self.ref, self.alt


@dataclass(frozen=True)
class Site:
    """One place of the contig: reads of good quality by strand, error of the likeliest wrong base, and what is seen."""

    position: int
    ref: str
    forward: int
    reverse: int
    error: float
    smallest_fraction: float | None


class Sample:
    """The places of one sample's mitochondrion, SNVs and indels apart, with the errors measured in all of them."""

    def __init__(
        self, snvs: dict[int, Column], indels: list[Column], sequence: str, errors: Errors | None = None
    ) -> None:
        """Measure the errors if they are not given; `sequence` is the contig, places are 1-based."""
        self.snvs = snvs
        self.indels = indels
        self.sequence = sequence
        self.own = own_sequence(snvs, sequence)
        self.gaps: dict[int, list[Column]] = {}
        for column in indels:
            self.gaps.setdefault(column.position, []).append(column)
        self.errors = errors or measure([*self._base_doubts(), *self._gap_doubts()])

    # --- single bases ------------------------------------------------------------------------------

    def _base_doubts(self) -> Iterator[Doubt]:
        """Return every base at every place that is not the commonest one there."""
        for column in self.snvs.values():
            there = commonest(column)
            if there:
                yield from (base_doubt(column, there, base) for base in BASES if base != there)

    def snv(self, column: Column, alt: str) -> Allele:
        """Return the allele `alt` at a place, judged."""
        there = commonest(column, without=alt) or column.ref
        reads = column.alleles.get(alt, Reads())
        surprise = self.errors.surprise(own_quality(base_doubt(column, there, alt), reads)) if there in BASES else 0.0
        others = any(
            self.errors.surprise(own_quality(base_doubt(column, alt, base), column.alleles.get(base, Reads())))
            >= CERTAIN
            for base in BASES
            if base != alt
        )
        depth = column.reads.count
        limit = self._limit(base_doubt(column, there, alt)) if there in BASES else None
        ref_reads = column.alleles.get(column.ref, Reads())
        rest = together(found for base, found in column.alleles.items() if base != alt)
        return Allele(column.position, column.ref, alt, reads, ref_reads, rest, depth, surprise, limit, others)

    # --- insertions and deletions ------------------------------------------------------------------

    def _gap_doubts(self) -> Iterator[Doubt]:
        """Return the gaps at every run of bases, in reads that err by its length."""
        most: dict[int, Reads] = {}
        for position in self.gaps:
            place = self.before_run(position)
            gapped = [most.get(place, Reads()), *self._gapped(position).values()]
            most[place] = max(gapped, key=lambda reads: reads.count)
        for position, column in self.snvs.items():
            if not self._is_in_run(position):
                yield gap_doubt(self.kind_of_gap(position), column.reads, most.get(position, Reads()))

    def _gapped(self, position: int) -> dict[tuple[str, str], Reads]:
        """Return the reads of all insertions and deletions behind a place, by REF and ALT."""
        return {
            (column.ref, alt): reads
            for column in self.gaps.get(position, [])
            for alt, reads in column.alleles.items()
            if alt != column.ref
        }

    def _is_in_run(self, position: int) -> bool:
        """Return whether the base behind a place is the same as the one there."""
        return position > 0 and self.own[position - 1 : position] == self.own[position : position + 1]

    def before_run(self, position: int) -> int:
        """Return the place before the run of one base, in the sample's own sequence, that goes on behind a place.

        Gaps stand as far left as the reference lets them: within a run of the sample where the reference has none.
        """
        while self._is_in_run(position):
            position -= 1
        return position

    def kind_of_gap(self, position: int) -> Kind:
        """Return the kind of error that a gap behind a place is: gaps grow commoner with the run of bases there."""
        return "gap", str(run(self.own, self.before_run(position)))

    def indel(self, column: Column, alt: str) -> Allele:
        """Return the insertion or deletion `alt` at a place, judged."""
        none = Reads()
        reads, ref_reads = column.alleles.get(alt, none), column.alleles.get(column.ref, none)
        others = [found for key, found in self._gapped(column.position).items() if key != (column.ref, alt)]
        doubt = gap_doubt(self.kind_of_gap(column.position), _at_depth(column), reads)
        rest = max(0, column.depth - reads.count)
        kept = gap_doubt(self.kind_of_gap(column.position), _at_depth(column), Reads(forward=rest))
        surprise = self.errors.surprise(doubt)
        return Allele(
            *(column.position, column.ref, alt, reads, ref_reads, together([ref_reads, *others])),
            *(column.depth, surprise, self._gap_limit(doubt)),
            rest > UNCLEAR * column.depth and self.errors.surprise(kept) >= CERTAIN,
        )

    def without_gap(self, column: Column, ref: str, alt: str) -> Allele:
        """Return an insertion or deletion of another sample, where this one has no read with a gap."""
        doubt = gap_doubt(self.kind_of_gap(column.position), column.reads, Reads())
        whole, none = column.reads, Reads()
        return Allele(
            *(column.position, ref, alt, none, column.alleles.get(column.ref, none), whole, whole.count, 0.0),
            self._gap_limit(doubt),
            False,
        )

    # --- all together ------------------------------------------------------------------------------

    def _limit(self, doubt: Doubt) -> float | None:
        return least_fraction(doubt.reads, least_count(self.errors.mean(doubt), self.errors.spread))

    def _gap_limit(self, doubt: Doubt) -> float | None:
        """Return the least share of an insertion or deletion: errors don't explain it, and mpileup writes it."""
        count = least_count(self.errors.mean(doubt), self.errors.spread)
        return least_fraction(doubt.reads, max(count, GAPPED_READS, math.ceil(GAPPED_SHARE * doubt.reads)))

    def suspects(self) -> Iterator[Allele]:
        """Return the alleles that errors hardly explain."""
        found = [
            self.snv(column, base)
            for column in self.snvs.values()
            for base in column.alleles
            if column.ref in BASES and base in BASES and base != column.ref
        ]
        found += [self.indel(column, alt) for column in self.indels for alt in column.alleles if alt != column.ref]
        yield from (allele for allele in found if allele.surprise >= SUSPECTED)

    def sites(self) -> Iterator[Site]:
        """Return what could have been seen at each place; a place without reads has no limit."""
        for position, ref in enumerate(self.sequence, start=1):
            column = self.snvs.get(position)
            there = commonest(column) if column else None
            if not column or not there:
                yield Site(position, ref, 0, 0, 0.0, None)
                continue
            whole = column.reads
            doubts = [base_doubt(column, there, base) for base in BASES if base != there]
            worst = max(doubts, key=self.errors.mean)
            yield Site(
                *(position, ref, whole.forward, whole.reverse),
                self.errors.mean(worst) / whole.count,
                self._limit(worst),
            )


def commonest(column: Column, without: str = "") -> str | None:
    """Return the base that most reads show, `without` left out; None if none shows any."""
    counts = {base: column.alleles[base].count for base in BASES if base in column.alleles and base != without}
    best = max(counts, key=lambda base: counts[base], default=None)
    return best if best and counts[best] else None


def own_sequence(snvs: Mapping[int, Column], sequence: str) -> str:
    """Return the contig with the base that most reads show at each place; places without reads have the reference's."""
    own = list(sequence)
    for position, column in snvs.items():
        own[position - 1] = commonest(column) or column.ref
    return "".join(own)


def base_doubt(column: Column, there: str, read: str) -> Doubt:
    """Return the reads of a place that show `read`, which could be errors if `there` is what is there."""
    whole, found = column.reads, column.alleles.get(read, Reads())
    forward, reverse = kinds(there, read)
    strands = Strand(forward, whole.forward, found.forward), Strand(reverse, whole.reverse, found.reverse)
    return Doubt(strands, whole.mean_quality)


def own_quality(doubt: Doubt, reads: Reads) -> Doubt:
    """Return the doubt with the quality of the allele's own bases, if that is worse than the whole place's."""
    return replace(doubt, quality=min(doubt.quality, reads.mean_quality)) if reads.count else doubt


def gap_doubt(kind: Kind, whole: Reads, found: Reads) -> Doubt:
    """Return the reads of a place that show a gap, which could be errors of this kind."""
    strands = Strand(kind, whole.forward, found.forward), Strand(kind, whole.reverse, found.reverse)
    return Doubt(strands, whole.mean_quality)


def _at_depth(column: Column) -> Reads:
    """Return all reads of a place with gaps: those that show no allele clearly count, in proportion by strand."""
    shown = column.reads
    if not shown.count:
        return shown
    grown = max(column.depth, shown.count) / shown.count
    return Reads(round(shown.forward * grown), round(shown.reverse * grown), round(shown.quality * grown))


def run(sequence: str, position: int) -> int:
    """Return the length of the run of one base that begins behind a place (1-based)."""
    following = sequence[position : position + LONGEST_RUN]
    return len(following) - len(following.lstrip(following[:1])) if following else 0
