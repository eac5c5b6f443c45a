"""Sites with several alternative alleles, split and joined: the same alleles, counts and consequences in both."""

import subprocess

import pytest
from project import Copy, Project
from readers import Call, calls, table
from tiny import CDS, GENOME, SAMPLES

from shared import output_of

VCF = "results/variants/all.vcf.gz"
TABLE = "results/variants/all.consequences.tsv"
COUNTS = "results/qc/variants/all.tsv"

CODON = CDS[0] + 19 * 3  # GCT, codon 20
INDEL = CDS[0] + 39 * 3  # CTA, codon 40


def site(position: int, length: int, alts: list[str], samples: list[tuple[str, list[int]]]) -> str:
    """Return a line of calls: ALT as what follows REF's first base, and each sample's genotype and depths."""
    ref = GENOME["chr1"][position - 1 : position - 1 + length]
    count = (len(alts) + 1) * (len(alts) + 2) // 2
    text = "\t".join(
        f"{gt}:{','.join(['50'] * count)}:{sum(depths)}:{','.join(map(str, depths))}:50" for gt, depths in samples
    )
    info = f"{'INDEL;IDV=9;IMF=0.5;' if length > 1 else ''}DP=40"
    return f"chr1\t{position}\t.\t{ref}\t{','.join(alts)}\t90\t.\t{info}\tGT:PL:DP:AD:GQ\t{text}\n"


def made_calls(project: Project) -> Project:
    """Replace the calls by a SNP and an indel of which the first sample has two alleles, and the second one of them."""
    base, anchor = GENOME["chr1"][CODON - 1], GENOME["chr1"][INDEL - 1]
    assert (base, anchor) == ("G", "C")
    rows = [
        site(CODON, 1, ["A", "C"], [("1/2", [0, 20, 20]), ("0/2", [20, 0, 20])]),
        site(INDEL, 3, [anchor, "CTAGAC"], [("1/2", [0, 20, 20]), ("2/2", [0, 0, 40])]),
        # Only the second allele stands out, and in one sample.
        site(CODON + 600, 1, ["A" if GENOME["chr1"][CODON + 599] != "A" else "C", "G"], [("0/1", [38, 2, 0])] * 2),
    ]
    path = project["results/calls/all/1.bcf"]
    head = output_of("bcftools", "view", "-h", path)
    subprocess.run(["bcftools", "view", "-Ob", "-o", path, "-"], input=head + "".join(rows), text=True, check=True)
    for other in ("2", "3"):
        command = ["bcftools", "view", "-Ob", "-o", project[f"results/calls/all/{other}.bcf"], "-"]
        subprocess.run(command, input=head, text=True, check=True)
    return project


@pytest.fixture
def forms(copy: Copy) -> dict[str, tuple[list[Call], str, list[dict[str, str]], str]]:
    """Return the calls, the header, the consequences and the counts of each form."""
    project = made_calls(copy("reference", "calls"))
    found = {}
    for form in ("split", "joined"):
        project.config["calling"]["multiallelic"] = form
        rules = "filters variants consequences bcftools_stats variant_table"
        project.rule(rules, TABLE, COUNTS, options=["--forcerun", "filters", "variants"]).succeeded()
        head = output_of("bcftools", "view", "-h", project[VCF])
        found[form] = (calls(project[VCF]), head, table(project[TABLE]), project[COUNTS].read_text())
    return found


def test_both_forms_have_the_same_alleles_consequences_and_counts(
    forms: dict[str, tuple[list[Call], str, list[dict[str, str]], str]],
) -> None:
    (split, split_head, split_rows, split_counts) = forms["split"]
    (joined, joined_head, joined_rows, joined_counts) = forms["joined"]

    assert [call.site[2:] for call in joined[:2]] == [("G", "A,C"), ("CTA", "C,CTAGAC")]
    assert [[sample["GT"] for sample in call.samples] for call in joined[:2]] == [["1/2", "0/2"], ["1/2", "2/2"]]
    assert [sample["AD"] for sample in joined[0].samples] == ["0,20,20", "20,0,20"]
    assert "##multiallelic=joined" in joined_head

    assert [[sample["GT"] for sample in call.samples] for call in split[:4]] == [
        ["1/0", "0/0"],
        ["0/1", "0/1"],
        ["1/0", "0/0"],
        ["0/1", "1/1"],
    ]
    assert [sample["AD"] for sample in split[1].samples] == ["0,20", "20,20"]
    tags = [dict(part.partition("=")[::2] for part in call.info.split(";"))["MULTIALLELIC"] for call in split[:4]]
    assert tags[:2] == [f"chr1|{CODON}|G|A,C|1", f"chr1|{CODON}|G|A,C|2"]
    assert [tag.rsplit("|", 1)[0] for tag in tags[2:]] == [f"chr1|{INDEL}|CTA|C,CTAGAC"] * 2
    assert "##multiallelic=split" in split_head and "1/2" in split_head and "ID=MULTIALLELIC," in split_head

    for rows in (split_rows, joined_rows):
        assert [(row["sample"], row["consequence"], row["protein"]) for row in rows if row["reference"] == "G"] == [
            (SAMPLES[0], "missense", "20A>20T"),
            (SAMPLES[0], "missense", "20A>20P"),
            (SAMPLES[1], "missense", "20A>20P"),
        ]
    # An indel may be written at another place by itself.
    key = [{(row["sample"], row["consequence"], row["protein"]) for row in rows} for rows in (split_rows, joined_rows)]
    assert key[0] == key[1]
    assert len(split_rows) == len(joined_rows) == 6
    assert {row["alternative"] for row in joined_rows} == {"A", "C", "CTAGAC"}
    assert split_counts.splitlines()[1:3] == joined_counts.splitlines()[1:3]


def test_a_joined_site_is_marked_when_each_allele_would_be(
    forms: dict[str, tuple[list[Call], str, list[dict[str, str]], str]],
) -> None:
    assert {call.site[1]: call.filters for call in forms["joined"][0]} == {
        CODON: "PASS",
        INDEL: "PASS",
        CODON + 600: "AlleleBalance",
    }
    assert {call.filters for call in forms["split"][0] if call.site[1] == CODON + 600} == {"AlleleBalance"}
