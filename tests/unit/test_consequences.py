"""The table of coding changes, from real output of `bcftools csq` and from single lines."""

import re
import subprocess
from pathlib import Path

from shared import ROOT, Run
from terraflow_workflow.annotation import csq
from terraflow_workflow.annotation.consequences import COLUMNS, rows

# One coding transcript: ATG GCT AAA GGT TGC TAA at 31 to 48; AAA is the third codon, 37 to 39.
REFERENCE = "C" * 30 + "ATGGCTAAAGGTTGCTAA" + "C" * 32
GFF = """##gff-version 3
c	x	gene	31	48	.	+	.	ID=gene:G1;Name=g1;biotype=protein_coding
c	x	mRNA	31	48	.	+	.	ID=transcript:T1;Parent=gene:G1;biotype=protein_coding
c	x	exon	31	48	.	+	.	Parent=transcript:T1
c	x	CDS	31	48	.	+	0	ID=CDS:T1;Parent=transcript:T1
"""
VCF = """##fileformat=VCFv4.2
##contig=<ID=c,length=80>
##FILTER=<ID=PASS,Description="All filters passed">
##FILTER=<ID=LowQual,Description="low">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO	FORMAT"""
Variant = tuple[int, str, str, str]
FIRST = (37, "A", "G", "PASS")
SECOND = (38, "A", "C", "PASS")
RULES = ROOT / "workflow/rules"


def csq_options() -> list[list[str]]:
    """Options of the two runs of csq, as the rule `variants` has them."""
    return [[*options, "--ncsq", "256", "-c", tag] for tag, options in csq.TAGS.items()]


def query_format() -> str:
    """Query the VCF as the rule `consequences` does."""
    text = (RULES / "consequences.smk").read_text().replace(r"\\", "\\")
    (site,), (lines,) = re.findall(r"site='([^']+)'", text), re.findall(r'query -f "([^"]+)"', text)
    return str(lines.replace("$site", site))


def table(folder: Path, genotypes: dict[Variant, str], gff: str = GFF) -> list[list[str]]:
    """Rows for variants with a genotype for each of the samples A, B, …, as the rules make them."""
    (folder / "g.fa").write_text(f">c\n{REFERENCE}\n")
    (folder / "a.gff").write_text(gff)
    count = len(next(iter(genotypes.values())).split())
    vcf = "\t".join([VCF, *"ABCDEFGH"[:count]]) + "\n"
    for (position, reference, alternative, mark), found in genotypes.items():
        vcf += (
            "\t".join(["c", str(position), ".", reference, alternative, "50", mark, ".", "GT", *found.split()]) + "\n"
        )
    call = ["bcftools", "csq", "-f", str(folder / "g.fa"), "-g", str(folder / "a.gff")]
    query = ["bcftools", "query", "-f", query_format()]
    for command in (*([*call, *options] for options in csq_options()), query):
        vcf = subprocess.run([*command, "-"], input=vcf, capture_output=True, text=True, check=True).stdout
    return list(rows(vcf.splitlines(keepends=True)))


def brief(found: list[list[str]]) -> list[tuple[str, str, str, str]]:
    """Sample, position, consequence and change of protein."""
    return [(row[5], row[1], row[7], row[10]) for row in found]


def test_two_homozygous_variants_of_one_codon_are_judged_together(tmp_path: Path) -> None:
    assert table(tmp_path, {FIRST: "1/1", SECOND: "1/1"}) == [
        ["c", "37", "A", "G", "PASS", "A", "1/1", "missense", "g1", "T1", "3K>3A", "37A>G+38A>C"],
        ["c", "38", "A", "C", "PASS", "A", "1/1", "part of the change at 37", "", "", "", ""],
    ]


def test_two_unphased_heterozygous_variants_of_one_codon_are_judged_by_themselves(tmp_path: Path) -> None:
    assert table(tmp_path, {FIRST: "0/1", SECOND: "0/1"}) == [
        ["c", "37", "A", "G", "PASS", "A", "0/1", "missense", "g1", "T1", "3K>3E", "37A>G"],
        ["c", "38", "A", "C", "PASS", "A", "0/1", "missense", "g1", "T1", "3K>3T", "38A>C"],
    ]


def test_an_unphased_variant_does_not_change_what_is_said_of_a_homozygous_one(tmp_path: Path) -> None:
    found = brief(table(tmp_path, {FIRST: "1/1 0/1 0/0", SECOND: "0/1 1/1 0/1"}))
    assert sorted(found, key=lambda row: (row[1], row[0])) == [
        ("A", "37", "missense", "3K>3E"),
        ("B", "37", "missense", "3K>3E"),
        ("A", "38", "missense", "3K>3T"),
        ("B", "38", "missense", "3K>3T"),
        ("C", "38", "missense", "3K>3T"),
    ]


