"""Check a reference FASTA while writing it out plain, as DNA in upper case, with lines of one length for faidx."""

import argparse
import re
import sys
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from terraflow_workflow.reads.decompressed import open_decompressed
from terraflow_workflow.reads.fastq_stream import FastqError
from terraflow_workflow.reference.aligners import SHIELD

LINE = 100
PIECE = 1 << 20  # bytes of a line that are held at once
# SAM specification, 1.2.1: names of reference sequences. VCF forbids < and > within, which this leaves out too, and a #
# in front, which begins a comment in BED.
NAME = re.compile(rb"[0-9A-Za-z!$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")
LONGEST_NAME = 8192  # bytes of a name that BWA can read from its index (bntseq.c, bns_restore_core)
# Names that samtools and bcftools take for a part of the contig in front of the colon, if it exists (samtools view).
REGION = re.compile(rb"(.+):[0-9]+(?:-[0-9]*)?")
# Bases of a contig that a .tbi or .bai index can hold (SAM specification, 5.1.1).
LONGEST = 2**29 - 1
IUPAC = b"ACGTURYSWKMBDHVNacgturyswkmbdhvn"


class ReferenceError(Exception):
    """A fault of a reference, with the contig and line where it was found."""


def normalised(source: BinaryIO, name: str) -> Iterator[bytes]:
    """Return the FASTA in `source` in pieces of whole lines of LINE bases, in little memory however long its lines are.

    Bases are written in upper case, since indels get their alleles as they stand here, and SNPs theirs in upper case.
    Raises ReferenceError, which names the file `name`, for what can't be a reference: no contig, a contig without
    bases, one that is too long for the index of a VCF, a contig named twice, a name that SAM or VCF doesn't bear, a
    character that is no IUPAC code, line ends of old Macs.
    """
    seen: dict[bytes, int] = {}
    contig = b""
    held = bytearray()
    bases = 0
    for number, piece, starts in _pieces(source):
        line = piece.rstrip()
        if starts and line.startswith(b">"):
            if len(piece) == PIECE:
                raise ReferenceError(f"{name}, line {number}: found a header of {PIECE} bytes or more; expected a name")
            if contig:
                _check_length(bases, contig, name)
                yield _wrapped(held, rest=True)
            contig = _contig(line, number, seen, name)
            seen[contig] = number
            bases = 0
            yield line + b"\n"
        elif not contig and line:
            raise ReferenceError(f"{name}, line {number}: found {line[:40]!r}; expected FASTA, which starts with '>'")
        else:
            if wrong := line.translate(None, IUPAC):
                _check_line_ends(wrong, number, name)
                raise ReferenceError(
                    f"{name}, line {number}, contig {contig.decode()}: found {wrong[:1]!r}; expected IUPAC codes"
                )
            held += line.upper()
            bases += len(line)
            if len(held) >= PIECE:
                yield _wrapped(held, rest=False)
    if not contig:
        raise ReferenceError(f"{name}: holds no contig; expected FASTA")
    _check_length(bases, contig, name)
    _check_regions(seen, name)
    yield _wrapped(held, rest=True)


def as_dna(bases: bytes) -> bytes:
    """Return bases (in upper case) with T for the U of an RNA, which BWA would read as N."""
    return bases.replace(b"U", b"T")


def ambiguous(bases: bytes) -> int:
    """Count the codes for several bases among these (in upper case); N is none."""
    return len(bases) - len(bases.translate(None, b"RYSWKMBDHV"))


def warning_of_ambiguous(found: dict[str, int], name: str) -> str:
    """Return a warning about ambiguous bases, counted by contig; empty if there are none."""
    counts = [f"{contig} {number:,}" for contig, number in found.items() if number]
    if not counts:
        return ""
    more = f" and {len(counts) - 3:,} more contigs" if len(counts) > 3 else ""
    return (
        f"warning: {name}: {sum(found.values()):,} ambiguous bases besides N, at which no variants are called: "
        f"{', '.join(counts[:3])}{more}"
    )


def warning_of_uracil(number: int, name: str) -> str:
    """Return a warning about a reference of RNA; empty if it is DNA."""
    if not number:
        return ""
    return f"warning: {name}: {number:,} U are written as T: the alignments and variants of this run say T"


def problems_of_bwa_index(ann: Path, contigs: dict[str, int], *, shielded: bool = False) -> list[str]:
    """List how the contigs of an aligner's prebuilt index (its .ann file) differ from those of the reference.

    In front of them, one that is `shielded` may have the contig that runs put there for bwa-mem2.
    """
    try:
        indexed = _contigs_of_index(ann)
    except (ValueError, IndexError):
        return [f"{ann}: is not a file that `bwa index` wrote"]
    if shielded and next(iter(indexed), "") == SHIELD:
        del indexed[SHIELD]
    problems = [f"{ann}: has no contig {name!r}, which the FASTA has" for name in contigs if name not in indexed]
    problems += [f"{ann}: has a contig {name!r}, which the FASTA has not" for name in indexed if name not in contigs]
    problems += [
        f"{ann}: contig {name!r} has {indexed[name]} bases, in the FASTA {length}"
        for name, length in contigs.items()
        if indexed.get(name, length) != length
    ]
    if not problems and list(indexed) != list(contigs):
        problems = [f"{ann}: the contigs stand in another order than in the FASTA"]
    return problems


