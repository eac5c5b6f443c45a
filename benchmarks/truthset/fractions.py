"""Scores of a mixture: which alleles of both mitochondria are found, which could not have been, and what else is."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from truthset.alleles import Allele, Copies, Regions, pick_sample
from truthset.tools import run_tool

QUERY = "%CHROM\\t%POS\\t%REF\\t%ALT[\\t%GT\\t%AF\\t%DP\\t%LINKED\\t%FT]\\n"
MISSING = "."


@dataclass(frozen=True)
class Found:
    """One allele of a sample as the VCF has it; `filters` is PASS or names of filters."""

    allele: Allele
    genotype: str
    fraction: float
    depth: int
    linked: str
    filters: str

    def __str__(self) -> str:
        """Return it in a line."""
        _, position, ref, alt = self.allele
        linked = "" if self.linked == MISSING else f", linked {self.linked}"
        return f"{position}{ref}>{alt}: {self.fraction:.1%} of {self.depth} reads, {self.filters}{linked}"

    @property
    def passes(self) -> bool:
        """Whether it is there, and nothing speaks against it."""
        return self.filters == "PASS"


@dataclass
class Mixture:
    """Counts over the places where the two mitochondria differ, by the rarer one's alleles; sums over seeds.

    `found` are told from errors, `hidden` are rarer than the smallest share that could have been seen there.
    """

    sites: int = 0
    found: int = 0
    hidden: int = 0
    missed: list[str] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)  # share that was found, less that of the mixture
    others: list[Found] = field(default_factory=list)  # alleles of neither

    @property
    def mean_error(self) -> float:
        """Mean of the absolute differences between the shares found and the mixture's; 0 without any."""
        return mean(map(abs, self.errors)) if self.errors else 0.0


def read_found(vcf: Path, sample: str) -> dict[Allele, Found]:
    """Read the alleles that a sample has, with filters or without."""
    text = run_tool(["bcftools", "view", "-s", pick_sample(vcf, sample), str(vcf)])
    found = {}
    for row in run_tool(["bcftools", "query", "-f", QUERY, "-"], text).splitlines():
        chrom, position, ref, alt, genotype, fraction, depth, linked, filters = row.split("\t")
        if filters != MISSING:
            allele = (chrom, int(position), ref, alt)
            found[allele] = Found(allele, genotype, float(fraction), int(depth), linked, filters)
    return found


def read_limits(table: Path) -> dict[int, float]:
    """Read the smallest share that could have been seen, by place; 1 where nothing could."""
    with gzip.open(table, "rt") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    column = rows[0].index("smallest_fraction")
    return {int(row[1]): 1.0 if row[column] == MISSING else float(row[column]) for row in rows[1:]}


def score(
    mixture: Mixture,
    found: dict[Allele, Found],
    limits: dict[int, float],
    truths: tuple[Copies, Copies],
    share: float,
    regions: Regions,
) -> None:
    """Add one sample's counts to `mixture`: `share` of its reads are of the second truth's mitochondrion.

    Where only the commoner one differs from the reference, the rarer allele is the reference's: it is found if the
    place is told to be heteroplasmic.
    """
    for allele in sorted(truths[0].keys() ^ truths[1].keys()):
        if not regions.hold(allele):
            continue
        rare = allele in truths[1]
        call = found.get(allele)
        told = call is not None and call.passes and (rare or call.genotype == "0/1")
        mixture.sites += 1
        if told and call:
            mixture.found += 1
            mixture.errors.append(call.fraction - (share if rare else 1 - share))
        elif limits[allele[1]] > share:
            mixture.hidden += 1
        else:
            mixture.missed.append(f"{allele[1]}{allele[2]}>{allele[3]} ({call.filters if call else 'not called'})")
    known = truths[0].keys() | truths[1].keys()
    mixture.others += [
        call for allele, call in found.items() if call.passes and allele not in known and regions.hold(allele)
    ]