def test_haploid_and_phased_genotypes_are_judged_by_haplotype(tmp_path: Path) -> None:
    assert brief(table(tmp_path, {FIRST: "1 0|1 1|0", SECOND: "1 0|1 0|1"})) == [
        ("A", "37", "missense", "3K>3A"),
        ("B", "37", "missense", "3K>3A"),
        ("C", "37", "missense", "3K>3E"),
        ("A", "38", "part of the change at 37", ""),
        ("B", "38", "part of the change at 37", ""),
        ("C", "38", "missense", "3K>3T"),
    ]


def test_haploid_genotypes_alone_are_understood(tmp_path: Path) -> None:
    assert brief(table(tmp_path, {FIRST: "1 0"})) == [("A", "37", "missense", "3K>3E")]


def test_what_overlaps_another_variant_of_its_haplotype_is_judged_by_itself(tmp_path: Path) -> None:
    longer, shorter, within = (36, "TAAA", "T", "PASS"), (37, "AA", "A", "PASS"), (39, "A", "T", "PASS")
    assert brief(table(tmp_path, {longer: "1/1 1 1/1", shorter: "1/1 0 0/0", within: "0/0 1 0|1"})) == [
        ("A", "36", "inframe_deletion", "2AK>2A"),
        ("B", "36", "inframe_deletion", "2AK>2A"),
        ("C", "36", "inframe_deletion", "2AK>2A"),
        ("A", "37", "frameshift", "2AKGC*>2AKVA"),
        ("B", "39", "missense", "3K>3N"),
        ("C", "39", "missense", "3K>3N"),
    ]


def test_what_overlaps_is_judged_by_itself_also_where_another_transcript_has_a_consequence(tmp_path: Path) -> None:
    """csq leaves out the transcript in which variants overlap, and no other one of the same line."""
    other = GFF.split("\n", 1)[1].replace("T1", "T2").replace("CDS\t31\t48", "CDS\t31\t33")
    other += "c\tx\tthree_prime_UTR\t34\t48\t.\t+\t.\tParent=transcript:T2\n"
    longer, shorter = (36, "TAAA", "T", "PASS"), (37, "A", "G", "PASS")
    gff = GFF + other.split("\n", 1)[1]
    assert brief(table(tmp_path, {longer: "1/1", shorter: "1/1"}, gff)) == [
        ("A", "36", "inframe_deletion", "2AK>2A"),
        ("A", "37", "missense", "3K>3E"),
    ]


def test_samples_without_the_variant_and_changes_outside_of_coding_sequence_have_no_row(tmp_path: Path) -> None:
    outside, untranslated = (60, "C", "T", "PASS"), (28, "C", "T", "PASS")
    gff = GFF.replace("mRNA\t31", "mRNA\t25").replace("gene\t31", "gene\t25").replace("exon\t31", "exon\t25")
    gff += "c\tx\tfive_prime_UTR\t25\t30\t.\t+\t.\tParent=transcript:T1\n"
    found = table(tmp_path, {untranslated: "1/1 0/1 1/1", FIRST: "0/0 ./. 1/1", outside: "1/1 1/1 0/1"}, gff)
    assert brief(found) == [("C", "37", "missense", "3K>3E")]


def test_filter_and_synonymous_changes_are_shown(tmp_path: Path) -> None:
    assert table(tmp_path, {(42, "T", "A", "LowQual"): "1/1"}) == [
        ["c", "42", "T", "A", "LowQual", "A", "1/1", "synonymous", "g1", "T1", "4G", "42T>A"]
    ]


def test_each_transcript_has_its_row(tmp_path: Path) -> None:
    second = GFF.split("\n", 1)[1].replace("T1", "T2").replace("G1", "G2").replace("g1", "g2")
    assert sorted((row[8], row[9]) for row in table(tmp_path, {FIRST: "1/1"}, GFF + second)) == [
        ("g1", "T1"),
        ("g2", "T2"),
    ]


def test_no_transcript_of_many_is_left_out(tmp_path: Path) -> None:
    head, gene = GFF.split("\n", 1)
    genes = [gene.replace("T1", f"T{number}").replace("G1", f"G{number}") for number in range(100, 140)]
    found = table(tmp_path, {FIRST: "1/1 0/1 0|1 0/0"}, f"{head}\n{''.join(genes)}")
    for sample in "ABC":
        assert [row[9] for row in found if row[5] == sample] == [f"T{number}" for number in range(100, 140)]
    assert len(found) == 3 * 40


def test_the_script_writes_the_names_of_the_columns_first(script: Run) -> None:
    run = script("annotation.consequences", stdin="")
    assert (run.returncode, run.stdout) == (0, "\t".join(COLUMNS) + "\n")
