# From the files of a unit, whatever their compression, to checked shards of interleaved reads.
SHARD_ENDING = {"none": "fastq", "zstd": "fastq.zst"}[config["reads"]["compression"]]
# Size of a shard's reads to that of the compressed files they come from, at most.
EXPANSION = {"none": 5, "zstd": 1.5}[config["reads"]["compression"]]
# Size of the files that a shard's reads come from to that of the shard, at most, if they are compressed.
PACKED = {"none": 0.5, "zstd": 1}[config["reads"]["compression"]]
COUNTS = "results/reads/{sample}/{unit}.counts.json"
SHARD_FILE = f"results/reads/{{sample}}/{{unit}}.{{shard}}.{SHARD_ENDING}"


rule decompress:
    """Check every record of a unit and deal its reads out to shards, mates together."""
    input:
        fastqs,
    output:
        shards=temp(collect(SHARD_FILE, shard=SHARDS, allow_missing=True)),
        counts=COUNTS,
    log:
        "logs/decompress/{sample}/{unit}.log",
    benchmark:
        "benchmarks/runs/decompress/{sample}/{unit}.tsv"
    priority: 50
    conda:
        "../../envs/reads.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500, 1 + EXPANSION),
        runtime=minutes(10, 0.01),
    params:
        mates=signed(
            lambda wildcards, input: " ".join(
                f"--fq{mate}={shlex.quote(path)}"
                for mate, path in enumerate(input, start=1)
            )
        ),
        quality_encoding=config["reads"]["quality_encoding"],
        interleaved=config["reads"]["interleaved"],
        planned=fastq_fingerprints,
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        shards=({output.shards:q})
        run_module reads.decompress --quality-encoding {params.quality_encoding} --interleaved {params.interleaved} \
            {params.mates} --counts $SCRATCH/{output.counts:q} --shards ${{shards[@]/#/$SCRATCH/}}
        unchanged {params.planned:q} {input:q}
        """
