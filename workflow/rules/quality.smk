# Quality of the reads, alignments and variants: tables, one page of them all, and what the report shows.
import snakemake

CALLING_READS = "results/qc/calling_reads.tsv"
# A mitochondrion that is called by itself is not limited by calling.max_depth, so its depth is not looked at.
DEPTHS_OF_OTHERS = (
    "" if MITOCHONDRION == OFF else '-v without="$(cut -f 1 {input.mitochondrion:q})" '
)


rule samtools_stats:
    """Compute statistics of a sample's alignments, and its coverage by contig and by window."""
    input:
        alignment=f"results/alignments/{{sample}}.{ALIGNMENT}",
        index=f"results/alignments/{{sample}}.{ALIGNMENT_INDEX}",
        genome=[GENOME, GENOME_INDEX],
        windows="results/reference/coverage_windows.bed",
        mitochondrion=[] if MITOCHONDRION == OFF else MITOCHONDRIAL_CONTIG,
    output:
        header="results/qc/samtools/{sample}.header.sam",
        stats="results/qc/samtools/{sample}.stats.txt",
        flagstat="results/qc/samtools/{sample}.flagstat.txt",
        flags="results/qc/samtools/{sample}.flags.tsv",
        contigs="results/qc/coverage/{sample}.contigs.tsv",
        windows="results/qc/coverage/{sample}.windows.tsv",
        deepest="results/qc/coverage/{sample}.deepest.txt",
    log:
        "logs/samtools_stats/{sample}.log",
    benchmark:
        "benchmarks/runs/samtools_stats/{sample}.tsv"
    # Ahead of calling, so that what waits for it runs beside the calls.
    priority: 10
    conda:
        "../../envs/hts.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        disk_mb=growing(1000, 1.2, later=slice(0, 2)),
        runtime=minutes(30, 0.02, inputs=slice(2, None), reads=0.02, shrunk=SHRUNK),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        samtools view -H {input.alignment:q} >$SCRATCH/{output.header:q}
        samtools stats --reference {input.genome[0]:q} {input.alignment:q} >$SCRATCH/{output.stats:q}
        samtools flagstat {input.alignment:q} >$SCRATCH/{output.flagstat:q}
        # Decoded are the fields that are read (samtools(1), required_fields). By itself, coverage of samtools 1.24 leaves
        # out the qualities of a CRAM file, and writes 255 for their mean.
        samtools view -u --input-fmt-option required_fields=0x43e -T {input.genome[0]:q} {input.alignment:q} \
            | samtools coverage -o $SCRATCH/{output.contigs:q} -
        samtools view --input-fmt-option required_fields=0x3e -T {input.genome[0]:q} {input.alignment:q} \
            | awk -v deepest=$SCRATCH/{output.deepest:q} -v flags=$SCRATCH/flags.txt \
                -f "$TERRAFLOW/coverage.awk" {input.windows:q} - >$SCRATCH/{output.windows:q}
        sort -n -k 1,1 -k 2,2 $SCRATCH/flags.txt >$SCRATCH/{output.flags:q}
        # Bases by quality, from lines with those of one cycle.
        awk '/^[FL]FQ/ {{ for (i = 3; i <= NF; i++) bases[i - 3] += $i }}
            END {{ for (quality in bases) if (bases[quality]) printf "bases\t%d\t%.0f\n", quality, bases[quality] }}' \
            $SCRATCH/{output.stats:q} | sort -n -k 2,2 >>$SCRATCH/{output.flags:q}
        """.replace("awk -v deepest", f"awk {DEPTHS_OF_OTHERS}-v deepest")


rule calling_reads:
    """Count how many of each sample's reads go into calling, and why the others are left out."""
    input:
        flags=collect("results/qc/samtools/{sample}.flags.tsv", sample=SAMPLES),
        deepest=collect("results/qc/coverage/{sample}.deepest.txt", sample=SAMPLES),
    output:
        report(
            CALLING_READS,
            category="Alignments",
            labels={"table": "reads into calling"},
            caption="../report/calling_reads.rst",
        ),
    log:
        "logs/calling_reads.log",
    conda:
        "../../envs/reads.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500, 1.2),
        runtime=minutes(10),
    params:
        samples=list(SAMPLES),
        # The last one where it is not the default: runs of version 0.2 have recorded two.
        limits=(
            f"--min-mapping-quality {config['calling']['min_mapping_quality']} "
            f"--max-depth {config['calling']['max_depth']}"
            + (
                f" --min-base-quality {config['calling']['min_base_quality']}"
                if config["calling"]["min_base_quality"] != 1
                else ""
            )
        ),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        printf '%s\n' {input.flags:q} >$SCRATCH/flags.txt
        printf '%s\n' {input.deepest:q} >$SCRATCH/deepest.txt
        run_module quality.calling_reads --samples {params.samples} --flags $SCRATCH/flags.txt --deepest $SCRATCH/deepest.txt \
            {params.limits} --out $SCRATCH/{output:q}
        """


rule bcftools_stats:
    """Compute statistics of the variants that pass all filters, over all and for each sample."""
    input:
        vcf="results/variants/{callset}.vcf.gz",
        index="results/variants/{callset}.vcf.gz.tbi",
        genome=[GENOME, GENOME_INDEX],
    output:
        "results/qc/bcftools/{callset}.stats.txt",
    log:
        "logs/bcftools_stats/{callset}.log",
    conda:
        "../../envs/hts.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        disk_mb=growing(1000, 2.5 if ONE_ALLELE_A_LINE else 1.2),
        runtime=minutes(15, 0.02),
    params:
        # Under the name that MultiQC shows.
        split=lambda wildcards, input: (
            f"vcf=$SCRATCH/{wildcards.callset}.vcf.gz; bcftools view {shlex.quote(input.vcf)} {ONE_ALLELE_A_LINE} "
            "| bcftools view -Oz -o $vcf -"
            if ONE_ALLELE_A_LINE
            else ""
        ),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        vcf={input.vcf:q}
        {params.split}
        bcftools stats -f PASS,. -F {input.genome[0]:q} -s - "$vcf" >$SCRATCH/{output:q}
        """


