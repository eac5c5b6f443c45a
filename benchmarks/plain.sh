#!/usr/bin/env bash
# The best plain pipeline we know of for the benchmark's data: what the workflow does, without its checks, on 2 cores.
# Usage: plain.sh DATA OUT PYTHON FILTER [ALIGNER]   (DATA holds reference.fa and L*_R1/R2.fastq.gz of one sample)
# ALIGNER, bwa or bwa-mem2, takes the index in DATA/ALIGNER/; without it, bwa's index is built.
set -euo pipefail
data=$1 out=$2 python=$3 filter=$4 aligner=${5:-bwa}
coverage=$(cd "$(dirname "$0")/../workflow/scripts" && pwd)/coverage.awk
mkdir -p "$out" && cd "$out"
ref=genome.fa

cp "$data/reference.fa" "$ref"
samtools faidx "$ref"
index=$ref
if [[ -n ${5:-} ]]; then
  index=$data/$aligner/reference.fa
else
  bwa index "$ref" 2>bwa_index.log
fi

# FastQC fills what bwa leaves idle. One launch reads all files.
nice -n 19 fastqc --quiet --threads 2 --outdir . "$data"/L*_R[12].fastq.gz 2>fastqc.log &
fastqc=$!

lanes=("$data"/L*_R1.fastq.gz)
lanes=("${lanes[@]##*/}")
lanes=("${lanes[@]%_R1.fastq.gz}")
read_group() { printf '@RG\\tID:bench.%s\\tSM:bench\\tLB:bench\\tPL:ILLUMINA\\tPU:%s' "$1" "$1"; }
align() { # lane, and with it what goes into the header
  "$aligner" mem -K 10000000 -t 2 -R "$(read_group "$1")" "${@:2}" "$index" \
    <(gzip -dc "$data/$1_R1.fastq.gz") <(gzip -dc "$data/$1_R2.fastq.gz") 2>>bwa.log
}
# All lanes in one stream, into one sort, duplicates marked on the way to the CRAM.
others=()
for lane in "${lanes[@]:1}"; do others+=(-H "$(read_group "$lane")"); done
{
  align "${lanes[0]}" "${others[@]}"
  for lane in "${lanes[@]:1}"; do align "$lane" | grep -v '^@'; done
} | samtools fixmate -u -m - - |
  samtools sort -u -m 500M -T sort - |
  samtools markdup -u -T markdup - - 2>markdup.log |
  samtools view -@ 1 -C -T "$ref" --write-index -o bench.cram -

# Two windows of equal size: regions of as many contigs as it takes.
window() { # its number, 0 or 1
  awk -v n="$1" '{ length_of[NR] = $2; name[NR] = $1; bases += $2 } END {
    from = int(bases / 2) * n; to = n ? bases : int(bases / 2)
    for (i = 1; i <= NR; start += length_of[i++]) {
      first = from > start ? from - start : 0; last = to < start + length_of[i] ? to - start : length_of[i]
      if (first < last) { printf "%s%s:%d-%d", comma, name[i], first + 1, last; comma = "," }
    } }' "$ref.fai"
}
call() { # number of the window
  bcftools mpileup -Ou -f "$ref" -r "$(window "$1")" -A -d 5000 -L 5000 -q 0 -Q 1 \
    --indels-cns --seqq-offset 125 -m 1 -p -a FORMAT/AD,FORMAT/DP bench.cram 2>/dev/null |
    bcftools call -Ob -m -v -P 0.005 -a GQ --ploidy 2 -o "$1.bcf" -
}
call 0 &
first=$!
call 1 &
second=$!

statistics() {
  samtools stats --reference "$ref" bench.cram >bench.stats.txt
  samtools flagstat bench.cram >bench.flagstat.txt
  # By itself, coverage of samtools 1.24 does not read the qualities of a CRAM file.
  samtools view -u --input-fmt-option required_fields=0x43e -T "$ref" bench.cram | samtools coverage -o bench.contigs.tsv -
  awk '{ for (i = 0; i < 200; i++) printf "%s\t%d\t%d\n", $1, i * $2 / 200, (i + 1) * $2 / 200 }' "$ref.fai" >bins.bed
  samtools view --input-fmt-option required_fields=0x3e -T "$ref" bench.cram |
    awk -v flags=bench.flags.tsv -v deepest=bench.deepest.txt -f "$coverage" bins.bed - >bench.windows.tsv
}
statistics &
statistics=$!
wait "$first"
wait "$second"
wait "$statistics"
wait "$fastqc"

bcftools concat -Ou 0.bcf 1.bcf 2>concat.log | bcftools norm -Ou -f "$ref" -m -any - 2>norm.log |
  bash -c "$filter" | bcftools view -Oz -o all.vcf.gz -
bcftools index -t all.vcf.gz
bcftools stats -f PASS,. -F "$ref" -s - all.vcf.gz >all.stats.txt
"$python" -m multiqc --quiet --no-version-check --zip-data-dir --filename multiqc.html . >/dev/null 2>multiqc.log
