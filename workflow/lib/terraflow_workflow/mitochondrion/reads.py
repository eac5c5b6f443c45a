"""Choose the reads that speak for the mitochondrion, and say of the others why they don't.

Left out are, each read for the first reason that holds:

- failed and duplicate reads, by their flags: copies of one molecule are one witness, and an error of an early copying
  cycle would look like an allele;
- reads of low mapping quality, which lie as well elsewhere in the reference: a nuclear copy of mitochondrial sequence
  (NUMT) that the reference holds;
- reads whose mate lies on another contig: the fragment runs across the edge of a NUMT, or is a chimera;
- both reads of a fragment of which one differs from the sample's own mitochondrion in more places than errors and
  heteroplasmies of one person do: a NUMT that the reference doesn't hold, or other foreign sequence.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pysam

from terraflow_workflow.mitochondrion.circle import Circle, read_sequence

MIN_MAPPING_QUALITY = 20
MIN_BASE_QUALITY = 20
# Differences of one read, in bases of that quality, from all that a quarter of the sample's reads show: more than 4,
# and more than 4 in 100. Neighbouring heteroplasmies are fewer; NUMTs differ in 1 to 20 of 100 bases.
DIFFERENCES, SHARE = 4, 0.04
COMMON = 0.25
KEPT = "kept"
REASONS = ("failed", "duplicate", "low mapping quality", "mate elsewhere", "NUMT-like")
BASES = "ACGT"


def reason(read: pysam.AlignedSegment) -> str | None:
    """Return why a mapped read is left out, as far as its own record says; None if it is kept."""
    if read.is_qcfail:
        return "failed"
    if read.is_duplicate:
        return "duplicate"
    if read.mapping_quality < MIN_MAPPING_QUALITY:
        return "low mapping quality"
    if read.is_paired and not read.mate_is_unmapped and read.next_reference_id != read.reference_id:
        return "mate elsewhere"
    return None


def own_bases(alignments: pysam.AlignmentFile, contig: str) -> list[frozenset[str]]:
    """Return the bases that COMMON of the sample's reads show at each place of the contig."""
    counts = alignments.count_coverage(contig, quality_threshold=MIN_BASE_QUALITY, read_callback="all")
    return [
        frozenset(base for base, number in zip(BASES, column, strict=True) if number and number >= COMMON * sum(column))
        for column in zip(*counts, strict=True)
    ]


def differences(read: pysam.AlignedSegment, own: list[frozenset[str]], sequence: str) -> int:
    """Return in how many bases of good quality a read differs from the sample; `sequence` has the commonest bases."""
    bases, qualities = read.query_sequence, read.query_qualities
    if not bases or qualities is None:
        return 0
    found = 0
    at_read, at = 0, read.reference_start
    for operation, length in read.cigartuples or ():
        if operation in (pysam.CMATCH, pysam.CEQUAL, pysam.CDIFF):
            part = bases[at_read : at_read + length]
            if part != sequence[at : at + length]:
                found += sum(
                    1
                    for offset, base in enumerate(part)
                    if base in BASES
                    and qualities[at_read + offset] >= MIN_BASE_QUALITY
                    and own[at + offset]
                    and base not in own[at + offset]
                )
        if operation in (pysam.CMATCH, pysam.CEQUAL, pysam.CDIFF, pysam.CINS, pysam.CSOFT_CLIP):
            at_read += length
        if operation in (pysam.CMATCH, pysam.CEQUAL, pysam.CDIFF, pysam.CDEL, pysam.CREF_SKIP):
            at += length
    return found


def is_foreign(read: pysam.AlignedSegment, own: list[frozenset[str]], sequence: str) -> bool:
    """Return whether a read differs from the sample more than its own mitochondria do."""
    return differences(read, own, sequence) > max(DIFFERENCES, SHARE * read.query_alignment_length)


