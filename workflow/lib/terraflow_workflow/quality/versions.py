"""Collects the versions of the tools from the results that they wrote."""

import argparse
import gzip
import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from terraflow_workflow import __version__


def of_alignment(header: str) -> dict[str, str]:
    """Return program and version of each @PG line of a SAM header, by program name (SAM specification, 1.3)."""
    found = {}
    for line in header.splitlines():
        if line.startswith("@PG"):
            fields = dict(field.split(":", 1) for field in line.split("\t")[1:])
            if "PN" in fields and "VN" in fields:
                found[fields["PN"]] = fields["VN"]
    return found


def of_stats(text: str) -> dict[str, str]:
    """Return tool, htslib and their versions from the first lines of `samtools stats` or `bcftools stats`."""
    match = re.search(r"produced by (\w+) stats \(([^+\n]+)\+htslib-([^)\n]+)\)", text)
    return {match[1]: match[2], "htslib": match[3]} if match else {}


def of_fastqc(archive: Path) -> dict[str, str]:
    """Return FastQC's version from a zip that it wrote."""
    with zipfile.ZipFile(archive) as files:
        data = next(name for name in files.namelist() if name.endswith("/fastqc_data.txt"))
        first = files.read(data).decode().splitlines()[0]
    return {"fastqc": first.split("\t")[1]}


def of_mitochondrion(evidence: Path) -> dict[str, str]:
    """Return what aligned the ends of a mitochondrion, from a sample's evidence; nothing if the file is empty."""
    with gzip.open(evidence) as file:
        text = file.read()
    programs: dict[str, str] = json.loads(text)["programs"] if text else {}
    return programs


def table(found: dict[str, str]) -> Iterable[str]:
    """Return the lines of a table of two columns, sorted by tool."""
    yield "software\tversion\n"
    for tool, version in sorted(found.items()):
        yield f"{tool}\t{version}\n"


def main() -> None:
    """Run the command line of the rule `versions`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--header", required=True, type=Path, help="header of an alignment file")
    parser.add_argument("--stats", required=True, nargs="+", type=Path, help="output of samtools and bcftools stats")
    parser.add_argument("--fastqc", required=True, type=Path, help="a zip of FastQC")
    parser.add_argument("--mitochondrion", nargs="*", default=[], type=Path, help="evidence of a sample")
    parser.add_argument("--snakemake", required=True, help="version of Snakemake")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    found = {"snakemake": options.snakemake, "terraflow": __version__} | of_alignment(options.header.read_text())
    for path in options.mitochondrion:
        found |= of_mitochondrion(path)
    for path in options.stats:
        found |= of_stats(path.read_text()[:2000])
    found |= of_fastqc(options.fastqc)
    options.out.write_text("".join(table(found)))


if __name__ == "__main__":
    main()
