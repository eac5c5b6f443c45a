"""The disk that the AWS profile's groups request, for genomes that exist as names and sizes only."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shared import ROOT
from snakemake_executor_plugin_aws_batch_fargate.shapes import fit

GB = 10**9
DISKS = (20, 50, 100, 200)
GENOME = 3.1
# Sizes of the genome's indices, relative to the genome.
INDEX = {"fai": 0, "amb": 0, "ann": 0, "bwt": 1, "pac": 0.25, "sa": 0.5}
# Size of the alignments' shards, relative to the FASTQ files: from the README's table of transferred data.
SHARDS = 0.62


def sparse(path: Path, gigabytes: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, int(gigabytes * GB))


def human(folder: Path, compression: str, alignment: str, lane: float, lanes: int) -> None:
    """Make the files that exist when a group starts: a human sample of `lanes` lanes with `lane` GB of FASTQ each."""
    names = [f"L{n}" for n in range(lanes)]
    rows = [f"A\t{name}\t{name}_1.fq.gz\t{name}_2.fq.gz\n" for name in names]
    (folder / "samples.tsv").write_text("".join(["sample\tunit\tfq1\tfq2\n", *rows]))
    config = {
        "samples": "samples.tsv",
        "reference": {"fasta": "ref.fa"},
        "reads": {"compression": compression},
        "alignment": {"format": alignment},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    sparse(folder / "ref.fa", GENOME)
    sparse(folder / "results/reference/genome.fa", GENOME)
    for ending, part in INDEX.items():
        sparse(folder / f"results/reference/genome.fa.{ending}", part * GENOME)
    for purpose in ("calling", "coverage"):
        sparse(folder / f"results/reference/{purpose}_windows.bed", 0)
    for name in names:
        for mate in (1, 2):
            sparse(folder / f"{name}_{mate}.fq.gz", lane / 2)
        sparse(folder / f"results/reads/A/{name}.counts.json", 0)
        sparse(folder / f"results/bwa_mem/A/{name}.1.cram", SHARDS * lane)


def asked(folder: Path) -> dict[str, float]:
    """Return the MiB that the groups request."""
    script = Path(__file__).with_name("describe_groups.py")
    command = [sys.executable, script, ROOT / "workflow" / "Snakefile", folder / "config.yaml", folder]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("compression", "alignment", "lane", "lanes", "expected"),
    [
        ("zstd", "cram", 16, 4, {"lane": 100, "alignment": 200}),
        ("zstd", "bam", 16, 4, {"lane": 100, "alignment": 200}),
        # The largest sample that the README promises.
        ("none", "cram", 22, 1, {"lane": 200, "alignment": 100}),
        ("zstd", "cram", 35, 1, {"lane": 200, "alignment": 100}),
        ("zstd", "cram", 17, 5, {"lane": 100, "alignment": 200}),
        ("zstd", "bam", 13, 5, {"lane": 100, "alignment": 200}),
    ],
)
def test_a_human_genome_fits_the_disks_of_fargate(
    tmp_path: Path, compression: str, alignment: str, lane: float, lanes: int, expected: dict[str, int]
) -> None:
    human(tmp_path, compression, alignment, lane, lanes)

    assert {group: fit(1, 1000, disk / 1024, DISKS).disk_gib for group, disk in asked(tmp_path).items()} == expected


def test_what_is_there_counts_for_each_job_that_reads_it(tmp_path: Path) -> None:
    human(tmp_path, "zstd", "cram", 1, 1)
    before = asked(tmp_path)
    sparse(tmp_path / "results/reads/A/L0.1.fastq.zst", 0.8)
    sparse(tmp_path / "results/alignments/A.cram", 0.5)

    more = {group: (disk - before[group]) * 2**20 / GB for group, disk in asked(tmp_path).items()}

    # The peaks come from bwa_mem, and from samtools_stats and slices.
    assert more == pytest.approx({"lane": 1.2 * 0.8, "alignment": 2 * 1.2 * 0.5}, abs=0.01)
