"""Rules annotation and consequences: the effects of coding variants, from an annotation that fits the reference."""

import gzip
import subprocess
from pathlib import Path

import pytest
from project import Copy, Project, dying
from readers import calls, table
from tiny import CDS, GENOME, LENGTHS, NASTY, PLAIN, Site, fasta, gff

from shared import output_of

VCF = "results/variants/all.vcf.gz"
TABLE = "results/variants/all.consequences.tsv"
ANNOTATION = "results/reference/annotation.gff.gz"

# The planted coding changes: site, samples that have it, and its effect on the protein.
CHANGES: list[tuple[Site, str, str, str, str]] = [
    (("chr1", CDS[0] + 58, "C", "A"), NASTY, "1/1", "missense", "20A>20D"),
    (("chr1", CDS[0] + 119, "A", "G"), NASTY, "0/1", "synonymous", "40L"),
    (("chr1", CDS[0] + 179, "G", "A"), PLAIN, "0/1", "stop_gained", "60W>60*"),
    (("chr1", CDS[0] + 237, "CA", "C"), PLAIN, "1/1", "frameshift", "80Q"),
]


# --- annotation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_annotation_of_the_references_contigs_is_taken_and_the_others_are_named(copy: Copy, packed: bool) -> None:
    project = copy("reference")
    text = gff() + "other\ttest\tgene\t1\t9\t.\t+\t.\tID=gene:G2;biotype=protein_coding\n"
    project.write("genes.gff3", gzip.compress(text.encode()) if packed else text)

    project.rule("annotation", ANNOTATION).succeeded()

    text = gzip.decompress(project[ANNOTATION].read_bytes()).decode()
    assert text.startswith(gff())
    rows = [line.split("\t") for line in text.removeprefix(gff()).splitlines()]
    assert [(row[0], row[2], row[4]) for row in rows] == [
        (contig, "region", str(length)) for contig, length in LENGTHS.items() if contig != "chr1"
    ]
    assert "other" in project.log("annotation")


BAD: dict[str, tuple[bytes, list[str]]] = {
    "of other contigs": (gff("1").encode(), ["genes.gff3: none of its contigs (1)", "chr1, chr2, chrM"]),
    "of another assembly": (
        gff("chrM").replace(f"\t{CDS[1]}\t", "\t99999\t").encode(),
        ["genes.gff3, line 5", "chrM:99999", str(LENGTHS["chrM"])],
    ),
    "without coding sequences": (
        gff().replace("\tCDS\t", "\texon\t").encode(),
        ["genes.gff3", "no transcript", "ID=transcript:"],
    ),
    "no GFF3": (b"chr1\t1\t2\n", ["genes.gff3, line 1", "9 columns"]),
    "truncated gzip": (gzip.compress(gff().encode())[:-12], ["genes.gff3", "ends too soon"]),
}


@pytest.mark.parametrize("name", BAD)
def test_annotation_that_does_not_fit_fails_and_leaves_nothing(copy: Copy, name: str) -> None:
    project = copy("reference")
    data, words = BAD[name]
    project.write("genes.gff3", data)

    project.rule("annotation", ANNOTATION).failed(*words)

    for word in words:
        assert word in project.log("annotation")
    assert not project[ANNOTATION].exists()
    assert project.scratch() == []


# --- csq -------------------------------------------------------------------------------------------


def test_csq_is_tried_on_each_coding_transcript(finished: Project) -> None:
    assert finished["results/reference/annotation.tsv"].read_text() == (
        f"transcript\tplace\tconsequences\nT1\tchr1:{CDS[0]}-{CDS[1]}\tyes\n"
    )
    assert "warning" not in finished.log("csq")


def test_transcripts_without_consequences_are_reported_on_the_terminal(copy: Copy) -> None:
    project = copy("reference")
    first, last = LENGTHS["chr1"] - 29, LENGTHS["chr1"]
    lost = gff().replace("G1", "G2").replace("T1", "T2").replace(f"\t{CDS[0]}\t", f"\t{first}\t")
    unread = lost.replace(f"\t{CDS[1]}\t", f"\t{last}\t").replace("ID=transcript:T2", "ID=transcript:T3")
    wrong = gff().replace("G1", "G4").replace("T1", "T4").replace("\t0\tID=CDS", "\t0\tID=CDS:x;Note=CDS")
    twice = "".join(line.replace("\t0\t", "\t1\t") + "\n" for line in wrong.splitlines() if "\tCDS\t" in line)
    project.write("genes.gff3", gff() + unread + wrong + twice)

    run = project.rule("annotation csq", ANNOTATION, "results/reference/annotation.tsv").succeeded()

    assert "warning: genes.gff3: left out, so without consequences: transcript:T4: whose phases" in run.text
    assert "warning: genes.gff3: bcftools csq has no consequences for 1 of 2 coding transcripts: T2" in run.text


