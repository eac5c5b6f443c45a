# What all stages share: where files are, how a rule finds a file or a tool, and what jobs ask for.
import functools
import os
import shlex
import sys
from importlib.util import find_spec

import snakemake
from csq import stages as csq_stages
from fingerprint import fingerprint
from html_report import write_report
from lock import LockedError, hold_lock
from time_limit import Running, TimeLimits
from losses import warn_of_losses
from snakemake.io import get_flag_value
from snakemake_interface_executor_plugins.settings import (
    DeploymentMethod,
    SharedFSUsage,
)
from snakemake_interface_storage_plugins.exceptions import FileOrDirectoryNotFoundError

JOINT = config["calling"]["mode"] == "joint"
CALLSETS = ["all"] if JOINT else list(SAMPLES)
WINDOWS = list(range(1, config["calling"]["windows"] + 1))
SHARDS = list(range(1, config["reads"]["shards"] + 1))
ALIGNMENT = config["alignment"]["format"]
ALIGNMENT_INDEX = {"cram": "cram.crai", "bam": "bam.bai"}[ALIGNMENT]
# What readers of all ages take; which version samtools writes by default depends on its own.
CRAM = "cram,version=3.0"
GENOME = "results/reference/genome.fa"
GENOME_INDEX = f"{GENOME}.fai"
CALLING_WINDOWS = "results/reference/calling_windows.bed"
SLICE = "results/slices/{sample}/{window}.cram"
# Whether jobs find each other's files on a disk; elsewhere each fetches what it reads, which should then be little.
SHARED_DISK = SharedFSUsage.INPUT_OUTPUT in workflow.storage_settings.shared_fs_usage
FILTERS = {name: text for name, text in config["filters"].items() if text}
ANNOTATED = bool(config["annotation"]["gff"])

# Inside a rule's conda environment `python` is the environment's; elsewhere it is whatever runs Snakemake.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    PRELUDE = [SCRIPTS / "prelude.sh", "python", SCRIPTS]
else:
    PRELUDE = [SCRIPTS / "prelude.sh", sys.executable, SCRIPTS, "multiqc"]
shell.prefix(
    "source "
    + shlex.join(map(str, PRELUDE)).replace("{", "{{").replace("}", "}}")
    + "; "
)


wildcard_constraints:
    sample=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    callset=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    unit=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    shard=r"\d+",
    window=r"\d+",


# Two plugins take s3://, so it has to be said which: the project's own where it is installed.
S3 = "s3-inventory" if find_spec("snakemake_storage_plugin_s3_inventory") else "s3"


def source(path):
    """An input as the user named it: an address goes through its storage plugin."""
    if path.startswith("s3://"):
        return getattr(storage, S3)(path)
    return storage(path) if is_remote(path) else path


UNKNOWN = "-"


@functools.cache
def remote_fingerprint(path):
    """What an input in a storage is, by its plugin's `fingerprint()`, else by size and time; empty if it is missing."""
    stored = get_flag_value(source(path), "storage_object")
    try:
        if hasattr(stored, "fingerprint"):
            return stored.fingerprint()
        return f"{stored.size()} bytes, {stored.mtime()}"
    except (FileNotFoundError, FileOrDirectoryNotFoundError):
        return ""


def fingerprints(*paths):
    """What files of the user are. As a parameter that doesn't depend on `input`, it is recorded and compared by Snakemake.

    UNKNOWN, a word that a shell passes on, for what can't be looked at. Jobs that fetch their inputs ask for nothing: what
    has to be compared with what was planned is the storage's affair.
    """
    if not SHARED_DISK and not workflow.is_main_process:
        return [UNKNOWN for _ in paths]
    return [
        (
            remote_fingerprint(path)
            if is_remote(path)
            else fingerprint(path) if SHARED_DISK else UNKNOWN
        )
        or UNKNOWN
        for path in paths
    ]


def samples_of(callset):
    """The samples that are called together."""
    return list(SAMPLES) if JOINT else [callset]


