"""Rules of quality.smk: their numbers agree with an independent count, and have the sheet's names."""

import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import snakemake
from project import Copy, Project, dying, units_of
from readers import Record, alignments, header, table
from tiny import LENGTHS, NASTY, PLAIN, SAMPLES, planted_genotypes

from shared import ROOT

GENOME_FA = "results/reference/genome.fa"
VCF = "results/variants/all.vcf.gz"


def records(project: Project, sample: str) -> list[Record]:
    return alignments(project[f"results/alignments/{sample}.cram"], project[GENOME_FA])


def depths(found: list[Record]) -> Counter[tuple[str, int]]:
    """Count the reads over each base, without duplicates, by contig and 0-based position."""
    depth: Counter[tuple[str, int]] = Counter()
    for record in found:
        if record.flag & 0x704:
            continue
        at = record.position - 1
        for number, kind in re.findall(r"(\d+)([A-Z=])", record.cigar):
            if kind in "M=X":
                depth.update((record.contig, base) for base in range(at, at + int(number)))
            if kind in "M=XDN":
                at += int(number)
    return depth


# --- samtools_stats --------------------------------------------------------------------------------


def statistics_of(sample: str) -> list[str]:
    tables = [
        f"results/qc/samtools/{sample}.{name}" for name in ("header.sam", "stats.txt", "flagstat.txt", "flags.tsv")
    ]
    coverage = ("contigs.tsv", "windows.tsv", "deepest.txt")
    return [*tables, *(f"results/qc/coverage/{sample}.{name}" for name in coverage)]


