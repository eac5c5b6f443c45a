#!/usr/bin/env python3
"""Make a small, seeded sequencing data set whose variants are known.

The same seed gives the same bytes. Coordinates inside the program are 0-based and half-open;
the files follow their own conventions (1-based in GFF3 and VCF).
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import math
import os
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate, cycle, islice, pairwise
from pathlib import Path
from random import Random

import pysam

BASES = "ACGT"
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
STOP_CODONS = ("TAA", "TAG", "TGA")
SENSE_CODONS = tuple(
    codon for codon in (a + b + c for a in BASES for b in BASES for c in BASES) if codon not in STOP_CODONS
)

END_MARGIN = 400  # bp at each contig end where coverage ramps up
SPACING = 60  # bp kept free on both sides of a variant
MAX_INDEL = 12  # bp
MAX_EXTENT = 12  # bp, length of an indel plus how far it can slide: reads ending there do not show it
FLANK, MIN_DIFFERENCES = 8, 4  # bp beside a deletion, and how many of them differ from what is deleted
READ_END_MARGIN = 6  # bp next to a homozygous deletion without read ends, which would be misaligned there

FRAGMENT_MEAN, FRAGMENT_SD = 360.0, 50.0  # bp
DUPLICATE_RATE = 0.04  # of fragments
N_RATE = 0.01  # of reads
INDEL_ERROR_RATE = 0.002  # of reads
QUALITY_BINS = (8, 13, 22, 27, 32, 37, 41)  # the Phred values that Illumina instruments report
QUALITY_BOUNDS = tuple((low + high) / 2 for low, high in pairwise(QUALITY_BINS))
QUALITY_PROFILES = 400  # different quality strings in a lane

SAMPLES = ("sampleA", "sampleB")
Interval = tuple[int, int]
Genotype = tuple[int, int]


class SimulationError(Exception):
    """The data set cannot be made; the text says why."""


@dataclass(frozen=True)
class Lane:
    """One sequencing lane of a sample; `depth` is the mean coverage it adds, duplicates included."""

    sample: str
    unit: str
    read_length: int
    depth: float
    paired: bool
    suffix: str

    def files(self) -> list[str]:
        """Names of its FASTQ files, mates in order."""
        mates = ("_R1", "_R2") if self.paired else ("",)
        return [f"{self.sample}_{self.unit}{mate}.fastq{self.suffix}" for mate in mates]


@dataclass(frozen=True)
class Plan:
    """Everything about a data set that is not drawn at random."""

    contigs: tuple[tuple[str, int], ...]
    genes: tuple[int, ...]
    exons: Interval
    repeats_per_10kb: int
    long_repeats: bool
    snps: int
    insertions: int
    deletions: int
    reference: str
    windows: int
    shards: int
    lanes: tuple[Lane, ...]


DEMO = Plan(
    contigs=(("demo1", 120_000), ("demo2", 75_000)),
    genes=(8, 5),
    exons=(2, 4),
    repeats_per_10kb=2,
    long_repeats=True,
    snps=220,
    insertions=72,
    deletions=72,
    reference="reference.fa",
    windows=4,
    shards=2,
    lanes=(
        Lane("sampleA", "L1", 150, 34.0, True, ".gz"),
        Lane("sampleA", "L2", 125, 34.0, True, ".gz"),
        Lane("sampleB", "L1", 150, 70.0, False, ".bz2"),
    ),
)

SMALL = Plan(
    contigs=(("example", 5_000),),
    genes=(1,),
    exons=(2, 2),
    repeats_per_10kb=2,
    long_repeats=False,
    snps=9,
    insertions=4,
    deletions=4,
    reference="reference.fa.gz",
    windows=1,
    shards=1,
    lanes=(
        Lane("sampleA", "L1", 125, 18.0, True, ".gz"),
        Lane("sampleB", "L1", 125, 18.0, False, ".gz"),
    ),
)


@dataclass
class Contig:
    """A reference sequence under construction; `taken` intervals hold features, `ambiguous` repeats."""

    name: str
    bases: list[str]
    taken: list[Interval] = field(default_factory=list)
    ambiguous: list[Interval] = field(default_factory=list)

    def read(self, start: int, end: int) -> str:
        """The sequence of an interval."""
        return "".join(self.bases[start:end])

    def write(self, start: int, sequence: str) -> None:
        """Replace the bases from `start` on."""
        self.bases[start : start + len(sequence)] = sequence


@dataclass(frozen=True)
class Gene:
    """A protein-coding gene with one transcript; exons and CDS parts are in genome order."""

    contig: str
    number: int
    strand: str
    exons: tuple[Interval, ...]
    cds: tuple[Interval, ...]

    def phases(self) -> list[int]:
        """For each CDS part, the bases to skip to reach the first whole codon."""
        forward = self.strand == "+"
        lengths = [end - start for start, end in (self.cds if forward else self.cds[::-1])]
        phases = [-before % 3 for before in accumulate(lengths[:-1], initial=0)]
        return phases if forward else phases[::-1]


@dataclass(frozen=True)
class Site:
    """A planted variant; genotypes hold, for each sample, the allele of both haplotypes."""

    contig: str
    pos: int
    ref: str
    alts: tuple[str, ...]
    genotypes: tuple[Genotype, ...]


@dataclass(frozen=True)
class Haplotype:
    """A sequence that reads are drawn from, and the sorted places (both ends included) where none ends."""

    sequence: str
    fragile: list[Interval]

    def allows(self, ends: tuple[int, ...]) -> bool:
        """Whether reads may end before each of the given positions."""
        for end in ends:
            index = bisect_left(self.fragile, (end + 1, 0)) - 1
            if index >= 0 and end <= self.fragile[index][1]:
                return False
        return True


def reverse_complement(sequence: str) -> str:
    """The opposite strand, read 5' to 3'."""
    return sequence.translate(COMPLEMENT)[::-1]


def overlaps(start: int, end: int, intervals: list[Interval]) -> bool:
    """Whether the interval shares a base with any of the others."""
    return any(start < other_end and other_start < end for other_start, other_end in intervals)


def random_bases(rng: Random, length: int, gc: float = 0.5) -> str:
    """Independent bases with the given GC content."""
    return "".join(rng.choices(BASES, ((1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2), k=length))


def mutate(rng: Random, sequence: str, rate: float) -> str:
    """Substitute each base with probability `rate`."""
    return "".join(rng.choice(BASES.replace(b, "")) if rng.random() < rate else b for b in sequence)


# --- reference -------------------------------------------------------------------------------------


def background(rng: Random, length: int) -> str:
    """Sequence whose GC content changes from block to block, as isochores do."""
    blocks: list[str] = []
    filled = 0
    while filled < length:
        size = rng.randint(400, 1500)
        blocks.append(random_bases(rng, size, rng.uniform(0.36, 0.58)))
        filled += size
    return "".join(blocks)[:length]


def claim(rng: Random, contig: Contig, length: int, ambiguous: bool = False, pad: int = 30) -> int:
    """Reserve a random free interval and return its start; SimulationError when there is no room."""
    for _ in range(2000):
        start = rng.randint(pad, len(contig.bases) - length - pad)
        if not overlaps(start - pad, start + length + pad, contig.taken):
            contig.taken.append((start, start + length))
            if ambiguous:
                contig.ambiguous.append((start - pad, start + length + pad))
            return start
    raise SimulationError(f"no room for {length} bp more on contig {contig.name}")


def spliced_layout(rng: Random, exons: Interval) -> tuple[list[Interval], list[Interval], int]:
    """Exons, CDS parts and total length of a transcript, in its own 5' to 3' coordinates."""
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
    return exon_list, cds, exon_list[-1][1]


def coding_sequence(rng: Random, length: int) -> str:
    """A start codon, sense codons and a stop codon."""
    codons = rng.choices(SENSE_CODONS, k=length // 3 - 2)
    return "ATG" + "".join(codons) + rng.choice(STOP_CODONS)


def write_gene_sequence(rng: Random, contig: Contig, start: int, strand: str, layout: list[list[Interval]]) -> None:
    """Give the reference an open reading frame and GT..AG introns where the gene lies."""
    exons, cds = layout
    span = exons[-1][1]
    bases = contig.read(start, start + span)
    oriented = list(bases if strand == "+" else reverse_complement(bases))
    coding = iter(coding_sequence(rng, sum(end - begin for begin, end in cds)))
    for begin, end in cds:
        oriented[begin:end] = islice(coding, end - begin)
    for (_, donor), (acceptor, _) in pairwise(exons):
        oriented[donor : donor + 2] = "GT"
        oriented[acceptor - 2 : acceptor] = "AG"
    text = "".join(oriented)
    contig.write(start, text if strand == "+" else reverse_complement(text))


def add_gene(rng: Random, contig: Contig, number: int, exons: Interval) -> Gene:
    """Place a gene; even numbers lie on the reverse strand."""
    exon_list, cds, span = spliced_layout(rng, exons)
    start = claim(rng, contig, span, pad=END_MARGIN // 2)
    strand = "-" if number % 2 == 0 else "+"
    write_gene_sequence(rng, contig, start, strand, [exon_list, cds])

    def genomic(parts: list[Interval]) -> tuple[Interval, ...]:
        if strand == "+":
            return tuple((start + s, start + e) for s, e in parts)
        return tuple((start + span - e, start + span - s) for s, e in reversed(parts))

    return Gene(contig.name, number, strand, genomic(exon_list), genomic(cds))


def add_long_repeats(rng: Random, contigs: list[Contig]) -> None:
    """Add duplications (one exact, one diverged), an interspersed family and low complexity."""
    for divergence in (0.0, 0.04):
        original = random_bases(rng, 500, 0.45)
        for contig in (contigs[0], contigs[-1]):
            copy = mutate(rng, original, divergence)
            contig.write(claim(rng, contig, len(copy), ambiguous=True, pad=160), copy)
    family = random_bases(rng, 280, 0.6)
    for contig in contigs:
        for index in range(len(contig.bases) // 12_000):
            copy = mutate(rng, family, rng.uniform(0.12, 0.2))
            copy = copy if index % 2 else reverse_complement(copy)
            contig.write(claim(rng, contig, len(copy), ambiguous=True), copy)
        for _ in range(len(contig.bases) // 20_000):
            copy = random_bases(rng, 120, 0.08)
            contig.write(claim(rng, contig, len(copy), ambiguous=True), copy)


def add_short_repeats(rng: Random, contig: Contig, per_10kb: int) -> None:
    """Add homopolymers of 7 to 13 bp and microsatellites with units of 2 to 4 bp."""
    for _ in range(max(1, per_10kb * len(contig.bases) // 10_000)):
        run = rng.choice(BASES) * rng.randint(7, 13)
        contig.write(claim(rng, contig, len(run)), run)
        unit = "".join(rng.sample(BASES, rng.randint(2, 4)))
        tract = unit * rng.randint(5, 9)
        contig.write(claim(rng, contig, len(tract), ambiguous=True), tract)


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


# --- variants --------------------------------------------------------------------------------------


def left_align(sequence: str, pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """The leftmost, shortest equivalent of a variant, as `bcftools norm` writes it."""
    while ref[-1] == alt[-1] and (pos > 0 or min(len(ref), len(alt)) > 1):
        ref, alt = ref[:-1], alt[:-1]
        if not ref or not alt:
            pos -= 1
            ref, alt = sequence[pos] + ref, sequence[pos] + alt
    while ref[0] == alt[0] and min(len(ref), len(alt)) > 1:
        ref, alt, pos = ref[1:], alt[1:], pos + 1
    return pos, ref, alt


def shift_room(sequence: str, pos: int, ref: str, alt: str) -> int:
    """How many bases a left-aligned indel can slide to the right; 0 for a substitution."""
    moved = (ref if len(ref) > len(alt) else alt)[1:]
    if not moved:
        return 0
    after = sequence[pos + len(ref) :]
    return next((i for i, base in enumerate(after) if base != moved[i % len(moved)]), len(after))


def stands_out(sequence: str, pos: int, ref: str, alt: str, shift: int) -> bool:
    """Whether the flanks of a deletion, laid over what is deleted, differ enough to show a read's place."""
    size = len(ref) - len(alt)
    if size <= 0:
        return True
    for start in (pos + 1 - FLANK, pos + 1 + shift):
        kept, shifted = sequence[start : start + FLANK], sequence[start + size : start + size + FLANK]
        if sum(a != b for a, b in zip(kept, shifted, strict=True)) < MIN_DIFFERENCES:
            return False
    return True


