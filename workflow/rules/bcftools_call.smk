# Variants: called in windows, joined, normalised, and told apart by filters that throw nothing away.
from functools import partial

from terraflow_workflow.annotation.csq import stages as csq_stages
from terraflow_workflow.calling.filters import soft_filters
from terraflow_workflow.calling.model import depth_limits, mpileup_options
from terraflow_workflow.calling.multiallelic import JOINED, STAGES

PLOIDY = [
    "results/reference/ploidy/{callset}.ploidy.txt",
    "results/reference/ploidy/{callset}.samples.txt",
]

MULTIALLELIC = config["calling"]["multiallelic"]
MODEL = mpileup_options(
    config["calling"]["indels"], config["calling"]["min_gapped_reads"]
)
LIMITS = partial(
    depth_limits, config["calling"]["indels"], config["calling"]["max_depth"]
)


rule ploidy:
    """Write the ploidy file in bcftools' own terms, checked against the reference."""
    input:
        ploidy=local(PLOIDY_FILE) if PLOIDY_FILE else [],
        fai=GENOME_INDEX,
    output:
        ploidy=PLOIDY[0],
        samples=PLOIDY[1],
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
        # Recorded only where runs of version 0.2 have a wrong ploidy, so that these are made again.
        **(
            {"order": "places win"}
            if has_places_before_the_whole_genome(PLOIDY_RULES)
            else {}
        ),
        samples=lambda wildcards: [
            f"{sample}={SAMPLES[sample]}" for sample in samples_of(wildcards.callset)
        ],
        planned=lambda wildcards: fingerprints(PLOIDY_FILE),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        run_module calling.ploidy --ploidy={input.ploidy:q} --fai {input.fai:q} --samples {params.samples} \
            --out-ploidy $SCRATCH/{output.ploidy:q} --out-samples $SCRATCH/{output.samples:q}
        unchanged {params.planned:q} {input.ploidy:q}
        """


rule filters:
    """Try every filter on a made-up variant: a wrong expression is found before hours of alignment, not after them."""
    input:
        at_start(),
    output:
        "results/reference/filters.tsv",
    log:
        "logs/filters.log",
    priority: 100
    conda:
        "../../envs/hts.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500),
        runtime=minutes(5),
    params:
        samples=samples_of(CALLSETS[0]),
        # A function, since Snakemake takes braces in other parameters for wildcards: REF~"A{4}".
        filters=lambda wildcards: [
            f"{name}={expression}" for name, expression in FILTERS.items()
        ],
        made=lambda wildcards, output: f"--model='{MODEL}' --multiallelic {MULTIALLELIC}",
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        run_module calling.filters --samples {params.samples} --filters {params.filters:q} \
            {params.made} --folder $SCRATCH --out $SCRATCH/{output:q}
        """


