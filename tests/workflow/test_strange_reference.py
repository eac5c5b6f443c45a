"""A whole run on a valid reference that is unusual in many ways at once."""

import random
from pathlib import Path

from runs import Project, output_of

CIRCLE = "gi|5|ref|NC_000001.3|"
CONTIGS = {CIRCLE: 160, "HLA*A*01:01": 5, "a;b=%20$x&@": 7}
SNP = 41  # 1-based; its codon is CCT, which becomes CTT
DELETION = 90  # the base before two that are deleted, the second of which is a code in the reference
READ = 60


def sequences() -> dict[str, str]:
    """Return the contigs as the reads have them, without the planted variants."""
    draw = random.Random(11)
    found = {name: "".join(draw.choices("ACGT", k=length)) for name, length in CONTIGS.items()}
    circle = found[CIRCLE]
    found[CIRCLE] = circle[: SNP - 2] + "CCT" + circle[SNP + 1 : DELETION - 1] + "TGATC" + circle[DELETION + 4 :]
    return found


def test_a_short_circular_rna_of_strange_names_yields_its_variants_and_consequences(tmp_path: Path) -> None:
    """U for T, fewer bases than windows of coverage, contigs shorter than reads, a code within a deletion."""
    found = sequences()
    circle = found[CIRCLE]
    sample = circle[: SNP - 1] + "T" + circle[SNP:DELETION] + circle[DELETION + 2 :]
    reads = [sample[at : at + READ] for at in range(len(sample) - READ + 1) for _ in range(3)]
    coded = circle[: DELETION + 1] + "R" + circle[DELETION + 2 :]
    project = Project(tmp_path / "run", {"reference": {"fasta": "my ref.fa"}, "annotation": {"gff": "g.gff3"}})
    project.config["alignment"] = {"mark_duplicates": False}
    fasta = (f">{name}\n{bases.replace('T', 'U')}\n" for name, bases in (found | {CIRCLE: coded}).items())
    project["my ref.fa"].write_text("".join(fasta))
    project["r.fq"].write_text("".join(f"@r{n}\n{bases}\n+\n{'I' * READ}\n" for n, bases in enumerate(reads)))
    # The gene begins 33 bases before the origin and ends 67 behind it: the SNP lies in the second base of a codon.
    rows = [
        ("region", 1, 160, ".", "ID=r;Is_circular=true"),
        ("gene", 128, 227, ".", "ID=gene:G;Name=g;biotype=protein_coding"),
        ("mRNA", 128, 227, ".", "ID=transcript:T;Parent=gene:G;biotype=protein_coding"),
        ("CDS", 128, 227, "0", "ID=CDS:T;Parent=transcript:T"),
    ]
    gff = [f"{CIRCLE}\tx\t{kind}\t{start}\t{end}\t.\t+\t{phase}\t{more}\n" for kind, start, end, phase, more in rows]
    project["g.gff3"].write_text("##gff-version 3\n" + "".join(gff))
    project.add("A", "L1", "r.fq")

    run = project.run().succeeded()

    assert project.sites() == {(CIRCLE, str(SNP), "C", "T"), (CIRCLE, str(DELETION), "TGA", "T")}
    info = output_of("bcftools", "query", "-f", "%POS %LCSQ\n", project["results/variants/all.vcf.gz"]).splitlines()
    assert info[0].startswith(f"{SNP} missense|g|T:after_origin|protein_coding|+|14P>14L|")
    assert "across the origin of a circular contig: gene:G, transcript:T: csq sees" in run.text
    assert "U are written as T" in project["logs/reference.log"].read_text()
    assert len(project["results/qc/coverage/A.windows.tsv"].read_text().splitlines()) == 1 + sum(CONTIGS.values())
