# The mitochondrion, if the configuration asks for it: called for allele fractions, and left out of all other calls.
MITOCHONDRIAL_TABLES = collect(
    "results/mitochondrion/{callset}.tsv",
    callset=[] if MITOCHONDRION == OFF else CALLSETS,
)


rule mitochondrial_contig:
    """Find the mitochondrial contig."""
    input:
        GENOME_INDEX,
    output:
        MITOCHONDRIAL_CONTIG,
    log:
        "logs/mitochondrial_contig.log",
    priority: 100
    conda:
        "../../envs/reads.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500),
        runtime=minutes(5),
    params:
        asked=MITOCHONDRION,
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        run_module mitochondrion.contig --fai {input:q} --asked={params.asked:q} --out $SCRATCH/{output:q}
        cat {log:q} >&3
        """


rule nuclear_windows:
    """Cut all contigs but the mitochondrion into the windows of calling."""
    input:
        index=GENOME_INDEX,
        contig=MITOCHONDRIAL_CONTIG,
    output:
        NUCLEAR_WINDOWS,
    log:
        "logs/nuclear_windows.log",
    priority: 100
    conda:
        "../../envs/reads.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        disk_mb=growing(500),
        runtime=minutes(5),
    params:
        number=len(WINDOWS),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        run_module mitochondrion.windows --fai {input.index:q} --contig {input.contig:q} --number {params.number} --out $SCRATCH/{output:q}
        """


