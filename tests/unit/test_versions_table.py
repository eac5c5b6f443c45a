"""The table of the versions that real results name in their headers."""

import gzip
import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from shared import Run
from terraflow_workflow import __version__
from terraflow_workflow.quality.versions import of_alignment, of_fastqc, of_mitochondrion, of_stats, table


def output(*command: str, text: str | None = None) -> str:
    # The build options that samtools prints need not be UTF-8.
    return subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", check=False).stdout


def version_of(tool: str) -> tuple[str, str]:
    """Version of a tool and of htslib, as `--version` says."""
    tool_line, htslib_line = output(tool, "--version").splitlines()[:2]
    return tool_line.split(maxsplit=1)[1], htslib_line.split()[-1]


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Header of a read that bwa aligned and samtools converted."""
    folder = tmp_path_factory.mktemp("bwa")
    (folder / "g.fa").write_text(">c\n" + "ACGGTTGCAA" * 20 + "\n")
    subprocess.run(["bwa", "index", folder / "g.fa"], check=True, capture_output=True)
    group = r"@RG\tID:A.L1\tSM:A"
    read = "@r\n" + "ACGGTTGCAA" * 3 + "\n+\n" + "I" * 30 + "\n"
    return output(
        "samtools", "view", "-H", "-", text=output("bwa", "mem", "-R", group, str(folder / "g.fa"), "-", text=read)
    )


def test_programs_of_an_alignment(header: str) -> None:
    found = of_alignment(header)
    assert set(found) == {"bwa", "samtools"}
    assert re.fullmatch(r"0\.7\.\d+(-r\d+)?(-dirty)?", found["bwa"])
    assert found["samtools"] == version_of("samtools")[0]


def test_a_program_without_name_or_version_is_left_out() -> None:
    header = "@HD\tVN:1.6\n@PG\tID:a\n@PG\tID:b\tPN:b\n@PG\tID:c\tVN:1\n@PG\tID:d\tPN:d\tVN:2\tCL:d -x a:b\n"
    assert of_alignment(header) == {"d": "2"}


def test_tool_and_library_of_statistics() -> None:
    sam = output("samtools", "stats", "-", text="@SQ\tSN:c\tLN:9\nr\t0\tc\t1\t9\t3M\t*\t0\t0\tACG\tIII\n")
    version, htslib = version_of("samtools")
    assert of_stats(sam) == {"samtools": version, "htslib": htslib}
    vcf = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    version, htslib = version_of("bcftools")
    assert of_stats(output("bcftools", "stats", "-", text=vcf)) == {"bcftools": version, "htslib": htslib}
    assert of_stats("# This file was produced by something else\n") == {}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "A.R1_fastqc.zip"
    with zipfile.ZipFile(path, "w") as files:
        files.writestr("A.R1_fastqc/summary.txt", "PASS\n")
        files.writestr("A.R1_fastqc/fastqc_data.txt", "##FastQC\t0.12.1\n>>Basic Statistics\tpass\n")
    return path


def test_version_of_fastqc(archive: Path) -> None:
    assert of_fastqc(archive) == {"fastqc": "0.12.1"}


def test_a_reference_without_a_mitochondrion_has_no_program_for_it(tmp_path: Path) -> None:
    path = tmp_path / "evidence.json.gz"
    path.write_bytes(gzip.compress(b""))
    assert of_mitochondrion(path) == {}


def test_the_table_is_sorted_by_tool() -> None:
    assert list(table({"b": "2", "a": "1"})) == ["software\tversion\n", "a\t1\n", "b\t2\n"]


def test_the_script_collects_all_of_them(script: Run, tmp_path: Path, header: str, archive: Path) -> None:
    (tmp_path / "header.sam").write_text(header)
    (tmp_path / "stats.txt").write_text("# This file was produced by bcftools stats (1.2+htslib-1.3) and can be\n")
    with gzip.open(tmp_path / "evidence.json.gz", "wt") as evidence:
        json.dump({"programs": {"bwa-mem2": "2.2.1"}}, evidence)
    out = tmp_path / "versions.tsv"
    run = script(
        "quality.versions", "--header", tmp_path / "header.sam", "--stats", tmp_path / "stats.txt", "--fastqc", archive,
        "--mitochondrion", tmp_path / "evidence.json.gz", "--snakemake", "9.9", "--out", out,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    names = [line.split("\t")[0] for line in out.read_text().splitlines()]
    assert names == [
        "software",
        "bcftools",
        "bwa",
        "bwa-mem2",
        "fastqc",
        "htslib",
        "samtools",
        "snakemake",
        "terraflow",
    ]
    assert f"terraflow\t{__version__}\n" in out.read_text()
    assert "fastqc\t0.12.1\n" in out.read_text()
    assert "snakemake\t9.9\n" in out.read_text()
