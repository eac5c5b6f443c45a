"""Genes across the origin of a circular contig, cut at the origin into parts that a tool of linear contigs can read.

Across the origin a feature's end counts on behind the contig's end (GFF3 1.26, Circular Genomes), or stands before its
start. A transcript becomes two, named T:before_origin and T:after_origin, each with the phases that keep its frame. The
codon at the origin itself belongs to neither.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from terraflow_workflow.annotation.transcripts import PARTS, UNKNOWN, Feature

BEFORE, AFTER = b":before_origin", b":after_origin"


@dataclass
class Origins:
    """The genes across origins; `contigs` maps contigs to their lengths in bases."""

    contigs: dict[bytes, int]
    circular: set[bytes] = field(default_factory=set)
    across: dict[bytes, int] = field(default_factory=dict)
    """Start of each transcript and gene that goes across an origin, or of the first part of it that does, by its ID."""

    def inside(self, feature: Feature) -> bool:
        """Return whether a feature lies within its contig, as on a linear one."""
        return 1 <= feature.start <= feature.end <= self.contigs.get(feature.contig, 0)

    def add(self, feature: Feature) -> None:
        """Take a feature into account that `crosses`."""
        for name in feature.parents if feature.type in PARTS else (feature.id,):
            self.across[name] = min(feature.start, self.across.get(name, feature.start))

    def crosses(self, feature: Feature) -> bool:
        """Return whether a feature that is not `inside` is one across the origin; the contig itself can't be."""
        length = self.contigs[feature.contig]
        known = feature.contig in self.circular and not feature.circular
        return known and feature.start >= 1 and 1 <= feature.end <= 2 * length and feature.start <= 2 * length

    def cut(self, feature: Feature) -> Iterator[Feature]:
        """Return what becomes of a feature: itself, its pieces beside the origin, or nothing where it has no place."""
        if feature.contig not in self.contigs:
            return
        if feature.type in PARTS:
            for parent in feature.parents:
                yield from self._cut_part(replace(feature, parents=(parent,)), parent)
        elif feature.id in self.across and not self.inside(feature):
            before, after = self._pieces(feature)
            if feature.parents:
                yield from (replace(before, id=feature.id + BEFORE), replace(after, id=feature.id + AFTER))
            else:
                yield before
        elif feature.id in self.across and feature.parents:
            # A part of it goes across the origin, as its own line doesn't say.
            yield replace(feature, id=feature.id + BEFORE)
            yield replace(feature, id=feature.id + AFTER)
        elif self.inside(feature):
            yield feature

    def _cut_part(self, part: Feature, parent: bytes) -> Iterator[Feature]:
        if parent not in self.across:
            if self.inside(part):
                yield part
        elif self.inside(part):
            side = BEFORE if part.start >= self.across[parent] else AFTER
            yield replace(part, parents=(parent + side,))
        elif part.start > self.contigs[part.contig]:
            length = self.contigs[part.contig]
            yield replace(part, start=part.start - length, end=part.end - length, parents=(parent + AFTER,))
        else:
            before, after = self._pieces(part)
            if part.phase != UNKNOWN:
                first, second = (after, before) if part.strand == b"-" else (before, after)
                rest = (part.phase - (first.end - first.start + 1)) % 3
                before, after = (replace(piece, phase=rest) if piece is second else piece for piece in (before, after))
            yield replace(before, parents=(parent + BEFORE,))
            yield replace(after, parents=(parent + AFTER,))

    def _pieces(self, feature: Feature) -> tuple[Feature, Feature]:
        length = self.contigs[feature.contig]
        end = feature.end - length if feature.end > length else feature.end
        return replace(feature, end=length), replace(feature, start=1, end=end)


def line_of(fields: list[bytes], feature: Feature, whole: Feature) -> bytes:
    """Return the line of a feature that was cut out of `whole`, whose nine columns are `fields`."""
    if feature == whole:
        return b"\t".join(fields)
    attributes = fields[8].replace(b"ID=" + whole.id, b"ID=" + feature.id, 1) if whole.id else fields[8]
    attributes = attributes.replace(b"Parent=" + b",".join(whole.parents), b"Parent=" + b",".join(feature.parents), 1)
    phase = fields[7] if feature.phase == whole.phase else b"%d" % feature.phase
    place = [b"%d" % feature.start, b"%d" % feature.end]
    return b"\t".join([*fields[:3], *place, *fields[5:7], phase, attributes])
