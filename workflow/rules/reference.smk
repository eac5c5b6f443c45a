# The genome as all later stages read it, checked once: plain FASTA with its indices, its windows, its annotation.
FASTA = config["reference"]["fasta"]
WINDOW_KEYS = {"calling": "calling.windows", "coverage": "quality.coverage_windows"}

# Each aligner's index has a folder of its own, so that one of a run with the other is never taken for it.
BWA_MEM2_GENOME = "results/reference/bwa-mem2/genome.fa"
ALIGNER = aligner_of(config)
PREBUILT = [f"{FASTA}{ext}" for ext in suffixes_of_prebuilt(config)]
# Its contigs are compared with those of the reference.
PREBUILT_ANN = [path for path in PREBUILT if path.endswith(".ann")]


rule reference:
    """Write the reference as plain FASTA with its index; fail for what is no reference."""
    input:
        fasta=at_start(source(FASTA)),
        ann=[source(path) for path in PREBUILT_ANN],
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
            f"--ann={shlex.quote(input.ann[0])}{' --shielded' if ALIGNER is BWA_MEM2 else ''}"
            if input.ann
            else ""
        ),
        planned=lambda wildcards: fingerprints(FASTA, *PREBUILT_ANN),
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
        multiext(GENOME, *BWA.suffixes),
    log:
        "logs/bwa_index.log",
    cache: True
    priority: 90
    conda:
        "../../envs/bwa.yaml"
    threads: 1
    resources:
        mem_mb=growing(500, BWA.building_bytes),
        disk_mb=growing(500, 5),
        runtime=minutes(10, 0.05),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        bwa index -p $SCRATCH/{input:q} {input:q}
        """


rule bwa_mem2_index:
    """Build bwa-mem2's index, in 28 bytes of memory for each base; `alignment.aligner: bwa` takes 4, and aligns alike."""
    input:
        GENOME,
    output:
        multiext(BWA_MEM2_GENOME, *BWA_MEM2.suffixes),
    log:
        "logs/bwa_mem2_index.log",
    cache: True
    priority: 90
    conda:
        "../../envs/bwa_mem2.yaml"
    threads: 1
    resources:
        mem_mb=growing(500, BWA_MEM2.building_bytes),
        disk_mb=growing(500, 2 + 1.2 * BWA_MEM2.index_bytes),
        runtime=minutes(10, 0.05),
    params:
        # A cached index is taken for this version only.
        version=BWA_MEM2.version,
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        run_module reference.shield --fasta {input:q} --out $SCRATCH/shielded.fa
        index=({output:q})
        bwa-mem2 index -p "$SCRATCH/${{index[0]%.amb}}" $SCRATCH/shielded.fa
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
