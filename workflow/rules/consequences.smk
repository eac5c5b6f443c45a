# What coding variants do to proteins, when the configuration names an annotation.


rule annotation:
    """The annotation, checked against the reference."""
    input:
        gff=source(config["annotation"]["gff"]) if ANNOTATED else [],
        fai=GENOME_INDEX,
    output:
        "results/reference/annotation.gff.gz",
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
    shell:
        r"""
        exec 2>{log}
        stage {output}
        script annotation --gff {input.gff:q} --fai {input.fai} --out $SCRATCH/{output}
        publish {output}
        """


rule consequences:
    """Table of the coding changes: one line for each sample, variant and transcript."""
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
        "../../envs/bcftools.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500, 2),
        runtime=minutes(10, 0.02),
    shell:
        r"""
        exec 2>{log}
        stage {output}
        site='%CHROM\t%POS\t%REF\t%ALT\t%FILTER\t%SAMPLE\t%GT'
        # TBCSQ takes away the lines of samples that have none, hence those of LCSQ by themselves.
        bcftools query -f "[$site\t%TBCSQ\t.\n][$site\t.\t%INFO/LCSQ\n]" {input.vcf} \
            | script consequences >$SCRATCH/{output}
        publish {output}
        """
