"""Compares the reads of a finished alignment file with the reads that went in; a difference is an error."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

SECONDARY_OR_SUPPLEMENTARY = "0x900"
FLAG_ONLY = "required_fields=0x2"  # all that a CRAM has to be decoded for (samtools(1), FLAG)


def reads_in_alignment(alignment: str, reference: str) -> int:
    """Count the reads of a SAM, BAM or CRAM file, each counted once however often it is aligned."""
    command = ["samtools", "view", "-c", "-F", SECONDARY_OR_SUPPLEMENTARY, "-T", reference]
    command += ["--input-fmt-option", FLAG_ONLY, alignment]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def difference(counts: dict[str, int], found: int, alignment: str) -> str | None:
    """Return a message if `found` reads came out of those that `counts` gives for each unit; None when they agree."""
    expected = sum(counts.values())
    if found == expected:
        return None
    units = ", ".join(f"{unit}: {reads}" for unit, reads in counts.items())
    return (
        f"{alignment}: holds {found} reads, expected {expected} ({units}). "
        f"Reads were {'lost' if found < expected else 'counted twice'} between the FASTQ files and here; "
        "nothing was kept. Run again; if it comes back, please report it with this log."
    )


def main() -> None:
    """Run the command line of the rule `sort_index`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", required=True, nargs="+", type=Path, help="counts.json of each unit")
    parser.add_argument("--alignment", required=True)
    parser.add_argument("--name", required=True, help="what messages call the alignment file")
    parser.add_argument("--reference", required=True, help="FASTA, for CRAM")
    options = parser.parse_args()
    counts = {path.name.removesuffix(".counts.json"): json.loads(path.read_text())["reads"] for path in options.counts}
    try:
        found = reads_in_alignment(options.alignment, options.reference)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{options.name}: can't be read back (samtools ended with code {error.returncode}); run again.")
    if problem := difference(counts, found, options.name):
        sys.exit(problem)


if __name__ == "__main__":
    main()
