# From shards of reads to coordinate-sorted alignments whose mates know of each other.
if PREBUILT:
    INDEX = [source(path) for path in PREBUILT]
else:
    INDEX = [
        f"{BWA_MEM2_GENOME if ALIGNER is BWA_MEM2 else GENOME}{suffix}"
        for suffix in ALIGNER.suffixes
    ]


rule bwa_mem:
    """Align one shard, fix mates and sort, in one pipe."""
    input:
        reads=SHARD_FILE,
        index=INDEX,
    output:
        temp("results/bwa_mem/{sample}/{unit}.{shard}.cram"),
    log:
        "logs/bwa_mem/{sample}/{unit}.{shard}.log",
    benchmark:
        "benchmarks/runs/bwa_mem/{sample}/{unit}.{shard}.tsv"
    conda:
        {"bwa": "../../envs/bwa.yaml", "bwa-mem2": "../../envs/bwa_mem2.yaml"}[
            ALIGNER.name
        ]
    threads: 8
    resources:
        mem_mb=growing(3000, 1.2, inputs=slice(1, None)),
        # Room for what is sorted, and for the output, by the reads as they came.
        disk_mb=growing(1000, 1.2, reads=3, later=slice(0, 1), shrunk=PACKED),
        runtime=minutes(
            30,
            0.1,
            inputs=slice(1, None),
            reads=0.1 * EXPANSION,
            shrunk=1 / EXPANSION,
        ),
    params:
        decompress={"none": "cat", "zstd": "zstd -dcq"}[config["reads"]["compression"]],
        read_group=signed(
            lambda wildcards: UNITS[wildcards.sample, wildcards.unit].read_group
        ),
        pairing=signed(
            lambda wildcards: (
                "-p" if UNITS[wildcards.sample, wildcards.unit].paired else ""
            )
        ),
        # fixmate makes mates of any neighbours that have one name.
        fixmate=signed(
            lambda wildcards: (
                "samtools fixmate -u -m - -"
                if UNITS[wildcards.sample, wildcards.unit].paired
                else "cat"
            )
        ),
        cram=CRAM,
        prebuilt=PREBUILT,
        planned=signed(lambda wildcards: fingerprints(*PREBUILT)),
    # Text, not a parameter: Snakemake would align anew what was aligned before there was a choice.
    shell:
        ALIGNER.in_place_of_bwa(r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        index={input.index[0]:q}
        # Sorting keeps up with four threads of BWA, and gets an eighth of the memory.
        sorters=$((({threads} + 3) / 4))
        # -K, bases in a batch, is fixed, so that insert sizes and results do not depend on the number of threads.
        # --no-PG where a command names files of this job: same data, same bytes.
        # CRAM has half the bytes of BAM; without a reference, so that many of them can be merged in little memory.
        {params.decompress} {input.reads:q} \
            | bwa mem -K 10000000 -t {threads} {params.pairing} -R {params.read_group:q} -- "${{index%.amb}}" - \
            | {params.fixmate} \
            | samtools sort --no-PG -O {params.cram},level=1,no_ref=1 -@ $sorters -m $(({resources.mem_mb} / 8 / sorters))M \
                -T $SCRATCH/sort -o $SCRATCH/{output:q} -
        unchanged {params.planned:q} {params.prebuilt:q}
        """)
