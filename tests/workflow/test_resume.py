"""A second run does the jobs that a change requires, and no others."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import EXAMPLE, Project, example_reads

CALLING = {"bcftools_call all 1", "bcftools_call all 2"}
FROM_VARIANTS = {"variants all", "bcftools_stats all", "variant_table all", "consequences all", "multiqc", "versions"}
FROM_CALLING = CALLING | FROM_VARIANTS | {"all"}
# Other statistics of alignments that follow a sample's.
COVERAGE = {"coverage_plot", "calling_reads"}

Change = Callable[[Project], object]


def lane(unit: str) -> set[str]:
    """Return the jobs that align a lane."""
    return {f"decompress {unit}", f"bwa_mem {unit} 1", f"bwa_mem {unit} 2"}


def sample(name: str) -> set[str]:
    """Return the jobs from a sample's alignments up to its statistics."""
    return {f"sort_index {name}", f"samtools_stats {name}"} | COVERAGE


LANES_OF_A = lane("A L1") | lane("A L2") | lane("A S")
LANES = LANES_OF_A | lane("B L1")


def set_filter(project: Project) -> None:
    project.config["filters"] = {"LowQual": "QUAL < 7"}


def set_windows(project: Project) -> None:
    project.config["calling"]["windows"] = 1


def set_mark_duplicates(project: Project) -> None:
    project.config["alignment"] = {"mark_duplicates": False}


def set_platform(project: Project) -> None:
    project.units[1]["platform"] = "DNBSEQ"


def set_ploidy(project: Project) -> None:
    project.config["calling"]["ploidy"] = 1


def set_coverage_windows(project: Project) -> None:
    project.config["quality"]["coverage_windows"] = 20


def replace_fastq(project: Project) -> None:
    """Replace a lane's files by ones with one pair fewer."""
    for mate in ("R1", "R2"):
        path = project[f"reads/A_L2_{mate}.fastq.gz"]
        records = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        path.unlink()
        path.write_bytes(gzip.compress(b"".join(records[:-4])))


def touch_fastq(project: Project) -> None:
    project["reads/A_L2_R1.fastq.gz"].touch()


def add_sample(project: Project) -> None:
    shutil.copyfile(EXAMPLE / "reads" / "sampleB_L1.fastq.gz", project["reads/C.fastq.gz"])
    project.add("C", "L1", "reads/C.fastq.gz")


# Changes, the jobs that they require, and the jobs that make deleted temporary results again for these.
CHANGES: dict[str, tuple[Change, set[str], set[str]]] = {
    "filter": (set_filter, FROM_VARIANTS | {"filters", "all"}, set()),
    "windows": (
        set_windows,
        (FROM_CALLING | {"windows calling"}) - {"bcftools_call all 2"},
        set(),
    ),
    "ploidy": (set_ploidy, FROM_CALLING, set()),
    "coverage windows": (
        set_coverage_windows,
        {"windows coverage", "samtools_stats A", "samtools_stats B", "multiqc", "versions", "all"} | COVERAGE,
        set(),
    ),
    "mark_duplicates": (set_mark_duplicates, FROM_CALLING | sample("A") | sample("B"), LANES),
    "platform": (
        set_platform,
        FROM_CALLING | sample("A") | {"bwa_mem A L2 1", "bwa_mem A L2 2"},
        LANES_OF_A,
    ),
    "FASTQ": (replace_fastq, FROM_CALLING | sample("A") | lane("A L2") | {"fastqc A L2"}, LANES_OF_A),
    # Jobs that read a file of the user record its time: another file may have replaced it.
    "time of a FASTQ": (touch_fastq, FROM_CALLING | sample("A") | lane("A L2") | {"fastqc A L2"}, LANES_OF_A),
    "new sample": (add_sample, FROM_CALLING | sample("C") | lane("C L1") | {"fastqc_single C L1", "filters"}, set()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_followed_by_the_jobs_that_depend_on_it(name: str, kept: Project, tmp_path: Path) -> None:
    change, expected, _ = CHANGES[name]
    project = kept.copy(tmp_path / "run")

    change(project)

    assert project.plan("--notemp").jobs == expected


@pytest.mark.parametrize("name", CHANGES)
def test_deleted_results_are_made_again_only_where_they_are_needed(name: str, done: Project, tmp_path: Path) -> None:
    change, expected, again = CHANGES[name]
    project = done.copy(tmp_path / "run")

    change(project)

    assert project.plan().jobs == expected | again


def test_a_changed_filter_is_seen_in_the_variants(kept: Project, tmp_path: Path) -> None:
    project = kept.copy(tmp_path / "run")
    limit = sorted(float(line.split("\t")[5]) for line in project.records())[3]
    project.config["filters"] = {"Dubious": f"QUAL < {limit}"}

    assert project.run("--notemp").succeeded().finished == CHANGES["filter"][1]

    fields = [line.split("\t") for line in project.records()]
    assert {row[1] for row in fields if row[6] == "Dubious"} == {row[1] for row in fields if float(row[5]) < limit}
    assert {row[6] for row in fields} == {"Dubious", "PASS"}


def test_a_replaced_fastq_is_seen_in_the_alignments(kept: Project, tmp_path: Path) -> None:
    project = kept.copy(tmp_path / "run")
    replace_fastq(project)
    target = "results/qc/samtools/A.flagstat.txt"

    project.run("--notemp", target).succeeded()

    before, after = (int(folder[target].read_text().split()[0]) for folder in (kept, project))
    assert (before - after) == 2
    assert len(example_reads("sampleA_L1_R1")[1::3]) > 1


def test_nothing_is_done_twice(done: Project, tmp_path: Path) -> None:
    project = done.copy(tmp_path / "run")
    before = {name: path.stat().st_mtime_ns for name, path in project.files().items()}

    second = project.run().succeeded()

    assert "Nothing to be done" in second.text
    assert {name: path.stat().st_mtime_ns for name, path in project.files().items()} == before
