#!/usr/bin/env bash
# The best plain pipeline we know of for the benchmark's data: what the workflow does, without its checks, on 2 cores.
# Usage: plain.sh DATA OUT PYTHON FILTER   (DATA holds reference.fa and L1/L2_R1/R2.fastq.gz of one sample)
set -euo pipefail
data=$1 out=$2 python=$3 filter=$4
mean_depth=$(cd "$(dirname "$0")/../workflow/scripts" && pwd)/mean_depth.awk
mkdir -p "$out" && cd "$out"
ref=genome.fa

cp "$data/reference.fa" "$ref"
samtools faidx "$ref"
bwa index "$ref" 2>bwa_index.log

# FastQC fills what bwa leaves idle. One launch reads all files.
nice -n 19 fastqc --quiet --threads 2 --outdir . "$data"/L[12]_R[12].fastq.gz 2>fastqc.log &
fastqc=$!

align() { # lane, and with it what goes into the header
  bwa mem -K 10000000 -t 2 -R "@RG\tID:bench.$1\tSM:bench\tLB:bench\tPL:ILLUMINA\tPU:$1" "${@:2}" "$ref" \
    <(gzip -dc "$data/$1_R1.fastq.gz") <(gzip -dc "$data/$1_R2.fastq.gz") 2>>bwa.log
}
# Both lanes in one stream, into one sort, duplicates marked on the way to the CRAM.
{
  align L1 -H '@RG\tID:bench.L2\tSM:bench\tLB:bench\tPL:ILLUMINA\tPU:L2'
  align L2 | grep -v '^@'
} | samtools fixmate -u -m - - |
  samtools sort -u -m 500M -T sort - |
  samtools markdup -u -T markdup - - 2>markdup.log |
  samtools view -@ 1 -C -T "$ref" --write-index -o bench.cram -

length=$(cut -f2 "$ref.fai")
call() { # window
  bcftools mpileup -Ou -f "$ref" -r "$1" -d 5000 -L 5000 -q 0 -Q 1 -p -a FORMAT/AD,FORMAT/DP bench.cram 2>/dev/null |
    bcftools call -Ob -m -v -P 0.005 -a GQ --ploidy 2 -o "$2" -
}
name=$(cut -f1 "$ref.fai")
call "$name:1-$((length / 2))" 1.bcf &
call "$name:$((length / 2 + 1))-$length" 2.bcf &
calls=$!

statistics() {
  samtools stats --reference "$ref" bench.cram >bench.stats.txt
  samtools flagstat bench.cram >bench.flagstat.txt
  samtools coverage --reference "$ref" -o bench.contigs.tsv bench.cram
  awk -v n="$length" -v c="$name" 'BEGIN { for (i = 0; i < 200; i++) printf "%s\t%d\t%d\n", c, i * n / 200, (i + 1) * n / 200 }' >bins.bed
  samtools depth -aa --reference "$ref" bench.cram | awk -f "$mean_depth" bins.bed - >bench.windows.tsv
}
statistics &
statistics=$!
wait "$calls" "$statistics" "$fastqc"
wait

bcftools concat -Ou 1.bcf 2.bcf 2>concat.log | bcftools norm -Ou -f "$ref" -m -any - 2>norm.log |
  bash -c "$filter" | bcftools view -Oz -o all.vcf.gz -
bcftools index -t all.vcf.gz
bcftools stats -f PASS,. -F "$ref" -s - all.vcf.gz >all.stats.txt
"$python" -m multiqc --quiet --no-version-check --zip-data-dir --filename multiqc.html . >/dev/null 2>multiqc.log