def indel_length(rng: Random) -> int:
    """A length in bp: short ones are the most frequent."""
    lengths = range(1, MAX_INDEL + 1)
    return rng.choices(lengths, [1 / length for length in lengths])[0]


def draw_variant(rng: Random, kind: str, sequence: str, pos: int, length: int) -> tuple[int, str, str]:
    """A left-aligned variant of a kind (snp, insertion, deletion) at or near a position."""
    base = sequence[pos]
    if kind == "snp":
        return pos, base, rng.choice(BASES.replace(base, ""))
    if kind == "deletion":
        return left_align(sequence, pos, sequence[pos : pos + length + 1], base)
    tandem = rng.random() < 0.4
    inserted = sequence[pos + 1 : pos + 1 + length] if tandem else random_bases(rng, length)
    return left_align(sequence, pos, base, base + inserted)


def genotype_patterns(rng: Random) -> Iterator[tuple[Genotype, ...]]:
    """Genotypes of the two samples, endlessly: private and shared, heterozygous and homozygous."""
    het, hom, none = (0, 1), (1, 1), (0, 0)
    for pair in cycle([(het, none), (none, hom), (het, het), (none, het), (hom, none), (het, hom), (hom, hom)]):
        yield tuple(genotype[::-1] if rng.random() < 0.5 else genotype for genotype in pair)


