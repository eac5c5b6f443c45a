"""Checks that a GFF3 file is one that `bcftools csq` can use with the reference, and writes it out as gzip."""

import argparse
import gzip
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from decompressed import open_decompressed
from fastq_stream import FastqError
from ploidy import read_contigs


class AnnotationError(Exception):
    """What is wrong with an annotation, with the line where it was found."""


def checked(lines: Iterable[bytes], contigs: dict[str, int], name: str) -> Iterator[bytes]:
    """The lines of the GFF3 file `name`, with Unix line ends and without the sequences that may follow.

    Raises AnnotationError for a feature behind the end of its contig, and at the end when no contig is one of the
    reference's or no coding transcript is one that csq knows (`ID=transcript:…;…biotype=protein_coding`).
    Contigs that the reference lacks are named on stderr.
    """
    absent: dict[str, None] = {}
    features = transcripts = 0
    for number, line in enumerate(lines, start=1):
        if line.startswith(b"##FASTA"):
            break
        line = line.rstrip(b"\r\n")
        yield line + b"\n"
        if line.startswith(b"#") or not line.strip():
            continue
        fields = line.split(b"\t")
        if len(fields) != 9 or not fields[3].isdigit() or not fields[4].isdigit():
            raise AnnotationError(f"{name}, line {number}: found {line[:60]!r}; expected the 9 columns of GFF3")
        contig = fields[0].decode(errors="replace")
        if contig not in contigs:
            absent[contig] = None
            continue
        if int(fields[4]) > contigs[contig]:
            raise AnnotationError(
                f"{name}, line {number}: the feature ends at {contig}:{int(fields[4])}, "
                f"but the contig has {contigs[contig]} bases; is this the annotation of another assembly?"
            )
        features += 1
        transcripts += b"ID=transcript:" in fields[8] and b"biotype=" in fields[8]
    if not features:
        raise AnnotationError(
            f"{name}: none of its contigs ({_some(absent)}) is one of the reference's ({_some(contigs)}); "
            "rename them, or use the annotation that belongs to the reference"
        )
    if not transcripts:
        raise AnnotationError(
            f"{name}: has no transcript as bcftools csq knows them; expected Ensembl's GFF3, "
            "with ID=transcript:…, Parent=gene:… and biotype=… in its ninth column"
        )
    if absent:
        print(f"{name}: not in the reference, and so not used: {_some(absent)}", file=sys.stderr)


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
    try:
        with (
            open_decompressed(options.gff) as source,
            options.out.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as target,
        ):
            target.writelines(checked(source, contigs, options.gff))
    except (AnnotationError, FastqError, OSError) as error:
        options.out.unlink(missing_ok=True)
        sys.exit(str(error))


if __name__ == "__main__":
    main()
