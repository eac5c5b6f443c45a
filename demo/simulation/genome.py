"""The reference: contigs with genes that code for proteins, and repeats that are hard to align to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, islice, pairwise, product
from random import Random

from simulation import SimulationError
from simulation.plan import Plan
from simulation.sequence import BASES, Interval, mutate, overlaps, random_bases, reverse_complement

END_MARGIN = 400  # bp at each contig end where coverage ramps up
STOP_CODONS = ("TAA", "TAG", "TGA")
SENSE_CODONS = tuple(codon for codon in map("".join, product(BASES, repeat=3)) if codon not in STOP_CODONS)


@dataclass
class Contig:
    """A reference sequence under construction; `taken` intervals hold features, `ambiguous` ones repeats."""

    name: str
    bases: list[str]
    taken: list[Interval] = field(default_factory=list)
    ambiguous: list[Interval] = field(default_factory=list)

    def read(self, start: int, end: int) -> str:
        """Return the sequence of an interval."""
        return "".join(self.bases[start:end])

    def write(self, start: int, sequence: str) -> None:
        """Replace the bases from `start` on."""
        self.bases[start : start + len(sequence)] = sequence

    def claim(self, rng: Random, length: int, ambiguous: bool = False, pad: int = 30) -> int:
        """Reserve a random free interval and return its start; raise SimulationError when there is no room."""
        for _ in range(2000):
            start = rng.randint(pad, len(self.bases) - length - pad)
            if not overlaps(start - pad, start + length + pad, self.taken):
                self.taken.append((start, start + length))
                if ambiguous:
                    self.ambiguous.append((start - pad, start + length + pad))
                return start
        raise SimulationError(f"no room for {length} bp more on contig {self.name}")

    def insert(self, rng: Random, sequence: str, ambiguous: bool = False, pad: int = 30) -> None:
        """Write a sequence over a random free interval; raise SimulationError when there is no room."""
        self.write(self.claim(rng, len(sequence), ambiguous, pad), sequence)


@dataclass(frozen=True)
class Gene:
    """A protein-coding gene with one transcript; exons and CDS parts are in genome order."""

    contig: str
    number: int
    strand: str
    exons: tuple[Interval, ...]
    cds: tuple[Interval, ...]

    def phases(self) -> list[int]:
        """Return for each CDS part the number of bases before its first whole codon."""
        forward = self.strand == "+"
        lengths = [end - start for start, end in (self.cds if forward else self.cds[::-1])]
        phases = [-before % 3 for before in accumulate(lengths[:-1], initial=0)]
        return phases if forward else phases[::-1]


def make_reference(rng: Random, plan: Plan) -> tuple[list[Contig], list[Gene]]:
    """Draw the contigs with their genes and repeats."""
    contigs = [Contig(name, list(background(rng, length))) for name, length in plan.contigs]
    genes: list[Gene] = []
    for contig, count in zip(contigs, plan.genes, strict=True):
        for _ in range(count):
            genes.append(add_gene(rng, contig, len(genes) + 1, plan.exons))
    if plan.long_repeats:
        add_long_repeats(rng, contigs)
    for contig in contigs:
        add_short_repeats(rng, contig, plan.repeats_per_10kb)
    return contigs, sorted(genes, key=lambda gene: (gene.contig, gene.exons[0]))


def background(rng: Random, length: int) -> str:
    """Draw sequence whose GC content changes from block to block, as isochores do."""
    blocks: list[str] = []
    filled = 0
    while filled < length:
        size = rng.randint(400, 1500)
        blocks.append(random_bases(rng, size, rng.uniform(0.36, 0.58)))
        filled += size
    return "".join(blocks)[:length]


# --- genes -----------------------------------------------------------------------------------------


def spliced_layout(rng: Random, exons: Interval) -> tuple[list[Interval], list[Interval]]:
    """Draw the exons and CDS parts of a transcript, in its own 5' to 3' coordinates."""
    lengths = [rng.randint(90, 330) for _ in range(rng.randint(*exons))]
    lengths[-1] += -sum(lengths) % 3
    exon_list: list[Interval] = []
    cds: list[Interval] = []
    at = 0
    for index, length in enumerate(lengths):
        before = rng.randint(40, 110) if index == 0 else 0
        after = rng.randint(60, 160) if index == len(lengths) - 1 else 0
        exon_list.append((at, at + before + length + after))
        cds.append((at + before, at + before + length))
        at = exon_list[-1][1] + rng.randint(110, 420)
    return exon_list, cds


def coding_sequence(rng: Random, length: int) -> str:
    """Draw a start codon, sense codons and a stop codon: `length` bases in all."""
    codons = rng.choices(SENSE_CODONS, k=length // 3 - 2)
    return "ATG" + "".join(codons) + rng.choice(STOP_CODONS)


def spliced_sequence(rng: Random, bases: str, exons: list[Interval], cds: list[Interval]) -> str:
    """Return a transcript's bases with an open reading frame in the CDS parts and with GT..AG introns."""
    oriented = list(bases)
    coding = iter(coding_sequence(rng, sum(end - begin for begin, end in cds)))
    for begin, end in cds:
        oriented[begin:end] = islice(coding, end - begin)
    for (_, donor), (acceptor, _) in pairwise(exons):
        oriented[donor : donor + 2] = "GT"
        oriented[acceptor - 2 : acceptor] = "AG"
    return "".join(oriented)


