"""A run with all that a receipt speaks of, for tests of receipts."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from run_objects import ABOUT, BUCKET, LIVE, put

ARCHIVE = "head/0123abcd.tar.xz"
R1, R2 = (f"s3://{BUCKET}/raw/A/1/0123/{name}.fastq.gz" for name in ("R1", "R 2%+"))
SINGLE = f"s3://{BUCKET}/raw/B/L1/4567/B.fastq.gz"
READS = {R1: 100, R2: 100, SINGLE: 40}
FASTA = f"s3://{BUCKET}/reference/89ab/genome.fa"
GFF = "https://lab.org/genes.gff"
UNITS = [
    {"sample": "A", "unit": "1", "fq1": R1, "fq2": R2},
    {"sample": "B", "unit": "L1", "fq1": SINGLE, "fq2": ""},
]
CONFIG = {
    "samples": "samples.tsv",
    "reference": {"fasta": FASTA, "bwa_index": "build"},
    "calling": {"ploidy": 2, "mode": "joint"},
    "filters": {"LowQual": "QUAL<20"},
    "annotation": {"gff": GFF},
}
RESULTS = {
    "results/variants/all.vcf.gz": b"variants",
    "results/alignments/A.cram": b"alignments of A",
    "results/alignments/B b#?.cram": b"alignments of B",
    "results/report.html": b"<html>",
    "results/qc/versions.tsv": b"software\tversion\nbwa\t0.7.18\nsnakemake\t9.1.0\n",
    "results/run.json": json.dumps(
        {
            "workflow": {"name": "TerraFlow Genomics", "version": "0.3.0"},
            "config": CONFIG,
            "reference": [FASTA],
            "units": UNITS,
        }
    ).encode(),
    "results/reads/A/1.counts.json": json.dumps({"files": {"x_R1": {"reads": 100}, "x_R2": {"reads": 100}}}).encode(),
    "results/reads/B/L1.counts.json": json.dumps({"files": {"x": {"reads": 40}}}).encode(),
}
INTERMEDIATE = "results/bwa_mem/A/1.0.cram"
DONE = replace(ABOUT, archive=f"runs/cohort7/{ARCHIVE}")


def store(s3: Any, path: str, body: bytes) -> None:
    """Store an object of the run, with a checksum, as workers do."""
    s3.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{path}", Body=body, ChecksumAlgorithm="CRC32")


def digest(address: str) -> str:
    """Return the SHA-256 of an input, whose content is its key."""
    return hashlib.sha256(address.removeprefix(f"s3://{BUCKET}/").encode()).hexdigest()


def make(s3: Any) -> None:
    """Store inputs and outputs of the run cohort7, and what its head says of it."""
    for address in (*READS, FASTA):
        key = address.removeprefix(f"s3://{BUCKET}/")
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode(), Metadata={"sha256": digest(address)})
    for path, body in {**RESULTS, ARCHIVE: b"archive", INTERMEDIATE: b"left behind"}.items():
        store(s3, path, body)
    put(s3, "cohort7", about=DONE, live=LIVE)
