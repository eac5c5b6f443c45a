"""Rule multiqc: every lane and sample of the sheet is on the page under its name, whatever the name."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from project import Copy, Project
from tiny import PLAIN

# Samples and the units of each, paired ones without and single ones with a `single` before them. The names look like
# mates, endings, other lanes, files of other tools, numbers, or parts of each other.
SHEET = {
    **{name: ("1",) for name in ("WT.R1", "WT.R2", "WT", "WT_R1_001", "WT_R2_001", "WT-1", "WT_val_1", "WT.R1.R1")},
    **{name: ("1",) for name in ("S1", "S1.fastq", "S1.fastq.gz", "S1.gz", "S1.sorted", "S1.bam", "S1.sorted.bam")},
    **{name: ("1",) for name in ("S1.stats", "S1.stats.txt", "S1_fastqc", "S1_fastqc.zip", "S1.contigs", "S1.txt")},
    "A": ("1.2", "1", "R1", "1.R1", "R1.R1"),
    "A.1": ("2", "R1", "R2"),
    "A.1.R1": ("2",),
    "B": ("single R1", "single 1", "single single"),
    "B.single": ("single single",),
    **{name: ("1",) for name in ("1", "01", "1e5", "1.0", "007", "0", "null", "true", "A+B", "A-B")},
    **{name: ("1",) for name in ("all", "all.vcf.gz", "idxstats", "x_fastqc_theoretical_gc", "fastqc_data.txt")},
    **{name: ("1",) for name in ("multiqc_data.json", "multiqc_config.yaml", "x_mqc.txt", "ref.fa", "x" * 100)},
}
QC = "results/qc"


def made_up(project: Project, finished: Project) -> None:
    """Write the tables of one sample under the names of all, each with numbers of its own."""
    stats = finished[f"{QC}/bcftools/all.stats.txt"].read_text()
    line = next(line for line in stats.splitlines() if line.startswith("PSC\t") and f"\t{PLAIN}\t" in line)
    lines = "".join(line.replace(f"\t{PLAIN}\t", f"\t{sample}\t") + "\n" for sample in SHEET)
    whole = re.sub("^PSC\t.*\n(PSC\t.*\n)*", lambda _: lines, stats, flags=re.MULTILINE)
    project.write(f"{QC}/bcftools/all.stats.txt", whole)
    project.units.clear()
    for number, (sample, units) in enumerate(SHEET.items(), start=1000):
        for table in ("samtools/{}.stats.txt", "samtools/{}.flagstat.txt", "samtools/{}.flags.tsv"):
            text = finished[f"{QC}/{table.format(PLAIN)}"].read_text()
            text = re.sub(r"(raw total sequences:\t)\d+", rf"\g<1>{number}", text)
            text = re.sub(r"^\d+( \+ 0 in total)", rf"{number}\1", text, flags=re.MULTILINE)
            project.write(f"{QC}/{table.format(sample)}", text)
        for table in ("coverage/{}.contigs.tsv", "coverage/{}.deepest.txt"):
            project.write(f"{QC}/{table.format(sample)}", finished[f"{QC}/{table.format(PLAIN)}"].read_bytes())
        for unit in units:
            name = unit.removeprefix("single ")
            mates = ("single",) if name != unit else ("R1", "R2")
            for mate in mates:
                source = finished[f"{QC}/fastqc/{PLAIN}/L1.R1_fastqc.zip"]
                project.write(f"{QC}/fastqc/{sample}/{name}.{mate}_fastqc.zip", source.read_bytes())
            files = [project.write(f"reads/{sample}/{name}.{mate}.fastq", b"@r\nA\n+\nI\n") for mate in mates]
            project.add(sample, name, *files)


def lanes() -> dict[str, list[str]]:
    """Names on the page of the mates of each lane, by the lane's."""
    return {
        f"{sample} {unit.removeprefix('single ')}": ["single"] if unit.startswith("single ") else ["R1", "R2"]
        for sample, units in SHEET.items()
        for unit in units
    }


