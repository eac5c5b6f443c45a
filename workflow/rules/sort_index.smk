# One alignment file for a sample, from all shards of all its units.


rule sort_index:
    """Merges the shards, marks duplicates and indexes, in one pipe; then counts that no read was lost."""
    input:
        shards=of_units("results/bwa_mem/{sample}/{unit}.{shard}.cram"),
        counts=lambda wildcards: [
            f"results/reads/{unit.sample}/{unit.unit}.counts.json"
            for unit in UNITS_OF[wildcards.sample]
        ],
        genome=[GENOME, GENOME_INDEX],
        windows=[] if SHARED_DISK else CALLING_WINDOWS,
    output:
        alignment=f"results/alignments/{{sample}}.{ALIGNMENT}",
        index=f"results/alignments/{{sample}}.{ALIGNMENT_INDEX}",
        # What each window is called from, where jobs would have to fetch all of the alignments otherwise.
        slices=(
            []
            if SHARED_DISK
            else temp(collect(SLICE, window=WINDOWS, allow_missing=True))
        ),
    log:
        "logs/sort_index/{sample}.log",
    benchmark:
        "benchmarks/runs/sort_index/{sample}.tsv"
    conda:
        "../../envs/samtools.yaml"
    threads: 2
    resources:
        mem_mb=growing(2000),
        disk_mb=growing(1000, 5),
        runtime=minutes(30, 0.02),
    params:
        mark_duplicates=(
            "samtools markdup --no-PG -u -T $SCRATCH/markdup - -"
            if config["alignment"]["mark_duplicates"]
            else "cat"
        ),
        format=ALIGNMENT,
    shell:
        r"""
        exec 2>{log}
        stage {output}
        printf '%s\n' {input.shards:q} >$SCRATCH/shards.txt
        samtools merge --no-PG -u -c -p -b $SCRATCH/shards.txt -o - \
            | {params.mark_duplicates} \
            | samtools view --no-PG -@ {threads} -O {params.format} -T {input.genome[0]} --write-index \
                -o $SCRATCH/{output.alignment}##idx##$SCRATCH/{output.index} -
        samtools quickcheck -v $SCRATCH/{output.alignment}
        script count_reads --counts {input.counts:q} --reference {input.genome[0]} \
            --alignment $SCRATCH/{output.alignment} --name {output.alignment}
        for slice in {output.slices}; do
            window=${{slice##*.window}}
            padded {input.genome[1]} {input.windows} ${{window%.cram}} >$SCRATCH/padded.bed
            samtools view --no-PG -@ {threads} -O cram,level=1 -T {input.genome[0]} -M -L $SCRATCH/padded.bed \
                -o $SCRATCH/$slice $SCRATCH/{output.alignment}
        done
        publish {output}
        """