rule variant_table:
    """Count each sample's variants by kind, and the sites that each filter marks."""
    input:
        vcf="results/variants/{callset}.vcf.gz",
        stats="results/qc/bcftools/{callset}.stats.txt",
    output:
        report(
            "results/qc/variants/{callset}.tsv",
            category="Variants",
            labels={"calls": "{callset}", "table": "by sample"},
            caption="../report/variants.rst",
        ),
    log:
        "logs/variant_table/{callset}.log",
    conda:
        "../../envs/hts.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500, 1.2),
        runtime=minutes(10, 0.01),
    params:
        split=lambda wildcards, input: ONE_ALLELE_A_LINE,
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        bcftools query -f '%FILTER\n' {input.vcf:q} | sort | uniq -c >$SCRATCH/filters.txt
        bcftools view -f PASS,. {input.vcf:q} {params.split} | run_module quality.diploid | bcftools stats -s - - >$SCRATCH/diploid.txt
        run_module quality.variant_table --stats {input.stats:q} --diploid $SCRATCH/diploid.txt --filters $SCRATCH/filters.txt --out $SCRATCH/{output:q}
        """


rule coverage_plot:
    """Draw the mean depth of all samples along the reference."""
    input:
        collect("results/qc/coverage/{sample}.windows.tsv", sample=SAMPLES),
    output:
        report(
            "results/qc/coverage/coverage.svg",
            category="Coverage",
            labels={"figure": "mean depth along the reference"},
            caption="../report/coverage.rst",
        ),
    log:
        "logs/coverage_plot.log",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, 10),
        disk_mb=growing(500, 2),
        runtime=minutes(10),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        printf '%s\n' {input:q} >$SCRATCH/tables.txt
        run_module quality.coverage_plot --tables $SCRATCH/tables.txt --out $SCRATCH/{output:q}
        """


rule versions:
    """List the versions that the results themselves say they were made with."""
    input:
        header=f"results/qc/samtools/{list(SAMPLES)[0]}.header.sam",
        stats=f"results/qc/samtools/{list(SAMPLES)[0]}.stats.txt",
        variants=f"results/qc/bcftools/{CALLSETS[0]}.stats.txt",
        fastqc=fastqc_reports("zip")[0],
        mitochondrion=collect(
            "results/mitochondrion/{sample}.evidence.json.gz",
            sample=[] if MITOCHONDRION == OFF else list(SAMPLES)[:1],
        ),
    output:
        report(
            "results/qc/versions.tsv",
            category="Software",
            labels={"table": "versions"},
            caption="../report/versions.rst",
        ),
    log:
        "logs/versions.log",
    conda:
        "../../envs/reads.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500),
        runtime=minutes(5),
    params:
        snakemake=snakemake.__version__,
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        run_module quality.versions --header {input.header:q} --stats {input.stats:q} {input.variants:q} --fastqc {input.fastqc:q} \
            --mitochondrion {input.mitochondrion:q} --snakemake {params.snakemake} --out $SCRATCH/{output:q}
        """


rule multiqc:
    """Show FastQC, alignment, coverage and variant statistics of all samples on one page."""
    input:
        fastqc=fastqc_reports("zip"),
        samtools=collect(
            "results/qc/samtools/{sample}.{table}.txt",
            sample=SAMPLES,
            table=["stats", "flagstat"],
        ),
        coverage=collect("results/qc/coverage/{sample}.contigs.tsv", sample=SAMPLES),
        variants=collect("results/qc/bcftools/{callset}.stats.txt", callset=CALLSETS),
        calling_reads=CALLING_READS,
    output:
        page=report(
            "results/qc/multiqc.html",
            category="Quality",
            labels={"page": "MultiQC"},
            caption="../report/multiqc.rst",
        ),
        data="results/qc/multiqc_data.zip",
    log:
        "logs/multiqc.log",
    conda:
        "../../envs/multiqc.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, 10),
        disk_mb=growing(2000, 5),
        runtime=minutes(15, 0.1),
    params:
        joint="--joint" if JOINT else "",
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        printf '%s\n' {input.fastqc:q} {input.samtools:q} {input.coverage:q} {input.variants:q} >$SCRATCH/files.txt
        run_module quality.multiqc_input --files $SCRATCH/files.txt --calling-reads {input.calling_reads:q} {params.joint} \
            --folder $SCRATCH/multiqc --list $SCRATCH/list.txt --config $SCRATCH/names.json
        # MultiQC takes settings from the folder that it works in.
        scratch=$(cd "$SCRATCH" && pwd)
        (
            cd "$scratch/multiqc"
            multiqc --no-version-check --no-ansi --config "$TERRAFLOW/../report/multiqc.yaml" --config ../names.json \
                --file-list ../list.txt --zip-data-dir --outdir "$scratch/$(dirname {output.page:q})" --filename multiqc.html
        )
        """
