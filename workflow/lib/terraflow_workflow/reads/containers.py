"""The containers of a CRAM file that hold the reads in some places: they can be copied without decoding them."""

import gzip
from collections.abc import Iterable
from pathlib import Path

Piece = tuple[str, int, int]

FEWEST = 20
"""Containers from which on copying pays: the first and the last one, which hold other reads, too, are a tenth."""


def containers_of(crai: Path, contigs: Iterable[str], pieces: Iterable[Piece]) -> tuple[int, int] | None:
    """Return the numbers of the first and the last container with reads in some pieces, None if there are none.

    crai: index of a sorted CRAM file: a line for each slice, with the number of its contig, its first base (1-based),
    its bases, and where its container lies in the file (CRAM specification, "CRAM indices"). A container has one slice
    or more, a slice of reads on several contigs one line for each. Containers count from 0.
    contigs: names of all contigs, in the order of the file's header.
    pieces: contig, start and end, 0-based and half-open.
    """
    number = {name: at for at, name in enumerate(contigs)}
    wanted: dict[int, list[tuple[int, int]]] = {}
    for name, start, end in pieces:
        wanted.setdefault(number[name], []).append((start, end))
    containers: dict[int, int] = {}
    found = set()
    with gzip.open(crai, "rt") as lines:
        for line in lines:
            contig, first, bases, offset, *_ = map(int, line.split("\t"))
            container = containers.setdefault(offset, len(containers))
            if any(start < first - 1 + bases and first - 1 < end for start, end in wanted.get(contig, [])):
                found.add(container)
    return (min(found), max(found)) if found else None
