"""Marks indels that contradict a better one: INFO/OVERLAP.

Each position is called by itself. In repeats, reads of one indel may be taken for another beside it, too, so that more
copies of the same bases are changed than a sample has. The better call, by QUAL, stands; an indel that overlaps it in
every sample that carries it, and finds no copy left there, is marked.

A deletion on one copy of a sample and another one on the other copy, within it or over a part of its bases, are no
contradiction, though one of them is called for both copies then: the consensus model counts reads of both for it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

HEADER = (
    b'##INFO=<ID=OVERLAP,Number=0,Type=Flag,Description="Indel that overlaps a better one (by QUAL), in samples with '
    b'no copy left for it">\n'
)
SEPARATORS = re.compile(rb"[/|]")


@dataclass
class Record:
    """A line of a VCF; of an indel, also the changed places from `start` to `end` and their copies in each sample."""

    line: bytes
    contig: bytes
    start: int
    end: int
    quality: float = 0
    ploidies: list[int] = field(default_factory=list)
    copies: list[int] = field(default_factory=list)
    lost: int = 0
    """Bases that it deletes, where it has one alternative allele; in a repeat, REF has more, and they may be any."""
    strengths: list[float] = field(default_factory=list)
    """How sure each sample is to have it: its PL for having none of it, where there are several samples."""

    def overlaps(self, other: "Record") -> bool:
        """Tell whether two records of one contig have bases of REF in common."""
        return self.start < other.end and other.start < self.end

    def has_no_room_beside(self, better: list["Record"]) -> bool:
        """Tell whether each sample with this indel has, with the overlapping better ones, more copies than ploidy."""
        return all(
            own == 0 or own + sum(self.taken_by(other, at) for other in better if self.yields_to(other, at)) > ploidy
            for at, (own, ploidy) in enumerate(zip(self.copies, self.ploidies, strict=True))
        )

    def taken_by(self, other: "Record", sample: int) -> int:
        """Return how many copies of a sample another indel takes.

        One within this one leaves those with this one. Of two deletions with bases in common, which no copy can have
        both, one may be called for all copies and the other for some: each has those that the other leaves.
        """
        own, copies, ploidy = self.copies[sample], other.copies[sample], self.ploidies[sample]
        within = own < ploidy == copies and self.contains(other)
        apart = 0 < min(own, copies) < ploidy == max(own, copies) and self.excludes(other)
        return ploidy - own if within or apart else copies

    def contains(self, other: "Record") -> bool:
        """Tell whether both are deletions and the other one is shorter, and lies within this one's REF."""
        within = self.start <= other.start and other.start + 1 + other.lost <= self.end
        return within and 0 < other.lost < self.lost

    def excludes(self, other: "Record") -> bool:
        """Tell whether both are deletions that have deleted bases in common wherever in its repeat each is written."""
        return min(self.lost, other.lost) > 0 and self.meets(other) and other.meets(self)

    def meets(self, other: "Record") -> bool:
        """Tell whether this deletion, as far right as REF lets it, begins before the other one ends, as far left."""
        return self.end - self.lost < other.start + 1 + other.lost

    def yields_to(self, other: "Record", sample: int) -> bool:
        """Tell whether a sample is at least as sure to have the other one."""
        return other.strengths[sample] >= self.strengths[sample]

    def marked(self) -> bytes:
        """Return the line with INFO/OVERLAP."""
        columns = self.line.split(b"\t", 8)
        columns[7] = b"OVERLAP" if columns[7] == b"." else columns[7] + b";OVERLAP"
        return b"\t".join(columns)


def record_of(line: bytes) -> Record:
    """Return what a line says."""
    contig, position, _, reference, alternatives, quality, rest = line.split(b"\t", 6)
    start = int(position) - 1
    record = Record(line, contig, start, start + len(reference))
    if any(len(allele) != len(reference) for allele in alternatives.split(b",")):
        record.quality = float(quality) if quality != b"." else 0
        record.lost = 0 if b"," in alternatives else max(0, len(reference) - len(alternatives))
        _, _, keys, *samples = rest.rstrip(b"\r\n").split(b"\t")
        names = keys.split(b":")
        for sample in samples:
            values = dict(zip(names, sample.split(b":"), strict=False))
            alleles = SEPARATORS.split(values[b"GT"])
            record.ploidies.append(len(alleles))
            record.copies.append(sum(allele not in (b"0", b".") for allele in alleles))
            without = values.get(b"PL", b".").split(b",")[0] if len(samples) > 1 else b"."
            record.strengths.append(0 if without == b"." else float(without))
    return record


def resolved(records: list[Record]) -> Iterator[bytes]:
    """Yield the lines of overlapping records."""
    indels = sorted((record for record in records if record.copies), key=lambda record: -record.quality)
    stand: list[Record] = []
    marked = set()
    for indel in indels:
        better = [other for other in stand if indel.overlaps(other)]
        if better and indel.has_no_room_beside(better):
            marked.add(id(indel))
        else:
            stand.append(indel)
    for record in records:
        yield record.marked() if id(record) in marked else record.line


def mark(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a VCF, whose records are in order, with indels that contradict better ones marked."""
    waiting: list[Record] = []
    end = 0
    for line in lines:
        if line.startswith(b"#CHROM"):
            yield HEADER
        if line.startswith(b"#"):
            yield line
            continue
        record = record_of(line)
        if waiting and (record.contig != waiting[0].contig or record.start >= end):
            yield from resolved(waiting)
            waiting = []
        end = max(end, record.end) if waiting else record.end
        waiting.append(record)
    yield from resolved(waiting)
