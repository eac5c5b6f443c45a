# Quality of the raw reads, before anything is done to them.


rule fastqc:
    """FastQC of both mates in one launch; the reads come through pipes that bear the names MultiQC shows."""
    input:
        reads=fastqs,
        # Where jobs have no disk in common, this makes a group of all that read a lane, which is then fetched once.
        checked=[] if SHARED_DISK else ancient(COUNTS),
    output:
        collect(
            "results/qc/fastqc/{sample}/{unit}.{mate}_fastqc.{ext}",
            mate=["R1", "R2"],
            ext=["html", "zip"],
            allow_missing=True,
        ),
    log:
        "logs/fastqc/{sample}/{unit}.log",
    benchmark:
        "benchmarks/runs/fastqc/{sample}/{unit}.tsv"
    conda:
        "../../envs/fastqc.yaml"
    threads: 1
    resources:
        mem_mb=growing(1200),
        disk_mb=growing(1000, 1.2),
        runtime=minutes(15, 0.05),
    params:
        mates="R1 R2",
    shell:
        r"""
        exec 2>{log}
        stage {output}
        fastqs=({input.reads:q}) pipes=() readers=()
        for mate in {params.mates}; do
            pipe=$SCRATCH/{wildcards.sample}.{wildcards.unit}.$mate.fastq
            mkfifo $pipe
            script fastq "${{fastqs[${{#pipes[@]}}]}}" >$pipe &
            pipes+=($pipe) readers+=($!)
        done
        # FastQC can't tell how far it is in a pipe, and says so with a stack trace, or `null`, for every thousand reads.
        fastqc --quiet --threads {threads} --dir $SCRATCH --outdir $SCRATCH ${{pipes[@]}} \
            2> >(grep -Ev '^(java.io.IOException: Illegal seek|[[:space:]]at |null$)' >&2 || true) >&2
        for reader in ${{readers[@]}}; do wait $reader; done
        for output in {output}; do
            mv $SCRATCH/{wildcards.sample}.${{output##*/}} $SCRATCH/$output
        done
        publish {output}
        """


use rule fastqc as fastqc_single with:
    output:
        collect(
            "results/qc/fastqc/{sample}/{unit}.single_fastqc.{ext}",
            ext=["html", "zip"],
            allow_missing=True,
        ),
    params:
        mates="single",