def test_annotation_of_which_csq_reads_nothing_fails_before_alignment(copy: Copy) -> None:
    project = copy("reference")
    project.write("genes.gff3", gff().replace("Parent=transcript:T1", "Parent=gene:G1"))

    project.rule("annotation csq", ANNOTATION, "results/reference/annotation.tsv").failed("genes.gff3: bcftools csq ")

    assert not project["results/reference/annotation.tsv"].exists()
    assert project.scratch() == []


def test_codes_of_the_reference_are_bases_in_indels_and_their_consequences(copy: Copy) -> None:
    """Calls as mpileup writes them where the reference has a code at a base that a deletion takes away."""
    project = copy("reference", "calls")
    contig, position, ref, alt = CHANGES[3][0]
    at = position + ref.index("A")
    sequence = GENOME[contig]
    project.write("results/reference/genome.fa", fasta(GENOME | {contig: f"{sequence[: at - 1]}R{sequence[at:]}"}, 100))
    coded = 0
    for path in (project[name] for name in project.files("results/calls")):
        text = output_of("bcftools", "view", path)
        coded += text.count(f"\t{ref}\t{alt}\t")
        done = text.replace(f"\t{ref}\t{alt}\t", f"\t{ref.replace('A', 'R')}\t{alt}\t")
        subprocess.run(["bcftools", "view", "-Ob", "-o", path, "-"], input=done, text=True, check=True)
    assert coded == 1

    project.rule("variants consequences", TABLE).succeeded()

    rows = [row for row in table(project[TABLE]) if row["consequence"] == "frameshift"]
    assert [(int(row["position"]), row["reference"], row["alternative"]) for row in rows] == [(position, ref, alt)]


# --- consequences ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("site", "sample", "genotype", "kind", "protein"), CHANGES, ids=[row[3] for row in CHANGES])
def test_calls_bear_their_consequences(
    finished: Project, site: Site, sample: str, genotype: str, kind: str, protein: str
) -> None:
    info = {call.site: dict(part.partition("=")[::2] for part in call.info.split(";")) for call in calls(finished[VCF])}

    assert info[site]["LCSQ"].startswith(f"{kind}|tiny|T1|protein_coding|+|{protein}")
    # The haplotype is known for homozygous variants only.
    if genotype == "1/1":
        assert info[site]["BCSQ"].startswith(f"{kind}|tiny|T1|protein_coding|+|{protein}")
    else:
        assert "BCSQ" not in info[site]


def test_table_has_each_planted_coding_change_once_and_nothing_else(copy: Copy) -> None:
    project = copy("variants")

    project.rule("consequences", TABLE).succeeded()

    rows = table(project[TABLE])
    found = [
        (
            (r["contig"], int(r["position"]), r["reference"], r["alternative"]),
            r["sample"],
            r["genotype"],
            r["consequence"],
        )
        for r in rows
    ]
    assert found == [row[:4] for row in CHANGES]
    assert {(r["gene"], r["transcript"], r["filter"]) for r in rows} == {("tiny", "T1", "PASS")}
    assert all(r["protein"].startswith(change[4]) for r, change in zip(rows, CHANGES, strict=True))
    assert [r["dna"] for r in rows] == [f"{site[1]}{site[2]}>{site[3]}" for site, *_ in CHANGES]


def test_table_names_the_filter_that_marks_a_change(copy: Copy) -> None:
    project = copy("reference", "calls")
    project.config["filters"] = {"Indels": 'TYPE = "indel"'}

    project.rule("filters variants consequences", TABLE, options=["--forcerun", "filters"]).succeeded()

    assert [row["filter"] for row in table(project[TABLE])] == ["PASS", "PASS", "PASS", "Indels"]


def test_part_that_dies_fails_the_rule(copy: Copy, tmp_path: Path) -> None:
    project = copy("variants")

    run = project.rule("consequences", TABLE, env=dying(tmp_path / "fake", "bcftools", 9, 5, "query"))

    run.failed("exit codes of the parts of what failed, in order: 9 0")
    assert not project[TABLE].exists()
    assert project.scratch() == []


def test_without_an_annotation_there_is_no_table(copy: Copy) -> None:
    project = copy("reference", "calls")
    project.config["annotation"]["gff"] = ""

    project.rule("variants", VCF).succeeded()
    plan = project.snakemake("--dry-run").succeeded()

    assert "CSQ" not in output_of("bcftools", "view", project[VCF])
    assert "rule bcftools_stats:" in plan.text
    assert "rule consequences:" not in plan.text
    assert "rule annotation:" not in plan.text
