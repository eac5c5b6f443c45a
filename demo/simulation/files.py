"""Files of a data set: reference, genes, truth, reads, sheet and configuration."""

from __future__ import annotations

import bz2
import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pysam

from simulation import SimulationError
from simulation.genome import END_MARGIN, Contig, Gene
from simulation.plan import SAMPLES, Plan
from simulation.sequence import Interval
from simulation.variants import Site

# --- reference and genes ---------------------------------------------------------------------------


def fasta(contigs: list[Contig]) -> str:
    """Return the contigs as FASTA, 60 bases a line."""
    lines: list[str] = []
    for contig in contigs:
        lines.append(f">{contig.name}")
        lines += [contig.read(at, at + 60) for at in range(0, len(contig.bases), 60)]
    return "\n".join(lines) + "\n"


def write_fasta(path: Path, text: str) -> None:
    """Write FASTA text, in BGZF if the name ends in .gz."""
    if path.suffix != ".gz":
        path.write_text(text)
        return
    with pysam.BGZFile(str(path), "w", None) as packed:
        packed.write(text.encode())


def gff_lines(contigs: list[Contig], genes: list[Gene]) -> Iterator[str]:
    """Yield the lines of a GFF3 with the genes, in the style of Ensembl."""
    yield "##gff-version 3"
    yield from (f"##sequence-region {contig.name} 1 {len(contig.bases)}" for contig in contigs)
    for gene in genes:
        yield from gene_lines(gene)
        yield "###"


def gene_lines(gene: Gene) -> Iterator[str]:
    """Yield a gene's lines: the gene, its transcript and that one's parts."""
    serial = f"{gene.number:05d}"

    def row(kind: str, part: Interval, attributes: str, phase: str = ".") -> str:
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


# --- truth -----------------------------------------------------------------------------------------


def truth_lines(contigs: list[Contig], sites: list[Site]) -> Iterator[str]:
    """Yield the lines of a VCF with the planted variants; multiallelic sites are not split yet."""
    yield "##fileformat=VCFv4.2"
    yield '##FILTER=<ID=PASS,Description="All filters passed">'
    yield from (f"##contig=<ID={contig.name},length={len(contig.bases)}>" for contig in contigs)
    yield '##FORMAT=<ID=GT,Number=1,Type=String,Description="Planted genotype">'
    yield "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *SAMPLES])
    for site in sites:
        genotypes = "\t".join(f"{a}|{b}" for a, b in site.genotypes)
        alts = ",".join(site.alts)
        yield f"{site.contig}\t{site.pos + 1}\t.\t{site.ref}\t{alts}\t.\tPASS\t.\tGT\t{genotypes}"


def write_truth(path: Path, reference: Path, text: str) -> None:
    """Write the truth as an indexed VCF, normalised and split as the workflow's calls are."""
    norm = ["bcftools", "norm", "--no-version", "-c", "e", "-m", "-any", "-f", str(reference), "-Oz"]
    path.write_bytes(run_tool([*norm, "-"], text))
    run_tool(["bcftools", "index", "--force", "--tbi", str(path)], "")
    for index in (".fai", ".gzi"):  # bcftools made them; the workflow makes its own
        Path(f"{reference}{index}").unlink(missing_ok=True)


def run_tool(command: list[str], text: str) -> bytes:
    """Feed text to a tool and return its output; raise SimulationError when it is missing or fails."""
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    except FileNotFoundError:
        raise SimulationError(f"{command[0]} is not on PATH") from None
    except subprocess.CalledProcessError as error:
        raise SimulationError(f"{' '.join(command)} failed: {error.stderr.decode().strip()}") from None
    return done.stdout


def bed_lines(contigs: list[Contig]) -> Iterator[str]:
    """Yield a BED of the places where depth is as planned."""
    for contig in contigs:
        yield f"{contig.name}\t{END_MARGIN}\t{len(contig.bases) - END_MARGIN}"


# --- reads -----------------------------------------------------------------------------------------


def write_reads(path: Path, text: str) -> None:
    """Write FASTQ text, compressed as the name says, without a time stamp."""
    data = text.encode()
    if path.suffix == ".bz2":
        path.write_bytes(bz2.compress(data))
        return
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        packed.write(data)


# --- sheet and configuration -----------------------------------------------------------------------


def path_prefix(out: Path, base: Path) -> str:
    """Return the path from `base` to `out` as a prefix of file names: empty, or with a slash at its end."""
    relative = os.path.relpath(out, base)
    return "" if relative == "." else f"{Path(relative).as_posix()}/"


def sheet(plan: Plan, prefix: str) -> str:
    """Return the sample sheet; `prefix` leads from the workflow's working directory to the data."""
    rows = ["sample\tunit\tfq1\tfq2"]
    for lane in plan.lanes:
        files = [f"{prefix}reads/{name}" for name in lane.files()]
        rows.append("\t".join([lane.sample, lane.unit, *files, *[""] * (2 - len(files))]))
    return "\n".join(rows) + "\n"


def config(plan: Plan, prefix: str) -> str:
    """Return the workflow's configuration for the data set; `prefix` as for the sheet."""
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
  gff: {f"{prefix}genes.gff3" if any(plan.genes) else '""'}
"""
