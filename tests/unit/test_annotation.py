"""The annotation: lines that bcftools csq can't use with the reference are refused."""

import gzip
import subprocess
from pathlib import Path

import pytest

from shared import Run
from terraflow_workflow.annotation.gff import AnnotationError, checked

CONTIGS = {"c": 100, "d": 50}
HEAD = "##gff-version 3\n"
GENE = "c\tx\tgene\t31\t48\t.\t+\t.\tID=gene:G1;Name=g1;biotype=protein_coding\n"
MRNA = "c\tx\tmRNA\t31\t48\t.\t+\t.\tID=transcript:T1;Parent=gene:G1;biotype=protein_coding\n"
EXON = "c\tx\texon\t31\t48\t.\t+\t.\tParent=transcript:T1\n"
CDS = "c\tx\tCDS\t31\t48\t.\t+\t0\tID=CDS:T1;Parent=transcript:T1\n"
GOOD = HEAD + GENE + MRNA + EXON + CDS
# Lines that name the contig without a gene.
OTHER = "d\tterraflow\tregion\t1\t50\t.\t.\t.\tID=terraflow:contig2\n"


def passed(text: str, contigs: dict[str, int] = CONTIGS) -> str:
    lines = text.encode().splitlines(keepends=True)
    return b"".join(checked(lambda: lines, contigs, "a.gff")).decode()


def error_of(text: str, contigs: dict[str, int] = CONTIGS) -> str:
    with pytest.raises(AnnotationError) as caught:
        passed(text, contigs)
    return str(caught.value)


def test_lines_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    text = GOOD.replace(EXON, EXON + "\n# a comment\n###\n")
    assert passed(text) == text + OTHER
    assert passed(GOOD.replace("\n", "\r\n")) == GOOD + OTHER
    assert passed(GOOD.removesuffix("\n")) == GOOD + OTHER
    assert passed(GOOD + "##FASTA\n>c\nACGT\n") == GOOD + OTHER
    assert capsys.readouterr().err == ""


def test_contigs_that_the_reference_lacks_are_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    extra = "".join(f"u{number}\tx\tgene\t1\t5\t.\t+\t.\tID=gene:U\n" * 2 for number in range(7))
    assert passed(extra + GOOD) == GOOD + OTHER
    assert capsys.readouterr().err == "a.gff: not in the reference, and so not used: u0, u1, u2, u3, u4, … 7 in all\n"


@pytest.mark.parametrize("name", ["chrM", "MT", "NC_012920.1"])
def test_genes_of_mitochondria_are_left_out_and_named(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """csq would translate them by the code of the nucleus."""
    of_mitochondrion = (GENE + MRNA + EXON + CDS).replace("c\t", f"{name}\t").replace("T1", "T2").replace("G1", "G2")
    region = f"{name}\tterraflow\tregion\t1\t16569\t.\t.\t.\tID=terraflow:contig2\n"
    # Its gene's line stays: csq takes no consequences from it.
    gene = of_mitochondrion.splitlines(keepends=True)[0]
    assert passed(GOOD + of_mitochondrion, {"c": 100, name: 16569}) == GOOD + gene + region
    assert capsys.readouterr().err == (
        "warning: a.gff: left out, so without consequences: transcript:T2: mitochondria have genetic codes of their "
        "own, or edit their RNA, and csq translates by the code of the nucleus\n"
    )


def test_an_annotation_of_a_mitochondrion_alone_is_refused() -> None:
    assert error_of(GOOD.replace("c\tx", "MT\tx"), {"MT": 16569}) == (
        "a.gff: all coding transcripts lie on the mitochondrion; mitochondria have genetic codes of their own, or edit "
        "their RNA, and csq translates by the code of the nucleus: leave annotation.gff empty"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GOOD.replace("c\tx", "chrc\tx"),
            "a.gff: none of its contigs (chrc) is one of the reference's (c, d); "
            "rename them, or use the annotation that belongs to the reference",
        ),
        (HEAD, "a.gff: none of its contigs () is one of the reference's (c, d); rename them"),
        (HEAD + GENE + EXON, "a.gff: has no transcript as bcftools csq knows them; expected Ensembl's GFF3, with"),
        (
            "d" + GOOD[len(HEAD) + 1 :].replace("\nc", "\nd").replace("48", "51"),
            "a.gff, line 1: the feature ends at d:51, but the contig has 50 bases; is this the annotation of another",
        ),
        ("c x gene 31 48 . + . ID=gene:G1\n", "a.gff, line 1: found b'c x gene 31 48 . + . ID=gene:G1"),
        (HEAD + "c\tx\tgene\tA\t48\t.\t+\t.\tID=gene:G1\n", "a.gff, line 2: found b'c\\tx\\tgene\\tA\\t48"),
        (HEAD + ">c\nACGT\n", "a.gff, line 2: found b'>c"),
    ],
)
def test_what_csq_cant_use_is_refused(text: str, message: str) -> None:
    assert error_of(text).startswith(message)


def test_the_bounds_of_a_contig_are_inclusive() -> None:
    assert passed(GOOD, {"c": 48}) == GOOD
    assert "the feature ends at c:48, but the contig has 47 bases" in error_of(GOOD, {"c": 47})


@pytest.fixture
def fai(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa.fai"
    path.write_text("c\t100\t3\t100\t101\n")
    return path


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_script_writes_what_csq_reads(script: Run, tmp_path: Path, fai: Path, ends: str) -> None:
    gff, out = tmp_path / "a.txt", tmp_path / "out.gff.gz"
    gff.write_bytes(gzip.compress(GOOD.replace("\n", ends).encode()))
    run = script("annotation.gff", "--gff", gff, "--fai", fai, "--out", out)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert gzip.decompress(out.read_bytes()) == GOOD.encode()
    assert out.read_bytes()[4:8] == bytes(4), "the time would make each run's file another"
    (tmp_path / "g.fa").write_text(">c\n" + "C" * 30 + "ATGGCTAAAGGTTGCTAA" + "C" * 52 + "\n")
    vcf = '##fileformat=VCFv4.2\n##contig=<ID=c,length=100>\n##FILTER=<ID=PASS,Description="">\n'
    vcf += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nc\t37\t.\tA\tG\t9\tPASS\t.\n"
    command = ["bcftools", "csq", "-f", tmp_path / "g.fa", "-g", out, "-"]
    called = subprocess.run(command, input=vcf, capture_output=True, text=True, check=True)
    assert "BCSQ=missense|g1|T1|protein_coding|+|3K>3E|37A>G" in called.stdout


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GOOD.replace("c\tx", "chrc\tx").encode(), "none of its contigs (chrc) is one of the reference's (c)"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-9], "cut short"),
        (gzip.compress(b"", mtime=0), "none of its contigs () is one of the reference's (c)"),
    ],
)
def test_the_script_leaves_nothing_of_a_bad_annotation(
    script: Run, tmp_path: Path, fai: Path, data: bytes, message: str
) -> None:
    gff, out = tmp_path / "a.gff.gz", tmp_path / "out.gff.gz"
    gff.write_bytes(data)
    run = script("annotation.gff", "--gff", gff, "--fai", fai, "--out", out)
    assert run.returncode == 1
    assert run.stderr.startswith(str(gff))
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert not out.exists()
