"""The alleles of a sample as a VCF states them, and the regions of a BED file."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from truthset.tools import AccuracyError, run_tool

Allele = tuple[str, int, str, str]  # contig, 1-based position, REF, ALT
Copies = dict[Allele, int]  # 1: heterozygous, 2: homozygous or haploid


def read_alleles(vcf: Path, reference: Path, sample: str, passing: bool, only: str = "") -> Copies:
    """Read the alleles that a sample carries, left-aligned, split and broken into primitive changes.

    With `passing`, records that a filter rejects do not count; with `only`, those for which this bcftools expression is
    false do not. Alleles other than plain bases are left out, as are changes of an N in the reference.
    """
    norm = ["bcftools", "norm", "-f", str(reference), "-c", "w"]
    filters = ["-f", "PASS,."] if passing else []
    text = run_tool(["bcftools", "view", "-s", pick_sample(vcf, sample), *filters, str(vcf)])
    if only:
        text = run_tool(["bcftools", "view", "-i", only, "-"], text)
    for step in (["-m", "-any"], ["--atomize"], ["-m", "-any"]):
        text = run_tool([*norm, *step, "-"], text)
    found: Copies = {}
    for row in run_tool(["bcftools", "query", "-f", "%CHROM\\t%POS\\t%REF\\t%ALT[\\t%GT]\\n", "-"], text).splitlines():
        chrom, pos, ref, alt, genotype = row.split("\t")
        allele = (chrom, int(pos), ref.upper(), alt.upper())
        copies = copies_of(genotype)
        if copies and allele[2] != allele[3] and set(allele[2] + allele[3]) <= set("ACGT"):
            found[allele] = min(2, found.get(allele, 0) + copies)
    return found


def pick_sample(vcf: Path, sample: str) -> str:
    """Return the VCF column of a sample: the one of that name, or the only one."""
    columns = run_tool(["bcftools", "query", "-l", str(vcf)]).split()
    if sample in columns:
        return sample
    if len(columns) == 1:
        return columns[0]
    raise AccuracyError(f"{vcf} has no sample {sample}")


def copies_of(genotype: str) -> int:
    """Count the copies (0 to 2) of the only alternative allele in a GT field; a haploid call counts as two."""
    alleles = genotype.replace("|", "/").split("/")
    return alleles.count("1") * (2 if len(alleles) == 1 else 1)


@dataclass
class Regions:
    """The intervals of a BED file, merged and sorted for each contig."""

    starts: dict[str, list[int]] = field(default_factory=dict)
    ends: dict[str, list[int]] = field(default_factory=dict)

    def add(self, chrom: str, start: int, end: int) -> None:
        """Add an interval; within a contig they have to come by rising start."""
        starts, ends = self.starts.setdefault(chrom, []), self.ends.setdefault(chrom, [])
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)

    def hold(self, allele: Allele) -> bool:
        """Tell whether an allele's POS lies in an interval."""
        chrom, pos = allele[0], allele[1]
        index = bisect_right(self.starts.get(chrom, []), pos - 1) - 1
        return index >= 0 and pos - 1 < self.ends[chrom][index]


def read_bed(path: Path) -> Regions:
    """Read a BED file; raise AccuracyError on a line without contig, start and end."""
    rows: list[tuple[str, int, int]] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fields = line.split()
        if not fields or fields[0] in ("track", "browser") or fields[0].startswith("#"):
            continue
        try:
            rows.append((fields[0], int(fields[1]), int(fields[2])))
        except (IndexError, ValueError):
            raise AccuracyError(f"{path}, line {number}: not a BED line") from None
    regions = Regions()
    for row in sorted(rows):
        regions.add(*row)
    return regions
