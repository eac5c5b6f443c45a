"""A seeded genome with the repeats of a mammal, and pairs of reads of a diploid individual with that genome.

Repeats decide what an aligner has to do for a read. Interspersed families, of the lengths of SINEs, LTRs and LINEs,
take up 45 % of a genome like that of a human (Lander et al. 2001, https://doi.org/10.1038/35057062); their copies
differ from the consensus by 2 to 25 %. Tandem repeats, of short units and of arrays like those of centromeres, take up
another 3 %.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
GC = 0.41
INTERSPERSED, TANDEM = 0.45, 0.03
DIVERGENCE = (0.02, 0.25)
# Share of the interspersed repeats, families, and length of a consensus: SINEs, LTRs and DNA transposons, LINEs.
KINDS = ((0.29, 12, 300), (0.26, 24, 1200), (0.45, 12, 6000))
# Most copies of long families have lost their beginning; those of SINEs, which are short, are whole.
SHORT, LEAST = 300, 100
READ, INSERT = 150, (400, 50)
SNP_EVERY = 1000
LINE = 100
PART = 20_000


@dataclass(frozen=True)
class Family:
    """A family of interspersed repeats: its consensus, and the share of bases in which a copy differs from it."""

    consensus: Codes
    divergence: float


def random_bases(random: Generator, length: int) -> Codes:
    """Return bases at random, with the GC content of a human."""
    at, gc = (1 - GC) / 2, GC / 2
    drawn = random.random(length, dtype=np.float32)
    return np.searchsorted(np.cumsum([at, gc, gc]), drawn).astype(np.uint8)


def diverged(random: Generator, bases: Codes, share: float) -> Codes:
    """Return bases of which a share differs: nine of ten differences are substitutions, one is a deletion."""
    changed = bases.copy()
    at = np.flatnonzero(random.random(len(bases), dtype=np.float32) < share)
    changed[at] = (changed[at] + random.integers(1, 4, len(at), dtype=np.uint8)) % 4
    return np.delete(changed, at[random.random(len(at)) < 0.1])


def families_of(random: Generator) -> list[tuple[float, list[Family]]]:
    """Return the kinds of families: the share of the interspersed repeats that each takes up, and its families."""
    return [
        (share, [Family(random_bases(random, length), random.uniform(*DIVERGENCE)) for _ in range(number)])
        for share, number, length in KINDS
    ]


def interspersed(random: Generator, kinds: list[tuple[float, list[Family]]], bases: int) -> Iterator[Codes]:
    """Yield copies of all families, in either orientation, until they have so many bases."""
    for share, families in kinds:
        made = 0
        while made < share * bases:
            family = families[random.integers(len(families))]
            length = len(family.consensus)
            kept = length if length <= SHORT else max(LEAST, int(length * random.beta(0.6, 2)))
            copy = diverged(random, family.consensus[length - kept :], family.divergence)
            made += len(copy)
            yield copy if random.random() < 0.5 else (3 - copy)[::-1]


def tandem(random: Generator, bases: int) -> Iterator[Codes]:
    """Yield tandem repeats: half of the bases in short units, half in arrays of units of 171 bases."""
    made = 0
    while made < bases / 2:
        unit = random_bases(random, int(random.integers(1, 7)))
        array = diverged(random, np.tile(unit, int(random.integers(20, 120)) // len(unit) + 1), random.uniform(0, 0.1))
        made += len(array)
        yield array
    alpha = random_bases(random, 171)
    while made < bases:
        array = diverged(random, np.tile(alpha, int(random.integers(50, 1000))), random.uniform(0.02, 0.2))
        made += len(array)
        yield array


def genome(seed: int, bases: int) -> Codes:
    """Return a genome of so many bases, as codes 0 to 3 (A, C, G, T): repeats at random places in unique sequence."""
    random = np.random.default_rng(seed)
    repeats = [
        *interspersed(random, families_of(random), int(INTERSPERSED * bases)),
        *tandem(random, int(TANDEM * bases)),
    ]
    unique = random_bases(random, bases - min(bases, sum(map(len, repeats))))
    cuts = np.sort(random.integers(0, len(unique) + 1, len(repeats)))
    blocks = np.split(unique, cuts)
    order = random.permutation(len(repeats))
    pieces = [blocks[0]]
    for number, block in zip(order, blocks[1:], strict=True):
        pieces += [repeats[number], block]
    return np.concatenate(pieces)[:bases]


def write_fasta(path: Path, codes: Codes, contigs: int = 2) -> None:
    """Write the genome as so many contigs of one size."""
    with path.open("wb") as target:
        for number, contig in enumerate(np.array_split(codes, contigs), 1):
            target.write(b">chr%d\n" % number)
            whole = len(contig) // LINE * LINE
            lines = np.full((whole // LINE, LINE + 1), ord("\n"), dtype=np.uint8)
            lines[:, :LINE] = LETTERS[contig[:whole]].reshape(-1, LINE)
            target.write(lines.tobytes())
            if whole < len(contig):
                target.write(LETTERS[contig[whole:]].tobytes() + b"\n")


def haplotypes(seed: int, codes: Codes) -> tuple[Codes, Codes]:
    """Return two copies of a genome with a SNP in a thousand bases: a third of them on both, the others on one."""
    random = np.random.default_rng(seed)
    at = np.arange(SNP_EVERY // 2, len(codes), SNP_EVERY)
    other = (codes[at] + random.integers(1, 4, len(at), dtype=np.uint8)) % 4
    on = random.integers(0, 3, len(at))
    copies = codes.copy(), codes.copy()
    for number, copy in enumerate(copies):
        chosen = (on == number) | (on == 2)
        copy[at[chosen]] = other[chosen]
    return copies


def qualities(random: Generator, number: int) -> NDArray[np.uint8]:
    """Return lines of qualities of a read, as a sequencer gives them: high, and falling near the end."""
    steps = random.choice([-2, -1, 0, 0, 0, 1, 1], (number, READ)) - (np.arange(READ) > 110)
    lines: NDArray[np.uint8] = (33 + np.clip(38 + np.cumsum(steps, axis=1), 2, 40)).astype(np.uint8)
    return lines


def write_pairs(folder: Path, seed: int, copies: tuple[Codes, Codes], pairs: int) -> None:
    """Write pairs of reads as R1.fastq.gz and R2.fastq.gz; three bases in a thousand are wrong."""
    random = np.random.default_rng(seed)
    lines = qualities(random, 2000)
    with _gzip(folder / "R1.fastq.gz") as first, _gzip(folder / "R2.fastq.gz") as second:
        for begin in range(0, pairs, PART):
            number = min(PART, pairs - begin)
            ends = _ends(random, copies, number)
            swapped = random.random(number) < 0.5
            for target, (one, two) in ((first, ends), (second, ends[::-1])):
                bases = np.where(swapped[:, None], two, one)
                wrong = random.random(bases.shape, dtype=np.float32) < 0.003
                bases = np.where(wrong, (bases + random.integers(1, 4, bases.shape, dtype=np.uint8)) % 4, bases)
                target.write(_records(begin, bases, lines[random.integers(0, len(lines), number)]))


def _gzip(path: Path) -> gzip.GzipFile:
    return gzip.GzipFile(path, "wb", compresslevel=6, mtime=0)


def _ends(random: Generator, copies: tuple[Codes, Codes], number: int) -> tuple[Codes, Codes]:
    """Return both ends of fragments, as rows of codes."""
    lengths = np.maximum(READ, random.normal(*INSERT, number).astype(np.int64))
    starts = (random.random(number) * (len(copies[0]) - lengths)).astype(np.int64)
    haplotype = random.integers(0, 2, number).astype(bool)[:, None]
    forward = starts[:, None] + np.arange(READ)
    backward = (starts + lengths - 1)[:, None] - np.arange(READ)
    first, second = copies
    return np.where(haplotype, first[forward], second[forward]), 3 - np.where(
        haplotype, first[backward], second[backward]
    )


def _records(begin: int, bases: Codes, quality: NDArray[np.uint8]) -> bytes:
    """Return records of FASTQ, which all have one length: a matrix is written at once."""
    number = len(bases)
    names = np.frombuffer(b"".join(b"@bench:%09d\n" % (begin + one) for one in range(number)), dtype=np.uint8)
    between = np.broadcast_to(np.frombuffer(b"\n+\n", dtype=np.uint8), (number, 3))
    end = np.full((number, 1), ord("\n"), dtype=np.uint8)
    return np.hstack([names.reshape(number, -1), LETTERS[bases], between, quality, end]).tobytes()
