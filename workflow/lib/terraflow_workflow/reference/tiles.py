"""Cuts a window of the reference at the borders of tiles, each of which is called by itself.

Above 255 reads at a site, htslib looks at a random 255 of them, and which ones depends on the sites before it. Each
tile starts anew. Tiles lie at the same places whatever the number of windows, and so the calls don't depend on it.
Windows are made of whole tiles (windows.py). Those of a run that an earlier version began may begin within a tile: they
call the tile from its start, and leave out what belongs to the window before.
"""

import argparse
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from terraflow_workflow.reads.containers import FEWEST, containers_of
from terraflow_workflow.reference.contigs import read_contigs

PAD = 1000
"""Bases beside a tile that are looked at, too: more than the longest alignment. Their own calls are left out."""

NUMBERS = ((100_000, 3), (40_000_000, 8), (300_000_000, 24), (1_500_000_000, 120))
"""Largest reference in bases, and its number of tiles: few, since the programs start anew for each of them. Eight
windows, the default, are of one size, except where the reference is so small that it doesn't matter."""
MOST = 840

Piece = tuple[str, int, int]
"""Contig, start and end, 0-based and half-open."""


@dataclass(frozen=True)
class Tile:
    """What a window calls of a tile: places that are looked at, and those of them whose calls are kept."""

    looked_at: list[Piece]
    kept: list[Piece]


def number_of_tiles(bases: int) -> int:
    """Return into how many tiles a reference of so many bases is cut."""
    return next((number for largest, number in NUMBERS if bases <= largest), MOST)


class Reference:
    """The contigs of a reference, their bases counted through from 0."""

    def __init__(self, contigs: dict[str, int]) -> None:
        """Remember where each contig starts."""
        self.names = list(contigs)
        self.edges = list(accumulate(contigs.values(), initial=0))
        self.bases = self.edges[-1]

    def place(self, contig: str, position: int) -> int:
        """Return the number of a base, or of the one behind a contig's end."""
        return self.edges[self.names.index(contig)] + position

    def pieces(self, start: int, end: int, pad: int = 0) -> list[Piece]:
        """Return the pieces of contigs from `start` to `end`, each with up to `pad` bases more on either side."""
        found = []
        for index in range(bisect_right(self.edges, start) - 1, len(self.names)):
            first, last = self.edges[index], self.edges[index + 1]
            if first >= end:
                break
            if first < last:
                left, right = max(start - pad, first), min(end + pad, last)
                found.append((self.names[index], left - first, right - first))
        return found

    def tiles(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield start and end of each tile that has bases from `start` to `end`."""
        number = number_of_tiles(self.bases)
        for first, last in pairwise(self.bases * index // number for index in range(number + 1)):
            if max(first, start) < min(last, end):
                yield first, last


def called_with(window: list[Piece], contigs: dict[str, int], apart: Iterable[str]) -> dict[str, int]:
    """Return the contigs that are cut into tiles with those of a window: those `apart`, or all others.

    No window holds contigs of both kinds. One that is called apart may lie between others, which then stand together.
    """
    alone = set(apart)
    return {name: length for name, length in contigs.items() if (name in alone) == (window[0][0] in alone)}


def tiles_of(contigs: dict[str, int], window: list[Piece]) -> list[Tile]:
    """Return what a window calls of each tile.

    A window without bases lies behind the last contig's end: it looks at the last base, and keeps nothing.
    """
    reference = Reference(contigs)
    start, end = reference.place(*window[0][:2]), reference.place(window[-1][0], window[-1][2])
    if start >= reference.bases:
        return [Tile(reference.pieces(reference.bases - 1, reference.bases), window)]
    return [
        Tile(
            reference.pieces(first, min(last, end), PAD),
            reference.pieces(max(first, start), min(last, end)),
        )
        for first, last in reference.tiles(start, end)
    ]


def near(tiles: Iterable[Tile]) -> Iterator[Piece]:
    """Yield all that is looked at in some tiles, in the reference's order; what overlaps becomes one piece."""
    last: Piece | None = None
    for contig, start, end in (piece for tile in tiles for piece in tile.looked_at):
        if last and last[0] == contig:
            last = contig, last[1], max(last[2], end)
        else:
            if last:
                yield last
            last = contig, start, end
    if last:
        yield last


def read_window(path: Path, window: int) -> list[Piece]:
    """Return the pieces of a window from a BED with windows' numbers in its fourth column."""
    with path.open() as lines:
        rows = (line.rstrip("\n").split("\t") for line in lines)
        return [(contig, int(start), int(end)) for contig, start, end, number in rows if int(number) == window]


def read_names(bed: str) -> list[str]:
    """Return the contigs of a BED; none where there is no file."""
    return [line.split("\t")[0] for line in Path(bed).read_text().splitlines()] if bed else []


def write_bed(path: Path, pieces: Iterable[Piece]) -> None:
    """Write pieces as BED."""
    path.write_text("".join(f"{contig}\t{start}\t{end}\n" for contig, start, end in pieces))


def main() -> None:
    """Run the command line of the rules `bcftools_call` and `slices`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fai", required=True, help="index of the reference")
    parser.add_argument("--windows", required=True, type=Path, help="BED with the window's number in its fourth column")
    parser.add_argument("--window", required=True, type=int, help="number of the window")
    parser.add_argument("--apart", default="", help="BED of contigs that are called by themselves; may be empty")
    parser.add_argument("--near", type=Path, help="BED to write, of all that calling looks at")
    parser.add_argument("--tiles", type=Path, help="folder to make, of NUMBER.bed (looked at) and NUMBER.kept.bed")
    parser.add_argument("--crai", type=Path, help="index of a CRAM file: print its containers for that, if many")
    options = parser.parse_args()
    contigs = read_contigs(options.fai)
    window = read_window(options.windows, options.window)
    tiles = tiles_of(called_with(window, contigs, read_names(options.apart)), window)
    if options.near:
        write_bed(options.near, near(tiles))
    if options.crai:
        found = containers_of(options.crai, contigs, near(tiles))
        if found and found[1] - found[0] + 1 >= FEWEST:
            print("#:{}-{}".format(*found))
    if options.tiles:
        options.tiles.mkdir()
        for number, tile in enumerate(tiles, 1):
            write_bed(options.tiles / f"{number:03}.bed", tile.looked_at)
            # bcftools counts from 0 only in files of this ending.
            write_bed(options.tiles / f"{number:03}.kept.bed", tile.kept)


if __name__ == "__main__":
    main()
