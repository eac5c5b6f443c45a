"""The table of variants by sample, from real `bcftools stats` output."""

import subprocess
from pathlib import Path

import pytest

from shared import Run
from terraflow_workflow.quality.diploid import doubled
from terraflow_workflow.quality.variant_table import COLUMNS, rows_of_filters, rows_of_samples

VCF = """##fileformat=VCFv4.2
##contig=<ID=c,length=78>
##FILTER=<ID=PASS,Description="All filters passed">
##FILTER=<ID=LowQual,Description="low">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO	FORMAT	dip	hap
c	32	.	T	C	50	PASS	.	GT:DP	0/1:10	1:3
c	37	.	A	G	50	PASS	.	GT:DP	1/1:10	1:3
c	38	.	A	C	50	PASS	.	GT:DP	1/1:10	1:5
c	40	.	G	GA	50	PASS	.	GT:DP	0/1:10	1:3
c	42	.	TTG	T	50	PASS	.	GT:DP	1/1:20	1:3
c	45	.	C	A	50	LowQual	.	GT:DP	1/1:99	1:99
c	46	.	T	A	50	PASS	.	GT:DP	./.:.	.:.
c	47	.	A	T	50	PASS	.	GT:DP	0/0:4	0:4
c	48	.	A	G	50	PASS	.	GT:DP	0/1:4	0:4
c	48	.	A	T	50	PASS	.	GT:DP	1/0:4	1:4
"""


def stats(vcf: str) -> str:
    command = ["bcftools", "stats", "-f", "PASS,.", "-s", "-", "-"]
    return subprocess.run(command, input=vcf, capture_output=True, text=True, check=True).stdout


def diploid(vcf: str) -> str:
    return stats(b"".join(doubled(vcf.encode().splitlines(keepends=True))).decode())


def sample_rows(vcf: str) -> list[list[str]]:
    return rows_of_samples(stats(vcf).splitlines(keepends=True), diploid(vcf).splitlines(keepends=True))


def test_each_sample_has_its_passing_variants_by_kind() -> None:
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in sample_rows(VCF)]
    assert rows[0] == {
        "sample": "dip",
        "SNPs": "5",
        "insertions": "1",
        "deletions": "1",
        "heterozygous": "4",
        "homozygous": "3",
        "haploid": "0",
        "missing": "1",
        "Ts/Tv": "1.50",
        "mean depth": "9.0",
    }
    assert rows[1] == {
        "sample": "hap",
        "SNPs": "4",
        "insertions": "1",
        "deletions": "1",
        "heterozygous": "0",
        "homozygous": "0",
        "haploid": "6",
        "missing": "1",
        "Ts/Tv": "1.00",
        "mean depth": "3.6",
    }
    assert len(rows) == 2


def test_a_file_without_variants_has_its_samples() -> None:
    header = "".join(line for line in VCF.splitlines(keepends=True) if line.startswith("#"))
    assert [row[:4] for row in sample_rows(header)] == [
        ["dip", "0", "0", "0"],
        ["hap", "0", "0", "0"],
    ]


def test_columns_are_found_by_name_wherever_they_stand() -> None:
    lines = []
    for line in stats(VCF).splitlines(keepends=True):
        fields = line.rstrip("\n").split("\t")
        if fields[0].removeprefix("# ") in ("PSC", "PSI"):
            lines.append("\t".join([*fields[:3], "[4]new" if line.startswith("#") else "77", *fields[3:]]) + "\n")
    known = diploid(VCF).splitlines(keepends=True)
    assert rows_of_samples(lines, known) == sample_rows(VCF)


@pytest.mark.parametrize(
    ("counts", "rows"),
    [
        ([], []),
        (
            ["      3 LowQual\n", "    120 PASS\n", "      3 IndelFraction;LowQual\n", "      1 .\n"],
            [["PASS", "120"], ["IndelFraction;LowQual", "3"], ["LowQual", "3"], [".", "1"]],
        ),
    ],
)
def test_filters_stand_with_most_sites_first(counts: list[str], rows: list[list[str]]) -> None:
    assert rows_of_filters(counts) == rows


def test_the_script_writes_one_table(script: Run, tmp_path: Path) -> None:
    text, filters, out = tmp_path / "stats.txt", tmp_path / "filters.txt", tmp_path / "out.tsv"
    text.write_text(stats(VCF))
    twice = tmp_path / "diploid.txt"
    twice.write_text(diploid(VCF))
    filters.write_text("      1 LowQual\n      9 PASS\n")
    run = script("quality.variant_table", "--stats", text, "--diploid", twice, "--filters", filters, "--out", out)
    assert (run.returncode, run.stderr) == (0, "")
    lines = [line.split("\t") for line in out.read_text().splitlines()]
    assert {len(line) for line in lines} == {len(COLUMNS)}
    assert [line[:2] for line in lines] == [
        ["sample", "SNPs"],
        ["dip", "5"],
        ["hap", "4"],
        ["sites with FILTER PASS", "9"],
        ["sites with FILTER LowQual", "1"],
    ]