class Chosen:
    """The reads of one contig, in a file with an index, that are kept; `left_out` counts reads by reason."""

    def __init__(self, alignments: pysam.AlignmentFile, contig: str) -> None:
        """Read the contig once, to learn the sample's own sequence and the fragments that are foreign to it."""
        self._alignments = alignments
        self._contig = contig
        self.left_out: Counter[str] = Counter(dict.fromkeys((*REASONS, KEPT), 0))
        own = own_bases(alignments, contig)
        sequence = "".join(next(iter(sorted(bases)), "N") for bases in own)
        self._foreign = {
            read.query_name
            for read in alignments.fetch(contig)
            if not read.is_unmapped and not read.is_secondary and not reason(read) and is_foreign(read, own, sequence)
        }

    def __iter__(self) -> Iterator[pysam.AlignedSegment]:
        """Return the kept reads in the order of the file: aligned ones, and unaligned mates, which are not counted."""
        for read in self._alignments.fetch(self._contig):
            if read.is_secondary:
                continue
            if read.is_unmapped:
                if not (read.is_qcfail or read.is_duplicate or read.query_name in self._foreign):
                    yield read
                continue
            why = reason(read) or ("NUMT-like" if read.query_name in self._foreign else None)
            if not why:
                yield read
            if not read.is_supplementary:
                self.left_out[why or KEPT] += 1


def lies_at_end(read: pysam.AlignedSegment, circle: Circle) -> bool:
    """Return whether a read reaches, or could reach, one of the contig's ends; unaligned ones lie where mates do."""
    start = read.reference_start
    end = start + 1 if read.is_unmapped else (read.reference_end or start + 1)
    if read.is_unmapped:
        # Its mate is a fragment's length away.
        return start < 2 * circle.flank or end > circle.length - 2 * circle.flank
    return start < circle.flank or end > circle.length - circle.flank


def fastq(reads: dict[str, list[pysam.AlignedSegment]]) -> Iterator[str]:
    """Return reads as FASTQ, as the sequencer wrote them, mates one after the other."""
    for name, mates in reads.items():
        for read in sorted(mates, key=lambda read: read.is_read2):
            qualities = read.get_forward_qualities()
            text = "".join(chr(33 + quality) for quality in qualities or [])
            yield f"@{name}\n{read.get_forward_sequence()}\n+\n{text}\n"


def main() -> None:
    """Run the command line: write kept reads as BAM, those at the ends as FASTQ too, and the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alignments", required=True, type=Path, help="BAM of the contig, with its index")
    parser.add_argument("--fasta", required=True, type=Path, help="FASTA of the contig")
    parser.add_argument("--contig", required=True)
    parser.add_argument("--out", required=True, type=Path, help="BAM of the kept reads")
    parser.add_argument("--out-ends", required=True, type=Path, help="FASTQ of those at the contig's ends, interleaved")
    parser.add_argument("--out-counts", required=True, type=Path, help="JSON")
    options = parser.parse_args()
    circle = Circle(len(read_sequence(options.fasta, options.contig)))
    ends: dict[str, list[pysam.AlignedSegment]] = {}
    with pysam.AlignmentFile(str(options.alignments)) as alignments:
        chosen = Chosen(alignments, options.contig)
        with pysam.AlignmentFile(str(options.out), "wbu", template=alignments) as kept:
            for read in chosen:
                if not read.is_unmapped:
                    # Where mates overlap, mpileup counts both, unless the pair is "proper": of the commonest length.
                    read.is_proper_pair = read.is_paired and not read.mate_is_unmapped
                    kept.write(read)
                if not read.is_supplementary and read.query_sequence and lies_at_end(read, circle):
                    ends.setdefault(str(read.query_name), []).append(read)
    with options.out_ends.open("w") as out:
        out.writelines(fastq(ends))
    options.out_counts.write_text(json.dumps(chosen.left_out, indent=2) + "\n")


if __name__ == "__main__":
    main()
