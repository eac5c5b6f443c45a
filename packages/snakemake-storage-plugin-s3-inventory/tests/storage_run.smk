# A workflow in the shape of a real one, whose jobs do next to nothing: six for each sample, and two for all.
SAMPLES = config["samples"]


rule all:
    input:
        [f"out/{i}.{ext}" for i in range(SAMPLES) for ext in ("cram", "cram.crai", "stats")],
        "all.txt",
        "pages",


rule cut:
    output:
        temp("cut/{i}.{shard}.fq"),
    log:
        "logs/cut/{i}.{shard}.log",
    benchmark:
        "bench/cut/{i}.{shard}.tsv"
    shell:
        "echo {rule} > {output}"


rule align:
    input:
        "cut/{i}.{shard}.fq",
    output:
        temp("align/{i}.{shard}.bam"),
    log:
        "logs/align/{i}.{shard}.log",
    resources:
        mem_mb=lambda wildcards, input: 100 + input.size_mb,
    shell:
        "cat {input} > {output}"


rule sort:
    input:
        expand("align/{{i}}.{shard}.bam", shard=[1, 2]),
    output:
        "out/{i,[0-9]+}.cram",
        "out/{i}.cram.crai",
    log:
        "logs/sort/{i}.log",
    benchmark:
        "bench/sort/{i}.tsv"
    shell:
        "cat {input} | tee {output}"


rule stats:
    input:
        "out/{i}.cram",
    output:
        "out/{i,[0-9]+}.stats",
    shell:
        "wc -c {input} > {output}"


rule all_stats:
    input:
        [f"out/{i}.stats" for i in range(SAMPLES)],
    output:
        "all.txt",
    shell:
        "cat {input} > {output}"


rule pages:
    input:
        "all.txt",
        raw=[getattr(storage, "s3-inventory")(config["raw"], retrieve=False)] if "raw" in config else [],
    output:
        directory("pages"),
    shell:
        "mkdir {output}; cp {input[0]} {output}/a; touch {output}/empty"
