"""The circle that a linear contig stands for: the contig cut open elsewhere, and positions on both.

A read across the ends of the contig aligns in parts, and bases near the ends get too few reads. On the contig that is
cut open half-way round, the same reads lie in the middle. GATK's mitochondrial workflow has such a "shifted" reference
(Laricchia et al. 2022, doi:10.1101/gr.276013.121).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

# Bases at each end that are looked at on the turned contig: more than a read of an Illumina machine has.
FLANK = 500
LINE = 100


@dataclass(frozen=True)
class Circle:
    """A circular contig of `length` bases; positions are 1-based."""

    length: int

    @property
    def flank(self) -> int:
        """Bases at each end that are read from the turned contig; no more than a quarter of the contig."""
        return min(FLANK, self.length // 4)

    @property
    def shift(self) -> int:
        """Bases that the turned contig has moved from the front to the back."""
        return self.length // 2

    def turn(self, sequence: str) -> str:
        """Return the sequence cut open half-way round."""
        return sequence[self.shift :] + sequence[: self.shift]

    def back(self, position: int) -> int:
        """Return the place on the contig of a place on the turned one."""
        return (position - 1 + self.shift) % self.length + 1

    def forth(self, position: int) -> int:
        """Return the place on the turned contig of a place on the contig."""
        return (position - 1 - self.shift) % self.length + 1

    def at_end(self, position: int) -> bool:
        """Return whether a place on the contig is read from the turned one."""
        return position <= self.flank or position > self.length - self.flank

    @property
    def middle(self) -> tuple[int, int]:
        """First and last place that are read from the contig as it is."""
        return self.flank + 1, self.length - self.flank

    @property
    def ends(self) -> tuple[int, int]:
        """First and last place, on the turned contig, of the two ends."""
        origin = self.length - self.shift
        return origin - self.flank + 1, origin + self.flank


def read_sequence(fasta: Path, contig: str) -> str:
    """Return a contig's sequence. Raises KeyError if the FASTA has no such contig."""
    parts: list[str] | None = None
    with fasta.open() as lines:
        for line in lines:
            if line.startswith(">"):
                if parts is not None:
                    break
                parts = [] if line[1:].split()[0] == contig else None
            elif parts is not None:
                parts.append(line.rstrip())
    if parts is None:
        raise KeyError(contig)
    return "".join(parts)


def write_fasta(path: Path, name: str, sequence: str) -> None:
    """Write one contig."""
    lines = "".join(sequence[at : at + LINE] + "\n" for at in range(0, len(sequence), LINE))
    path.write_text(f">{name}\n{lines}")


def main() -> None:
    """Write a contig as it is and turned, and beside each (.bed) what is read from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fasta", required=True, type=Path, help="FASTA that holds the contig")
    parser.add_argument("--contig", required=True)
    parser.add_argument("--out-middle", required=True, type=Path)
    parser.add_argument("--out-turned", required=True, type=Path)
    options = parser.parse_args()
    sequence = read_sequence(options.fasta, options.contig)
    circle = Circle(len(sequence))
    write_fasta(options.out_middle, options.contig, sequence)
    write_fasta(options.out_turned, options.contig, circle.turn(sequence))
    for path, (first, last) in ((options.out_middle, circle.middle), (options.out_turned, circle.ends)):
        path.with_suffix(".bed").write_text(f"{options.contig}\t{first - 1}\t{last}\n")


if __name__ == "__main__":
    main()