rule mitochondrial_reads:
    """Count the alleles of one sample's mitochondrion in reads that belong there, the ends of the circle as its middle."""
    input:
        alignment=(
            f"results/alignments/{{sample}}.{ALIGNMENT}"
            if SHARED_DISK
            else SLICE.format(sample="{sample}", window=MITOCHONDRIAL_WINDOW)
        ),
        index=(
            f"results/alignments/{{sample}}.{ALIGNMENT_INDEX}" if SHARED_DISK else []
        ),
        genome=[GENOME, GENOME_INDEX],
        contig=MITOCHONDRIAL_CONTIG,
        coverage="results/qc/coverage/{sample}.contigs.tsv",
    output:
        sites="results/mitochondrion/{sample}.sites.tsv.gz",
        evidence="results/mitochondrion/{sample}.evidence.json.gz",
    log:
        "logs/mitochondrial_reads/{sample}.log",
    benchmark:
        "benchmarks/runs/mitochondrial_reads/{sample}.tsv"
    conda:
        "../../envs/bwa.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, 0.2),
        # Reads of the contig are written three times, without compression.
        disk_mb=growing(5000, 1.2),
        runtime=minutes(60, 0.06),
    params:
        regions="-M -L" if SHARED_DISK else "-L",
        # All reads, however many: there are thousands over each base, and errors are told by how rare they are.
        pileup=f"--ignore-RG -A -d 1000000 -L 1000000 -Q 20 --indels-cns -m {GAPPED_READS} -F {GAPPED_SHARE}",
        tags="FORMAT/AD,FORMAT/ADF,FORMAT/ADR,FORMAT/DP,FORMAT/QS",
        fields=r"%POS\t%REF\t%ALT[\t%DP\t%ADF\t%ADR\t%QS]\n",
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        read -r contig start end <{input.contig:q} || contig=
        if [[ -z $contig ]]; then
            gzip -n </dev/null | tee $SCRATCH/{output.sites:q} >$SCRATCH/{output.evidence:q}
            exit
        fi
        samtools view --no-PG -u -T {input.genome[0]:q} {params.regions} {input.contig:q} --write-index -o $SCRATCH/all.bam {input.alignment:q}
        samtools faidx {input.genome[0]:q} "$contig" | run_module calling.concrete fasta >$SCRATCH/given.fa
        run_module mitochondrion.circle --fasta $SCRATCH/given.fa --contig="$contig" --out-middle $SCRATCH/middle.fa --out-turned $SCRATCH/turned.fa
        run_module mitochondrion.reads --alignments $SCRATCH/all.bam --fasta $SCRATCH/given.fa --contig="$contig" \
            --out $SCRATCH/middle.bam --out-ends $SCRATCH/ends.fastq --out-counts $SCRATCH/reads.json
        samtools index $SCRATCH/middle.bam
        bwa index $SCRATCH/turned.fa
        bwa mem -p $SCRATCH/turned.fa $SCRATCH/ends.fastq | samtools view -u --add-flags PROPER_PAIR - | samtools sort -u -T $SCRATCH/sort --write-index -o $SCRATCH/turned.bam -
        for part in middle turned; do
            bcftools mpileup -Ou -f $SCRATCH/$part.fa -R $SCRATCH/$part.bed {params.pileup} -a {params.tags} -o $SCRATCH/$part.bcf $SCRATCH/$part.bam
            bcftools query -e INDEL=1 -f '{params.fields}' $SCRATCH/$part.bcf >$SCRATCH/$part.snvs
            bcftools view -Ou -i INDEL=1 $SCRATCH/$part.bcf | bcftools norm -Ou -f $SCRATCH/$part.fa -m -any - \
                | bcftools query -f '{params.fields}' - >$SCRATCH/$part.indels
        done
        run_module mitochondrion.sample --fasta $SCRATCH/given.fa --contig="$contig" --snvs $SCRATCH/{{middle,turned}}.snvs \
            --indels $SCRATCH/{{middle,turned}}.indels --alignments $SCRATCH/{{middle,turned}}.bam --reads $SCRATCH/reads.json \
            --coverage {input.coverage:q} --out-sites $SCRATCH/{output.sites:q} --out $SCRATCH/{output.evidence:q}
        """


rule mitochondrion:
    """Write the alleles of all samples' mitochondria with their fractions, and a table of what could have been seen."""
    input:
        evidence=lambda wildcards: collect(
            "results/mitochondrion/{sample}.evidence.json.gz",
            sample=samples_of(wildcards.callset),
        ),
        genome=[GENOME, GENOME_INDEX],
        contig=MITOCHONDRIAL_CONTIG,
    output:
        vcf="results/mitochondrion/{callset}.vcf.gz",
        index="results/mitochondrion/{callset}.vcf.gz.tbi",
        table=report(
            "results/mitochondrion/{callset}.tsv",
            category="Variants",
            labels={"calls": "{callset}", "table": "mitochondrion"},
            caption="../report/mitochondrion.rst",
        ),
    log:
        "logs/mitochondrion/{callset}.log",
    conda:
        "../../envs/hts.yaml"
    threads: 1
    resources:
        # The files of evidence come first; one of 300 kB takes 20 MB when it is read, one after the other.
        mem_mb=growing(1000, 1, inputs=slice(0, -3)),
        disk_mb=growing(500, 1.2),
        runtime=minutes(30, 1, inputs=slice(0, -3)),
    params:
        samples=lambda wildcards: samples_of(wildcards.callset),
    shell:
        r"""
        source "$TERRAFLOW/begin.sh" {log:q} {output:q}
        printf '%s\n' {input.evidence:q} >$SCRATCH/evidence.txt
        read -r contig start end <{input.contig:q} || contig=
        if [[ -n $contig ]]; then samtools faidx {input.genome[0]:q} "$contig" | run_module calling.concrete fasta >$SCRATCH/given.fa; fi
        run_module mitochondrion.vcf --samples {params.samples} --evidence $SCRATCH/evidence.txt --fai {input.genome[1]:q} \
            --fasta $SCRATCH/given.fa --contig="$contig" --out $SCRATCH/all.vcf --out-table $SCRATCH/{output.table:q}
        bcftools view --no-version -Oz -o $SCRATCH/{output.vcf:q} $SCRATCH/all.vcf
        bcftools index -t -o $SCRATCH/{output.index:q} $SCRATCH/{output.vcf:q}
        """