class Planter:
    """Chooses sites that reads can tell apart and keeps them at a distance from each other."""

    def __init__(self, rng: Random, contigs: list[Contig], genes: list[Gene]) -> None:
        """Remember what is on the contigs."""
        self.rng = rng
        self.sequences = {contig.name: "".join(contig.bases) for contig in contigs}
        self.blocked = {contig.name: list(contig.ambiguous) for contig in contigs}
        self.coding = [(gene.contig, start, end) for gene in genes for start, end in gene.cds]
        self.patterns = genotype_patterns(rng)
        self.sites: list[Site] = []

    def position(self, coding: bool) -> tuple[str, int]:
        """A random position away from the contig ends."""
        names = list(self.sequences)
        if coding:
            name, start, end = self.rng.choice(self.coding)
            return name, self.rng.randrange(start + 3, end - 3)
        name = self.rng.choices(names, [len(self.sequences[name]) for name in names])[0]
        return name, self.rng.randrange(END_MARGIN, len(self.sequences[name]) - END_MARGIN)

    def plant(self, kind: str, coding: bool = False, length: int | None = None) -> None:
        """Add one variant with two alleles; SimulationError when no site suits."""
        for _ in range(5000):
            name, at = self.position(coding)
            sequence = self.sequences[name]
            pos, ref, alt = draw_variant(self.rng, kind, sequence, at, length or indel_length(self.rng))
            shift = shift_room(sequence, pos, ref, alt)
            start, end = pos - SPACING, pos + len(ref) + shift + SPACING
            clear = abs(len(alt) - len(ref)) + shift <= MAX_EXTENT and stands_out(sequence, pos, ref, alt, shift)
            if clear and not overlaps(start, end, self.blocked[name]):
                self.blocked[name].append((pos, pos + len(ref) + shift))
                self.sites.append(Site(name, pos, ref, (alt,), next(self.patterns)))
                return
        raise SimulationError(f"no place left for another {kind}")

    def plant_multiallelic(self, genotypes: tuple[Genotype, ...]) -> None:
        """Add a substitution with two alternative alleles."""
        self.plant("snp")
        site = self.sites.pop()
        others = [base for base in BASES if base != site.ref]
        alts = tuple(self.rng.sample(others, 2))
        self.sites.append(Site(site.contig, site.pos, site.ref, alts, genotypes))