def problems_of_masking(amb: Path, ann: Path, unknown: dict[str, int]) -> list[str]:
    """List the contigs in which an index (its .amb and .ann files) has more or fewer N and other codes than the FASTA.

    No read aligns to what is masked by N in the index alone. `unknown` are their numbers in the FASTA, by contig.
    """
    contigs = _contigs_of_index(ann)
    names, ends = list(contigs), list(accumulate(contigs.values()))
    found = dict.fromkeys(contigs, 0)
    try:
        for line in amb.read_text(errors="replace").splitlines()[1:]:
            start, length, _ = line.split(" ")
            found[names[bisect_right(ends, int(start))]] += int(length)
    except (ValueError, IndexError):
        return [f"{amb}: is not a file that `bwa index` wrote"]
    return [
        f"{amb}: contig {name!r} has {found[name]:,} bases that are N or codes for several, in the FASTA {number:,}"
        for name, number in unknown.items()
        if found[name] != number
    ]


def _contigs_of_index(ann: Path) -> dict[str, int]:
    lines = ann.read_text(errors="replace").rstrip("\n").split("\n")[1:]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return {head.split(" ", 2)[1]: int(place.split(" ")[1]) for head, place in pairs}


def _pieces(source: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Return (number of the line, bytes, whether the line starts with them) of each line; long lines come in pieces."""
    number = 1
    starts = True
    while piece := source.readline(PIECE):
        yield number, piece, starts
        starts = piece.endswith(b"\n")
        number += starts


def _contig(line: bytes, number: int, seen: dict[bytes, int], name: str) -> bytes:
    _check_line_ends(line, number, name)
    fields = line[1:].split(None, 1)
    contig: bytes = fields[0] if fields and not line[1:2].isspace() else b""
    if not NAME.fullmatch(contig):
        raise ReferenceError(
            f"{name}, line {number}: found the contig name {contig.decode(errors='replace')!r}; "
            "expected one that SAM and VCF bear, without spaces, commas, quotes or brackets"
        )
    if len(contig) > LONGEST_NAME:
        raise ReferenceError(
            f"{name}, line {number}: found a contig name of {len(contig):,} bytes, {contig[:40].decode()!r} …; "
            f"expected at most {LONGEST_NAME:,}, which is what BWA reads"
        )
    if contig in seen:
        raise ReferenceError(
            f"{name}, line {number}: the contig {contig.decode()!r} stands on line {seen[contig]} already; "
            "expected each name once"
        )
    return contig


def _check_length(bases: int, contig: bytes, name: str) -> None:
    if not bases:
        raise ReferenceError(f"{name}: the contig {contig.decode()!r} has no bases")
    if bases > LONGEST:
        raise ReferenceError(
            f"{name}: the contig {contig.decode()!r} has {bases:,} bases; expected at most {LONGEST:,}, which is what "
            "the index of a VCF can hold; split it into parts, as releases of the wheat and barley genomes have them"
        )


def _check_line_ends(text: bytes, number: int, name: str) -> None:
    if b"\r" in text:
        raise ReferenceError(
            f"{name}, line {number}: found a carriage return within the line; expected the line ends of Unix or "
            r"Windows: turn those of an old Mac into them with `tr '\r' '\n'`"
        )


def _check_regions(seen: dict[bytes, int], name: str) -> None:
    """Raise ReferenceError for a contig whose name is that of a part of another one."""
    for contig, number in seen.items():
        part = REGION.fullmatch(contig)
        if part and part[1] in seen:
            raise ReferenceError(
                f"{name}, line {number}: the contig name {contig.decode()!r} also means a part of the contig "
                f"{part[1].decode()!r}; expected names that samtools and bcftools can tell apart: rename one of them"
            )


def _wrapped(held: bytearray, *, rest: bool) -> bytes:
    """Take the full lines out of `held`, and what is left over when `rest` is set."""
    end = len(held) if rest else len(held) - len(held) % LINE
    lines = [bytes(held[start : min(start + LINE, end)]) + b"\n" for start in range(0, end, LINE)]
    del held[:end]
    return b"".join(lines)


def main() -> None:
    """Run the command line of the rule `reference`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fasta", required=True, help="FASTA, plain or compressed")
    parser.add_argument("--ann", type=Path, help="the .ann file of a prebuilt BWA index, compared with the FASTA")
    parser.add_argument("--shielded", action="store_true", help=f"the index may have {SHIELD} in front")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    contigs: dict[str, int] = {}
    unclear: dict[str, int] = {}
    unknown: dict[str, int] = {}
    uracils = 0
    contig = ""
    try:
        with open_decompressed(options.fasta) as source, options.out.open("wb") as target:
            for piece in normalised(source, options.fasta):
                if piece.startswith(b">"):
                    target.write(piece)
                    contig = piece[1:].split()[0].decode()
                    contigs[contig] = unclear[contig] = unknown[contig] = 0
                else:
                    target.write(as_dna(piece))
                    uracils += piece.count(b"U")
                    contigs[contig] += len(piece) - piece.count(b"\n")
                    unclear[contig] += ambiguous(piece)
                    unknown[contig] += len(piece.translate(None, b"ACGT\n"))
        problems = problems_of_bwa_index(options.ann, contigs, shielded=options.shielded) if options.ann else []
        if options.ann and uracils:
            problems.append(f"{options.ann}: was made from a FASTA with {uracils:,} U, which BWA took for N")
        # In a job that fetches its inputs, the file isn't there.
        elif options.ann and not problems and (amb := options.ann.with_suffix(".amb")).exists():
            problems = problems_of_masking(amb, options.ann, unknown)
        if problems:
            raise ReferenceError("\n".join([*problems[:10], "Build the index anew with bwa_index: build."]))
    except (ReferenceError, FastqError, OSError) as error:
        options.out.unlink(missing_ok=True)
        sys.exit(str(error))
    for warning in (warning_of_uracil(uracils, options.fasta), warning_of_ambiguous(unclear, options.fasta)):
        if warning:
            print(warning, file=sys.stderr)


if __name__ == "__main__":
    main()
