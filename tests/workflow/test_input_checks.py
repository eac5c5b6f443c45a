"""A user's mistake is reported before anything runs: the real workflow is started with each mistake."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared import ROOT

HEADER = "sample\tunit\tfq1\tfq2\n"
READ = "@r\nACGT\n+\nIIII\n"
COLUMNS = "sample unit fq1 fq2 (and, if you like, library platform sex)"


class Folder:
    """A working directory with good input files, and the workflow run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("g.fa", ">c\n" + "ACGTTGCAAT" * 10 + "\n")
        for name in ("a_1.fq", "a_2.fq", "b.fq"):
            self.write(name, READ)
        self.write("s.tsv", HEADER + "A\tL1\ta_1.fq\ta_2.fq\nA\tL2\tb.fq\t\n")
        self.write("c.yaml", "samples: s.tsv\nreference: {fasta: g.fa}\n")

    def write(self, name: str, content: str | bytes) -> None:
        (self.path / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def configure(self, text: str) -> None:
        """Add lines to the configuration."""
        self.write("c.yaml", (self.path / "c.yaml").read_text() + text)

    def files(self) -> dict[str, bytes | None]:
        """Return all files and folders, without Snakemake's own, with their content."""
        return {
            str(path.relative_to(self.path)): path.read_bytes() if path.is_file() else None
            for path in sorted(self.path.rglob("*"))
            if path.relative_to(self.path).parts[0] != ".snakemake"
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snakemake", "--directory", str(self.path), "--cores", "1"]
        command += ["--configfile", str(self.path / "c.yaml"), *arguments]
        return subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )

    def message(self, *arguments: str) -> list[str]:
        """Return the lines of the message that the workflow stops with; assert that the folder is unchanged."""
        before = self.files()
        run = self.run(*(arguments or ["--dry-run"]))
        assert run.returncode == 1, run.stdout
        assert "Traceback" not in run.stdout
        assert self.files() == before
        lines = run.stdout.splitlines()
        starts = [number for number, line in enumerate(lines) if line.endswith(", nothing was run:")]
        assert len(starts) == 1, run.stdout
        # After the message, Snakemake names the place in the workflow that raised it.
        return [line for line in lines[starts[0] :] if not line.startswith('  File "')]

    @property
    def in_the_configuration(self) -> str:
        return f"Problems in the configuration ({self.path}/c.yaml), nothing was run:"


IN_THE_SHEET = "Problems in the sample sheet (samples), nothing was run:"
IN_THE_PLOIDY_FILE = "Problems in the ploidy file (calling.ploidy), nothing was run:"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_good_input_is_taken_silently_with_marks_comments_and_empty_sections(folder: Folder) -> None:
    sheet = (folder.path / "s.tsv").read_text().replace("\n", "\r\n")
    folder.write("s.tsv", "\ufeff# paired and single in one sample\r\n" + sheet + "\r\n")
    folder.configure("filters:\nannotation: {gff: null}\ncalling: {windows: null, ploidy: p.txt}\nreads:\n")
    folder.write("p.txt", "\ufeffc 5 10 * 1\r\nA 2\r\n")
    before = folder.files()
    run = folder.run("--dry-run")
    assert run.returncode == 0, run.stdout
    assert "bcftools_call" in run.stdout
    assert folder.files() == before


def test_an_unknown_key_stops_a_real_run(folder: Folder) -> None:
    folder.configure("caling: {windows: 2}\n")
    assert folder.message("--jobs", "1") == [
        folder.in_the_configuration,
        "caling: is not a key of the configuration; did you mean `calling`?",
    ]


def test_a_section_that_stands_twice_is_refused(folder: Folder) -> None:
    folder.configure("calling: {ploidy: 1}\ncalling: {windows: 2}\n")
    first, second = folder.message()
    assert first == folder.in_the_configuration
    assert re.fullmatch(r".*/c\.yaml, line \d+: calling stands on line \d+ already; expected it once: .*", second)


def test_a_filter_that_would_mean_another_thing_in_calls_of_two_samples_is_refused(folder: Folder) -> None:
    folder.configure("filters: {Mine: IMF < 0.1}\n")
    one_sample = folder.run("--dry-run")
    assert one_sample.returncode == 0, one_sample.stdout
    folder.write("s.tsv", HEADER + "A\tL1\ta_1.fq\ta_2.fq\nB\tL1\tb.fq\t\n")
    first, second = folder.message()
    assert first == folder.in_the_configuration
    assert second.startswith("filters.Mine: found 'IMF < 0.1'; with calling.indels: consensus, IMF is a share")


def test_all_values_of_a_wrong_type_or_range_are_reported_at_once(folder: Folder) -> None:
    folder.write(
        "c.yaml",
        "samples: 5\n"
        "reads: {shards: 0}\n"
        "calling: {windows: 2.0, ploidy: '3', mode: [joint], max_depth: true}\n"
        "filters: {PASS: QUAL < 5, LowQual: 20}\n"
        "alignment: cram\n"
        "quality: {coverage_windows: 0}\n"
        "extra: 1\n",
    )
    assert folder.message() == [
        folder.in_the_configuration,
        "extra: is not a key of the configuration; known are: "
        "alignment, annotation, calling, filters, quality, reads, reference, samples",
        "reference: is missing; expected a section with the key `fasta`",
        "alignment: found 'cram'; expected a section with the keys `aligner`, `format` and `mark_duplicates`",
        "calling.max_depth: found True; expected a whole number from 1 to 1000000",
        "calling.mode: found ['joint']; expected `joint` or `per-sample`",
        "calling.ploidy: found 3; expected 1, 2 or the path of a ploidy file",
        "calling.windows: found 2.0; expected a whole number from 1 to 10000",
        "filters.PASS: can't be a name here; "
        "expected a name of letters, digits, `_` and `.` that starts with a letter and is not PASS",
        "filters.LowQual: found 20; "
        'expected a bcftools expression in quotes, such as "QUAL < 20", or "" to leave a filter out',
        "quality.coverage_windows: found 0; expected a whole number from 1 to 100000",
        "reads.shards: found 0; expected a whole number from 1 to 1000",
        "samples: found 5; expected the path of a tab-separated sample sheet, such as config/samples.tsv",
    ]


def test_a_value_of_the_command_line_is_taken(folder: Folder) -> None:
    run = folder.run("--dry-run", "--config", "calling={windows: 3, ploidy: 1}", "alignment={mark_duplicates: false}")
    assert run.returncode == 0, run.stdout
    assert re.search(r"^bcftools_call +3$", run.stdout, flags=re.MULTILINE)


def test_a_value_of_the_command_line_is_checked(folder: Folder) -> None:
    assert folder.message("--dry-run", "--config", "calling={windows: 0}") == [
        folder.in_the_configuration,
        "calling.windows: found 0; expected a whole number from 1 to 10000",
    ]


def test_a_missing_sheet(folder: Folder) -> None:
    (folder.path / "s.tsv").unlink()
    assert folder.message() == [
        IN_THE_SHEET,
        f"s.tsv: no such file; expected a tab-separated table with the columns {COLUMNS}",
    ]


def test_an_empty_sheet(folder: Folder) -> None:
    folder.write("s.tsv", "")
    assert folder.message() == [
        IN_THE_SHEET,
        f"s.tsv: is empty (0 bytes); expected a tab-separated table with the columns {COLUMNS}",
    ]


def test_spaces_for_tabs(folder: Folder) -> None:
    folder.write("s.tsv", "sample unit fq1 fq2\nA L1 b.fq\n")
    assert folder.message() == [
        IN_THE_SHEET,
        "s.tsv, line 1: the columns are not separated by tabs; found 'sample unit fq1 fq2'; expected tabs",
    ]


def test_wrong_and_repeated_columns(folder: Folder) -> None:
    folder.write("s.tsv", "sample\tlane\tfq1\tfq2\tfq2\nA\tL1\tb.fq\t\t\n")
    assert folder.message() == [
        IN_THE_SHEET,
        "s.tsv, line 1: column `fq2` is there twice",
        f"s.tsv, line 1: column `lane` is unknown; known are {COLUMNS}",
        f"s.tsv, line 1: column `unit` is missing; expected {COLUMNS}",
    ]


def test_all_bad_lines_of_a_sheet_are_reported_at_once(folder: Folder) -> None:
    lines = [
        "A\tL1\ta_1.fq\ta_2.fq",
        "A\tL1\tb.fq\t",
        "../B\tL 1\tb.fq\t",
        "C\tL1\tc.fq\t./c.fq",
        "D\tL1\t./a_2.fq\t",
        "E L1 e.fq",
    ]
    folder.write("s.tsv", HEADER + "\n".join(lines) + "\n")
    name = "expected letters, digits, `_`, `.`, `-` and `+`, with a letter or digit first, at most 100 of them"
    assert folder.message() == [
        IN_THE_SHEET,
        f"s.tsv, line 4: sample: found '../B'; {name}",
        f"s.tsv, line 4: unit: found 'L 1'; {name}",
        "s.tsv, line 5: fq1 and fq2 are the same file, 'c.fq'; expected the two files of the pairs",
        "s.tsv, line 7: the fields are not separated by tabs; found 'E L1 e.fq'; expected tabs",
        "s.tsv, line 3: sample 'A' with unit 'L1' stands on line 2 already; each lane needs its own",
        f"s.tsv, line 6: the file {folder.path.resolve()}/a_2.fq is named on line 2 already; "
        "its reads would count twice",
    ]


def test_all_files_that_are_missing_or_empty_are_in_one_message(folder: Folder) -> None:
    (folder.path / "g.fa").unlink()
    folder.write("g.fa.amb", "x")
    folder.write("b.fq", "")
    folder.write("s.tsv", HEADER + "A\tL1\ta_1.fq\tnone.fq\nA\tL2\tb.fq\t\nB\tL1\t.\tftp://host/b.fq\n")
    folder.write("c.yaml", "samples: s.tsv\nreference: {fasta: g.fa, bwa_index: prebuilt}\nannotation: {gff: g.gff}\n")
    index = "expected a file that `bwa index` wrote; `build` makes them"
    assert folder.message() == [
        f"Files can't be read (relative paths start from {folder.path.resolve()}), nothing was run:",
        "reference.fasta: g.fa: no such file; expected a FASTA file",
        *(f"reference.bwa_index: prebuilt: g.fa.{end}: no such file; {index}" for end in ("ann", "bwt", "pac", "sa")),
        "annotation.gff: g.gff: no such file; expected a GFF3 file, or an empty string for none",
        "s.tsv: 4 of the FASTQ files can't be read:",
        "  line 2: none.fq: no such file",
        "  line 3: b.fq: is empty (0 bytes)",
        "  line 4: .: is a folder",
        "  line 4: ftp://host/b.fq: is an address of another kind than s3:// and https://",
    ]


def test_an_empty_reference(folder: Folder) -> None:
    folder.write("g.fa", "")
    assert folder.message() == [
        f"Files can't be read (relative paths start from {folder.path.resolve()}), nothing was run:",
        "reference.fasta: g.fa: is empty (0 bytes); expected a FASTA file",
    ]


def test_inputs_where_the_workflow_writes_are_all_refused(folder: Folder) -> None:
    for name in ("results/reference/genome.fa", "results/raw/b.fq", "logs/p.txt"):
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
    folder.write("results/reference/genome.fa", ">c\nACGT\n")
    folder.write("results/raw/b.fq", READ)
    folder.write("logs/p.txt", "c 5 10 * 1\n")
    (folder.path / "my.fa").symlink_to("results/reference/genome.fa")
    sheet = f"{folder.path}/../{folder.path.name}/results/raw/b.fq"
    folder.write("s.tsv", HEADER + f"A\tL1\ta_1.fq\ta_2.fq\nA\tL2\t{sheet}\t\n")
    folder.write("c.yaml", "samples: s.tsv\nreference: {fasta: my.fa}\ncalling: {ploidy: logs/p.txt}\n")
    why = "where the workflow writes and deletes; move it to another folder, or give --directory another one"
    assert folder.message("--jobs", "1") == [
        "Files lie where the workflow writes, nothing was run:",
        f"calling.ploidy: logs/p.txt: lies in logs/, {why}",
        f"reference.fasta: my.fa: lies in results/, {why}",
        f"s.tsv, line 3: {sheet}: lies in results/, {why}",
    ]


def test_a_ploidy_file_that_names_nobody_of_the_sheet(folder: Folder) -> None:
    folder.write("p.txt", "c 5 10 M 1\nA 1\nNA12878 2\n")
    folder.configure("calling: {ploidy: p.txt}\n")
    assert folder.message() == [
        IN_THE_PLOIDY_FILE,
        "p.txt, line 1: 'M' is neither a sample nor a sex of the sample sheet; expected one of *, A",
        "p.txt, line 3: 'NA12878' is neither a sample nor a sex of the sample sheet; expected one of *, A",
    ]


def test_a_ploidy_file_that_cant_be_understood(folder: Folder) -> None:
    folder.write("p.txt", "c 9 5 * 1\nA 3\n")
    folder.configure("calling: {ploidy: p.txt}\n")
    assert folder.message() == [
        IN_THE_PLOIDY_FILE,
        "p.txt, line 1: FROM 9 lies behind TO 5",
        "p.txt, line 2: found the ploidy '3'; expected 0, 1 or 2, which is what bcftools calls",
    ]


def test_a_missing_ploidy_file(folder: Folder) -> None:
    folder.configure("calling: {ploidy: p.txt}\n")
    assert folder.message() == [
        IN_THE_PLOIDY_FILE,
        "p.txt: can't be read (No such file or directory); "
        "expected SAMPLE PLOIDY or CHROM FROM TO WHO PLOIDY, one on a line",
    ]


def test_a_reference_that_names_a_contig_twice_stops_the_rule_reference(folder: Folder) -> None:
    folder.write("g.fa", gzip.compress(b">c\nACGT\n>d\nACGT\n>c\nACGT\n"))
    run = folder.run("--quiet", "all", "--", "results/reference/genome.fa")
    assert run.returncode == 1
    log = (folder.path / "logs/reference.log").read_text()
    assert "g.fa, line 5: the contig 'c' stands on line 1 already; expected each name once\n" in log
    assert not (folder.path / "results/reference/genome.fa").exists()


def test_a_gff_of_other_contigs_stops_the_rule_annotation(folder: Folder) -> None:
    folder.write("g.gff", "##gff-version 3\nchrc\tx\tgene\t1\t9\t.\t+\t.\tID=gene:G\n")
    folder.configure("annotation: {gff: g.gff}\n")
    run = folder.run("--quiet", "all", "--", "results/reference/annotation.gff.gz")
    assert run.returncode == 1
    log = (folder.path / "logs/annotation.log").read_text()
    assert "g.gff: none of its contigs (chrc) is one of the reference's (c); rename them" in log
    assert not (folder.path / "results/reference/annotation.gff.gz").exists()
