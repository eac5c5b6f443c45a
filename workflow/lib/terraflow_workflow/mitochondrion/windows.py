"""Leave the mitochondrion out of the windows of calling, and make it one more."""

import argparse
from pathlib import Path

from terraflow_workflow.reference.contigs import read_contigs
from terraflow_workflow.reference.windows import Window, of_whole_tiles, without_bases


def calling_windows(contigs: dict[str, int], mitochondrion: str | None, number: int) -> list[Window]:
    """Return `number` windows of all other contigs, and one more, which is the whole mitochondrion.

    A window without bases lies behind the end of the last of them; tools find nothing there.
    """
    others = {name: length for name, length in contigs.items() if name != mitochondrion}
    if others:
        pieces = of_whole_tiles(others, number)
    else:
        pieces = [without_bases(contigs, window) for window in range(1, number + 1)]
    if mitochondrion:
        return [*pieces, (mitochondrion, 0, contigs[mitochondrion], number + 1)]
    return [*pieces, without_bases(contigs, number + 1)]


def main() -> None:
    """Run the command line of the rule `nuclear_windows`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fai", required=True, help="index of the reference")
    parser.add_argument("--contig", required=True, type=Path, help="BED of the mitochondrion; empty if there is none")
    parser.add_argument("--number", required=True, type=int, help="number of windows of the other contigs")
    parser.add_argument("--out", required=True, type=Path, help="BED with the window's number in its fourth column")
    options = parser.parse_args()
    found = options.contig.read_text().split("\t")[0] or None
    pieces = calling_windows(read_contigs(options.fai), found, options.number)
    options.out.write_text("".join("\t".join(map(str, piece)) + "\n" for piece in pieces))


if __name__ == "__main__":
    main()
