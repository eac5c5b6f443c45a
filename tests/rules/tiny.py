"""A genome of 8 kb with known variants, and reads whose places are known."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

# Two samples. A program that guesses from file names would cut the first one's name.
NASTY = "a.bam.b_R1-x"
PLAIN = "two"
SAMPLES = (NASTY, PLAIN)

LENGTHS = {"chr1": 4000, "chr2": 2400, "chrM": 1600}
READ, STEP = 100, 6
SINGLE_STEP, SINGLE_OFFSET = 12, 3  # places where no pair begins, so that no single read is a duplicate
FRAGMENTS = range(240, 281)  # bp; with one length only, a small indel would make a pair improper
DUPLICATE_EVERY = 50  # fragments

CDS = (1001, 1300)  # 1-based, on chr1, forward strand
# Sequence written into the genome, by contig and 1-based position: the reference bases that PLANTED needs.
FIXED = {
    ("chr1", CDS[0]): "ATG",
    ("chr1", CDS[0] + 19 * 3): "GCT",
    ("chr1", CDS[0] + 39 * 3): "CTA",
    ("chr1", CDS[0] + 59 * 3): "TGG",
    ("chr1", CDS[0] + 78 * 3): "GACCAGTCT",
    ("chr1", CDS[1] - 2): "TAA",
    ("chr1", 601): "A",
    ("chr1", 2001): "CGATTGAC",
    ("chr1", 2601): "CGTTACTG",
    ("chr2", 801): "A",
    ("chr2", 1501): "G",
    ("chrM", 501): "T",
}


@dataclass(frozen=True)
class Planted:
    """A variant and the alleles (0: reference) of both haplotypes of NASTY and of PLAIN."""

    contig: str
    position: int
    ref: str
    alts: tuple[str, ...]
    nasty: tuple[int, int]
    plain: tuple[int, int]

    def alleles(self, sample: str) -> tuple[int, int]:
        return self.nasty if sample == NASTY else self.plain


PLANTED = (
    Planted("chr1", 601, "A", ("G",), (0, 1), (1, 1)),
    Planted("chr1", 1059, "C", ("A",), (1, 1), (0, 0)),  # codon 20, GCT to GAT
    Planted("chr1", 1120, "A", ("G",), (0, 1), (0, 0)),  # codon 40, CTA to CTG
    Planted("chr1", 1180, "G", ("A",), (0, 0), (0, 1)),  # codon 60, TGG to TGA
    Planted("chr1", 1238, "CA", ("C",), (0, 0), (1, 1)),  # codon 80, one base lost
    Planted("chr1", 2001, "C", ("CTTAG",), (1, 1), (0, 1)),
    Planted("chr1", 2601, "CGTTA", ("C",), (0, 1), (0, 0)),
    Planted("chr2", 801, "A", ("C", "G"), (0, 1), (0, 2)),
    Planted("chr2", 1501, "G", ("T",), (1, 1), (0, 1)),
    Planted("chrM", 501, "T", ("C",), (1, 1), (0, 0)),
)

Site = tuple[str, int, str, str]


def planted_genotypes(ploidy: Callable[[str, str], int] = lambda sample, contig: 2) -> dict[Site, list[str]]:
    """Return the genotypes of SAMPLES for each planted allele, as in a VCF with one allele a line."""
    return {
        (site.contig, site.position, site.ref, alt): [
            "/".join(sorted(str(int(allele == number)) for allele in site.alleles(sample)))[
                : 2 * ploidy(sample, site.contig) - 1
            ]
            for sample in SAMPLES
        ]
        for site in PLANTED
        for number, alt in enumerate(site.alts, start=1)
    }


# --- genome and reads ------------------------------------------------------------------------------


def make_genome() -> dict[str, str]:
    """Make random contigs with one open reading frame; the same each time."""
    random = Random("tiny")
    contigs = {name: random.choices("ACGT", k=length) for name, length in LENGTHS.items()}
    first, last = CDS
    codons = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT" if a + b + c not in ("TAA", "TAG", "TGA")]
    contigs["chr1"][first - 1 : last] = "".join(random.choices(codons, k=(last - first + 1) // 3))
    for (contig, position), sequence in FIXED.items():
        contigs[contig][position - 1 : position - 1 + len(sequence)] = sequence
    return {name: "".join(bases) for name, bases in contigs.items()}


GENOME = make_genome()


def fasta(contigs: dict[str, str], width: int = 60) -> str:
    """Return FASTA with lines of `width` bases."""
    return "".join(
        f">{name}\n" + "".join(sequence[at : at + width] + "\n" for at in range(0, len(sequence), width))
        for name, sequence in contigs.items()
    )


def gff(contig: str = "chr1") -> str:
    """Return GFF3 with the one gene, as Ensembl writes it."""
    first, last = CDS
    parent = "Parent=transcript:T1"
    rows = [
        ("gene", first - 50, last + 50, ".", "ID=gene:G1;Name=tiny;biotype=protein_coding;gene_id=G1"),
        ("mRNA", first - 50, last + 50, ".", "ID=transcript:T1;Parent=gene:G1;Name=tiny;biotype=protein_coding"),
        ("exon", first - 50, last + 50, ".", parent),
        ("CDS", first, last, "0", f"ID=CDS:P1;{parent}"),
    ]
    lines = [
        f"{contig}\ttest\t{kind}\t{start}\t{end}\t.\t+\t{phase}\t{text}\n" for kind, start, end, phase, text in rows
    ]
    return "##gff-version 3\n" + "".join(lines)


def reverse_complement(sequence: str) -> str:
    """Return the other strand."""
    return sequence.translate(str.maketrans("ACGTN", "TGCAN"))[::-1]


def haplotype(contig: str, sample: str, copy: int) -> list[tuple[str, int]]:
    """Return the bases of one copy of a contig, each with its 1-based place in the reference."""
    sequence = GENOME[contig]
    bases: list[tuple[str, int]] = []
    at = 0
    for site in PLANTED:
        allele = site.alleles(sample)[copy]
        if site.contig == contig and allele:
            bases += [(sequence[i], i + 1) for i in range(at, site.position - 1)]
            bases += [(base, site.position) for base in site.alts[allele - 1]]
            at = site.position - 1 + len(site.ref)
    return bases + [(sequence[i], i + 1) for i in range(at, len(sequence))]


@dataclass(frozen=True)
class Read:
    """A read as it stands in a FASTQ."""

    name: str
    sequence: str
    quality: str

    def fastq(self) -> str:
        return f"@{self.name}\n{self.sequence}\n+\n{self.quality}\n"


Fragment = tuple[Read, Read]


def fragments(sample: str, tag: str = "") -> list[Fragment]:
    """Return pairs without errors at every STEPth base, from both haplotypes in turn; some come twice, then worse.

    A name is `tag` CONTIG:PLACE1:PLACE2:NUMBER, places being the leftmost reference positions of both mates; a
    duplicate's ends in `:dup`.
    """
    found: list[Fragment] = []
    for contig, length in LENGTHS.items():
        copies = [haplotype(contig, sample, copy) for copy in (0, 1)]
        for number, start in enumerate(range(0, length - max(FRAGMENTS) - 10, STEP)):
            window = copies[number % 2][start : start + FRAGMENTS[number * 7 % len(FRAGMENTS)]]
            text = "".join(base for base, _ in window)
            places = (window[0][1], window[-READ][1])
            mates = (text[:READ], reverse_complement(text[-READ:]))
            if number // 2 % 2:
                places, mates = places[::-1], mates[::-1]
            name = f"{tag}{contig}:{places[0]}:{places[1]}:{number}"
            found.append(pair(name, *mates, "I"))
            if number % DUPLICATE_EVERY == 7:
                found.append(pair(f"{name}:dup", *mates, "5"))
    return found


def singles(sample: str) -> list[Read]:
    """Return single forward reads, named `single:CONTIG:PLACE:NUMBER`."""
    found: list[Read] = []
    for contig, length in LENGTHS.items():
        copies = [haplotype(contig, sample, copy) for copy in (0, 1)]
        for number, start in enumerate(range(SINGLE_OFFSET, length - READ - 10, SINGLE_STEP)):
            window = copies[number % 2][start : start + READ]
            name = f"single:{contig}:{window[0][1]}:{number}"
            found.append(Read(name, "".join(base for base, _ in window), "I" * READ))
    return found


def pair(name: str, first: str, second: str, quality: str = "I") -> Fragment:
    """Return two mates with one quality for all bases."""
    return Read(name, first, quality * len(first)), Read(name, second, quality * len(second))


def text_of(reads: Iterable[Read]) -> bytes:
    """Return reads as FASTQ."""
    return "".join(read.fastq() for read in reads).encode()
