"""Transcripts that bcftools csq can't use: each is left out with its reason, and csq accepts the others."""

import gzip
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from shared import Run
from terraflow_workflow.annotation import csq
from terraflow_workflow.annotation.csq import COLUMNS, HEADER, TrialError, command, tried
from terraflow_workflow.annotation.gff import AnnotationError, checked
from terraflow_workflow.annotation.transcripts import Coding

LENGTH = 900
SEQUENCE = ("ATG" + "GCTAAAGGTTGC" * 80)[:LENGTH]
CIRCLE = f"c\tx\tregion\t1\t{LENGTH}\t.\t+\t.\tID=c;Is_circular=true\n"

Part = tuple[int, int, str]


def gene(name: str, parts: Iterable[Part], strand: str = "+", *, contig: str = "c", more: str = "") -> str:
    """Return a gene with one transcript of these coding parts (start, end, phase), as Ensembl writes it."""
    rows = list(parts)
    first, last = min(start for start, *_ in rows), max(end for _, end, _ in rows)
    lines = [
        f"{contig}\tx\tgene\t{first}\t{last}\t.\t{strand}\t.\tID=gene:G{name};biotype=protein_coding",
        f"{contig}\tx\tmRNA\t{first}\t{last}\t.\t{strand}\t.\tID=transcript:{name};Parent=gene:G{name};biotype=protein_coding",
        *(
            f"{contig}\tx\tCDS\t{a}\t{b}\t.\t{strand}\t{phase}\tID=CDS:{name};Parent=transcript:{name}"
            for a, b, phase in rows
        ),
    ]
    return "\n".join(lines) + f"\n{more}"


GOOD = gene("good", [(1, 300, "0")])
PHASES = "whose phases (column 8) contradict the lengths of their coding sequences"

# Lines beside a good gene in a GFF3; the reason for which the transcript `bad` is left out ("": it is not).
BESIDE = {
    "two parts in frame": (gene("bad", [(401, 500, "0"), (601, 700, "2")]), ""),
    "two parts in frame, reverse": (gene("bad", [(401, 500, "2"), (601, 700, "0")], "-"), ""),
    "start is missing": (gene("bad", [(401, 500, "2"), (601, 700, "1")]), ""),
    "first part within a codon, reverse": (gene("bad", [(401, 500, "1"), (600, 600, "2")], "-"), ""),
    "end is missing": (gene("bad", [(401, 500, "0")]), ""),
    "no phases": (gene("bad", [(401, 500, "."), (601, 700, ".")]), ""),
    "parts in another order": (gene("bad", [(601, 700, "2"), (401, 500, "0")]), ""),
    "wrong phase": (gene("bad", [(401, 500, "0"), (601, 700, "0")]), PHASES),
    "wrong phase, reverse": (gene("bad", [(401, 500, "0"), (601, 700, "0")], "-"), PHASES),
    "nothing but phase": (gene("bad", [(401, 401, "2")]), PHASES),
    "nothing but phase, reverse": (gene("bad", [(401, 401, "2")], "-"), PHASES),
    "trans-splicing": (
        gene("bad", [(401, 500, "0")], more="c\tx\tCDS\t601\t700\t.\t-\t2\tParent=transcript:bad\n"),
        "on two strands or contigs",
    ),
    "gene is missing": (
        re.sub(r"^.*\tgene\t.*\n", "", gene("bad", [(401, 500, "0")])),
        "whose gene the file doesn't hold",
    ),
    "no strand": (
        gene("bad", [(401, 500, "0")]).replace("CDS\t401\t500\t.\t+", "CDS\t401\t500\t.\t."),
        "without a strand",
    ),
}


def passed(text: str) -> str:
    """Return the checked lines of a GFF3, without the regions of contigs that have no coding sequence."""
    lines = taken(text).splitlines(keepends=True)
    return "".join(line for line in lines if "\tterraflow\tregion\t" not in line)


def taken(text: str) -> str:
    lines = text.encode().splitlines(keepends=True)
    return b"".join(checked(lambda: lines, {"c": LENGTH, "d": 5}, "a.gff")).decode()


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa"
    path.write_text(f">c\n{SEQUENCE}\n")
    Path(f"{path}.fai").write_text(f"c\t{LENGTH}\t3\t{LENGTH}\t{LENGTH + 1}\n")
    return path


