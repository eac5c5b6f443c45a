# Quality of the raw reads, before anything is done to them.


rule fastqc:
    """Run FastQC on each mate, under the name that MultiQC shows, and on the reads as every tool gets them."""
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
        planned=fastq_fingerprints,
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        fastqs=({input.reads:q})
        # FastQC's memory grows with the longest read, and without enough of it FastQC would wait for ever.
        # Half of a small lane's CPU time is Java's own: it collects garbage in one thread, as with one processor, and waits
        # longer before it compiles.
        export _JAVA_OPTIONS="-Xmx$(({resources.mem_mb} * 3 / 5))m -XX:+ExitOnOutOfMemoryError \
            -XX:+UseSerialGC -XX:CompileThresholdScaling=5"
        for mate in {params.mates}; do
            # Standard input under a name: a file named stdin… would be taken for it.
            run_module reads.fastq "${{fastqs[0]}}" \
                | fastqc --quiet --threads {threads} --dir $SCRATCH --outdir $SCRATCH \
                    stdin:{wildcards.sample}.{wildcards.unit}.$mate.fastq >&2
            fastqs=("${{fastqs[@]:1}}")
        done
        unchanged {params.planned:q} {input.reads:q}
        for output in {output:q}; do
            mv $SCRATCH/{wildcards.sample}.${{output##*/}} $SCRATCH/$output
        done
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
        planned=fastq_fingerprints,
