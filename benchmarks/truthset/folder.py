"""A truth folder: reference, lanes of reads, the true variants of each sample and the regions to score."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from truthset.tools import AccuracyError

LANE_FILE = re.compile(
    r"(?P<sample>[^_]+)_(?:(?P<unit>.+)_)?R(?P<mate>[12])\.(?:fastq|fq)(?P<suffix>\.gz|\.bz2|)", re.ASCII
)


@dataclass(frozen=True)
class Lane:
    """The FASTQ files of one lane, mates in order."""

    sample: str
    unit: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class TruthSet:
    """The files of a truth folder; `truths` gives the VCF of each sample."""

    reference: Path
    lanes: tuple[Lane, ...]
    truths: dict[str, Path]
    beds: tuple[Path, ...]


def find_truth(folder: Path) -> TruthSet:
    """Find the files of a truth folder; raise AccuracyError when one is missing."""
    if not folder.is_dir():
        raise AccuracyError(f"{folder} is not a folder")
    reference = folder / "ref.fa"
    if not reference.is_file():
        raise AccuracyError(f"{reference} is missing")
    beds = tuple(sorted(folder.glob("*.bed")))
    if not beds:
        raise AccuracyError(f"{folder} has no .bed file with the regions to score")
    lanes = find_lanes(folder)
    truths: dict[str, Path] = {}
    for sample in dict.fromkeys(lane.sample for lane in lanes):
        own, common = folder / f"{sample}.truth.vcf.gz", folder / "truth.vcf.gz"
        truths[sample] = own if own.is_file() else common
        if not truths[sample].is_file():
            raise AccuracyError(f"neither {own} nor {common} exists")
    return TruthSet(reference, lanes, truths, beds)


def find_lanes(folder: Path) -> tuple[Lane, ...]:
    """Find the lanes in a truth folder, its `lanes` or `reads` folder; raise AccuracyError when there are none."""
    mates: dict[tuple[str, str], dict[str, Path]] = {}
    for path in sorted([*folder.glob("*"), *folder.glob("lanes/*"), *folder.glob("reads/*")]):
        match = LANE_FILE.fullmatch(path.name)
        if match:
            mates.setdefault((match["sample"], match["unit"] or "L1"), {})[match["mate"]] = path
    if not mates:
        raise AccuracyError(
            f"{folder} has no reads named SAMPLE_LANE_R1.fastq.gz, nor have its folders lanes and reads"
        )
    lanes: list[Lane] = []
    for (sample, unit), files in mates.items():
        if "1" not in files:
            raise AccuracyError(f"{files['2']} has no matching R1 file")
        lanes.append(Lane(sample, unit, tuple(files[mate] for mate in sorted(files))))
    return tuple(lanes)


def read_fasta(path: Path) -> dict[str, str]:
    """Read sequences by contig name, in upper case."""
    contigs: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in path.read_text().splitlines():
        if line.startswith(">"):
            lines = contigs.setdefault(line[1:].split()[0], [])
        else:
            lines.append(line.strip().upper())
    return {name: "".join(parts) for name, parts in contigs.items()}
