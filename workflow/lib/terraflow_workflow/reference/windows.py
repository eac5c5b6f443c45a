"""Cuts a reference into a fixed number of windows, in its own order: of equal size, or for calling, of whole tiles."""

import argparse
import sys
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from terraflow_workflow.reference.contigs import read_contigs
from terraflow_workflow.reference.tiles import number_of_tiles

JOBS = "calling.windows"
"""The key whose windows are jobs. They are planned before the reference is read: each is there, with bases or not."""


Window = tuple[str, int, int, int]
"""A piece of a window: contig, start and end, 0-based and half-open, and the window's number, from 1."""


def windows(contigs: dict[str, int], number: int) -> Iterator[Window]:
    """Yield the pieces of windows of equal size.

    Every base lies in exactly one piece, windows differ by one base at most, and a window may hold many contigs.
    `number` may not exceed the number of bases.
    """
    total = sum(contigs.values())
    return between(contigs, [total * index // number for index in range(number + 1)])


def between(contigs: dict[str, int], edges: list[int]) -> Iterator[Window]:
    """Yield the pieces between edges, which are numbers of bases counted through all contigs."""
    window = 1
    for (contig, length), last in zip(contigs.items(), accumulate(contigs.values()), strict=True):
        offset = last - length
        position = offset
        while position < last:
            while edges[window] <= position:
                window += 1
            end = min(last, edges[window])
            yield contig, position - offset, end - offset, window
            position = end


def without_bases(contigs: dict[str, int], window: int) -> Window:
    """Return the piece of a window that has no bases: the place behind the last contig's end.

    Tools refuse an empty list of regions; they take this one, and find nothing there.
    """
    contig, length = list(contigs.items())[-1]
    return contig, length, length + 1, window


def of_whole_tiles(contigs: dict[str, int], number: int) -> list[Window]:
    """Return the pieces of `number` windows for calling, each of whole tiles; those beyond the tiles have no bases.

    A window that began within a tile would have to look at all of that tile in front of it, too, and end no earlier.
    """
    total = sum(contigs.values())
    tiles = number_of_tiles(total)
    filled = min(number, tiles)
    pieces = list(between(contigs, [total * (tiles * index // filled) // tiles for index in range(filled + 1)]))
    with_bases = {window for *_, window in pieces}
    empty = [window for window in range(1, number + 1) if window not in with_bases]
    return [*pieces, *(without_bases(contigs, window) for window in empty)]


def main() -> None:
    """Run the command line of the rule `windows`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fai", required=True, help="index of the reference")
    parser.add_argument("--number", required=True, type=int, help="how many windows")
    parser.add_argument("--key", required=True, help="key of the configuration that the number comes from")
    parser.add_argument("--out", required=True, type=Path, help="BED with the window's number in its fourth column")
    options = parser.parse_args()
    contigs = read_contigs(options.fai)
    bases = sum(contigs.values())
    if options.key == JOBS:
        largest, what = number_of_tiles(bases), "tiles that the reference is called in: the others are empty"
        pieces = of_whole_tiles(contigs, options.number)
    else:
        largest, what = bases, "bases of the reference: one window for each base"
        pieces = list(windows(contigs, min(options.number, bases)))
    if options.number > largest:
        print(f"{options.key}: found {options.number:,}, more than the {largest:,} {what}", file=sys.stderr)
    options.out.write_text("".join(f"{contig}\t{start}\t{end}\t{window}\n" for contig, start, end, window in pieces))


if __name__ == "__main__":
    main()
