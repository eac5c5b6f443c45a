"""The coding transcripts of a GFF3 file, and which of them `bcftools csq` can't use.

csq stops, or crashes, at one transcript that it doesn't take, and takes others for what they are not (bcftools, gff.c:
`tscript_init_cds`, `register_cds`, `gene_init`). Such transcripts are found here, with the reason.
"""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

UNKNOWN = 3  # a phase that is not given
PARTS = (b"CDS", b"exon", b"five_prime_UTR", b"three_prime_UTR")
ATTRIBUTE = re.compile(rb"(?:^|;) *(ID|Parent|Is_circular)=([^;]*)")
PHASE = {b"0": 0, b"1": 1, b"2": 2}


@dataclass(frozen=True)
class Feature:
    """A line of a GFF3 file; `start` and `end` are 1-based and inclusive."""

    contig: bytes
    type: bytes
    start: int
    end: int
    strand: bytes
    phase: int
    id: bytes
    parents: tuple[bytes, ...]
    circular: bool


def feature_of(fields: list[bytes]) -> Feature:
    """Return the feature that nine columns describe; ValueError where start or end is no number."""
    found = {key: text.strip() for key, text in ATTRIBUTE.findall(fields[8])}
    return Feature(
        fields[0],
        fields[2],
        int(fields[3]),
        int(fields[4]),
        fields[6],
        PHASE.get(fields[7], UNKNOWN),
        found.get(b"ID", b""),
        tuple(filter(None, found.get(b"Parent", b"").split(b","))),
        found.get(b"Is_circular", b"").lower() == b"true",
    )


@dataclass
class Coding:
    """The coding sequence of a transcript: start, end and phase of each part, one after the other."""

    contig: bytes
    strand: bytes
    parts: "array[int]" = field(default_factory=lambda: array("q"))
    mixed: bool = False  # of two strands or contigs

    def by_position(self) -> list[tuple[int, int, int]]:
        """Return (start, end, phase) of each part, from left to right."""
        return sorted(zip(self.parts[::3], self.parts[1::3], self.parts[2::3], strict=True))

    def phases_fit(self) -> bool:
        """Return whether each part goes on in the frame in which the one before it ended."""
        parts = self.by_position()
        if self.strand == b"-":
            parts.reverse()
        lengths = [end - start + 1 for start, end, _ in parts]
        phases = [phase for *_, phase in parts]
        # A sequence that lacks its start begins within a codon, whose rest may take up more than the first part.
        rest = phases[0] % UNKNOWN
        for number, length in enumerate(lengths):
            lengths[number] -= min(rest, length)
            phases[number] = phases[number] if number and not rest else 0
            rest -= min(rest, length)
            if not rest:
                break
        if rest or (self.strand == b"+" and not lengths[0]):
            return False
        ends = accumulate(lengths, initial=0)
        return all(phase == UNKNOWN or -phase % 3 == end % 3 for phase, end in zip(phases, ends, strict=False))


@dataclass
class Survey:
    """The genes and transcripts of a GFF3 file."""

    coding: dict[bytes, Coding] = field(default_factory=dict)
    """Coding sequences by transcript."""
    parent: dict[bytes, bytes] = field(default_factory=dict)
    """The gene of each transcript."""
    genes: set[bytes] = field(default_factory=set)

    def add(self, feature: Feature) -> None:
        """Take a feature into account."""
        if feature.type in PARTS:
            for parent in feature.parents if feature.type == b"CDS" else ():
                coding = self.coding.setdefault(parent, Coding(feature.contig, feature.strand))
                coding.parts.extend((feature.start, feature.end, feature.phase))
                coding.mixed |= (feature.contig, feature.strand) != (coding.contig, coding.strand)
        elif feature.id and feature.parents and feature.type != b"gene":
            self.parent[feature.id] = feature.parents[0]
        elif feature.id:
            self.genes.add(feature.id)

    def left_out(self) -> Iterator[tuple[bytes, str]]:
        """Return each coding transcript that csq can't use, with the reason."""
        for transcript, coding in self.coding.items():
            gene = self.parent.get(transcript)
            if gene is not None and gene not in self.genes:
                yield transcript, "whose gene the file doesn't hold"
            elif coding.strand not in (b"+", b"-"):
                yield transcript, "without a strand"
            elif coding.mixed:
                yield transcript, "on two strands or contigs"
            elif not coding.phases_fit():
                yield transcript, "whose phases (column 8) contradict the lengths of their coding sequences"
