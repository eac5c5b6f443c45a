# One alignment file for a sample, from all shards of all its units.
# Size of the reads as they came to that of a sample's alignments, at most, if they are compressed.
SHRUNK = 4
# The windows of calling; the mitochondrion, if it is called by itself, is one more.
SLICED = WINDOWS if MITOCHONDRION == OFF else [*WINDOWS, MITOCHONDRIAL_WINDOW]


rule sort_index:
    """Merge the shards, mark duplicates and index, in one pipe; then check that no read was lost."""
    input:
        shards=of_units("results/bwa_mem/{sample}/{unit}.{shard}.cram"),
        counts=of_units(COUNTS),
        genome=[GENOME, GENOME_INDEX],
    output:
        alignment=f"results/alignments/{{sample}}.{ALIGNMENT}",
        index=f"results/alignments/{{sample}}.{ALIGNMENT_INDEX}",
    log:
        "logs/sort_index/{sample}.log",
    benchmark:
        "benchmarks/runs/sort_index/{sample}.tsv"
    conda:
        "../../envs/hts.yaml"
    threads: 2
    resources:
        mem_mb=growing(2000),
        # In the demo's data, a BAM file has 1.65 times the bytes of its shards, a CRAM file 0.85 times.
        disk_mb=growing(1000, {"cram": 2.5, "bam": 3.5}[ALIGNMENT]),
        runtime=minutes(30, 0.02),
    params:
        mark_duplicates=(
            "samtools markdup --no-PG -u -T $SCRATCH/markdup - -"
            if config["alignment"]["mark_duplicates"]
            else "cat"
        ),
        format={"cram": CRAM, "bam": "bam"}[ALIGNMENT],
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        printf '%s\n' {input.shards:q} >$SCRATCH/shards.txt
        samtools merge --no-PG -u -c -p -b $SCRATCH/shards.txt -o - \
            | {params.mark_duplicates} \
            | samtools view --no-PG -@ {threads} -O {params.format} -T {input.genome[0]:q} --write-index \
                -o $SCRATCH/{output.alignment:q}##idx##$SCRATCH/{output.index:q} -
        samtools quickcheck -v $SCRATCH/{output.alignment:q}
        run_module reads.count_reads --counts {input.counts:q} --reference {input.genome[0]:q} \
            --alignment $SCRATCH/{output.alignment:q} --name {output.alignment:q}
        """


rule slices:
    """Cut out the reads in each window and near it, for calling where jobs would have to fetch all alignments otherwise."""
    input:
        alignment=f"results/alignments/{{sample}}.{ALIGNMENT}",
        index=f"results/alignments/{{sample}}.{ALIGNMENT_INDEX}",
        genome=[GENOME, GENOME_INDEX],
        windows=CALLING_WINDOWS,
        apart=CALLED_APART,
    output:
        temp(collect(SLICE, window=SLICED, allow_missing=True)),
    log:
        "logs/slices/{sample}.log",
    priority: 20
    conda:
        "../../envs/hts.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        # In the demo's data, the slices have 0.55 times the bytes of the reads as they came.
        disk_mb=growing(1000, 1.2, reads=0.7, later=slice(0, 2), shrunk=SHRUNK),
        runtime=minutes(30, 0.02, inputs=slice(2, None), reads=0.02, shrunk=SHRUNK),
    params:
        windows=SLICED,
        crai=lambda wildcards, input: (
            f"--crai {shlex.quote(input.index)}" if ALIGNMENT == "cram" else ""
        ),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        slices=({output:q})
        for window in {params.windows}; do
            containers=$(run_module reference.tiles --fai {input.genome[1]:q} --windows {input.windows:q} --window $window \
                --apart={input.apart:q} --near $SCRATCH/near.bed {params.crai})
            # Many containers are copied as they are; the first and the last one hold more reads than calling looks at. An
            # old samtools, which can't copy them, says so, and the reads are cut out as below.
            if [[ -n $containers ]] \
                && samtools cat --no-PG -r "$containers" -o "$SCRATCH/${{slices[window - 1]}}" {input.alignment:q}; then
                continue
            fi
            # Calling alone reads them, so that they may be of the newer, smaller form.
            samtools view --no-PG -@ {threads} -O cram,version=3.1,level=1 -T {input.genome[0]:q} -M -L $SCRATCH/near.bed \
                -o $SCRATCH/${{slices[window - 1]}} {input.alignment:q}
        done
        """
