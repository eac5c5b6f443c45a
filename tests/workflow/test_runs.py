"""Whole runs: each way to set the workflow up, and settings that must not change the variants."""

import bz2
import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from runs import EXAMPLE, Project, lanes_of_example, output_of

from shared import ROOT

VCF = "results/variants/all.vcf.gz"
NOT_OF_THE_REPOSITORY = (".git", ".venv", ".tools", ".snakemake", "results", "logs", "runs", "run", ".*_cache")


def flag_counts(project: Project, name: str) -> dict[str, int]:
    """Return the numbers of reads in a flagstat table that pass quality control, by category."""
    lines = project[f"results/qc/samtools/{name}.flagstat.txt"].read_text().splitlines()
    return {line.split(" ", 3)[3].split(" (")[0]: int(line.split()[0]) for line in lines}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, kept: Project) -> Project:
    """Make a whole run in which every choice differs from the default."""
    project = Project(tmp_path_factory.mktemp("other") / "run", dict(kept.config), list(kept.units))
    project.config |= {
        "reads": {"shards": 1, "compression": "zstd"},
        "alignment": {"format": "bam", "mark_duplicates": False},
        "calling": {"windows": 3, "mode": "per-sample"},
        "annotation": {"gff": ""},
    }
    shutil.copytree(kept["reads"], project["reads"])
    shutil.copy2(kept["reference.fa.gz"], project.folder)
    project.run().succeeded()
    return project


def test_per_sample_mode_gives_each_sample_its_file(other: Project, done: Project) -> None:
    assert {name for name in other.files() if name.startswith("variants/")} == {
        f"variants/{sample}.vcf.gz{end}" for sample in "AB" for end in ("", ".tbi")
    }
    for sample in "AB":
        assert output_of("bcftools", "query", "-l", other[f"results/variants/{sample}.vcf.gz"]).split() == [sample]
    assert other.sites("A") | other.sites("B") == done.sites()
    assert other["results/report.html"].exists()


def test_bam_is_read_without_a_reference(other: Project) -> None:
    for sample in "AB":
        bam = other[f"results/alignments/{sample}.bam"]
        subprocess.run(["samtools", "quickcheck", "-v", str(bam)], check=True)
        assert int(output_of("samtools", "view", "-c", bam, "example:1000-2000")) > 0
    assert not any(name.endswith((".cram", ".crai")) for name in other.files())


def test_duplicates_are_marked_only_where_asked(other: Project, done: Project) -> None:
    assert flag_counts(done, "A")["duplicates"] > 0
    assert flag_counts(other, "A")["duplicates"] == 0
    assert flag_counts(done, "A")["primary"] == flag_counts(other, "A")["primary"]


def test_a_sample_may_mix_pairs_and_single_reads(done: Project) -> None:
    counts = flag_counts(done, "A")
    lanes = ("A_L1_R1", "A_L1_R2", "A_L2_R1", "A_L2_R2", "A_S")
    reads = [gzip.decompress(done[f"reads/{name}.fastq.gz"].read_bytes()).count(b"\n") // 4 for name in lanes]

    assert counts["primary"] == sum(reads)
    assert counts["paired in sequencing"] == sum(reads[:4])
    groups = output_of("samtools", "view", "-H", done["results/alignments/A.cram"])
    assert [line.split("\t")[1] for line in groups.splitlines() if line.startswith("@RG")] == [
        "ID:A.L1",
        "ID:A.L2",
        "ID:A.S",
    ]


def test_variants_do_not_depend_on_cores(fresh: Project, done: Project) -> None:
    fresh.run(VCF, cores=1).succeeded()

    assert fresh.records() == done.records()


@pytest.mark.parametrize("windows", [1, 5])
def test_variants_do_not_depend_on_windows(windows: int, demo: Project, tmp_path: Path) -> None:
    project = demo.copy(tmp_path / "run")
    project.config["calling"]["windows"] = windows

    assert len([job for job in project.run(VCF).succeeded().finished if "bcftools_call" in job]) == windows

    assert project.records() == demo.records()


def unpacked(project: Project) -> None:
    """Decompress all FASTQ files of a project."""
    for unit in project.units:
        for key in ("fq1", "fq2"):
            if path := unit[key]:
                data = project[path].read_bytes()
                plain = path.removesuffix(".gz").removesuffix(".bz2")
                project[plain].write_bytes(gzip.decompress(data) if path.endswith(".gz") else bz2.decompress(data))
                unit[key] = plain


@pytest.mark.parametrize("shards, compression, plain", [(1, "none", True), (3, "zstd", False)])
def test_variants_do_not_depend_on_shards_and_compression(
    shards: int, compression: str, plain: bool, simulated: Project, demo: Project, tmp_path: Path
) -> None:
    project = simulated.copy(tmp_path / "run")
    project.config["reads"] = {"shards": shards, "compression": compression}
    if plain:
        unpacked(project)

    jobs = project.run(VCF).succeeded().finished

    assert len([job for job in jobs if job.startswith("bwa_mem ")]) == shards * 3
    assert project.sites() == demo.sites()


def test_spaces_in_paths_and_a_start_from_another_folder(done: Project, tmp_path: Path) -> None:
    files = lanes_of_example(tmp_path / "raw reads, all")
    renamed = {name: path.rename(path.with_name(f"{name} (1).fastq.gz")) for name, path in files.items()}
    project = Project(tmp_path / "my work" / "run 1", {**done.config})
    for key, name in (("reference", "reference.fa.gz"), ("annotation", "genes.gff3")):
        copy = shutil.copyfile(EXAMPLE / name, tmp_path / f"the {name}")
        project.config[key] = {{"reference": "fasta", "annotation": "gff"}[key]: f"../../{copy.name}"}
    for unit in ("L1", "L2"):
        mates = [os.path.relpath(renamed[f"A_{unit}_{mate}"], project.folder) for mate in ("R1", "R2")]
        assert mates[0].startswith("../../")
        project.add("A", unit, *mates)
    project.add("A", "S", renamed["A_S"])
    project.add("B", "L1", renamed["B_L1"])
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()

    project.run("-s", str(ROOT / "workflow" / "Snakefile"), cwd=elsewhere).succeeded()

    assert project.records() == done.records()
    assert set(project.files()) == set(done.files())
    assert list(elsewhere.iterdir()) == []


def repository(folder: Path) -> Path:
    """Copy the files of the repository, without those that work in it has left."""
    return Path(shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(*NOT_OF_THE_REPOSITORY)))


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def paths_in(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in found if path.parts[0] != ".snakemake" and "__pycache__" not in path.parts}


def test_a_fresh_copy_plans_its_example_and_writes_nothing(tmp_path: Path) -> None:
    folder = repository(tmp_path / "copy")
    before = paths_in(folder)

    done = snakemake(folder, "--dry-run", "--cores", "1")

    assert done.returncode == 0, done.stderr
    assert "bcftools_call" in done.stdout + done.stderr
    assert paths_in(folder) == before


def test_lint_has_nothing_to_say(tmp_path: Path) -> None:
    done = snakemake(repository(tmp_path / "copy"), "--lint", "--configfile", "config/example/config.yaml")

    assert done.returncode == 0, done.stderr
    assert "Congratulations" in done.stdout + done.stderr
