"""Plans: everything about a data set that is not drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

from simulation.sequence import Interval

SAMPLES = ("sampleA", "sampleB")


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
        """Return the names of the lane's FASTQ files, mates in order."""
        mates = ("_R1", "_R2") if self.paired else ("",)
        return [f"{self.sample}_{self.unit}{mate}.fastq{self.suffix}" for mate in mates]


@dataclass(frozen=True)
class Plan:
    """A data set: lengths of contigs in bp, numbers of genes by contig and of variants by kind, lanes, settings.

    `exons` is the smallest and the largest number of exons in a gene. `both_alleles` are SNPs, and as many indels, of
    which a sample carries two alleles that both differ from the reference. With `loci_per_10kb`, variants lie in short
    tandem repeats, at which polymerases slip, and SNPs between them.
    """

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
    both_alleles: int = 0
    loci_per_10kb: int = 0


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
    both_alleles=6,
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

REPEATS = Plan(
    contigs=(("repeats", 1_000_000),),
    genes=(0,),
    exons=(0, 0),
    repeats_per_10kb=0,
    long_repeats=False,
    snps=0,
    insertions=0,
    deletions=0,
    reference="ref.fa",
    windows=8,
    shards=1,
    lanes=(Lane("sampleA", "L1", 150, 30.0, True, ".gz"),),
    loci_per_10kb=32,
)
