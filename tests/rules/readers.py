"""Read what rules made, with other programs: alignments, calls, tables."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiny import Site

from shared import output_of


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
    """Read the records of a BAM or CRAM file, all or those of regions."""
    return [
        Record(f[0], int(f[1]), f[2], int(f[3]), f[5], int(f[7]), int(f[8]), dict(t.split(":", 1) for t in f[11:]), row)
        for row in output_of("samtools", "view", "-T", reference, path, *regions).splitlines()
        for f in [row.split("\t")]
    ]


def header(path: Path, kind: str) -> list[dict[str, str]]:
    """Read the header lines of a kind such as RG, each by tag."""
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
    """Read the records of a VCF or BCF file."""
    found = []
    for line in output_of("bcftools", "view", "-H", *options, path).splitlines():
        fields = line.split("\t")
        keys = fields[8].split(":")
        samples = [dict(zip(keys, text.split(":"), strict=False)) for text in fields[9:]]
        found.append(Call((fields[0], int(fields[1]), fields[3], fields[4]), fields[6], fields[7], samples))
    return found


def genotypes(found: Iterable[Call]) -> dict[Site, list[str]]:
    """Return the genotypes of calls by site."""
    return {call.site: [sample["GT"] for sample in call.samples] for call in found}


def table(path: Path) -> list[dict[str, str]]:
    """Read the rows of a table with tabs."""
    head, *rows = (line.split("\t") for line in path.read_text().splitlines())
    return [dict(zip(head, row, strict=True)) for row in rows]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def records_of(text: bytes) -> Iterator[tuple[str, ...]]:
    """Yield the records of FASTQ, four lines each."""
    lines = text.decode().splitlines()
    yield from zip(lines[::4], lines[1::4], lines[2::4], lines[3::4], strict=True)
