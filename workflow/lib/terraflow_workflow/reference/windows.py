"""Cuts a reference into a fixed number of windows of equal size, in its own order."""

import argparse
import sys
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from terraflow_workflow.reference.contigs import read_contigs

JOBS = "calling.windows"
"""The key whose windows are jobs. They are planned before the reference is read: each is there, with bases or not."""


def windows(contigs: dict[str, int], number: int) -> Iterator[tuple[str, int, int, int]]:
    """Return (contig, start, end, window) of each piece, 0-based and half-open, windows counted from 1.

    Every base lies in exactly one piece, windows differ by one base at most, and a window may hold many contigs.
    `number` may not exceed the number of bases.
    """
    total = sum(contigs.values())
    edges = [total * index // number for index in range(number + 1)]
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


def without_bases(contigs: dict[str, int], window: int) -> tuple[str, int, int, int]:
    """Return the piece of a window that has no bases: the place behind the last contig's end.

    Tools refuse an empty list of regions; they take this one, and find nothing there.
    """
    contig, length = list(contigs.items())[-1]
    return contig, length, length + 1, window


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
    pieces = list(windows(contigs, min(options.number, bases)))
    if options.number > bases:
        more = f"found {options.number:,}, more than the {bases:,} bases of the reference"
        print(f"{options.key}: {more}: one window for each base", file=sys.stderr)
        if options.key == JOBS:
            pieces += [without_bases(contigs, window) for window in range(bases + 1, options.number + 1)]
    options.out.write_text("".join(f"{contig}\t{start}\t{end}\t{window}\n" for contig, start, end, window in pieces))


if __name__ == "__main__":
    main()
