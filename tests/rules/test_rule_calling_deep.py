"""Rule bcftools_call above 255 reads, where htslib looks at a random part of them: windows change nothing."""

import subprocess
from random import Random

from project import NO_DISK_IN_COMMON, Copy, Project
from tiny import GENOME, LENGTHS, SAMPLES

from shared import output_of

VCF = "results/variants/all.vcf.gz"
DEPTH = 2000
READ = 100
# Deep places, each with a SNP or a deletion of one base in its middle: before, at and behind the edges of windows.
PLACES = [(contig, at) for contig, length in LENGTHS.items() for at in range(500, length - 200, 901)]


def deep_reads(sample: str, depth: int) -> str:
    """Return a SAM of `depth` reads around each place, half of them with the variant, with qualities and errors."""
    random = Random(sample)
    rows = []
    for contig, at in PLACES:
        sequence = GENOME[contig]
        for number in range(depth):
            start = random.randrange(at - READ + 20, at - 20)
            bases = list(sequence[start : start + READ + 1])
            cigar, deletion = f"{READ}M", at % 2 == 0
            if random.random() < 0.5:
                if deletion:
                    del bases[at - start]
                    cigar = f"{at - start}M1D{READ - at + start}M"
                else:
                    bases[at - start] = "ACGT"["CGTA".index(bases[at - start])]
            bases = bases[:READ]
            bases[random.randrange(READ)] = random.choice("ACGT")
            quality = "".join(random.choices("#,:FI", k=READ))
            flag = random.choice((0, 16))
            name = f"{contig}:{at}:{number}"
            rows.append((contig, start, f"{name}\t{flag}\t{contig}\t{start + 1}\t60\t{cigar}", "".join(bases), quality))
    order = list(LENGTHS)
    rows.sort(key=lambda row: (order.index(row[0]), row[1]))
    head = "".join(f"@SQ\tSN:{contig}\tLN:{length}\n" for contig, length in LENGTHS.items())
    body = "".join(f"{row}\t*\t0\t0\t{bases}\t{quality}\tRG:Z:1\n" for _, _, row, bases, quality in rows)
    return f"@HD\tVN:1.6\tSO:coordinate\n{head}@RG\tID:1\tSM:{sample}\n{body}"


def with_deep_reads(project: Project) -> Project:
    """Put deep alignments, of one sample, into a project."""
    for sample, depth in zip(SAMPLES, (DEPTH, 20), strict=True):
        path = project[f"results/alignments/{sample}.cram"]
        path.parent.mkdir(parents=True, exist_ok=True)
        command = ["samtools", "view", "-C", "-T", project["results/reference/genome.fa"], "--write-index", "-o", path]
        subprocess.run([*command, "-"], input=deep_reads(sample, depth), text=True, check=True)
    return project


def records(project: Project, windows: int, *options: str) -> list[str]:
    """Call anew, and return the lines of the VCF, each with all columns."""
    project.config["calling"]["windows"] = windows
    rules = f"ploidy windows filters bcftools_call variants {'slices' if options else ''}"
    project.rule(rules, VCF, options=[*options, "--forcerun", "windows", "bcftools_call"]).succeeded()
    return output_of("bcftools", "view", "-H", project[VCF]).splitlines()


def test_number_of_windows_changes_no_column_above_255_reads(copy: Copy) -> None:
    project = with_deep_reads(copy("reference"))

    found = [records(project, 1), records(project, 3), records(project, 7, *NO_DISK_IN_COMMON)]

    deep = [line for line in found[0] if "DP=" in line and int(line.split("DP=")[1].split(";")[0]) > 1500]
    assert len(deep) >= 0.8 * len(PLACES)
    assert found[2] == found[1] == found[0]


def test_a_sample_as_deep_as_the_limit_has_its_indels(copy: Copy) -> None:
    """At the limit mpileup has exactly as many reads as it takes, and calls no indel with the same number in -L."""
    found = {}
    for limit in (DEPTH // 2, 10 * DEPTH):
        project = with_deep_reads(copy("reference"))
        project.config["calling"] |= {"max_depth": limit, "mode": "per-sample"}
        vcf = f"results/variants/{SAMPLES[0]}.vcf.gz"
        project.rule("ploidy windows filters bcftools_call variants", vcf).succeeded()
        lines = [line.split("\t") for line in output_of("bcftools", "view", "-H", project[vcf]).splitlines()]
        found[limit] = {(line[0], int(line[1])) for line in lines if len(line[3]) > len(line[4]) and line[6] == "PASS"}

    assert len(found[10 * DEPTH]) >= 0.4 * len(PLACES)
    assert len(found[DEPTH // 2]) >= 0.9 * len(found[10 * DEPTH])