def add_gene(rng: Random, contig: Contig, number: int, exons: Interval) -> Gene:
    """Place a gene; even numbers lie on the reverse strand."""
    exon_list, cds = spliced_layout(rng, exons)
    span = exon_list[-1][1]
    start = contig.claim(rng, span, pad=END_MARGIN // 2)
    bases = contig.read(start, start + span)
    if number % 2:
        contig.write(start, spliced_sequence(rng, bases, exon_list, cds))
        places = [tuple((start + s, start + e) for s, e in parts) for parts in (exon_list, cds)]
        return Gene(contig.name, number, "+", *places)
    spliced = spliced_sequence(rng, reverse_complement(bases), exon_list, cds)
    contig.write(start, reverse_complement(spliced))
    end = start + span
    places = [tuple((end - e, end - s) for s, e in reversed(parts)) for parts in (exon_list, cds)]
    return Gene(contig.name, number, "-", *places)


# --- repeats ---------------------------------------------------------------------------------------


def add_long_repeats(rng: Random, contigs: list[Contig]) -> None:
    """Add duplications (one exact, one diverged), an interspersed family and low complexity."""
    for divergence in (0.0, 0.04):
        original = random_bases(rng, 500, 0.45)
        for contig in (contigs[0], contigs[-1]):
            contig.insert(rng, mutate(rng, original, divergence), ambiguous=True, pad=160)
    family = random_bases(rng, 280, 0.6)
    for contig in contigs:
        for copy in family_copies(rng, family, len(contig.bases) // 12_000):
            contig.insert(rng, copy, ambiguous=True)
        for _ in range(len(contig.bases) // 20_000):
            contig.insert(rng, random_bases(rng, 120, 0.08), ambiguous=True)


def family_copies(rng: Random, family: str, count: int) -> Iterator[str]:
    """Yield diverged copies of a repeat, on both strands in turn."""
    for index in range(count):
        copy = mutate(rng, family, rng.uniform(0.12, 0.2))
        yield copy if index % 2 else reverse_complement(copy)


def add_short_repeats(rng: Random, contig: Contig, per_10kb: int) -> None:
    """Add homopolymers of 7 to 13 bp and microsatellites with units of 2 to 4 bp."""
    for _ in range(max(1, per_10kb * len(contig.bases) // 10_000)):
        contig.insert(rng, rng.choice(BASES) * rng.randint(7, 13))
        unit = "".join(rng.sample(BASES, rng.randint(2, 4)))
        contig.insert(rng, unit * rng.randint(5, 9), ambiguous=True)
