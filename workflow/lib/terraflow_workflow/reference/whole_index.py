"""Check an index of bwa-mem2, which aligns wrongly, and without an error, with one that is cut short or has no shield.

`shield.py` says what a shield is for.
"""

import argparse
import mmap
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

from terraflow_workflow.reference.aligners import BWA_MEM2, SHIELD

# The parts of a file .bwt.2bit.64 (bwa-mem2 2.1 and later, FMI_search.cpp): the number of places, and of those before
# each base; for each 64 places the bases before them, and a bit of each base for each place; a suffix array's every
# eighth entry, in five bytes; and the place of the whole text.
HEAD = struct.Struct("<q5q")
BLOCK = struct.Struct("<4q4Q")
ENTRY = 5
TAIL = struct.Struct("<q")
PLACES, SAMPLED = 64, 8

HOW = "Build the index anew, or have the run build it with reference.bwa_index: build."


def sizes_of(bases: int) -> Mapping[str, int]:
    """Return the bytes of the files whose size follows from the bases of the reference, by suffix.

    Both strands are indexed, and an end.
    """
    places = 2 * bases + 1
    blocks = BLOCK.size * (places // PLACES + 1)
    return {
        ".0123": 2 * bases,
        ".bwt.2bit.64": HEAD.size + blocks + ENTRY * (places // SAMPLED + 1) + TAIL.size,
        ".pac": bases // 4 + 2,
    }


def problems_of_index(prefix: str) -> list[str]:
    """List what is wrong with an index, one line for each file."""
    ann = Path(f"{prefix}.ann")
    try:
        bases = int(ann.read_text(errors="replace").split(maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return [f"{ann}: is not a file that `{BWA_MEM2.indexer}` wrote"]
    problems = []
    for suffix, expected in sizes_of(bases).items():
        path = Path(f"{prefix}{suffix}")
        found = path.stat().st_size if path.exists() else None
        if found is None:
            problems.append(f"{path}: is missing; expected a file that `{BWA_MEM2.indexer}` wrote")
        elif found != expected:
            problems.append(
                f"{path}: found {found:,} bytes; expected the {expected:,} of a whole file of bwa-mem2 2.1 or later "
                f"for the {bases:,} bases of {ann}"
            )
    return problems or problems_of_start(prefix)


def problems_of_start(prefix: str) -> list[str]:
    """Return a line if reads can have a seed that bwa-mem2 takes for one at the first base of the first contig."""
    last = last_misplaced(Path(f"{prefix}.bwt.2bit.64"))
    lines = Path(f"{prefix}.ann").read_text(errors="replace").splitlines()
    contig, length = lines[1].split(" ", 2)[1], int(lines[2].split(" ")[1])
    if last < 1 or last < _unread(Path(f"{prefix}.amb")) or (contig == SHIELD and last < length):
        return []
    return [
        f"{prefix}: with this index, bwa-mem2 places reads wrongly that begin at bases 2 to {last + 1} of contig "
        f"{contig!r} (its issue 262). An index that this workflow builds doesn't have that fault"
    ]


def last_misplaced(bwt: Path) -> int:
    """Return the last of the places (from 0) that are taken for the first; 0 or -1 if there are none."""
    with bwt.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        places, *before = HEAD.unpack_from(data)
        (row,) = TAIL.unpack_from(data, len(data) - TAIL.size)
        last = -1
        while row % SAMPLED:
            last += 1
            row = _row_of_next(data, places, before, row)
        return last


def _row_of_next(data: mmap.mmap, places: int, before: list[int], row: int) -> int:
    """Return the row of the suffix that is one base shorter than that of `row`."""
    # Row 0 is the end's, which counts for no base.
    base = max(number for number in range(4) if before[number] + 1 <= row)
    rank = row - before[base] - 1
    low, high = 0, places // PLACES
    while low < high:
        middle = (low + high + 1) // 2
        if _block(data, middle)[base] <= rank:
            low = middle
        else:
            high = middle - 1
    block = _block(data, low)
    rank -= block[base]
    bits = format(block[4 + base], f"0{PLACES}b")
    at = -1
    for _ in range(rank + 1):
        at = bits.index("1", at + 1)
    return low * PLACES + at


def _block(data: mmap.mmap, number: int) -> tuple[int, ...]:
    return BLOCK.unpack_from(data, HEAD.size + number * BLOCK.size)


def _unread(amb: Path) -> int:
    """Return the number of N with which the reference begins: no read is taken from there."""
    found = amb.read_text(errors="replace").splitlines()[1:2]
    start, length = found[0].split(" ")[:2] if found else ("1", "0")
    return int(length) if start == "0" else 0


def main() -> None:
    """Run the command line of the rule `bwa_mem`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("amb", help="path of the file .amb of the index")
    if problems := problems_of_index(parser.parse_args().amb.removesuffix(".amb")):
        sys.exit("\n".join([*problems, HOW]))


if __name__ == "__main__":
    main()
