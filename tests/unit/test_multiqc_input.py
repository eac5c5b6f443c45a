"""The input of MultiQC: files with neutral names, and the sample name of each."""

from pathlib import Path

import pytest

from terraflow_workflow.quality.multiqc_input import label, lay_out

LABELS = {
    ("qc/fastqc/WT.R1/L.1.R2_fastqc.zip", True): "WT.R1 L.1 R2",
    ("qc/fastqc/A/1.2.R1_fastqc.zip", True): "A 1.2 R1",
    ("qc/fastqc/A.1/2.R1_fastqc.zip", True): "A.1 2 R1",
    ("qc/fastqc/samtools/R1.single_fastqc.zip", False): "samtools R1 single",
    ("qc/samtools/S1.fastq.stats.txt", True): "S1.fastq",
    ("qc/samtools/x.stats.txt.stats.txt", True): "x.stats.txt",
    ("qc/samtools/x_fastqc.zip.flagstat.txt", True): "x_fastqc.zip",
    ("qc/coverage/bcftools.contigs.tsv", True): "bcftools",
    ("qc/bcftools/all.stats.txt", True): "all samples",
    ("qc/bcftools/all.stats.txt", False): "all",
}


@pytest.mark.parametrize(("path", "joint"), LABELS)
def test_names_are_those_of_the_sheet(path: str, joint: bool) -> None:
    assert label(Path(path), joint) == LABELS[path, joint]


def test_file_that_does_not_belong_there_is_refused() -> None:
    with pytest.raises(ValueError, match="not a file that MultiQC is to read"):
        label(Path("x.bam"), True)


def test_variants_are_named_by_the_sheet_not_by_their_file(tmp_path: Path) -> None:
    stats = tmp_path / "bcftools" / "S1.fastq.stats.txt"
    stats.parent.mkdir()
    stats.write_text("# ID\t[2]id\nID\t0\tresults/variants/S1.fastq.vcf.gz\nPSC\t0\tID\t0\n")

    names = lay_out([stats], False, tmp_path / "links")

    assert names == {"#0.txt": "S1.fastq"}
    assert (tmp_path / "links/#0.txt").read_text() == "# ID\t[2]id\nID\t0\t#0.txt\nPSC\t0\tID\t0\n"
