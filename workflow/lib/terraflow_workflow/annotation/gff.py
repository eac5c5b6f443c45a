"""Checks that a GFF3 file is one that `bcftools csq` can use with the reference, and writes what it can use as gzip."""

import argparse
import gzip
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from terraflow_workflow.annotation.origin import Origins, line_of
from terraflow_workflow.annotation.transcripts import Feature, Survey, feature_of
from terraflow_workflow.mitochondrion.contig import is_named_so
from terraflow_workflow.reads.decompressed import open_decompressed
from terraflow_workflow.reads.fastq_stream import FastqError
from terraflow_workflow.reference.contigs import read_contigs

MARK = b"\xef\xbb\xbf"  # a byte-order mark
ENSEMBL = (
    "expected Ensembl's GFF3, with ID=transcript:…, Parent=gene:… and biotype=… in its ninth column, "
    "and CDS lines with Parent=transcript:…"
)

CUT = (
    "csq sees the parts before and after the origin as two transcripts; amino acids of the one that lacks the start "
    "are counted from its own first codon, and the codon at the origin has no consequences"
)
OWN_CODE = (
    "mitochondria have genetic codes of their own, or edit their RNA, and csq translates by the code of the nucleus"
)


class AnnotationError(Exception):
    """A fault of an annotation, with the line where it was found."""


def checked(read: Callable[[], Iterable[bytes]], contigs: dict[str, int], name: str) -> Iterator[bytes]:
    """Return the lines of the GFF3 file `name` that csq can use, with Unix line ends and one parent for each part.

    `read` gives the file's lines, from the start each time it is called. Contigs that the reference lacks and
    transcripts that csq can't use are left out, transcripts across the origin of a circular contig (`Is_circular`) are
    cut in two; both are named on stderr. Contigs of the reference without coding sequences get a line at the end.

    Raises AnnotationError for another feature behind the end of its contig, and when no contig is one of the
    reference's, or no coding transcript is left.
    """
    origins, absent = _origins(read(), contigs, name)
    survey = Survey()
    orphans = 0
    for _, _, feature in _features(read(), name):
        for piece in origins.cut(feature) if feature else ():
            survey.add(piece)
        orphans += feature is not None and feature.type == b"CDS" and not feature.parents and origins.inside(feature)
    left_out: dict[str, list[str]] = defaultdict(list)
    without: set[bytes] = set()
    for transcript, reason in survey.left_out():
        without.add(transcript)
        left_out[reason].append(transcript.decode(errors="replace"))
    own_code = {contig.encode() for contig, length in contigs.items() if is_named_so(contig, length)}
    for transcript, coding in survey.coding.items():
        if coding.contig in own_code and transcript not in without:
            without.add(transcript)
            left_out[OWN_CODE].append(transcript.decode(errors="replace"))
    for reason, transcripts in left_out.items():
        print(f"warning: {name}: left out, so without consequences: {_some(transcripts)}: {reason}", file=sys.stderr)
    if orphans:
        what = f"{orphans} coding sequences (CDS) without a Parent"
        print(f"warning: {name}: left out, so without consequences: {what}", file=sys.stderr)
    if origins.across:
        cut = [transcript.decode(errors="replace") for transcript in origins.across]
        print(f"warning: {name}: across the origin of a circular contig: {_some(cut)}: {CUT}", file=sys.stderr)
    if absent:
        print(f"{name}: not in the reference, and so not used: {_some(absent)}", file=sys.stderr)
    if set(left_out) == {OWN_CODE} and not survey.coding.keys() - without:
        raise AnnotationError(
            f"{name}: all coding transcripts lie on the mitochondrion; {OWN_CODE}: leave annotation.gff empty"
        )
    if not survey.coding.keys() - without:
        what = "no coding transcript is left" if left_out else "has no transcript as bcftools csq knows them"
        raise AnnotationError(f"{name}: {what}; {ENSEMBL}")
    with_genes = {coding.contig for transcript, coding in survey.coding.items() if transcript not in without}
    for _, line, feature in _features(read(), name):
        if feature is None:
            yield line + b"\n"
            continue
        for piece in origins.cut(feature):
            if not without & {piece.id, *piece.parents}:
                yield line_of(line.split(b"\t"), piece, feature) + b"\n"
    yield from _regions(contigs, with_genes)


