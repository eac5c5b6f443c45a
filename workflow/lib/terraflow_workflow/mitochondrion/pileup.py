"""What `bcftools mpileup` counts at each place of the contig: reads of each allele by strand, and their qualities."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from terraflow_workflow.mitochondrion.circle import Circle

ANY = "<*>"
# mpileup writes insertions and deletions where so many reads, and this share of the reads, have one (-m, -F).
GAPPED_READS, GAPPED_SHARE = 3, 0.005
# What `bcftools query -f` is asked for.
FORMAT = r"%POS\t%REF\t%ALT[\t%DP\t%ADF\t%ADR\t%QS]\n"


@dataclass(frozen=True)
class Reads:
    """The reads that show one allele, by strand; `quality` is the sum of their base qualities (Phred)."""

    forward: int = 0
    reverse: int = 0
    quality: int = 0

    @property
    def count(self) -> int:
        """Reads of both strands."""
        return self.forward + self.reverse

    @property
    def mean_quality(self) -> float:
        """Mean base quality; 0 without reads."""
        return self.quality / self.count if self.count else 0.0


def together(parts: Iterable[Reads]) -> Reads:
    """Return the reads of several alleles as one."""
    every = list(parts)
    return Reads(
        sum(part.forward for part in every), sum(part.reverse for part in every), sum(part.quality for part in every)
    )


@dataclass(frozen=True)
class Column:
    """One place: its reference base or bases, all reads of good quality, and those of each allele; REF's too."""

    position: int
    ref: str
    depth: int
    alleles: dict[str, Reads]

    def line(self) -> str:
        """Return the place as a line in FORMAT."""
        parts = self.alleles.values()
        numbers = (",".join(str(getattr(part, name)) for part in parts) for name in ("forward", "reverse", "quality"))
        alts = ",".join(allele for allele in self.alleles if allele != self.ref) or ANY
        return "\t".join([str(self.position), self.ref, alts, str(self.depth), *numbers]) + "\n"

    @property
    def reads(self) -> Reads:
        """The reads of all alleles together."""
        return together(self.alleles.values())


def columns(lines: Iterable[str]) -> Iterator[Column]:
    """Return the places of lines in FORMAT."""
    for line in lines:
        position, ref, alts, depth, forward, reverse, quality = line.rstrip("\n").split("\t")
        alleles = {
            allele: Reads(int(one), int(other), int(total))
            for allele, one, other, total in zip(
                [ref, *alts.split(",")], forward.split(","), reverse.split(","), quality.split(","), strict=False
            )
            if allele != ANY
        }
        yield Column(int(position), ref, int(depth), alleles)


def on_contig(turned: Column, circle: Circle) -> Column | None:
    """Return a place of the turned contig as a place of the contig; None if its bases lie across the contig's ends."""
    position = circle.back(turned.position)
    if position + len(turned.ref) - 1 > circle.length:
        return None
    return Column(position, turned.ref, turned.depth, turned.alleles)
