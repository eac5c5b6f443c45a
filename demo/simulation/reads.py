"""Sequencing: haplotypes, fragments of them, and reads with qualities and the errors that these promise."""

from __future__ import annotations

import io
import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from random import Random

from simulation.genome import Contig
from simulation.plan import SAMPLES, Lane
from simulation.repeats import Repeat, repeats_of, slips
from simulation.sequence import Interval, other_bases, reverse_complement
from simulation.variants import Site, shift_room

READ_END_MARGIN = 6  # bp next to a homozygous deletion without read ends, which would be misaligned there
FRAGMENT_MEAN, FRAGMENT_SD = 360.0, 50.0  # bp
DUPLICATE_RATE = 0.04  # of fragments
N_RATE = 0.01  # of reads
INDEL_ERROR_RATE = 0.002  # of reads
QUALITY_BINS = (8, 13, 22, 27, 32, 37, 41)  # the Phred values that Illumina instruments report
QUALITY_BOUNDS = tuple((low + high) / 2 for low, high in pairwise(QUALITY_BINS))
QUALITY_PROFILES = 400  # different quality strings in a lane
QUALITY_DROPS = (9.0, 13.0)  # mean Phred loss at the end of read 1 and read 2


@dataclass(frozen=True)
class Haplotype:
    """A sequence that reads are drawn from; no read ends in the sorted `fragile` intervals, both ends included.

    Polymerases slip at the `repeats`, which are in order.
    """

    sequence: str
    fragile: list[Interval]
    repeats: list[Repeat] = field(default_factory=list)

    def allows(self, ends: tuple[int, ...]) -> bool:
        """Tell whether reads may end before each of the given positions."""
        for end in ends:
            index = bisect_left(self.fragile, (end + 1, 0)) - 1
            if index >= 0 and end <= self.fragile[index][1]:
                return False
        return True

    def molecule(self, rng: Random, start: int, size: int) -> str:
        """Return a fragment as a polymerase copies it; what slips take away is made up for at its end."""
        first = bisect_left(self.repeats, start + 1, key=lambda repeat: repeat.start)
        last = bisect_left(self.repeats, start + size, lo=first, key=lambda repeat: repeat.end)
        parts: list[str] = []
        at = start
        for repeat, change in slips(rng, self.repeats[first:last]):
            parts += [self.sequence[at : repeat.start], repeat.unit * change]
            at = repeat.start + len(repeat.unit) * max(0, -change)
        made = "".join(parts)
        return made + self.sequence[at : at + size - len(made)]


def haplotype(sequence: str, sites: list[Site], sample: int, copy: int) -> Haplotype:
    """Return one of the two sequences of a sample for the contig that all sites lie on."""
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


def haplotypes_of(
    sample: str, contigs: list[Contig], sites: list[Site], slipping: bool = False
) -> list[list[Haplotype]]:
    """Return the two haplotypes of a sample for each contig; if they are `slipping`, reads may end anywhere."""
    number = SAMPLES.index(sample)
    found = []
    for contig in contigs:
        here = [site for site in sites if site.contig == contig.name]
        pair = [haplotype("".join(contig.bases), here, number, copy) for copy in (0, 1)]
        if slipping:
            pair = [Haplotype(made.sequence, [], repeats_of(made.sequence)) for made in pair]
        found.append(pair)
    return found


class Sequencer:
    """Turns template sequence into reads with qualities and the errors that they promise."""

    def __init__(self, rng: Random, length: int, drop: float) -> None:
        """Draw the quality strings of a lane; `drop` is the mean Phred loss at the read's end."""
        self.rng = rng
        self.length = length
        self.profiles = [self._profile(drop) for _ in range(QUALITY_PROFILES)]

    def _profile(self, drop: float) -> tuple[str, list[float]]:
        """Draw a quality string; also return the running sum of its error hazards."""
        offset = self.rng.gauss(0.0, 1.5)
        qualities: list[int] = []
        for i in range(self.length):
            start_loss = max(0, 5 - i)
            raw = 39.0 + offset - start_loss - drop * (i / self.length) ** 2 + self.rng.gauss(0.0, 2.5)
            qualities.append(QUALITY_BINS[bisect_left(QUALITY_BOUNDS, raw)])
        hazards = [-math.log1p(-(10 ** (-quality / 10))) for quality in qualities]
        return "".join(chr(33 + quality) for quality in qualities), list(accumulate(hazards))

    def read(self, template: str) -> tuple[str, str]:
        """Return sequence and qualities of a read; the template is one base longer than the read."""
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
            wrong = rng.choice(other_bases(sequence[at]))
            sequence = sequence[:at] + wrong + sequence[at + 1 :]
            reached += rng.expovariate(1.0)
        if rng.random() < N_RATE:
            at = rng.randrange(self.length)
            sequence = sequence[:at] + "N" + sequence[at + 1 :]
            quality = quality[:at] + "#" + quality[at + 1 :]
        return sequence, quality


def draw_fragment(rng: Random, source: Haplotype, length: int) -> str:
    """Draw a fragment longer than `length`, the length of the reads from its two ends."""
    while True:
        size = max(length + 1, round(rng.gauss(FRAGMENT_MEAN, FRAGMENT_SD)))
        start = rng.randrange(len(source.sequence) - size + 1)
        if source.allows((start, start + length, start + size - length, start + size)):
            return source.molecule(rng, start, size)


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
    """Return the FASTQ text of a lane's files, mates in step."""
    rng = Random(f"{seed}/{lane.sample}/{lane.unit}")
    mates = len(lane.files())
    sequencers = [Sequencer(rng, lane.read_length, drop) for drop in QUALITY_DROPS[:mates]]
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
