"""A genome of 8 kb with known variants, reads whose places are known, and folders in which single rules are run."""

import bz2
import gzip
import json
import lzma
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

from shared import ROOT, Outcome, bgzip, programs_of

# Two samples; the first has a name that everything that guesses from names would cut.
NASTY = "a.bam.b_R1-x"
PLAIN = "two"
SAMPLES = (NASTY, PLAIN)

LENGTHS = {"chr1": 4000, "chr2": 2400, "chrM": 1600}
READ, STEP = 100, 6
SINGLE_STEP, SINGLE_OFFSET = 12, 3  # places where no pair begins, so that no single read is a duplicate
FRAGMENTS = range(240, 281)  # of various lengths, or a small indel would make a pair improper
DUPLICATE_EVERY = 50  # fragments

CDS = (1001, 1300)  # 1-based, on chr1, forward strand
# Sequence written into the genome, by contig and 1-based position, so that variants are what they are meant to be.
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
    """Genotypes of SAMPLES for each planted allele, as a file with one allele a line has them."""
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
    """Random contigs with one open reading frame; the same each time."""
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
    """FASTA with lines of `width` bases."""
    return "".join(
        f">{name}\n" + "".join(sequence[at : at + width] + "\n" for at in range(0, len(sequence), width))
        for name, sequence in contigs.items()
    )


def gff(contig: str = "chr1") -> str:
    """The one gene as Ensembl writes GFF3."""
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
    """The other strand."""
    return sequence.translate(str.maketrans("ACGTN", "TGCAN"))[::-1]


def haplotype(contig: str, sample: str, copy: int) -> list[tuple[str, int]]:
    """Bases of one copy of a contig, each with its 1-based place in the reference."""
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
    """Pairs without errors at every STEPth base, from both haplotypes in turn; some come twice, the second time worse.

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
    """Single forward reads, named `single:CONTIG:PLACE:NUMBER`."""
    found: list[Read] = []
    for contig, length in LENGTHS.items():
        copies = [haplotype(contig, sample, copy) for copy in (0, 1)]
        for number, start in enumerate(range(SINGLE_OFFSET, length - READ - 10, SINGLE_STEP)):
            window = copies[number % 2][start : start + READ]
            name = f"single:{contig}:{window[0][1]}:{number}"
            found.append(Read(name, "".join(base for base, _ in window), "I" * READ))
    return found


def pair(name: str, first: str, second: str, quality: str = "I") -> Fragment:
    """Two mates."""
    return Read(name, first, quality * len(first)), Read(name, second, quality * len(second))


def text_of(reads: Iterable[Read]) -> bytes:
    """FASTQ."""
    return "".join(read.fastq() for read in reads).encode()


# --- compressions ----------------------------------------------------------------------------------


def in_parts(data: bytes, number: int = 3) -> list[bytes]:
    """`data` cut without regard to lines."""
    size = len(data) // number + 1
    return [data[at : at + size] for at in range(0, len(data), size)]


def piped(*command: str) -> Callable[[bytes], bytes]:
    """A tool as a function from stdin to stdout."""
    return lambda data: subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def multi(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Several members, streams or frames after each other."""
    return lambda data: b"".join(map(compress, in_parts(data)))


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip-members": multi(gzip.compress),
    "bgzip": bgzip,
    "bzip2": bz2.compress,
    "bzip2-streams": multi(bz2.compress),
    "xz": lzma.compress,
    "xz-streams": multi(lzma.compress),
    "zstd": piped("zstd", "-q", "-c"),
    "zstd-frames": multi(piped("zstd", "-q", "-c")),
}


# --- runs ------------------------------------------------------------------------------------------


@dataclass
class Project:
    """A working directory with a configuration and a sheet, in which rules are run."""

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    units: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, sample: str, unit: str, fq1: str, fq2: str = "", **more: str) -> None:
        """One line of the sheet."""
        self.units.append({"sample": sample, "unit": unit, "fq1": fq1, "fq2": fq2, **more})

    def write(self, name: str, data: bytes | str) -> str:
        """A file of the folder; returns its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return name

    def snakemake(self, *arguments: str, cores: int = 2, env: dict[str, str] | None = None) -> Outcome:
        """Runs Snakemake from the checkout, in the caller's environment."""
        columns = list(dict.fromkeys(key for unit in self.units for key in unit))
        rows = [columns, *([unit.get(column, "") for column in columns] for unit in self.units)]
        self.write("samples.tsv", "".join("\t".join(row) + "\n" for row in rows))
        self.write("config.yaml", yaml.safe_dump({"samples": "samples.tsv", **self.config}))
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--directory", str(self.folder)]
        command += ["--configfile", str(self.folder / "config.yaml"), "--notemp", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Outcome(done.returncode, done.stdout)

    def rule(
        self,
        rules: str,
        *targets: str,
        options: Iterable[str] = (),
        cores: int = 2,
        env: dict[str, str] | None = None,
    ) -> Outcome:
        """Runs these rules alone: files of all others have to be there. What they made before is removed."""
        for target in targets:
            self[target].unlink(missing_ok=True)
        return self.snakemake(*options, "--allowed-rules", *rules.split(), "--", *targets, cores=cores, env=env)

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def log(self, name: str) -> str:
        return self[f"logs/{name}.log"].read_text()

    def files(self, under: str = "results") -> list[str]:
        """Names of all files below a folder, hidden ones too."""
        return sorted(str(path.relative_to(self.folder)) for path in self[under].rglob("*") if path.is_file())

    def scratch(self) -> list[Path]:
        """What jobs left in their scratch folders."""
        return list(self[".snakemake/scratch"].glob("*"))

    def copy(self, folder: Path, *results: str) -> "Project":
        """A folder with the same inputs, and what earlier rules made in these folders of results."""
        for path in self.folder.iterdir():
            if path.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, folder)
        for name in ["reads", *(f"results/{result}" for result in results)]:
            if self[name].is_dir():
                shutil.copytree(self[name], folder / name, dirs_exist_ok=True)
        return Project(folder, deepcopy(self.config), deepcopy(self.units))