def _regions(contigs: dict[str, int], with_genes: set[bytes]) -> Iterator[bytes]:
    """Return a line for each contig without coding sequences.

    csq refuses a variant on a contig that its annotation does not name. Its `--force` would accept that, but also
    wrong phases and bases other than the reference's (bcftools 1.24, csq.c and gff.c).
    """
    for number, (contig, length) in enumerate(contigs.items(), start=1):
        if contig.encode() not in with_genes:
            yield f"{contig}\tterraflow\tregion\t1\t{length}\t.\t.\t.\tID=terraflow:contig{number}\n".encode()


def _origins(lines: Iterable[bytes], contigs: dict[str, int], name: str) -> tuple[Origins, dict[str, None]]:
    """Return the genes across origins of circular contigs, and the contigs that the reference lacks."""
    origins = Origins({contig.encode(): length for contig, length in contigs.items()})
    absent: dict[str, None] = {}
    outside: list[tuple[int, Feature]] = []
    anything = False
    for number, _, feature in _features(lines, name):
        if feature is None:
            continue
        if feature.contig not in origins.contigs:
            absent[feature.contig.decode(errors="replace")] = None
            continue
        anything = True
        if feature.circular:
            origins.circular.add(feature.contig)
        if not origins.inside(feature):
            outside.append((number, feature))
    if not anything:
        raise AnnotationError(
            f"{name}: none of its contigs ({_some(absent)}) is one of the reference's ({_some(contigs)}); "
            "rename them, or use the annotation that belongs to the reference"
        )
    for number, feature in outside:
        if not origins.crosses(feature):
            raise AnnotationError(f"{name}, line {number}: {_outside(feature, origins.contigs[feature.contig])}")
        origins.add(feature)
    return origins, absent


def _outside(feature: Feature, length: int) -> str:
    contig = feature.contig.decode()
    if feature.end > length:
        return (
            f"the feature ends at {contig}:{feature.end}, but the contig has {length} bases; is this the annotation of "
            "another assembly? A feature across the origin of a circular contig is taken when the line of the contig "
            "says Is_circular=true"
        )
    return f"the feature starts at {feature.start} and ends at {feature.end}; expected 1 or more, and no end before it"


def _features(lines: Iterable[bytes], name: str) -> Iterator[tuple[int, bytes, Feature | None]]:
    """Return (number, line without its end, feature or None for a comment) of each line before the sequences."""
    for number, text in enumerate(lines, start=1):
        line = text.rstrip(b"\r\n").removeprefix(MARK if number == 1 else b"")
        if line.startswith(b"##FASTA"):
            return
        if line.startswith(b"#") or not line.strip():
            yield number, line, None
            continue
        fields = line.split(b"\t")
        if len(fields) != 9 or not fields[3].isdigit() or not fields[4].isdigit():
            raise AnnotationError(f"{name}, line {number}: found {line[:60]!r}; expected the 9 columns of GFF3")
        if b'gene_id "' in fields[8]:
            raise AnnotationError(
                f"{name}, line {number}: found {fields[8][:60]!r}, which is GTF; expected GFF3: give that of the same "
                "release, or convert it (`gffread -O`, AGAT)"
            )
        yield number, line, feature_of(fields)


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (f", … {len(names)} in all" if len(names) > 5 else "")


def main() -> None:
    """Run the command line of the rule `annotation`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gff", required=True, help="GFF3, plain or compressed")
    parser.add_argument("--fai", required=True, help="index of the reference")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    contigs = read_contigs(options.fai)

    def read() -> Iterator[bytes]:
        with open_decompressed(options.gff) as source:
            yield from source

    try:
        with (
            options.out.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as target,
        ):
            target.writelines(checked(read, contigs, options.gff))
    except (AnnotationError, FastqError, OSError) as error:
        options.out.unlink(missing_ok=True)
        sys.exit(str(error))


if __name__ == "__main__":
    main()