def size_of(file, missing_ok=False):
    """Bytes of an input, wherever it lies."""
    stored = get_flag_value(file, "storage_object")
    try:
        return stored.size() if stored else os.path.getsize(file)
    except (FileNotFoundError, FileOrDirectoryNotFoundError):
        if missing_ok:
            return 0
        raise


def megabytes(files, part=slice(None), later=slice(0)):
    """Size of (some of) the inputs; those of `later` may be missing.

    Snakemake's own size_files_mb starts an event loop for each job, which takes as long as all the rest of a dry run.
    """
    numbers = range(len(files))
    may_miss = numbers[later]
    # Those that may not come first: a plan looks for nothing else when they are missing.
    ordered = sorted(numbers[part], key=may_miss.__contains__)
    return sum(size_of(files[n], n in may_miss) for n in ordered) / 2**20


@functools.cache
def megabytes_of_reads(sample, unit=None):
    """Size of the FASTQ files, as they came, of a unit or of all units of a sample."""
    units = UNITS_OF[sample] if unit is None else [UNITS[sample, unit]]
    return megabytes([source(path) for unit in units for path in unit.fastqs])


def size_for(wildcards, input, factor, inputs, reads, later=slice(0)):
    """`factor` times the size of (some of) the inputs and `reads` times that of the FASTQ files behind a job, in MB.

    The latter are known also where a job's inputs are not there yet, because they are made by another one of its group.
    `later` are such inputs whose maker has asked for what they take: they count as soon as they are there.
    """
    size = factor * megabytes(input, inputs, later) if factor else 0
    if reads:
        shards = len(SHARDS) if "shard" in wildcards.keys() else 1
        size += (
            reads / shards * megabytes_of_reads(wildcards.sample, wildcards.get("unit"))
        )
    return size


def growing(base, factor=0.0, inputs=slice(None), reads=0.0, later=slice(0)):
    """A resource in MB that grows with `size_for`, and doubles with each attempt."""

    def resource(wildcards, input, attempt):
        size = size_for(wildcards, input, factor, inputs, reads, later)
        return int((base + size) * 2 ** (attempt - 1))

    return resource


def minutes(base, factor=0.0, inputs=slice(None), reads=0.0):
    """A runtime in minutes that grows with `size_for`, and with each attempt."""

    def resource(wildcards, input, attempt):
        size = size_for(wildcards, input, factor, inputs, reads)
        return int((base + size) * attempt)

    return resource


def running_shells():
    """The jobs that run on this machine; those elsewhere have their limit from whoever runs them."""
    jobs = {job.jobid: job for job in list(workflow.scheduler.running)}
    return [
        Running(process.pid, job.rule.name, job.resources.get("runtime") or 0)
        for number, process in list(shell._processes.items())
        if (job := jobs.get(number)) and not job.is_group()
    ]


def fastqs(wildcards):
    """The one or two FASTQ files of a unit."""
    return [source(path) for path in UNITS[wildcards.sample, wildcards.unit].fastqs]


def fastq_fingerprints(wildcards):
    """What these files are."""
    return fingerprints(*UNITS[wildcards.sample, wildcards.unit].fastqs)


def of_units(pattern):
    """An input function that fills in `pattern` for all units, and all shards, of a sample."""

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
    """An input function that fills in `pattern` for all samples that are called together."""

    def files(wildcards):
        samples = samples_of(wildcards.callset)
        return collect(pattern, sample=samples, window=wildcards.window)

    return files


def soft_filters():
    """One stage of a pipe for each filter of the configuration."""
    stages = (
        f" | bcftools filter -Ou -m + -s {name} -e {shlex.quote(expression)} -"
        for name, expression in FILTERS.items()
    )
    return "".join(stages)


def consequences_stage(wildcards, input):
    """The stages of the pipe that write BCSQ and LCSQ; nothing without an annotation."""
    return csq_stages("$SCRATCH/genome.fa", input.gff) if input.gff else ""


def fastqc_reports(ext):
    """FastQC's files of all units, single-end and paired."""
    return [
        f"results/qc/fastqc/{unit.sample}/{unit.unit}.{mate}_fastqc.{ext}"
        for unit in units
        for mate in (["R1", "R2"] if unit.paired else ["single"])
    ]