def plant_variants(rng: Random, plan: Plan, contigs: list[Contig], genes: list[Gene]) -> list[Site]:
    """Plant the variants of a plan, coding ones first, and return them in genome order."""
    planter = Planter(rng, contigs, genes)
    coding_snps = 2 * len(genes)
    for _ in range(coding_snps):
        planter.plant("snp", coding=True)
    planter.plant("deletion", coding=True, length=3)
    planter.plant("insertion", coding=True, length=1)
    planter.plant_multiallelic(((0, 1), (2, 2)))
    planter.plant_multiallelic(((1, 2), (0, 0)))
    left = {
        "snp": plan.snps - coding_snps - 2,
        "insertion": plan.insertions - 1,
        "deletion": plan.deletions - 1,
    }
    for kind, count in left.items():
        for _ in range(count):
            planter.plant(kind)
    order = [name for name, _ in plan.contigs]
    return sorted(planter.sites, key=lambda site: (order.index(site.contig), site.pos))


def haplotype(sequence: str, sites: list[Site], sample: int, copy: int) -> Haplotype:
    """One of the two sequences of a sample for the contig that all sites lie on."""
    parts: list[str] = []
    fragile: list[Interval] = []
    at = made = 0
    for site in sites:
        genotype = site.genotypes[sample]
        allele = site.alts[genotype[copy] - 1] if genotype[copy] else site.ref
        parts += [sequence[at : site.pos], allele]
        made += site.pos - at + len(allele)
        at = site.pos + len(site.ref)
        if genotype[0] == genotype[1] and len(allele) < len(site.ref):
            shift = shift_room(sequence, site.pos, site.ref, allele)
            fragile.append((made - READ_END_MARGIN, made + shift + READ_END_MARGIN))
    return Haplotype("".join([*parts, sequence[at:]]), fragile)


