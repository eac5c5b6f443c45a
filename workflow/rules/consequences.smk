# Changes of proteins by coding variants, when the configuration names an annotation.
ANNOTATION = "results/reference/annotation.gff.gz"
TRIED_CSQ = "results/reference/annotation.tsv"


rule annotation:
    """Check the annotation against the reference."""
    input:
        gff=source(config["annotation"]["gff"]) if ANNOTATED else [],
        fai=GENOME_INDEX,
    output:
        ANNOTATION,
    log:
        "logs/annotation.log",
    priority: 100
    conda:
        "../../envs/reads.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500, 2),
        runtime=minutes(10, 0.05),
    params:
        planned=lambda wildcards: fingerprints(config["annotation"]["gff"]),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        run_module annotation.gff --gff={input.gff:q} --fai {input.fai:q} --out $SCRATCH/{output:q}
        grep '^warning' {log:q} >&3 || true
        unchanged {params.planned:q} {input.gff:q}
        """


rule csq:
    """Try csq on a made-up variant in each coding transcript: what it refuses is found before hours of alignment."""
    input:
        gff=ANNOTATION,
        genome=[GENOME, GENOME_INDEX],
    output:
        TRIED_CSQ,
    log:
        "logs/csq.log",
    priority: 100
    conda:
        "../../envs/hts.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, 5, inputs=slice(0, 1)),
        disk_mb=growing(500, 2),
        runtime=minutes(10, 0.05),
    params:
        name=config["annotation"]["gff"],
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        run_module calling.concrete fasta <{input.genome[0]:q} >$SCRATCH/genome.fa
        cp {input.genome[1]:q} $SCRATCH/genome.fa.fai
        run_module annotation.csq --gff {input.gff:q} --genome $SCRATCH/genome.fa --name={params.name:q} --folder $SCRATCH \
            --out $SCRATCH/{output:q}
        grep '^warning' {log:q} >&3 || true
        """


rule consequences:
    """Write a table of the coding changes: one line for each sample, variant and transcript."""
    input:
        vcf="results/variants/{callset}.vcf.gz",
        index="results/variants/{callset}.vcf.gz.tbi",
    output:
        report(
            "results/variants/{callset}.consequences.tsv",
            category="Variants",
            labels={"calls": "{callset}", "table": "coding changes"},
            caption="../report/consequences.rst",
        ),
    log:
        "logs/consequences/{callset}.log",
    conda:
        "../../envs/hts.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500, 2),
        runtime=minutes(10, 0.02),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        site='%CHROM\t%POS\t%REF\t%ALT\t%FILTER\t%SAMPLE\t%GT'
        bcftools query -f "[$site\t%INFO/BCSQ\t%BCSQ\t%INFO/LCSQ\t%LCSQ\n]" {input.vcf:q} \
            | run_module annotation.consequences >$SCRATCH/{output:q}
        """
