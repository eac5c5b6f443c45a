"""Lays out what MultiQC reads, so that each lane and sample has exactly its name of the sheet on the page.

MultiQC guesses names from names of files and from what stands in them, and by endings and words in the names of files
also what kind of file it is. So it gets links whose names say nothing (`#12.txt`; no name of the sheet has a #), and a
list of what each is called. Lanes are `SAMPLE UNIT R1`: no name of the sheet has a space, so none of them looks like
another lane or sample.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FASTQC = "_fastqc.zip"
ENDINGS = (".stats.txt", ".flagstat.txt", ".contigs.tsv")
JOINT = "all samples"


def label(path: Path, joint: bool) -> str:
    """Return the name of a file on the page; ValueError for a file that does not belong there.

    >>> label(Path("results/qc/fastqc/WT.R1/L.1.R2_fastqc.zip"), True)
    'WT.R1 L.1 R2'
    >>> label(Path("results/qc/samtools/S1.fastq.stats.txt"), True)
    'S1.fastq'
    """
    if path.name.endswith(FASTQC):
        unit, _, mate = path.name.removesuffix(FASTQC).rpartition(".")
        return f"{path.parent.name} {unit} {mate}"
    name = next((path.name.removesuffix(ending) for ending in ENDINGS if path.name.endswith(ending)), None)
    if name is None:
        raise ValueError(f"{path}: not a file that MultiQC is to read")
    return JOINT if joint and path.parent.name == "bcftools" else name


def lay_out(paths: Iterable[Path], joint: bool, folder: Path) -> dict[str, str]:
    """Make the links in `folder`; return the name of each on the page."""
    folder.mkdir(parents=True)
    names = {}
    for number, path in enumerate(paths):
        link = folder / f"#{number}{FASTQC if path.name.endswith(FASTQC) else '.txt'}"
        names[link.name] = label(path, joint)
        if path.parent.name == "bcftools":
            link.write_text(_named_by_link(path.read_text(), link.name))
        else:
            link.symlink_to(path.resolve())
    return names


def _named_by_link(stats: str, name: str) -> str:
    """Return `bcftools stats` with `name` for the file that they are of, which MultiQC takes the name from."""
    lines = stats.splitlines(keepends=True)
    return "".join(f"ID\t0\t{name}\n" if line.startswith("ID\t0\t") else line for line in lines)


def calling_reads(table: Path) -> dict[str, Any]:
    """Return the table of the rule `calling_reads` as a section of the page, and its main column for the statistics."""
    with table.open(newline="") as lines:
        rows = {row.pop("sample"): row for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)}
    numbers = {sample: {key: int(row[key]) for key in row if key != "remarks"} for sample, row in rows.items()}
    counts = {"format": "{:,d}", "scale": False}
    section = {
        "id": "calling_reads",
        "section_name": "Reads into calling",
        "description": "Alignments that variants are called from, and why the others are left out. "
        "The numbers left out and into calling are all records together; the last columns are parts of those.",
        "plot_type": "table",
        "pconfig": {"id": "calling_reads_table", "title": "Reads into calling", "col1_header": "Sample"},
        "headers": {
            **{key: {"title": key.capitalize(), **counts} for row in numbers.values() for key in row},
            "remarks": {"title": "Remarks", "scale": False},
        },
        "data": {sample: {**numbers[sample], "remarks": rows[sample]["remarks"] or "none"} for sample in rows},
    }
    share = {
        "id": "into_calling",
        "plot_type": "generalstats",
        "headers": {
            "into_calling": {
                "title": "Into calling",
                "description": "Share of the alignments that variants are called from",
                "namespace": "Calling",
                "suffix": "%",
                "min": 0,
                "max": 100,
                "scale": "RdYlGn",
            }
        },
        "data": {
            sample: {"into_calling": 100 * row["into calling"] / row["records"] if row["records"] else 0.0}
            for sample, row in numbers.items()
        },
    }
    return {"calling_reads": section, "into_calling": share}


def main() -> None:
    """Run the command line of the rule `multiqc`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", required=True, type=Path, help="list of the files to show")
    parser.add_argument("--calling-reads", required=True, type=Path, help="table of the rule calling_reads")
    parser.add_argument("--joint", action="store_true", help="variants are those of all samples together")
    parser.add_argument("--folder", required=True, type=Path, help="to be made, for MultiQC to work in")
    parser.add_argument("--list", required=True, type=Path, help="to be written: what is in the folder, in order")
    parser.add_argument("--config", required=True, type=Path, help="to be written, for MultiQC")
    options = parser.parse_args()
    paths = [Path(line) for line in options.files.read_text().splitlines()]
    try:
        reads = calling_reads(options.calling_reads)
        names = lay_out(paths, options.joint, options.folder)
    except (KeyError, TypeError, ValueError) as error:
        sys.exit(f"{options.calling_reads} or a file of the page is damaged: {error}. Delete it and run again.")
    options.list.write_text("".join(f"{name}\n" for name in names))
    config = {"sample_names_replace": names, "custom_data": reads}
    options.config.write_text(json.dumps(config))


if __name__ == "__main__":
    main()