Copy = Callable[..., Project]
# Options for jobs that find each other's files in a storage only.
NO_DISK_IN_COMMON = ("--shared-fs-usage", "none")


def tiny_project(folder: Path) -> Project:
    """Two samples, three units, in three compressions, with an annotation."""
    project = Project(
        folder,
        {
            "reference": {"fasta": "ref.fa"},
            "reads": {"shards": 2},
            "calling": {"windows": 3},
            "annotation": {"gff": "genes.gff3"},
            "quality": {"coverage_windows": 8},
        },
    )
    project.write("ref.fa", fasta(GENOME))
    project.write("genes.gff3", gff())
    for unit, (sample, name, packed) in enumerate([(NASTY, "L.1", "gzip-members"), (PLAIN, "L1", "zstd")]):
        mates = zip(*fragments(sample, tag=f"{unit}:"), strict=True)
        files = [
            project.write(f"reads/{sample}_{mate}.fq", COMPRESSIONS[packed](text_of(reads)))
            for mate, reads in enumerate(mates, start=1)
        ]
        project.add(sample, name, *files, library=f"lib-{sample}", platform="", sex="M" if sample == NASTY else "F")
        if sample == NASTY:
            fastq = project.write("reads/single.fastq.gz", COMPRESSIONS["bzip2-streams"](text_of(singles(sample))))
            project.add(sample, "single+1", fastq, library="", platform="DNBSEQ", sex="M")
    return project


def units_of(sample: str) -> dict[str, list[Read]]:
    """The reads of each unit of a sample of the tiny project."""
    if sample == PLAIN:
        return {"L1": [read for mates in fragments(PLAIN, tag="1:") for read in mates]}
    return {"L.1": [read for mates in fragments(NASTY, tag="0:") for read in mates], "single+1": singles(NASTY)}


def dying(folder: Path, tool: str, code: int, lines: int = 60, only: str = "") -> dict[str, str]:
    """An environment in which `tool` (its subcommand `only`) dies with `code` after some lines of output."""
    folder.mkdir(parents=True, exist_ok=True)
    real = f"env -u TERRAFLOW_SAMTOOLS -u TERRAFLOW_BCFTOOLS {shlex.quote(str(shutil.which(tool)))}"
    fake = folder / tool
    fake.write_text(
        "#!/bin/bash\n"
        f'if [[ "{only}" && $1 != "{only}" ]]; then exec {real} "$@"; fi\n'
        f'{real} "$@" | head -n {lines}\nexit {code}\n'
    )
    fake.chmod(0o755)
    return programs_of(folder, tool)


# --- results ---------------------------------------------------------------------------------------


def output_of(*command: object) -> str:
    """What a tool prints."""
    return subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True).stdout


@dataclass(frozen=True)
class Record:
    """An alignment: SAM's fields by name."""

    name: str
    flag: int
    contig: str
    position: int
    cigar: str
    mate_position: int
    template: int
    tags: dict[str, str]
    line: str


def alignments(path: Path, reference: Path, *regions: str) -> list[Record]:
    """The records of a BAM or CRAM file, all or those of regions."""
    return [
        Record(f[0], int(f[1]), f[2], int(f[3]), f[5], int(f[7]), int(f[8]), dict(t.split(":", 1) for t in f[11:]), row)
        for row in output_of("samtools", "view", "-T", reference, path, *regions).splitlines()
        for f in [row.split("\t")]
    ]


def header(path: Path, kind: str) -> list[dict[str, str]]:
    """The header lines of a kind such as RG, each by tag."""
    lines = output_of("samtools", "view", "-H", path).splitlines()
    return [dict(part.split(":", 1) for part in line.split("\t")[1:]) for line in lines if line.startswith(f"@{kind}")]


@dataclass(frozen=True)
class Call:
    """A line of a VCF: FORMAT's fields by name for each sample."""

    site: Site
    filters: str
    info: str
    samples: list[dict[str, str]]


def calls(path: Path, *options: str) -> list[Call]:
    """The records of a VCF or BCF file."""
    found = []
    for line in output_of("bcftools", "view", "-H", *options, path).splitlines():
        fields = line.split("\t")
        keys = fields[8].split(":")
        samples = [dict(zip(keys, text.split(":"), strict=False)) for text in fields[9:]]
        found.append(Call((fields[0], int(fields[1]), fields[3], fields[4]), fields[6], fields[7], samples))
    return found


def genotypes(found: Iterable[Call]) -> dict[Site, list[str]]:
    """Genotypes by site."""
    return {call.site: [sample["GT"] for sample in call.samples] for call in found}


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a table with tabs."""
    head, *rows = (line.split("\t") for line in path.read_text().splitlines())
    return [dict(zip(head, row, strict=True)) for row in rows]


def read_json(path: Path) -> dict[str, Any]:
    """What a JSON file holds."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def records_of(text: bytes) -> Iterator[tuple[str, ...]]:
    """The records of FASTQ, four lines each."""
    lines = text.decode().splitlines()
    yield from zip(lines[::4], lines[1::4], lines[2::4], lines[3::4], strict=True)
