"""The demo finds what it planted, all results are there, and nothing else is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from runs import Project, output_of

from shared import ROOT

RESULTS = (
    "alignments/sampleA.cram",
    "alignments/sampleA.cram.crai",
    "alignments/sampleB.cram",
    "alignments/sampleB.cram.crai",
    "variants/all.vcf.gz",
    "variants/all.vcf.gz.tbi",
    "variants/all.consequences.tsv",
    "qc/multiqc.html",
    "qc/coverage/sampleA.contigs.tsv",
    "qc/coverage/sampleB.windows.tsv",
    "qc/coverage/coverage.svg",
    "qc/fastqc/sampleA/L1.R1_fastqc.html",
    "qc/fastqc/sampleA/L2.R2_fastqc.zip",
    "qc/fastqc/sampleB/L1.single_fastqc.html",
    "qc/variants/all.tsv",
    "qc/versions.tsv",
    "reference/genome.fa",
    "report.html",
    "run.json",
)
TEMPORARY = ("results/reads", "results/bwa_mem", ".snakemake/scratch")
COUNTS = [f"results/reads/{lane}.counts.json" for lane in ("sampleA/L1", "sampleA/L2", "sampleB/L1")]


def evaluate(project: Project) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", str(ROOT / "demo" / "evaluate.py"), "--run", str(project.folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rewritten(demo: Project, folder: Path, lines: list[str]) -> Project:
    """Return a copy of the demo with other calls."""
    project = demo.copy(folder)
    vcf = project["results/variants/all.vcf.gz"]
    head = output_of("bcftools", "view", "-h", vcf)
    text = head + "".join(f"{line}\n" for line in lines)
    subprocess.run(["bcftools", "view", "-Oz", "-o", str(vcf), "-"], input=text, text=True, check=True)
    subprocess.run(["bcftools", "index", "-f", "-t", str(vcf)], check=True)
    return project


def test_all_planted_variants_are_found_and_no_other(demo: Project) -> None:
    done = evaluate(demo)

    assert done.returncode == 0, done.stdout + done.stderr
    total = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("total"))
    planted, found, *rest = map(int, total.split()[2:])
    assert planted == found > 200
    assert rest == [0, 0, 0, 0]


def test_a_lost_call_is_named(demo: Project, tmp_path: Path) -> None:
    lines = demo.records()
    index = next(i for i, line in enumerate(lines) if line.split("\t")[6] == "PASS")
    contig, place = lines[index].split("\t")[:2]

    done = evaluate(rewritten(demo, tmp_path / "run", lines[:index] + lines[index + 1 :]))

    assert done.returncode == 1
    assert f"missed: {contig} {place} " in done.stdout


def test_a_call_too_many_is_named(demo: Project, tmp_path: Path) -> None:
    lines = demo.records()
    fields = lines[0].split("\t")
    assert int(fields[1]) > 1
    bases = output_of("samtools", "faidx", demo["results/reference/genome.fa"], f"{fields[0]}:1-1").split()[-1]
    alt = "A" if bases != "A" else "C"
    extra = "\t".join([fields[0], "1", ".", bases, alt, "90", "PASS", "DP=30", "GT", "0/1", "0/0"])

    done = evaluate(rewritten(demo, tmp_path / "run", [extra, *lines]))

    assert done.returncode == 1
    assert f"extra: {fields[0]} 1 {bases} {alt} in sampleA" in done.stdout


@pytest.mark.parametrize("name", RESULTS)
def test_a_promised_result_is_there(name: str, demo: Project) -> None:
    assert demo.files()[name].stat().st_size > 0


def test_all_results_are_whole(demo: Project) -> None:
    for name, path in demo.files().items():
        if name.endswith(".cram"):
            subprocess.run(["samtools", "quickcheck", "-v", str(path)], check=True)
            found = output_of("samtools", "view", "-c", path, "demo1:1-1000")
            assert int(found) > 0
    assert int(output_of("bcftools", "index", "-n", demo["results/variants/all.vcf.gz"])) == len(demo.records())


def test_nothing_temporary_is_left_but_the_counts_of_reads(demo: Project) -> None:
    left = [path for folder in TEMPORARY for path in demo[folder].rglob("*") if path.is_file()]
    left += [path for path in demo["results"].rglob(".*") if path.is_file() and path.name != ".snakemake_timestamp"]
    assert sorted(left) == [demo[name] for name in COUNTS]


def test_a_second_run_changes_nothing(demo: Project) -> None:
    before = {name: path.stat().st_mtime_ns for name, path in demo.files().items()}

    second = demo.run().succeeded()

    assert "Nothing to be done" in second.text
    assert {name: path.stat().st_mtime_ns for name, path in demo.files().items()} == before


def test_the_demo_of_the_makefile_asks_for_these_steps() -> None:
    """`make demo` takes the same steps as these tests do in their own folder."""
    assert shutil.which("make"), "make is how the demo is started: install it"
    steps = output_of("make", "-n", "-C", ROOT, "demo")
    places = [steps.index(step) for step in ("demo/simulate.py", "snakemake --cores", "demo/evaluate.py")]
    assert places == sorted(places)