rule bcftools_call:
    """Find candidates in one window, in all samples that are called together; they are kept, so that filters can change."""
    input:
        alignments=of_callset(
            f"results/alignments/{{sample}}.{ALIGNMENT}" if SHARED_DISK else SLICE
        ),
        indices=(
            of_callset(f"results/alignments/{{sample}}.{ALIGNMENT_INDEX}")
            if SHARED_DISK
            else []
        ),
        genome=[GENOME, GENOME_INDEX],
        windows=CALLING_WINDOWS,
        apart=CALLED_APART,
        ploidy=PLOIDY if PLOIDY_FILE else [],
    output:
        "results/calls/{callset}/{window}.bcf",
    log:
        "logs/bcftools_call/{callset}/{window}.log",
    benchmark:
        "benchmarks/runs/bcftools_call/{callset}/{window}.tsv"
    conda:
        "../../envs/hts.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, 0.2),
        disk_mb=growing(1000, 1.2),
        runtime=minutes(60, 0.06),
    params:
        # Snakemake doesn't record the parameter `ploidy`, which has an input.
        **({"haploid": "1"} if config["calling"]["ploidy"] == 1 else {}),
        # A parameter because runs of version 0.2 on a disk have recorded it there.
        regions="-R" if SHARED_DISK else "$(way_through $tile)",
        # Slices come without an index.
        index=lambda wildcards, input: "" if input.indices else "index_slices",
        prior=config["calling"]["prior"],
        # -A, since a pair of another distance or orientation than most is no reason to doubt either of its reads: without
        # it, reads whose mates failed, or lie on another contig, are left out.
        limits=lambda wildcards: (
            f"-A {LIMITS(len(samples_of(wildcards.callset)))} "
            f"-q {config['calling']['min_mapping_quality']} -Q {config['calling']['min_base_quality']}{MODEL}"
        ),
        ploidy=lambda wildcards, input: (
            "--ploidy-file {} -S {}".format(*map(shlex.quote, input.ploidy))
            if PLOIDY_FILE
            else f"--ploidy {config['calling']['ploidy']}"
        ),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        printf '%s\n' {input.alignments:q} >$SCRATCH/alignments.txt
        {params.index}
        run_module reference.tiles --fai {input.genome[1]:q} --windows {input.windows:q} --window {wildcards.window} \
            --apart={input.apart:q} --tiles $SCRATCH/tiles
        for tile in $SCRATCH/tiles/???.bed; do
            bcftools mpileup -Ou -f {input.genome[0]:q} -b $SCRATCH/alignments.txt {params.regions} $tile \
                {params.limits} -p -a FORMAT/AD,FORMAT/DP \
                | bcftools call -Ou -m -v -P {params.prior} -a GQ {params.ploidy} - \
                | bcftools view -Ou -T ${{tile%.bed}}.kept.bed --targets-overlap pos -o ${{tile%.bed}}.bcf -
        done
        bcftools concat -Ob -o $SCRATCH/{output:q} $SCRATCH/tiles/*.bcf
        """


rule variants:
    """Join all windows in one file: left-aligned, with filters (and consequences) written into it."""
    input:
        calls=collect(
            "results/calls/{callset}/{window}.bcf", window=WINDOWS, allow_missing=True
        ),
        genome=[GENOME, GENOME_INDEX],
        gff=ANNOTATION if ANNOTATED else [],
        tried=["results/reference/filters.tsv", *([TRIED_CSQ] if ANNOTATED else [])],
    output:
        vcf="results/variants/{callset}.vcf.gz",
        index="results/variants/{callset}.vcf.gz.tbi",
    log:
        "logs/variants/{callset}.log",
    benchmark:
        "benchmarks/runs/variants/{callset}.tsv"
    conda:
        "../../envs/hts.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, 0.1),
        disk_mb=growing(1000, 3),
        runtime=minutes(30, 0.05),
    params:
        # Recorded where it is not the default: runs of version 0.2 have that, and didn't record it.
        **({"joined": JOINED} if MULTIALLELIC == JOINED else {}),
        filters=lambda wildcards: soft_filters(FILTERS),
        form=lambda wildcards, output: MULTIALLELIC,
        split=lambda wildcards, output: STAGES[MULTIALLELIC],
        # Nothing without an annotation.
        consequences=lambda wildcards, input: (
            csq_stages("$SCRATCH/genome.fa", input.gff) if input.gff else ""
        ),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        printf '%s\n' {input.calls:q} >$SCRATCH/calls.txt
        run_module calling.concrete fasta <{input.genome[0]:q} >$SCRATCH/genome.fa
        cp {input.genome[1]:q} $SCRATCH/genome.fa.fai
        bcftools concat -Ov -f $SCRATCH/calls.txt \
            | run_module calling.concrete vcf \
            | run_module calling.records --multiallelic {params.form} {params.split} \
            | bcftools norm -Ou -f $SCRATCH/genome.fa - \
                {params.filters} {params.consequences} \
            | bcftools view -Oz -o $SCRATCH/{output.vcf:q} -
        bcftools index -t -o $SCRATCH/{output.index:q} $SCRATCH/{output.vcf:q}
        """
