"""Checks that a GFF3 file is one that `bcftools csq` can use with the reference, and writes what it can use as gzip."""

import argparse
import gzip
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from decompressed import open_decompressed
from fastq_stream import FastqError
from ploidy import read_contigs
from transcripts import PARTS, Feature, Survey, feature_of

MARK = b"\xef\xbb\xbf"  # a byte-order mark
ENSEMBL = (
    "expected Ensembl's GFF3, with ID=transcript:…, Parent=gene:… and biotype=… in its ninth column, "
    "and CDS lines with Parent=transcript:…"
)


class AnnotationError(Exception):
    """What is wrong with an annotation, with the line where it was found."""


def checked(read: Callable[[], Iterable[bytes]], contigs: dict[str, int], name: str) -> Iterator[bytes]:
    """The lines of the GFF3 file `name` that csq can use, with Unix line ends and one parent for each part.

    `read` gives the file's lines, from the start each time it is called. Contigs that the reference lacks and
    transcripts that csq can't use are left out, and named on stderr. A feature across the origin of a circular contig
    (`Is_circular`) may end behind the contig's end, or before its own start.

    Raises AnnotationError for another feature behind the end of its contig, and when no contig is one of the
    reference's, or no coding transcript is left.
    """
    survey, absent, anything = _survey(read(), contigs, name)
    if not anything:
        raise AnnotationError(
            f"{name}: none of its contigs ({_some(absent)}) is one of the reference's ({_some(contigs)}); "
            "rename them, or use the annotation that belongs to the reference"
        )
    left_out: dict[str, list[str]] = defaultdict(list)
    without: set[bytes] = set(survey.across)
    for transcript, reason in survey.left_out():
        without.add(transcript)
        if transcript in survey.coding or transcript in survey.across:
            left_out[reason].append(transcript.decode(errors="replace"))
    for reason, transcripts in left_out.items():
        print(f"warning: {name}: left out, so without consequences: {_some(transcripts)}: {reason}", file=sys.stderr)
    if absent:
        print(f"{name}: not in the reference, and so not used: {_some(absent)}", file=sys.stderr)
    if not survey.coding.keys() - without:
        what = "no coding transcript is left" if left_out else "has no transcript as bcftools csq knows them"
        raise AnnotationError(f"{name}: {what}; {ENSEMBL}")
    for _, line, feature in _features(read(), name):
        if feature is None:
            yield line + b"\n"
        elif 1 <= feature.start <= feature.end <= contigs.get(feature.contig.decode(errors="replace"), 0):
            yield from _without(line, feature, without)


def _survey(lines: Iterable[bytes], contigs: dict[str, int], name: str) -> tuple[Survey, dict[str, None], bool]:
    """What the file says of genes, the contigs that the reference lacks, and whether there is a feature on another."""
    survey = Survey()
    absent: dict[str, None] = {}
    circular: set[bytes] = set()
    outside: list[tuple[int, Feature]] = []
    anything = False
    for number, _, feature in _features(lines, name):
        if feature is None:
            continue
        contig = feature.contig.decode(errors="replace")
        if contig not in contigs:
            absent[contig] = None
            continue
        anything = True
        if feature.circular:
            circular.add(feature.contig)
        if 1 <= feature.start <= feature.end <= contigs[contig]:
            survey.add(feature)
        else:
            outside.append((number, feature))
    for number, feature in outside:
        length = contigs[feature.contig.decode()]
        # Across the origin the end counts on behind the contig's end (GFF3 1.26, Circular Genomes), or begins anew.
        crosses = 1 <= feature.start <= length and feature.end <= 2 * length
        if feature.contig not in circular or feature.circular or not crosses:
            raise AnnotationError(f"{name}, line {number}: {_outside(feature, length)}")
        survey.add_across(feature)
    return survey, absent, anything


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
    """(number, line without its end, feature or None for a comment) of each line before the sequences."""
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


def _without(line: bytes, feature: Feature, left_out: set[bytes]) -> Iterator[bytes]:
    """A feature's line, for each of its parents that is not left out."""
    if feature.id in left_out:
        return
    parents = [parent for parent in feature.parents if parent not in left_out]
    if len(parents) == len(feature.parents) and (len(parents) < 2 or feature.type not in PARTS):
        yield line + b"\n"
        return
    for parent in parents:
        yield line.replace(b"Parent=" + b",".join(feature.parents), b"Parent=" + parent) + b"\n"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (f", … {len(names)} in all" if len(names) > 5 else "")


def main() -> None:
    """Command line of the rule `annotation`."""
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