# --- reads -----------------------------------------------------------------------------------------


class Sequencer:
    """Turns template sequence into reads with qualities and the errors that they promise."""

    def __init__(self, rng: Random, length: int, drop: float) -> None:
        """Draw the quality strings of a lane; `drop` is the mean Phred loss at the read's end."""
        self.rng = rng
        self.length = length
        self.profiles = [self._profile(drop) for _ in range(QUALITY_PROFILES)]

    def _profile(self, drop: float) -> tuple[str, list[float]]:
        """A quality string and the running sum of its error hazards."""
        offset = self.rng.gauss(0.0, 1.5)
        qualities: list[int] = []
        for i in range(self.length):
            start_loss = max(0, 5 - i)
            raw = 39.0 + offset - start_loss - drop * (i / self.length) ** 2 + self.rng.gauss(0.0, 2.5)
            qualities.append(QUALITY_BINS[bisect_left(QUALITY_BOUNDS, raw)])
        hazards = [-math.log1p(-(10 ** (-quality / 10))) for quality in qualities]
        return "".join(chr(33 + quality) for quality in qualities), list(accumulate(hazards))

    def read(self, template: str) -> tuple[str, str]:
        """Sequence and qualities of a read; the template is one base longer than the read."""
        rng = self.rng
        quality, hazard = rng.choice(self.profiles)
        if rng.random() < INDEL_ERROR_RATE:
            at = rng.randrange(1, self.length - 1)
            resume = at + 1 if rng.random() < 0.6 else at - 1
            template = template[:at] + template[resume:]
        sequence = template[: self.length]
        reached = rng.expovariate(1.0)
        while reached < hazard[-1]:
            at = bisect_left(hazard, reached)
            wrong = rng.choice(BASES.replace(sequence[at], ""))
            sequence = sequence[:at] + wrong + sequence[at + 1 :]
            reached += rng.expovariate(1.0)
        if rng.random() < N_RATE:
            at = rng.randrange(self.length)
            sequence = sequence[:at] + "N" + sequence[at + 1 :]
            quality = quality[:at] + "#" + quality[at + 1 :]
        return sequence, quality


