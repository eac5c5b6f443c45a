"""Rules fastqc and fastqc_single: reports of all reads under the sheet's names, whatever the files are called."""

import zipfile
from pathlib import Path

import pytest
from compressions import COMPRESSIONS
from project import Project
from tiny import PLAIN, fasta, fragments, text_of

from shared import Outcome

PAIRS = fragments(PLAIN)[:150]
R1, R2 = (text_of(reads) for reads in zip(*PAIRS, strict=True))
SAMPLE = "a.bam.b_R1-x"

# Units: compressions of their files, and the names of the files.
GOOD: dict[str, dict[str, tuple[str, str]]] = {
    "L.1": {"R1": ("gzip-members", "x.fastq.gz"), "R2": ("bzip2-streams", "x.fastq.bz2")},
    "wrong_R2": {"R1": ("xz-streams", "y.fastq.gz"), "R2": ("plain", "y.fq.bz2")},
    "one+": {"single": ("zstd-frames", "z.fastq.gz")},
}
MATES = [(unit, mate) for unit, mates in GOOD.items() for mate in mates]


def new_project(folder: Path) -> Project:
    """Return a project with a reference that no job reads."""
    project = Project(folder, {"reference": {"fasta": "ref.fa"}})
    project.write("ref.fa", fasta({"a": "ACGT"}))
    return project


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = new_project(tmp_path_factory.mktemp("fastqc") / "good")
    for unit, mates in GOOD.items():
        data = {"R1": R1, "R2": R2, "single": R1}
        files = [project.write(name, COMPRESSIONS[packed](data[mate])) for mate, (packed, name) in mates.items()]
        project.add(SAMPLE, unit, *files)
    targets = [f"results/qc/fastqc/{SAMPLE}/{unit}.{mate}_fastqc.html" for unit, mate in MATES]
    project.rule("fastqc fastqc_single", *targets).succeeded()
    return project


def fastqc_data(path: Path) -> dict[str, str]:
    """Read the lines of FastQC's `Basic Statistics`."""
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/fastqc_data.txt"))
        lines = archive.read(name).decode().split(">>END_MODULE")[0].splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)


@pytest.mark.parametrize(("unit", "mate"), MATES)
def test_each_report_counts_all_reads_under_the_name_of_the_sheet(good: Project, unit: str, mate: str) -> None:
    found = fastqc_data(good[f"results/qc/fastqc/{SAMPLE}/{unit}.{mate}_fastqc.zip"])

    assert found["Filename"].removesuffix(".fastq") == f"{SAMPLE}.{unit}.{mate}"
    assert found["Total Sequences"] == str(len(PAIRS))
    assert found["Sequence length"] == "100"


@pytest.mark.parametrize(("unit", "mate"), MATES)
def test_each_report_has_a_page(good: Project, unit: str, mate: str) -> None:
    page = good[f"results/qc/fastqc/{SAMPLE}/{unit}.{mate}_fastqc.html"].read_text()

    assert f"{SAMPLE}.{unit}.{mate}" in page
    assert page.rstrip().endswith("</html>")


def test_mates_are_not_taken_for_each_other(good: Project) -> None:
    gc = [fastqc_data(good[f"results/qc/fastqc/{SAMPLE}/L.1.{mate}_fastqc.zip"])["%GC"] for mate in ("R1", "R2")]
    expected = [
        sum(base in "GC" for pair in PAIRS for base in pair[mate].sequence) / (len(PAIRS) * 100) * 100
        for mate in (0, 1)
    ]

    assert [float(found) for found in gc] == pytest.approx(expected, abs=1)


def test_nothing_else_is_left(good: Project) -> None:
    made = {f"results/qc/fastqc/{SAMPLE}/{unit}.{mate}_fastqc.{ext}" for unit, mate in MATES for ext in ("html", "zip")}

    assert set(good.files()) == made
    assert good.scratch() == []
    for unit in GOOD:
        assert "exit codes" not in good.log(f"fastqc/{SAMPLE}/{unit}")


# --- bad files -------------------------------------------------------------------------------------

BAD: dict[str, tuple[bytes, bytes | None, str]] = {
    "truncated-R2": (R1, COMPRESSIONS["gzip"](R2)[:-99], "truncated-R2.2: the gzip stream ends too soon"),
    "damaged-single": (COMPRESSIONS["xz"](R1)[:-30], None, "damaged-single.1: the xz stream ends too soon"),
    "cut-record": (R1[:-150], None, "cut-record.1: record 150, line 598: the file ends in the middle of a record"),
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Outcome]:
    project = new_project(tmp_path_factory.mktemp("fastqc") / "bad")
    targets = []
    for unit, (first, second, _) in BAD.items():
        fq1 = project.write(f"{unit}.1", first)
        project.add("s", unit, fq1, "" if second is None else project.write(f"{unit}.2", second))
        targets.append(f"results/qc/fastqc/s/{unit}.{'R1' if second else 'single'}_fastqc.zip")
    return project, project.rule("fastqc fastqc_single", *targets, options=["--keep-going"])


@pytest.mark.parametrize("unit", BAD)
def test_damaged_reads_are_named_in_the_log_and_on_the_terminal(bad: tuple[Project, Outcome], unit: str) -> None:
    project, run = bad

    assert run.code == 1
    assert BAD[unit][2] in project.log(f"fastqc/s/{unit}")
    assert BAD[unit][2] in run.text


def test_damaged_reads_leave_no_report(bad: tuple[Project, Outcome]) -> None:
    project, _ = bad

    assert project.files() == []
    assert project.scratch() == []
