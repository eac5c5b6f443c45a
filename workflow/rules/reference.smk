# The genome as all later stages read it, checked once: plain FASTA with its indices, its windows, its annotation.
BWA_INDEX = multiext(GENOME, ".amb", ".ann", ".bwt", ".pac", ".sa")
FASTA = config["reference"]["fasta"]
WINDOW_KEYS = {"calling": "calling.windows", "coverage": "quality.coverage_windows"}

if config["reference"]["bwa_index"] == "prebuilt":
    PREBUILT = [f"{FASTA}{ext}" for ext in (".amb", ".ann", ".bwt", ".pac", ".sa")]
    BWA_INDEX = [source(path) for path in PREBUILT]
else:
    PREBUILT = []


rule reference:
    """Write the reference as plain FASTA with its index; fail for what is no reference."""
    input:
        fasta=at_start(source(FASTA)),
        ann=[source(path) for path in PREBUILT[1:2]],
    output:
        fasta=GENOME,
        fai=GENOME_INDEX,
    log:
        "logs/reference.log",
    priority: 100
    conda:
        "../../envs/reads.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500, 5),
        runtime=minutes(10, 0.05),
    params:
        ann=lambda wildcards, input: (
            f"--ann={shlex.quote(input.ann[0])}" if input.ann else ""
        ),
        planned=lambda wildcards: fingerprints(FASTA, *PREBUILT[1:2]),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        run_module reference.fasta --fasta={input.fasta:q} {params.ann} --out $SCRATCH/{output.fasta:q}
        samtools faidx $SCRATCH/{output.fasta:q}
        unchanged {params.planned:q} {input:q}
        """


rule bwa_index:
    """Build BWA's index of the reference; with --cache it is built once for all runs that share a cache."""
    input:
        GENOME,
    output:
        multiext(GENOME, ".amb", ".ann", ".bwt", ".pac", ".sa"),
    log:
        "logs/bwa_index.log",
    cache: True
    priority: 90
    conda:
        "../../envs/bwa.yaml"
    threads: 1
    resources:
        mem_mb=growing(500, 4),
        disk_mb=growing(500, 5),
        runtime=minutes(10, 0.05),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        bwa index -p $SCRATCH/{input:q} {input:q}
        """


rule windows:
    """Cut the reference into windows of equal size: for calling, and for the coverage table and plot."""
    input:
        GENOME_INDEX,
    output:
        "results/reference/{purpose}_windows.bed",
    log:
        "logs/windows/{purpose}.log",
    wildcard_constraints:
        purpose="calling|coverage",
    priority: 100
    conda:
        "../../envs/reads.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500),
        runtime=minutes(5),
    params:
        key=lambda wildcards: WINDOW_KEYS[wildcards.purpose],
        number=lambda wildcards: lookup(
            dpath=WINDOW_KEYS[wildcards.purpose].replace(".", "/"), within=config
        ),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        run_module reference.windows --fai {input:q} --number {params.number} --key {params.key} --out $SCRATCH/{output:q}
        """
