# Not TerraFlow Genomics: a workflow of the same jobs, files, logs and benchmarks for each sample, two paired lanes each,
# without functions, parameters, conda environments or checks. `benchmarks/planning.py` plans it for comparison: Snakemake's
# own share of a plan.
from pathlib import Path

config.setdefault("samples", "samples.tsv")
SAMPLES = [
    line.split("\t")[0]
    for line in Path(config["samples"]).read_text().splitlines()[1::2]
]
LANES = ["L1", "L2"]
WINDOWS = range(1, 9)
GENOME = ["results/reference/genome.fa", "results/reference/genome.fa.fai"]
INDEX = [
    f"results/reference/genome.fa.{suffix}"
    for suffix in ("amb", "ann", "bwt", "pac", "sa")
]
ALIGNMENT = [
    "results/alignments/{sample}.cram",
    "results/alignments/{sample}.cram.crai",
]


wildcard_constraints:
    sample=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    unit=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    window=r"\d+",


rule all:
    input:
        expand(ALIGNMENT, sample=SAMPLES),
        "results/variants/all.vcf.gz",
        "results/variants/all.vcf.gz.tbi",
        "results/qc/multiqc.html",
        "results/qc/coverage/coverage.svg",
        "results/qc/variants/all.tsv",
        "results/qc/versions.tsv",


rule decompress:
    input:
        "reads/{sample}_{unit}_R1.fastq.gz",
        "reads/{sample}_{unit}_R2.fastq.gz",
    output:
        temp("results/reads/{sample}/{unit}.1.fastq"),
        "results/reads/{sample}/{unit}.counts.json",
    log:
        "logs/decompress/{sample}/{unit}.log",
    benchmark:
        "benchmarks/runs/decompress/{sample}/{unit}.tsv"
    resources:
        mem_mb=500,
        disk_mb=500,
        runtime=10,
    shell:
        "decompress {input:q} {output:q} > {log:q}"


rule fastqc:
    input:
        "reads/{sample}_{unit}_R1.fastq.gz",
        "reads/{sample}_{unit}_R2.fastq.gz",
    output:
        expand(
            "results/qc/fastqc/{sample}/{unit}.{mate}_fastqc.{ext}",
            mate=["R1", "R2"],
            ext=["html", "zip"],
            allow_missing=True,
        ),
    log:
        "logs/fastqc/{sample}/{unit}.log",
    benchmark:
        "benchmarks/runs/fastqc/{sample}/{unit}.tsv"
    resources:
        mem_mb=1200,
        disk_mb=1000,
        runtime=15,
    shell:
        "fastqc {input:q} {output:q} > {log:q}"


rule reference:
    output:
        GENOME,
        "results/reference/windows.bed",
    log:
        "logs/reference.log",
    shell:
        "reference {output:q} > {log:q}"


rule bwa_index:
    input:
        GENOME,
    output:
        INDEX,
    log:
        "logs/bwa_index.log",
    shell:
        "index {input:q} {output:q} > {log:q}"


rule bwa_mem:
    input:
        "results/reads/{sample}/{unit}.1.fastq",
        INDEX,
    output:
        temp("results/bwa_mem/{sample}/{unit}.1.cram"),
    log:
        "logs/bwa_mem/{sample}/{unit}.1.log",
    benchmark:
        "benchmarks/runs/bwa_mem/{sample}/{unit}.1.tsv"
    threads: 8
    resources:
        mem_mb=3000,
        disk_mb=1000,
        runtime=30,
    shell:
        "bwa {input:q} {output:q} > {log:q}"


rule sort_index:
    input:
        expand("results/bwa_mem/{sample}/{unit}.1.cram", unit=LANES, allow_missing=True),
        expand(
            "results/reads/{sample}/{unit}.counts.json", unit=LANES, allow_missing=True
        ),
        GENOME,
    output:
        ALIGNMENT,
    log:
        "logs/sort_index/{sample}.log",
    benchmark:
        "benchmarks/runs/sort_index/{sample}.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        disk_mb=1000,
        runtime=30,
    shell:
        "sort {input:q} {output:q} > {log:q}"


rule samtools_stats:
    input:
        ALIGNMENT,
        GENOME,
        "results/reference/windows.bed",
    output:
        "results/qc/samtools/{sample}.header.sam",
        "results/qc/samtools/{sample}.stats.txt",
        "results/qc/samtools/{sample}.flagstat.txt",
        "results/qc/samtools/{sample}.flags.tsv",
        "results/qc/coverage/{sample}.contigs.tsv",
        "results/qc/coverage/{sample}.windows.tsv",
        "results/qc/coverage/{sample}.deepest.txt",
    log:
        "logs/samtools_stats/{sample}.log",
    benchmark:
        "benchmarks/runs/samtools_stats/{sample}.tsv"
    resources:
        mem_mb=2000,
        disk_mb=1000,
        runtime=30,
    shell:
        "stats {input:q} {output:q} > {log:q}"


rule bcftools_call:
    input:
        expand(ALIGNMENT, sample=SAMPLES),
        GENOME,
        "results/reference/windows.bed",
    output:
        "results/calls/all/{window}.bcf",
    log:
        "logs/bcftools_call/all/{window}.log",
    shell:
        "call {input:q} {output:q} > {log:q}"


rule variants:
    input:
        expand("results/calls/all/{window}.bcf", window=WINDOWS),
        GENOME,
    output:
        "results/variants/all.vcf.gz",
        "results/variants/all.vcf.gz.tbi",
    log:
        "logs/variants.log",
    shell:
        "join {input:q} {output:q} > {log:q}"


rule calling_reads:
    input:
        expand("results/qc/samtools/{sample}.flags.tsv", sample=SAMPLES),
        expand("results/qc/coverage/{sample}.deepest.txt", sample=SAMPLES),
    output:
        "results/qc/calling_reads.tsv",
    log:
        "logs/calling_reads.log",
    shell:
        "count {input:q} {output:q} > {log:q}"


rule coverage_plot:
    input:
        expand("results/qc/coverage/{sample}.windows.tsv", sample=SAMPLES),
    output:
        "results/qc/coverage/coverage.svg",
    log:
        "logs/coverage_plot.log",
    shell:
        "plot {input:q} {output:q} > {log:q}"


rule multiqc:
    input:
        expand(
            "results/qc/fastqc/{sample}/{unit}.{mate}_fastqc.zip",
            sample=SAMPLES,
            unit=LANES,
            mate=["R1", "R2"],
        ),
        expand(
            "results/qc/samtools/{sample}.{table}.txt",
            sample=SAMPLES,
            table=["stats", "flagstat"],
        ),
        expand("results/qc/coverage/{sample}.contigs.tsv", sample=SAMPLES),
        "results/qc/calling_reads.tsv",
    output:
        "results/qc/multiqc.html",
        "results/qc/multiqc_data.zip",
    log:
        "logs/multiqc.log",
    shell:
        "multiqc {input:q} {output:q} > {log:q}"


rule tables:
    input:
        "results/variants/all.vcf.gz",
    output:
        "results/qc/variants/all.tsv",
        "results/qc/versions.tsv",
    log:
        "logs/tables.log",
    shell:
        "tables {input:q} {output:q} > {log:q}"