def draw_fragment(rng: Random, source: Haplotype, length: int) -> str:
    """A fragment longer than `length`, the length of the reads from its two ends."""
    while True:
        size = max(length + 1, round(rng.gauss(FRAGMENT_MEAN, FRAGMENT_SD)))
        start = rng.randrange(len(source.sequence) - size + 1)
        if source.allows((start, start + length, start + size - length, start + size)):
            return source.sequence[start : start + size]


def draw_fragments(rng: Random, haplotypes: list[list[Haplotype]], length: int, count: int) -> Iterator[str]:
    """Yield fragments in the direction of the first read; some are PCR copies of earlier ones.

    `haplotypes` holds the two of each contig; fragments are longer than `length`, that of the reads.
    """
    weights = list(accumulate(len(pair[0].sequence) for pair in haplotypes))
    seen: list[str] = []
    for _ in range(count):
        if seen and rng.random() < DUPLICATE_RATE:
            yield rng.choice(seen)
            continue
        pair = haplotypes[bisect_left(weights, rng.random() * weights[-1])]
        fragment = draw_fragment(rng, pair[rng.getrandbits(1)], length)
        seen.append(fragment if rng.getrandbits(1) else reverse_complement(fragment))
        yield seen[-1]


def simulate_lane(seed: int, number: int, lane: Lane, haplotypes: list[list[Haplotype]]) -> list[str]:
    """FASTQ text of a lane's files, mates in step."""
    rng = Random(f"{seed}/{lane.sample}/{lane.unit}")
    mates = len(lane.files())
    sequencers = [Sequencer(rng, lane.read_length, drop) for drop in (9.0, 13.0)[:mates]]
    bases = sum(len(pair[0].sequence) for pair in haplotypes)
    count = round(lane.depth * bases / (lane.read_length * mates))
    texts = [io.StringIO() for _ in range(mates)]
    for serial, fragment in enumerate(draw_fragments(rng, haplotypes, lane.read_length, count), 1):
        name = f"SIM:{seed}:FC{number}:{number}:{1101 + serial % 16}:{rng.randrange(1000, 20000)}:{serial}"
        for mate, (sequencer, out) in enumerate(zip(sequencers, texts, strict=True), 1):
            strand = fragment if mate == 1 else reverse_complement(fragment)
            sequence, quality = sequencer.read(strand[: lane.read_length + 1])
            out.write(f"@{name} {mate}:N:0:1\n{sequence}\n+\n{quality}\n")
    return [text.getvalue() for text in texts]


# --- files -----------------------------------------------------------------------------------------


