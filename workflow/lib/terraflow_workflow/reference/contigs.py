"""The contigs of the reference, from its index."""

from pathlib import Path


def read_contigs(fai: str) -> dict[str, int]:
    """Return the name and the length in bases of each contig, in the order of a `samtools faidx` index."""
    fields = (line.split("\t") for line in Path(fai).read_text().splitlines())
    return {name: int(length) for name, length, *_ in fields}