@pytest.fixture(scope="module")
def page(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Make a page of all of them, in a folder with settings of MultiQC that would spoil it."""
    project = Project(tmp_path_factory.mktemp("multiqc"), dict(finished.config))
    shutil.copy(finished["ref.fa"], project.folder)
    shutil.copy(finished["genes.gff3"], project.folder)
    made_up(project, finished)
    spoilt = 'title: Spoilt\nsample_names_ignore: ["*1*"]\nfn_ignore_files: ["*.txt"]\nexclude_modules: [samtools]\n'
    for place in ("multiqc_config.yaml", "home/.multiqc_config.yaml", "xdg/multiqc_config.yaml", "other.yaml"):
        project.write(place, spoilt)
    env = {"HOME": str(project["home"]), "XDG_CONFIG_HOME": str(project["xdg"])}
    env |= {"MULTIQC_CONFIG_PATH": str(project["other.yaml"]), "MULTIQC_TITLE": "Spoilt", "MULTIQC_PREPEND_DIRS": "1"}
    targets = (f"{QC}/multiqc.html", f"{QC}/multiqc_data.zip")
    project.rule("calling_reads multiqc", *targets, env=env).succeeded()
    return project


def rows(project: Project, name: str) -> dict[str, dict[str, str]]:
    """Read a table of MultiQC's data by sample; each sample once."""
    with zipfile.ZipFile(project[f"{QC}/multiqc_data.zip"]) as files:
        path = next(entry for entry in files.namelist() if Path(entry).name == name)
        head, *lines = (line.split("\t") for line in files.read(path).decode().splitlines())
    assert len({line[0] for line in lines}) == len(lines)
    return {line[0]: dict(zip(head, line, strict=False)) for line in lines}


def test_every_sample_has_its_own_row_with_its_own_numbers(page: Project) -> None:
    numbers = {sample: number for number, sample in enumerate(SHEET, start=1000)}

    stats = rows(page, "multiqc_samtools_stats.txt")
    assert {sample: float(row["raw_total_sequences"]) for sample, row in stats.items()} == numbers
    flagstat = rows(page, "multiqc_samtools_flagstat.txt")
    assert {sample: float(row["total_passed"]) for sample, row in flagstat.items()} == numbers
    assert set(rows(page, "multiqc_samtools_coverage.txt")) == set(SHEET)
    assert set(rows(page, "multiqc_calling_reads_table.txt")) == set(SHEET)


def test_every_mate_of_every_lane_has_its_own_row(page: Project) -> None:
    assert set(rows(page, "multiqc_fastqc.txt")) == {
        f"{lane} {mate}" for lane, mates in lanes().items() for mate in mates
    }


def test_general_statistics_have_samples_and_lanes_apart(page: Project) -> None:
    mates = {f"{lane} {mate}" for lane, mates in lanes().items() for mate in mates}
    pairs = {lane for lane, mates in lanes().items() if len(mates) == 2}

    assert set(rows(page, "multiqc_general_stats.txt")) == {*SHEET, *mates, *pairs, "all samples"}


def test_variants_of_every_sample_are_shown(page: Project) -> None:
    assert set(rows(page, "multiqc_bcftools_stats.txt")) == {"all samples"}
    assert set(rows(page, "bcftools-stats-sites.txt")) == set(SHEET)


def test_genotypes_of_the_last_sample_are_not_shown_as_those_of_all(page: Project) -> None:
    with zipfile.ZipFile(page[f"{QC}/multiqc_data.zip"]) as files:
        path = next(entry for entry in files.namelist() if Path(entry).name == "multiqc_data.json")
        table = json.loads(files.read(path))["report_plot_data"]["general_stats_table"]["datasets"][0]
    shown = {column["title"] for column in table["header_by_metric"].values() if not column["hidden"]}

    assert {"Vars", "SNP", "Indel"} <= shown
    assert not {"Hom", "Het"} & shown


def test_settings_that_lie_about_change_nothing(page: Project) -> None:
    text = page[f"{QC}/multiqc.html"].read_text()

    assert "TerraFlow Genomics" in text
    assert "Spoilt" not in text
    assert page.scratch() == []


def test_wrong_table_fails_the_rule_and_leaves_nothing(copy: Copy) -> None:
    project = copy("qc/fastqc", "qc/samtools", "qc/coverage", "qc/bcftools")
    project.write(f"{QC}/calling_reads.tsv", "sample\trecords\na\tmany\n")
    project.rule("multiqc", f"{QC}/multiqc.html").failed("calling_reads.tsv", "'many'", "Delete it and run again")

    assert not project[f"{QC}/multiqc.html"].exists()
    assert project.scratch() == []