def gff_lines(contigs: list[Contig], genes: list[Gene]) -> Iterator[str]:
    """The genes as GFF3 in the style of Ensembl."""
    yield "##gff-version 3"
    yield from (f"##sequence-region {contig.name} 1 {len(contig.bases)}" for contig in contigs)
    for gene in genes:
        serial = f"{gene.number:05d}"

        def row(kind: str, part: Interval, attributes: str, phase: str = ".", gene: Gene = gene) -> str:
            span = f"{part[0] + 1}\t{part[1]}"
            return f"{gene.contig}\tsimulated\t{kind}\t{span}\t.\t{gene.strand}\t{phase}\t{attributes}"

        whole = (gene.exons[0][0], gene.exons[-1][1])
        parent = f"Parent=transcript:SIMT{serial}"
        labels = f"Name=sim{gene.number};biotype=protein_coding"
        yield row("gene", whole, f"ID=gene:SIMG{serial};{labels};gene_id=SIMG{serial}")
        transcript = f"ID=transcript:SIMT{serial};Parent=gene:SIMG{serial};{labels};transcript_id=SIMT{serial}"
        yield row("mRNA", whole, transcript)
        first, last = gene.cds[0], gene.cds[-1]
        utr = ["five_prime_UTR", "three_prime_UTR"]
        left, right = utr if gene.strand == "+" else utr[::-1]
        yield row(left, (whole[0], first[0]), parent)
        for exon in gene.exons:
            yield row("exon", exon, parent)
        for part, phase in zip(gene.cds, gene.phases(), strict=True):
            yield row("CDS", part, f"ID=CDS:SIMP{serial};{parent}", str(phase))
        yield row(right, (last[1], whole[1]), parent)
        yield "###"


def truth_lines(contigs: list[Contig], sites: list[Site]) -> Iterator[str]:
    """The planted variants as VCF, multiallelic sites not yet split."""
    yield "##fileformat=VCFv4.2"
    yield '##FILTER=<ID=PASS,Description="All filters passed">'
    yield from (f"##contig=<ID={contig.name},length={len(contig.bases)}>" for contig in contigs)
    yield '##FORMAT=<ID=GT,Number=1,Type=String,Description="Planted genotype">'
    yield "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *SAMPLES])
    for site in sites:
        genotypes = "\t".join(f"{a}|{b}" for a, b in site.genotypes)
        alts = ",".join(site.alts)
        yield f"{site.contig}\t{site.pos + 1}\t.\t{site.ref}\t{alts}\t.\tPASS\t.\tGT\t{genotypes}"


def run_tool(command: list[str], text: str) -> bytes:
    """Feed text to a tool and return what it prints; SimulationError when it cannot do its work."""
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    except FileNotFoundError:
        raise SimulationError(f"{command[0]} is not on PATH") from None
    except subprocess.CalledProcessError as error:
        raise SimulationError(f"{' '.join(command)} failed: {error.stderr.decode().strip()}") from None
    return done.stdout


def write_truth(path: Path, reference: Path, text: str) -> None:
    """Write the truth as an indexed VCF, normalised and split as the workflow's calls are."""
    norm = ["bcftools", "norm", "--no-version", "-c", "e", "-m", "-any", "-f", str(reference), "-Oz"]
    path.write_bytes(run_tool([*norm, "-"], text))
    run_tool(["bcftools", "index", "--force", "--tbi", str(path)], "")


def fasta(contigs: list[Contig]) -> str:
    """The contigs as FASTA, 60 bases a line."""
    lines: list[str] = []
    for contig in contigs:
        lines.append(f">{contig.name}")
        lines += [contig.read(at, at + 60) for at in range(0, len(contig.bases), 60)]
    return "\n".join(lines) + "\n"


def write_fasta(path: Path, text: str) -> None:
    """Write FASTA text, in BGZF if the name says so."""
    if path.suffix != ".gz":
        path.write_text(text)
        return
    with pysam.BGZFile(str(path), "w", None) as packed:
        packed.write(text.encode())


def write_reads(path: Path, text: str) -> None:
    """Write FASTQ text, compressed as the name says, without a time stamp."""
    data = text.encode()
    if path.suffix == ".bz2":
        path.write_bytes(bz2.compress(data))
        return
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        packed.write(data)


