"""Judge one sample's pileup: its errors, what could have been seen at each place, and the alleles that may be real."""

import argparse
import csv
import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import pysam

from terraflow_workflow.mitochondrion.alleles import Allele, Sample, Site, commonest
from terraflow_workflow.mitochondrion.circle import Circle, read_sequence
from terraflow_workflow.mitochondrion.errors import Errors
from terraflow_workflow.mitochondrion.links import Rare, fragments_of, linked
from terraflow_workflow.mitochondrion.pileup import Column, columns, on_contig
from terraflow_workflow.quality.versions import of_alignment

SITES = ("contig", "position", "reference", "forward", "reverse", "error", "smallest_fraction")


@dataclass(frozen=True)
class Evidence:
    """What is kept of one sample: for the file of all samples, and to judge it again."""

    reads: dict[str, int]  # kept, and left out by reason
    nuclear_depth: float | None  # mean of the other contigs; None if there are none
    errors: Errors
    snvs: dict[int, Column]
    indels: list[Column]
    suspects: list[tuple[int, str, str]]
    linked: dict[Rare, float]
    depth: float  # mean of the contig, in bases of good quality
    smallest_fraction: float | None  # median of the places that have one
    programs: dict[str, str]  # version of each that aligned the reads of the ends

    def write(self, path: Path) -> None:
        """Write it as JSON, gzip."""
        content = {
            "reads": self.reads,
            "nuclear_depth": self.nuclear_depth,
            "rates": [[*kind, rate] for kind, rate in self.errors.rates.items()],
            "spread": self.errors.spread,
            "snvs": [column.line() for column in self.snvs.values()],
            "indels": [column.line() for column in self.indels],
            "suspects": self.suspects,
            "linked": [[*allele, share] for allele, share in self.linked.items()],
            "depth": self.depth,
            "smallest_fraction": self.smallest_fraction,
            "programs": self.programs,
        }
        with gzip.GzipFile(path, "wb", mtime=0) as out:
            out.write(json.dumps(content).encode())

    @classmethod
    def read(cls, path: Path) -> "Evidence":
        """Read what `write` has written."""
        with gzip.open(path) as file:
            content = json.load(file)
        return cls(
            reads=content["reads"],
            nuclear_depth=content["nuclear_depth"],
            errors=Errors({(there, read): rate for there, read, rate in content["rates"]}, content["spread"]),
            snvs={column.position: column for column in columns(content["snvs"])},
            indels=list(columns(content["indels"])),
            suspects=[(position, ref, alt) for position, ref, alt in content["suspects"]],
            linked={(position, base): share for position, base, share in content["linked"]},
            depth=content["depth"],
            smallest_fraction=content["smallest_fraction"],
            programs=content["programs"],
        )


def both(tables: list[Path], circle: Circle) -> list[Column]:
    """Return the places of two tables, middle and turned, in the order of the contig.

    An allele that lies across the contig's ends is left out, with a message.
    """
    with tables[0].open() as here, tables[1].open() as there:
        found = list(columns(here))
        for column in columns(there):
            moved = on_contig(column, circle)
            if moved:
                found.append(moved)
            else:
                print(
                    f"left out: {column.ref}>{','.join(list(column.alleles)[1:])} at {circle.back(column.position)}, "
                    "which lies across the ends of the contig; VCF has no way to write it",
                    file=sys.stderr,
                )
    return sorted(found, key=lambda column: column.position)


def nuclear_depth(coverage: Path, mitochondrion: str) -> float | None:
    """Return the mean depth of all other contigs, from the table of `samtools coverage`; None without any."""
    bases = reads = 0.0
    with coverage.open(newline="") as table:
        for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["#rname"] != mitochondrion:
                bases += int(row["endpos"])
                reads += int(row["endpos"]) * float(row["meandepth"])
    return reads / bases if bases else None


def rare_alleles(sample: Sample, suspects: Iterable[Allele]) -> set[Rare]:
    """Return the single bases that less than half of the reads show, at the places of the suspects."""
    found = set()
    for allele in suspects:
        column = sample.snvs.get(allele.position)
        if not column or len(allele.ref) > 1 or len(allele.alt) > 1:
            continue
        for base in (allele.ref, allele.alt):
            if base != commonest(column) and base in column.alleles and (base == allele.alt or allele.others):
                found.add((allele.position, base))
    return found


def links_of(rare: set[Rare], alignments: list[Path], contig: str, circle: Circle) -> dict[Rare, float]:
    """Return which share of the fragments of each rare allele shows another one, too."""
    at_ends = {allele: (circle.forth(allele[0]), allele[1]) for allele in rare if circle.at_end(allele[0])}
    in_middle = {allele: allele for allele in rare if not circle.at_end(allele[0])}
    return linked(fragments_of(alignments[0], contig, in_middle) | fragments_of(alignments[1], contig, at_ends))


def write_sites(path: Path, contig: str, sites: Iterable[Site]) -> Iterator[Site]:
    """Write the table of all places, gzip, and pass the places on."""
    with gzip.GzipFile(path, "wb", mtime=0) as out:
        out.write(("\t".join(SITES) + "\n").encode())
        for site in sites:
            fraction = f"{site.smallest_fraction:.4f}" if site.smallest_fraction is not None else "."
            fields = (contig, site.position, site.ref, site.forward, site.reverse, f"{site.error:.2g}", fraction)
            out.write(("\t".join(map(str, fields)) + "\n").encode())
            yield site


def main() -> None:
    """Run the command line: write the table of all places, and the evidence for the file of all samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fasta", required=True, type=Path, help="FASTA of the contig")
    parser.add_argument("--contig", required=True)
    parser.add_argument("--snvs", required=True, type=Path, nargs=2, help="tables of mpileup: middle, turned")
    parser.add_argument("--indels", required=True, type=Path, nargs=2, help="the same of insertions and deletions")
    parser.add_argument("--alignments", required=True, type=Path, nargs=2, help="kept reads, BAM: middle, turned")
    parser.add_argument("--reads", required=True, type=Path, help="JSON: reads that were kept, and left out by reason")
    parser.add_argument("--coverage", required=True, type=Path, help="table of samtools coverage")
    parser.add_argument("--out-sites", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    sequence = read_sequence(options.fasta, options.contig)
    circle = Circle(len(sequence))
    snvs = {column.position: column for column in both(options.snvs, circle)}
    indels = both(options.indels, circle)
    sample = Sample(snvs, indels, sequence)
    suspects = sorted(sample.suspects(), key=lambda allele: allele.key)
    rare = rare_alleles(sample, suspects)
    sites = list(write_sites(options.out_sites, options.contig, sample.sites()))
    with pysam.AlignmentFile(str(options.alignments[1])) as turned:
        header = str(turned.header)
    fractions = [site.smallest_fraction for site in sites if site.smallest_fraction is not None]
    evidence = Evidence(
        reads=json.loads(options.reads.read_text()),
        nuclear_depth=nuclear_depth(options.coverage, options.contig),
        errors=sample.errors,
        snvs=snvs,
        indels=indels,
        suspects=[allele.key for allele in suspects],
        linked=links_of(rare, options.alignments, options.contig, circle),
        depth=mean(site.forward + site.reverse for site in sites),
        smallest_fraction=median(fractions) if fractions else None,
        programs=of_alignment(header),
    )
    evidence.write(options.out)


if __name__ == "__main__":
    main()