@pytest.fixture(scope="module")
def stats(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = finished.copy(tmp_path_factory.mktemp("samtools_stats"), "reference", "alignments")
    project.rule("samtools_stats", *(name for sample in SAMPLES for name in statistics_of(sample))).succeeded()
    return project


@pytest.mark.parametrize("sample", SAMPLES)
def test_stats_count_the_reads(stats: Project, sample: str) -> None:
    text = stats[f"results/qc/samtools/{sample}.stats.txt"].read_text()
    found = dict(re.findall(r"^SN\t([^:]+):\t([^\t\n]+)", text, re.MULTILINE))
    reads = [read for unit in units_of(sample).values() for read in unit]
    duplicates = sum(read.name.endswith(":dup") for read in reads)
    paired = sum(not read.name.startswith("single") for read in reads)

    assert (found["raw total sequences"], found["reads mapped"]) == (str(len(reads)), str(len(reads)))
    assert (found["reads duplicated"], found["reads paired"]) == (str(duplicates), str(paired))
    assert found["total length"] == str(100 * len(reads))
    assert float(found["insert size average"]) == pytest.approx(260, abs=2)
    flags = stats[f"results/qc/samtools/{sample}.flags.tsv"].read_text()
    bases = re.findall(r"^bases\t(\d+)\t(\d+)$", flags, re.MULTILINE)
    quality = Counter(ord(character) - 33 for read in reads for character in read.quality)
    assert [(int(of), int(number)) for of, number in bases] == sorted(quality.items())


@pytest.mark.parametrize("sample", SAMPLES)
def test_flagstat_counts_the_flags(stats: Project, sample: str) -> None:
    text = stats[f"results/qc/samtools/{sample}.flagstat.txt"].read_text()
    found = records(stats, sample)
    expected = {
        "in total": len(found),
        "duplicates": sum(bool(record.flag & 0x400) for record in found),
        "mapped": sum(not record.flag & 0x4 for record in found),
        "properly paired": sum(record.flag & 0x3 == 0x3 for record in found),
        "read1": sum(bool(record.flag & 0x40) for record in found),
    }

    for kind, number in expected.items():
        assert re.search(rf"^{number} \+ 0 {kind}\b", text, re.MULTILINE), (kind, number, text)


@pytest.mark.parametrize("sample", SAMPLES)
def test_coverage_of_contigs_and_windows_agrees_with_a_count_by_hand(stats: Project, sample: str) -> None:
    found = records(stats, sample)
    depth = depths(found)
    assert sum(depth.values()) > 30 * sum(LENGTHS.values()) * 0.9

    contigs = table(stats[f"results/qc/coverage/{sample}.contigs.tsv"])
    assert [row["#rname"] for row in contigs] == list(LENGTHS)
    for row in contigs:
        contig, length = row["#rname"], int(row["endpos"])
        own = [depth[contig, base] for base in range(length)]
        assert length == LENGTHS[contig]
        assert int(row["numreads"]) == sum(r.contig == contig and not r.flag & 0x400 for r in found)
        assert int(row["covbases"]) == sum(number > 0 for number in own)
        assert float(row["meandepth"]) == pytest.approx(sum(own) / length, rel=1e-4)
        # All but the duplicates have it.
        assert float(row["meanbaseq"]) == 40

    windows = table(stats[f"results/qc/coverage/{sample}.windows.tsv"])
    assert sum(int(row["end"]) - int(row["start"]) for row in windows) == sum(LENGTHS.values())
    for row in windows:
        own = [depth[row["contig"], base] for base in range(int(row["start"]), int(row["end"]))]
        assert float(row["meandepth"]) == pytest.approx(sum(own) / len(own), rel=1e-4)


@pytest.mark.parametrize("sample", SAMPLES)
def test_header_is_that_of_the_alignments(stats: Project, sample: str) -> None:
    lines = stats[f"results/qc/samtools/{sample}.header.sam"].read_text().splitlines()

    groups = [f"ID:{sample}.{unit}" for unit in units_of(sample)]
    assert sorted(line.split("\t")[1] for line in lines if line.startswith("@RG")) == sorted(groups)


def test_alignments_that_are_cut_short_fail_the_rule(copy: Copy) -> None:
    project = copy("reference", "alignments")
    cram = project[f"results/alignments/{PLAIN}.cram"]
    cram.write_bytes(cram.read_bytes()[: cram.stat().st_size // 2])

    project.rule("samtools_stats", *statistics_of(PLAIN)).failed("exit codes of the parts of what failed")

    assert not any(name in project.files() for name in statistics_of(PLAIN))
    assert project.scratch() == []


# --- bcftools_stats and variant_table --------------------------------------------------------------


STATS = "results/qc/bcftools/all.stats.txt"
VARIANT_TABLE = "results/qc/variants/all.tsv"


def column(row: dict[str, str], ending: str) -> str:
    """Return the field of a column, by the end of its name."""
    return next(value for name, value in row.items() if name.endswith(ending))


def test_tables_count_the_planted_variants(copy: Copy) -> None:
    project = copy("reference", "variants")

    project.rule("bcftools_stats variant_table", STATS, VARIANT_TABLE).succeeded()

    planted = planted_genotypes()
    totals = dict(re.findall(r"^SN\t0\tnumber of ([^:]+):\t(\d+)", project[STATS].read_text(), re.MULTILINE))
    snps = [site for site in planted if len(site[2]) == len(site[3])]
    expected = {"samples": 2, "records": len(planted), "SNPs": len(snps), "indels": len(planted) - len(snps)}
    assert {name: int(totals[name]) for name in expected} == expected
    rows = {row["sample"]: row for row in table(project[VARIANT_TABLE])}
    assert list(rows) == [*SAMPLES, "sites with FILTER PASS"]
    assert list(rows["sites with FILTER PASS"].values())[1] == str(len(planted))
    for index, sample in enumerate(SAMPLES):
        own = {site: gts[index] for site, gts in planted.items() if "1" in gts[index]}
        sizes = [len(alt) - len(ref) for _, _, ref, alt in own]
        row = rows[sample]
        assert int(column(row, "SNPs")) == sum(size == 0 for size in sizes)
        assert int(column(row, "insertions")) == sum(size > 0 for size in sizes)
        assert int(column(row, "deletions")) == sum(size < 0 for size in sizes)
        assert int(column(row, "heterozygous")) == sum(gt == "0/1" for gt in own.values())
        assert int(column(row, "homozygous")) == sum(gt == "1/1" for gt in own.values())
        transitions = sum({ref, alt} in ({"A", "G"}, {"C", "T"}) for _, _, ref, alt in own if len(ref) == len(alt))
        assert float(column(row, "Ts/Tv")) == transitions / (sum(size == 0 for size in sizes) - transitions)


def test_sites_that_a_filter_marks_are_counted_by_themselves(copy: Copy) -> None:
    project = copy("reference", "calls")
    project.config["filters"] = {"Snps": 'TYPE = "snp"'}

    project.rule("filters variants bcftools_stats variant_table", STATS, VARIANT_TABLE).succeeded()

    rows = {row["sample"]: row for row in table(project[VARIANT_TABLE])}
    assert {name: list(row.values())[1] for name, row in rows.items() if name not in SAMPLES} == {
        "sites with FILTER Snps": "8",
        "sites with FILTER PASS": "3",
    }
    assert [column(rows[sample], "SNPs") for sample in SAMPLES] == ["0", "0"]


@pytest.mark.parametrize(
    ("rule", "target", "part"), [("bcftools_stats", STATS, "stats"), ("variant_table", VARIANT_TABLE, "query")]
)
def test_part_that_dies_fails_the_rule(copy: Copy, tmp_path: Path, rule: str, target: str, part: str) -> None:
    project = copy("reference", "variants", "qc/bcftools")

    run = project.rule(rule, target, env=dying(tmp_path / "fake", "bcftools", 9, 5, part))

    run.failed("exit codes of the parts of what failed, in order: 9")
    assert not project[target].exists()
    assert project.scratch() == []


# --- coverage_plot, versions, multiqc --------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Make the results that summarise the tables of all samples."""
    tables = [f"qc/{name}" for name in ("fastqc", "samtools", "bcftools", "coverage")]
    project = finished.copy(tmp_path_factory.mktemp("pages"), *tables)
    targets = ["coverage/coverage.svg", "versions.tsv", "multiqc.html", "multiqc_data.zip"]
    project.rule(
        "coverage_plot versions calling_reads multiqc", *(f"results/qc/{name}" for name in targets)
    ).succeeded()
    return project


def test_plot_shows_all_samples_along_all_contigs(pages: Project, finished: Project) -> None:
    path = pages["results/qc/coverage/coverage.svg"]
    text = path.read_text()
    curves = [element for element in ElementTree.parse(path).iter() if element.get("id", "").startswith("patch_")]

    assert text.rstrip().endswith("</svg>")
    for label in (*SAMPLES, *LENGTHS, "mean depth of a window"):
        assert label in text
    assert len(curves) >= len(SAMPLES)
    assert path.read_bytes() == finished["results/qc/coverage/coverage.svg"].read_bytes()


def test_plot_has_no_room_for_tables_of_nothing(copy: Copy) -> None:
    project = copy("qc/coverage")
    project[f"results/qc/coverage/{PLAIN}.windows.tsv"].write_text("contig\tstart\tend\n")

    project.rule("coverage_plot", "results/qc/coverage/coverage.svg").failed(
        f"{PLAIN}.windows.tsv: a table of depths without windows"
    )

    assert not project["results/qc/coverage/coverage.svg"].exists()


def test_versions_are_those_in_the_results(pages: Project, finished: Project) -> None:
    found = {row["software"]: row["version"] for row in table(pages["results/qc/versions.tsv"])}
    programs = header(finished[f"results/alignments/{NASTY}.cram"], "PG")

    assert set(found) == {"bcftools", "bwa", "fastqc", "htslib", "samtools", "snakemake", "terraflow"}
    assert found["snakemake"] == snakemake.__version__
    assert found["bwa"] == next(program["VN"] for program in programs if program["PN"] == "bwa")
    assert found["samtools"] in {program["VN"] for program in programs if program["PN"] == "samtools"}
    assert f"({found['bcftools']}+htslib-{found['htslib']})" in pages[STATS].read_text()
    assert re.fullmatch(r"0\.\d+\.\d+", found["fastqc"])


def test_page_is_whole(pages: Project) -> None:
    text = pages["results/qc/multiqc.html"].read_text()

    assert text.rstrip().endswith("</html>")
    assert "TerraFlow Genomics" in text
    for module in ("fastqc", "samtools", "bcftools"):
        assert f'id="mqc-module-section-{module}"' in text
    assert sorted(name for name in pages.files() if "multiqc" in name) == [
        "results/qc/multiqc.html",
        "results/qc/multiqc_data.zip",
    ]


def test_page_draws_no_pictures_however_many_lanes(pages: Project, tmp_path: Path) -> None:
    """As if MultiQC's limit for plots that are drawn in the browser were one lane."""
    command = [sys.executable, "-m", "multiqc", "--no-version-check", "--no-ansi", "--outdir", str(tmp_path)]
    command += ["--config", str(ROOT / "workflow/report/multiqc.yaml"), "--cl-config", "plots_flat_numseries: 1"]
    command += ["--module", "fastqc", "--verbose", str(pages["results/qc/fastqc"])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert f"Found {len(list(pages['results/qc/fastqc'].rglob('*.zip')))} reports" in done.stderr
    assert "rendering flat" not in done.stderr and "static image" not in done.stderr


def table_of(archive: Path, name: str) -> dict[str, dict[str, str]]:
    """Read a table of MultiQC's data, by sample."""
    with zipfile.ZipFile(archive) as files:
        path = next(entry for entry in files.namelist() if entry.endswith(name))
        head, *rows = (line.split("\t") for line in files.read(path).decode().splitlines())
    return {row[0]: dict(zip(head, row, strict=False)) for row in rows}


def test_general_statistics_bear_the_names_of_the_sheet(pages: Project) -> None:
    rows = table_of(pages["results/qc/multiqc_data.zip"], "multiqc_general_stats.txt")
    lanes = {f"{NASTY} L.1", f"{NASTY} L.1 R1", f"{NASTY} L.1 R2", f"{NASTY} single+1 single"}
    lanes |= {f"{PLAIN} L1", f"{PLAIN} L1 R1", f"{PLAIN} L1 R2"}

    assert set(rows) == {*SAMPLES, *lanes, "all samples"}
    for sample in SAMPLES:
        filled = {name for name, value in rows[sample].items() if value}
        assert any(name.startswith("samtools_stats") for name in filled)
        assert any("coverage" in name for name in filled)


def test_fastqc_section_has_all_lanes_with_their_reads(pages: Project) -> None:
    rows = table_of(pages["results/qc/multiqc_data.zip"], "multiqc_fastqc.txt")
    expected = {}
    for sample in SAMPLES:
        for unit, reads in units_of(sample).items():
            single = unit.startswith("single")
            for mate in ["single"] if single else ["R1", "R2"]:
                expected[f"{sample} {unit} {mate}"] = len(reads) if single else len(reads) // 2

    assert {name: float(row["Total Sequences"]) for name, row in rows.items()} == expected


@pytest.mark.parametrize(
    "name", ["multiqc_samtools_stats.txt", "multiqc_samtools_flagstat.txt", "multiqc_samtools_coverage.txt"]
)
def test_tables_of_alignments_have_exactly_the_samples(pages: Project, name: str) -> None:
    assert set(table_of(pages["results/qc/multiqc_data.zip"], name)) == set(SAMPLES)


def test_data_are_whole(pages: Project) -> None:
    with zipfile.ZipFile(pages["results/qc/multiqc_data.zip"]) as files:
        assert files.testzip() is None
        path = next(name for name in files.namelist() if name.endswith("multiqc_data.json"))
        data = json.loads(files.read(path))

    assert data["report_data_sources"]
    places = [list(LENGTHS).index(row["contig"]) for row in table(pages[f"results/qc/coverage/{NASTY}.windows.tsv"])]
    assert all(first <= second for first, second in pairwise(places))