def sheet(plan: Plan, prefix: str) -> str:
    """The sample sheet; `prefix` leads from the workflow's working directory to the data."""
    rows = ["sample\tunit\tfq1\tfq2"]
    for lane in plan.lanes:
        files = [f"{prefix}reads/{name}" for name in lane.files()]
        rows.append("\t".join([lane.sample, lane.unit, *files, *[""] * (2 - len(files))]))
    return "\n".join(rows) + "\n"


def config(plan: Plan, prefix: str) -> str:
    """The workflow's configuration for the data set."""
    return f"""\
samples: {prefix}samples.tsv
reference:
  fasta: {prefix}{plan.reference}
reads:
  shards: {plan.shards}
alignment:
  format: cram
  mark_duplicates: true
calling:
  mode: joint
  ploidy: 2
  windows: {plan.windows}
filters:
  LowQual: "QUAL < 20"
annotation:
  gff: {prefix}genes.gff3
"""


def path_prefix(out: Path, base: Path) -> str:
    """What leads from `base` to `out`, ready to be put before a file name."""
    relative = os.path.relpath(out, base)
    return "" if relative == "." else f"{Path(relative).as_posix()}/"


def simulate(out: Path, seed: int, plan: Plan, base: Path) -> None:
    """Write the data set of a plan into `out`; paths in its files are relative to `base`."""
    contigs, genes = make_reference(Random(f"{seed}/reference"), plan)
    sites = plant_variants(Random(f"{seed}/variants"), plan, contigs, genes)
    (out / "reads").mkdir(parents=True, exist_ok=True)

    reference = out / plan.reference
    text = fasta(contigs)
    write_fasta(reference, text)
    (out / "genes.gff3").write_text("\n".join(gff_lines(contigs, genes)) + "\n")
    write_truth(out / "truth.vcf.gz", reference, "\n".join(truth_lines(contigs, sites)) + "\n")

    # The next lane is simulated while the files of this one are compressed.
    with ThreadPoolExecutor() as pool:
        written = []
        for number, lane in enumerate(plan.lanes, 1):
            sample = SAMPLES.index(lane.sample)
            haplotypes = []
            for contig in contigs:
                here = [site for site in sites if site.contig == contig.name]
                haplotypes.append([haplotype("".join(contig.bases), here, sample, copy) for copy in (0, 1)])
            for name, reads in zip(lane.files(), simulate_lane(seed, number, lane, haplotypes), strict=True):
                written.append(pool.submit(write_reads, out / "reads" / name, reads))
    for file in written:
        file.result()

    prefix = path_prefix(out, base)
    (out / "samples.tsv").write_text(sheet(plan, prefix))
    (out / "config.yaml").write_text(config(plan, prefix))
    for index in (".fai", ".gzi"):  # left by bcftools; the workflow makes its own
        Path(f"{reference}{index}").unlink(missing_ok=True)


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Make a reference, genes, reads of two samples and the truth about their variants.",
        epilog="example: python demo/simulate.py --out demo/run --seed 1",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write into (made if needed)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same bytes (default: 1)")
    parser.add_argument("--small", action="store_true", help="one contig of 5 kb at low depth, under 200 kB")
    parser.add_argument(
        "--relative-to",
        type=Path,
        metavar="DIR",
        help="the workflow's working directory, which paths in samples.tsv and config.yaml "
        "start from (default: the folder of --out)",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    options = parse_arguments(argv)
    plan = SMALL if options.small else DEMO
    try:
        simulate(options.out, options.seed, plan, options.relative_to or options.out)
    except (SimulationError, OSError) as error:
        print(f"simulate.py: {error}", file=sys.stderr)
        return 1
    print(f"wrote {len(plan.lanes)} lanes of {len(SAMPLES)} samples and their truth to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
