"""A failed run names the fault and its place, leaves nothing that looks whole, and is completed by a second run."""

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from brake import limited, stand_in, why_no_mount
from runs import Project, assert_same_results, assert_whole, output_of

# These runs make alignments and variants, but no pages about them.
VCF = "results/variants/all.vcf.gz"


def test_a_tool_that_fails_within_a_pipe_is_shown_with_its_log(fresh: Project, kept: Project, done: Project) -> None:
    dying = "real \"$@\" | head -n 40 || true; echo 'the disk is on fire' >&2; exit 3"
    script = f'if [[ $1 == mem ]]; then {dying}; else real "$@"; fi'

    first = fresh.run(VCF, env=stand_in(fresh["bin"], "bwa", script))

    first.failed("Error in rule bwa_mem:", "logs/bwa_mem/", "the disk is on fire", ", in order: 0 3 ")
    assert "results/alignments" not in "\n".join(fresh.files())
    assert_whole(fresh, kept)
    second = fresh.run(VCF).succeeded()
    assert not second.jobs & first.finished
    assert_same_results(fresh, done)


def test_a_truncated_lane_is_named_and_the_others_are_kept(fresh: Project, kept: Project, done: Project) -> None:
    lane = fresh["reads/A_L2_R2.fastq.gz"]
    whole = lane.read_bytes()
    lane.write_bytes(whole[: len(whole) * 2 // 3])

    first = fresh.run(VCF, "--keep-going")

    first.failed("Error in rule decompress:", "logs/decompress/A/L2.log", "reads/A_L2_R2.fastq.gz: ", "it is cut short")
    assert not any(name.startswith("reads/A/L2") for name in fresh.files())
    assert {"decompress A L1", "bwa_mem A L1 1", "sort_index B"} <= first.finished
    assert_whole(fresh, kept)

    lane.write_bytes(whole)
    second = fresh.run(VCF).succeeded()

    assert not second.jobs & first.finished
    assert_same_results(fresh, done)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a mounted disk of limited size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if reason := why_no_mount():
        pytest.skip(reason)
    try:
        limited(folder, 50_000)
    except subprocess.CalledProcessError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"mounting is not permitted: {error.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


LANE = "results/reads/sampleA/L1.counts.json"
SHARD = "results/bwa_mem/sampleA/L1.1.cram"
CRAM = "results/alignments/sampleA.cram"


# The rule that the disk is too small for, the files that are made while there is room, and the kB that are left then.
# The reads take 4 MB, their alignments 0.6 MB by shard and 0.4 MB by sample.
@pytest.mark.parametrize(
    "rule, before, room", [("decompress", [], 2500), ("bwa_mem", [LANE], 300), ("sort_index", [SHARD], 250)]
)
def test_a_full_disk(rule: str, before: list[str], room: int, disk: Path, demo: Project) -> None:
    reads = demo["reads"]
    project = Project(disk, {"reference": {"fasta": str(demo["reference.fa"])}})
    project.add("sampleA", "L1", reads / "sampleA_L1_R1.fastq.gz", reads / "sampleA_L1_R2.fastq.gz")
    project.run("--notemp", "--", "results/reference/genome.fa.bwt", *before).succeeded()
    whole = project.files()
    limited(disk, room)

    first = project.run("--notemp", CRAM)

    first.failed(f"Error in rule {rule}:", "No space left on device")
    assert project.files() == whole
    assert list(project[".snakemake/scratch"].glob("*")) == []

    limited(disk, 50_000)
    second = project.run(CRAM).succeeded()

    assert {job.split()[0] for job in second.finished} <= {"decompress", "bwa_mem", "sort_index"}
    assert rule in second.rules
    found = output_of("samtools", "view", "-c", "-F", "0x900", project[CRAM])
    with gzip.open(reads / "sampleA_L1_R1.fastq.gz") as lines:
        assert int(found) == 2 * sum(1 for _ in lines) // 4
