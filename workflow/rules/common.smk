# Shared by all stages: names of files, and resources of jobs.
import functools
import shlex

from snakemake_interface_executor_plugins.settings import SharedFSUsage
from terraflow_workflow.calling.multiallelic import SPLIT
from terraflow_workflow.mitochondrion.contig import OFF, setting
from terraflow_workflow.mitochondrion.pileup import GAPPED_READS, GAPPED_SHARE
from terraflow_workflow.running.planning import signed
from terraflow_workflow.running.resources import (
    LastSeen,
    Requests,
    megabytes,
)
from terraflow_workflow.running.start import start_run

JOINT = config["calling"]["mode"] == "joint"
CALLSETS = ["all"] if JOINT else list(SAMPLES)
WINDOWS = list(range(1, config["calling"]["windows"] + 1))
SHARDS = list(range(1, config["reads"]["shards"] + 1))
ALIGNMENT = config["alignment"]["format"]
ALIGNMENT_INDEX = {"cram": "cram.crai", "bam": "bam.bai"}[ALIGNMENT]
# Readers of all ages take this version; which one samtools writes by default depends on its own.
CRAM = "cram,version=3.0"
GENOME = "results/reference/genome.fa"
GENOME_INDEX = f"{GENOME}.fai"
MITOCHONDRION = setting(config["calling"]["mitochondrion"])
# All contigs but the mitochondrion, and behind them a window more, which is the mitochondrion.
NUCLEAR_WINDOWS = "results/reference/nuclear_windows.bed"
MITOCHONDRIAL_WINDOW = len(WINDOWS) + 1
MITOCHONDRIAL_CONTIG = "results/reference/mitochondrion.bed"
CALLING_WINDOWS = (
    "results/reference/calling_windows.bed" if MITOCHONDRION == OFF else NUCLEAR_WINDOWS
)
# Contigs that no other window looks at.
CALLED_APART = [] if MITOCHONDRION == OFF else MITOCHONDRIAL_CONTIG
SLICE = "results/slices/{sample}/{window}.cram"
# True if jobs find each other's files on a disk; elsewhere each fetches what it reads, which should then be little.
SHARED_DISK = SharedFSUsage.INPUT_OUTPUT in workflow.storage_settings.shared_fs_usage
# Statistics count alleles, which are one on a line where the variants are not written so.
ONE_ALLELE_A_LINE = (
    ""
    if config["calling"]["multiallelic"] == SPLIT
    else "| bcftools norm -Ov -m -any -"
)
FILTERS = {name: text for name, text in config["filters"].items() if text}
ANNOTATED = bool(config["annotation"]["gff"])


wildcard_constraints:
    sample=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    callset=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    unit=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    shard=r"\d+",
    window=r"\d+",


def samples_of(callset):
    """Return the samples that are called together."""
    return list(SAMPLES) if JOINT else [callset]


@functools.cache
def reads_as_they_came(sample, unit=None):
    """Return the FASTQ files of a unit or of all units of a sample."""
    units = UNITS_OF[sample] if unit is None else [UNITS[sample, unit]]
    return [source(path) for unit in units for path in unit.fastqs]


@functools.cache
def megabytes_of_given_reads(*unit):
    """Return their size; they stay as they are."""
    return megabytes(reads_as_they_came(*unit))


last_seen = LastSeen()


def megabytes_of_made_reads(*unit):
    """Return their size where rules of another workflow may make them; None while it is unknown."""
    return last_seen.megabytes(reads_as_they_came(*unit))


requests = Requests(
    megabytes_of_made_reads if MODULE else megabytes_of_given_reads,
    len(SHARDS),
    lambda: start_run(workflow),
)
growing, minutes = requests.growing, requests.minutes


@signed
def fastqs(wildcards):
    """Return the one or two FASTQ files of a unit."""
    start()
    return [source(path) for path in UNITS[wildcards.sample, wildcards.unit].fastqs]


@signed
def fastq_fingerprints(wildcards):
    """Return the identities of these files."""
    return fingerprints(*UNITS[wildcards.sample, wildcards.unit].fastqs)


def of_units(pattern):
    """Make an input function that fills in `pattern` for all units, and all shards, of a sample."""

    @signed
    def files(wildcards):
        return [
            path
            for unit in UNITS_OF[wildcards.sample]
            for path in collect(
                pattern, sample=unit.sample, unit=unit.unit, shard=SHARDS
            )
        ]

    return files


def of_callset(pattern):
    """Make an input function that fills in `pattern` for all samples that are called together."""

    @signed
    def files(wildcards):
        samples = samples_of(wildcards.callset)
        return collect(pattern, sample=samples, window=wildcards.window)

    return files


def fastqc_reports(ext):
    """Return FastQC's files of all units, single-end and paired."""
    return [
        f"results/qc/fastqc/{unit.sample}/{unit.unit}.{mate}_fastqc.{ext}"
        for unit in units
        for mate in (["R1", "R2"] if unit.paired else ["single"])
    ]