def silent(text: str, genome: Path, folder: Path) -> tuple[set[str], set[str]]:
    """Return the coding transcripts of the annotation, and those that csq does not report."""
    path = folder / "checked.gff.gz"
    path.write_bytes(gzip.compress(text.encode()))
    coding, found, _ = tried(path, genome, folder, "a.gff")
    return set(coding), found


@pytest.mark.parametrize("name", BESIDE)
def test_csq_takes_what_is_left(name: str, genome: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beside, reason = BESIDE[name]
    text = passed(GOOD + beside)
    printed = capsys.readouterr().err
    assert printed.count("\n") == bool(reason)
    assert printed.endswith(f": {reason}\n" if reason else "")
    assert ("transcript:bad" in printed) == bool(reason)
    assert silent(text, genome, tmp_path) == ({"good"} if reason else {"good", "bad"}, set())


# Lines beside a good gene that csq would ignore, and the lines that replace them.
MENDED = {
    "parents in one line": (
        gene("a", [(401, 500, "0")]).replace("Parent=transcript:a\n", "Parent=transcript:a,transcript:b\n")
        + "c\tx\tmRNA\t401\t500\t.\t+\t.\tID=transcript:b;Parent=gene:Ga;biotype=protein_coding\n",
        ["Parent=transcript:a\n", "Parent=transcript:b\n"],
    ),
    "wrong phases on a contig that the reference lacks": (gene("z", [(1, 2, "0"), (5, 9, "0")], contig="u"), []),
    "a mark at the start of the file": ("", []),
}


@pytest.mark.parametrize("name", MENDED)
def test_csq_reads_what_is_mended(name: str, genome: Path, tmp_path: Path) -> None:
    beside, kept = MENDED[name]
    text = passed("\ufeff" + GOOD + beside)
    assert text.startswith(GOOD)
    assert all(part in text for part in kept)
    asked, unread = silent(text, genome, tmp_path)
    assert asked == {"good", *("ab" if kept else "")}
    assert unread == set()


# Genes across the origin of a circle, and the parts that csq reads in their place: strand, start, end and phase.
CHROMOSOME = CIRCLE.replace("region", "chromosome").replace("ID=c;", "ID=chromosome:c;Alias=x;")
ACROSS = {
    "one part": (CIRCLE + gene("o", [(801, 1050, "0")]), ["+ 801 900 0", "+ 1 150 2"]),
    "the circle declared later": (gene("o", [(801, 1050, "0")]) + CIRCLE, ["+ 801 900 0", "+ 1 150 2"]),
    "Ensembl Bacteria": (CHROMOSOME + gene("o", [(802, 1050, "0")]), ["+ 802 900 0", "+ 1 150 0"]),
    "reverse": (CIRCLE + gene("o", [(801, 1050, "0")], "-"), ["- 801 900 0", "- 1 150 0"]),
    "reverse, in a codon": (CIRCLE + gene("o", [(801, 1051, "1")], "-"), ["- 801 900 0", "- 1 151 1"]),
    "reverse, split codon": (CIRCLE + gene("o", [(801, 1051, "0")], "-"), ["- 801 900 2", "- 1 151 0"]),
    "no phase": (CIRCLE + gene("o", [(801, 1050, ".")]), ["+ 801 900 .", "+ 1 150 ."]),
    "two parts, one before": (
        CIRCLE + gene("o", [(701, 730, "0"), (801, 1050, "0")]),
        ["+ 701 730 0", "+ 801 900 0", "+ 1 150 2"],
    ),
    "a part counted on behind the origin": (
        CIRCLE + gene("o", [(801, 900, "0"), (911, 1050, "2")]),
        ["+ 801 900 0", "+ 11 150 2"],
    ),
    "end before start": (
        CIRCLE + gene("o", [(801, 1050, "0")]).replace("\t1050\t", "\t150\t"),
        ["+ 801 900 0", "+ 1 150 2"],
    ),
}


@pytest.mark.parametrize("beside", ["", GOOD])
@pytest.mark.parametrize("name", ACROSS)
def test_genes_across_the_origin_are_read_in_parts(
    name: str, beside: str, genome: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, parts = ACROSS[name]
    out = passed(text + beside)
    printed = capsys.readouterr().err
    assert printed.startswith("warning: a.gff: across the origin of a circular contig: ")
    assert "transcript:o" in printed
    assert printed.count("\n") == 1
    rows = [line.split("\t") for line in out.splitlines()]
    found = [" ".join([row[6], *row[3:5], row[7]]) for row in rows if row[2] == "CDS" and "good" not in row[8]]
    assert found == parts
    names = {"o:before_origin", "o:after_origin"} | ({"good"} if beside else set())
    assert silent(out, genome, tmp_path) == (names, set())


def test_a_change_behind_the_origin_is_that_of_its_codon(genome: Path, tmp_path: Path) -> None:
    """The part before the origin ends within a codon; amino acids behind it are those of the gene read in a circle."""
    gff = tmp_path / "a.gff"
    gff.write_text(passed(ACROSS["one part"][0]))
    whole = SEQUENCE[800:] + SEQUENCE[:150]
    assert whole[102:105] == "GGC"
    # The third base of the contig is the 103rd of the gene and the first of its 35th codon, which becomes TGC.
    calls = f"{HEADER}##contig=<ID=c,length={LENGTH}>\n{COLUMNS}c\t3\t.\tG\tT\t9\tPASS\t.\tGT\t1/1\n"
    done = subprocess.run(
        command("LCSQ", str(genome), str(gff), "v"), input=calls, capture_output=True, text=True, check=True
    )
    change = re.findall(r"LCSQ=\w+\|Go\|o:after_origin\|protein_coding\|\+\|1(\w)>1(\w)", done.stdout)
    assert change == [("G", "C")]


REFUSED = {
    "behind the end of a linear contig": (
        gene("a", [(801, 950, "0")]),
        "a.gff, line 4: the feature ends at c:950, but ",
    ),
    "behind the second round": (CIRCLE + gene("a", [(801, 1801, "0")]), "a.gff, line 5: the feature ends at c:1801, "),
    "a circle of another length": (CIRCLE.replace(f"{LENGTH}", "901"), "a.gff, line 4: the feature ends at c:901, "),
    "start 0": (gene("a", [(0, 9, "0")]), "a.gff, line 4: the feature starts at 0 and ends at 9; expected 1 or more"),
    "end before start": (
        gene("a", [(50, 60, "0")]).replace("\t60\t", "\t40\t"),
        "a.gff, line 4: the feature starts at 50 ",
    ),
    "GTF": ('c\tx\tCDS\t1\t9\t.\t+\t0\tgene_id "G"; transcript_id "T";\n', 'a.gff, line 4: found b\'gene_id "G"; '),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_no_annotation_of_the_reference_is_refused_with_its_line(name: str) -> None:
    text, message = REFUSED[name]
    with pytest.raises(AnnotationError) as caught:
        passed(GOOD + text)
    assert str(caught.value).startswith(message)


def test_coding_sequences_without_a_transcript_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """As Prokka writes them: no line has a Parent."""
    assert passed(GOOD + "c\tx\tCDS\t401\t500\t.\t+\t0\tID=X_1;locus_tag=X_1\n" * 2) == GOOD
    assert capsys.readouterr().err == (
        "warning: a.gff: left out, so without consequences: 2 coding sequences (CDS) without a Parent\n"
    )


def test_nothing_left_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AnnotationError, match=r"a\.gff: no coding transcript is left; expected Ensembl's GFF3"):
        passed(BESIDE["wrong phase"][0])
    assert PHASES in capsys.readouterr().err


# --- csq itself --------------------------------------------------------------------------------------

UNREAD = {
    "unknown biotype": gene("a", [(401, 500, "0")]).replace("mRNA", "thing").replace("protein_coding", "unheard_of"),
    "no transcript": gene("a", [(401, 500, "0")]).replace("ID=transcript:a", "ID=transcript:b"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_transcripts_of_which_csq_says_nothing_are_counted(
    name: str, genome: Path, tmp_path: Path, script: Run
) -> None:
    gff, out = tmp_path / "a.gff.gz", tmp_path / "tried.tsv"
    gff.write_bytes(gzip.compress((GOOD + UNREAD[name]).encode()))
    run = script(
        "annotation.csq", "--gff", gff, "--genome", genome, "--name", "my.gff", "--folder", tmp_path, "--out", out
    )
    assert run.returncode == 0, run.stderr
    assert "warning: my.gff: bcftools csq has no consequences for 1 of 2 coding transcripts: a\n" in run.stderr
    assert out.read_text() == "transcript\tplace\tconsequences\ngood\tc:1-300\tyes\na\tc:401-500\tno\n"


def test_an_annotation_of_which_csq_reads_nothing_is_refused(genome: Path, tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"a\.gff: bcftools csq "):
        silent(UNREAD["unknown biotype"], genome, tmp_path)


# Lines of a contig without a coding sequence that csq can use.
NO_GENES = {
    "nothing": "",
    "a region": "d\tx\tregion\t1\t5\t.\t+\t.\tID=d\n",
    "a region without ID": "d\tx\tbiological_region\t1\t5\t.\t+\t.\tlogic_name=x\n",
    "wrong phases": gene("bad", [(1, 2, "0"), (4, 5, "0")], contig="d"),
}


@pytest.mark.parametrize("name", NO_GENES)
def test_variants_on_a_contig_without_genes_pass_as_they_are(name: str, genome: Path, tmp_path: Path) -> None:
    with genome.open("a") as file:
        file.write(">d\nACGTA\n")
    with Path(f"{genome}.fai").open("a") as index:
        index.write(f"d\t5\t{LENGTH + 7}\t5\t6\n")
    gff = tmp_path / "a.gff"
    gff.write_text(taken(GOOD + NO_GENES[name]))
    calls = csq.vcf({("c", 5, "C"), ("d", 2, "C")}, {"c": LENGTH, "d": 5})
    for tag in csq.TAGS:
        line = command(tag, str(genome), str(gff), "v")
        calls = subprocess.run(line, input=calls, capture_output=True, text=True, check=True).stdout
    rows = [row.split("\t") for row in calls.splitlines() if not row.startswith("#")]
    assert [(row[0], "LCSQ=missense|Ggood|good|" in row[7]) for row in rows] == [("c", True), ("d", False)]
    assert rows[1][7] == "."


def test_bases_other_than_the_references_are_refused(genome: Path, tmp_path: Path) -> None:
    gff = tmp_path / "a.gff"
    gff.write_text(taken(GOOD))
    with pytest.raises(TrialError, match="does not match the VCF REF allele at c:5 "):
        csq.run(csq.vcf({("c", 5, "T")}, {"c": LENGTH}), genome, gff)


# csq stops at a wrong phase, and crashes at a coding sequence that is shorter than its phase.
FAILING = {
    "wrong phase": "Error: GFF3 assumption failed for transcript bad, CDS=601: ",
    "nothing but phase, reverse": "it crashed (exit code ",
    "trans-splicing": "Conflicting strand in transcript ",
}


@pytest.mark.parametrize("name", FAILING)
def test_what_csq_fails_at_is_named_among_many_with_its_reason(name: str, genome: Path, tmp_path: Path) -> None:
    many = "".join(gene(f"good{number}", [(1 + number, 300 + number, "0")]) for number in range(11))
    with pytest.raises(TrialError) as caught:
        silent(many + BESIDE[name][0] + GOOD, genome, tmp_path)
    assert str(caught.value).startswith("a.gff: bcftools csq can't use it because of the transcript bad (c:401-")
    assert FAILING[name] in str(caught.value)
    assert str(caught.value).endswith("; correct the transcript or take it out, or leave annotation.gff empty")


def test_phases_of_a_sequence_in_one_part_need_a_length() -> None:
    for phase, length, fits in [(0, 1, True), (1, 1, False), (1, 2, True), (2, 2, False), (2, 3, True)]:
        coding = Coding(b"c", b"+")
        coding.parts.extend((10, 9 + length, phase))
        assert coding.phases_fit() is fits
