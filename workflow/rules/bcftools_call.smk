# Variants: called in windows, joined, normalised, and told apart by filters that throw nothing away.
PADDING = 1000  # bases on either side of a window; what they yield is left to the neighbouring window


rule ploidy:
    """The ploidy file in bcftools' own terms, checked against the reference."""
    input:
        ploidy=PLOIDY_FILE or [],
        fai=GENOME_INDEX,
    output:
        ploidy="results/reference/ploidy/{callset}.ploidy.txt",
        samples="results/reference/ploidy/{callset}.samples.txt",
    log:
        "logs/ploidy/{callset}.log",
    priority: 100
    conda:
        "../../envs/reads.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500),
        runtime=minutes(5),
    params:
        samples=lambda wildcards: [
            f"{sample}={SAMPLES[sample]}" for sample in samples_of(wildcards.callset)
        ],
    shell:
        "exec 2> {log}; {RUN}/ploidy.py --ploidy {input.ploidy:q} --fai {input.fai} --samples {params.samples}"
        " --out-ploidy {output.ploidy} --out-samples {output.samples}"


rule bcftools_call:
    """Candidate variants of one window, in all samples that are called together."""
    input:
        alignments=lambda wildcards: alignments_of(wildcards.callset, ALIGNMENT),
        indices=lambda wildcards: alignments_of(wildcards.callset, ALIGNMENT_INDEX),
        genome=[GENOME, GENOME_INDEX],
        windows="results/reference/calling_windows.bed",
        ploidy=rules.ploidy.output if PLOIDY_FILE else [],
    output:
        temp("results/calls/{callset}/{window}.bcf"),
    log:
        "logs/bcftools_call/{callset}/{window}.log",
    benchmark:
        "benchmarks/runs/bcftools_call/{callset}/{window}.tsv"
    shadow:
        "minimal"
    conda:
        "../../envs/bcftools.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, 0.2),
        disk_mb=growing(1000, 1.2),
        runtime=minutes(60, 0.02),
    params:
        mpileup=lambda wildcards: (
            f"-d {config['calling']['max_depth']} -L {config['calling']['max_depth']} "
            f"-q {config['calling']['min_mapping_quality']} -Q {config['calling']['min_base_quality']}"
        ),
        ploidy=lambda wildcards, input: (
            "--ploidy-file {} -S {}".format(*input.ploidy)
            if PLOIDY_FILE
            else f"--ploidy {config['calling']['ploidy']}"
        ),
    shell:
        "exec 2> {log}; printf '%s\\n' {input.alignments:q} > alignments.txt; "
        "awk '$4 == {wildcards.window}' {input.windows} > window.bed; "
        "awk -v OFS='\\t' '{{ print $1, ($2 > {PADDING} ? $2 - {PADDING} : 0), $3 + {PADDING} }}' window.bed > padded.bed; "
        "bcftools mpileup -Ou -f {input.genome[0]} -b alignments.txt -R padded.bed {params.mpileup}"
        " -a FORMAT/AD,FORMAT/DP,FORMAT/SP,INFO/AD"
        " | bcftools call -Ou -m -v -a GQ {params.ploidy} -"
        " | bcftools view -Ob -T window.bed --targets-overlap pos -o {output} -"


rule variants:
    """All windows in one file: left-aligned, one allele a line, filters (and consequences) written into it."""
    input:
        calls=collect(
            "results/calls/{callset}/{window}.bcf", window=WINDOWS, allow_missing=True
        ),
        genome=[GENOME, GENOME_INDEX],
        gff="results/reference/annotation.gff.gz" if ANNOTATED else [],
    output:
        vcf="results/variants/{callset}.vcf.gz",
        index="results/variants/{callset}.vcf.gz.tbi",
    log:
        "logs/variants/{callset}.log",
    benchmark:
        "benchmarks/runs/variants/{callset}.tsv"
    shadow:
        "minimal"
    conda:
        "../../envs/bcftools.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, 0.1),
        disk_mb=growing(1000, 3),
        runtime=minutes(30, 0.05),
    params:
        filters=soft_filters(),
        consequences=consequences_stage,
    shell:
        "exec 2> {log}; printf '%s\\n' {input.calls} > calls.txt; "
        "bcftools concat -Ou -f calls.txt"
        " | bcftools norm -Ou -f {input.genome[0]} -m -any -"
        " {params.filters} {params.consequences}"
        " | bcftools view -Oz -o {output.vcf} -; "
        "bcftools index -t -o {output.index} {output.vcf}"
