# Shared by all stages: names of files, resources of jobs, and the user's files.
import functools
import shlex
from importlib.util import find_spec

from snakemake.io import flag, get_flag_value
from snakemake.logging import logger
from snakemake.path_modifier import PATH_MODIFIER_FLAG
from snakemake_interface_executor_plugins.settings import SharedFSUsage
from snakemake_interface_storage_plugins.exceptions import FileOrDirectoryNotFoundError
from terraflow_workflow.inputs.fingerprint import fingerprint
from terraflow_workflow.inputs.settings import problems_of_missing
from terraflow_workflow.running.resources import LastSeen, Requests, megabytes
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
CALLING_WINDOWS = "results/reference/calling_windows.bed"
SLICE = "results/slices/{sample}/{window}.cram"
# Whether jobs find each other's files on a disk; elsewhere each fetches what it reads, which should then be little.
SHARED_DISK = SharedFSUsage.INPUT_OUTPUT in workflow.storage_settings.shared_fs_usage
FILTERS = {name: text for name, text in config["filters"].items() if text}
ANNOTATED = bool(config["annotation"]["gff"])


wildcard_constraints:
    sample=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    callset=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    unit=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    shard=r"\d+",
    window=r"\d+",


# Two plugins take s3://, so it has to be said which: the project's own where it is installed.
S3 = "s3-inventory" if find_spec("snakemake_storage_plugin_s3_inventory") else "s3"


def source(path):
    """Return an input as the user named it: an address goes through its storage plugin; no prefix changes it."""
    if path.startswith("s3://"):
        return getattr(storage, S3)(path)
    if is_remote(path):
        return storage(path)
    return flag(PATHS.apply_default_storage(path), PATH_MODIFIER_FLAG)


@functools.cache
def stop_at_missing_files():
    """Ends the plan at files that neither are there nor are made by another workflow's rules, which are all known now."""
    problems = problems_of_missing(
        INPUTS, lambda path: any(rule.is_producer(path) for rule in workflow.rules)
    )
    if problems:
        logger.error("\n    ".join(["Files are missing, nothing was run:", *problems]))
        raise SystemExit(1)


def start():
    """Start the run, and look for files that no rule makes: for the input functions that each plan begins with."""
    start_run(workflow)
    # Elsewhere, files have been looked for, or lie in a storage.
    if (
        MODULE
        and workflow.is_main_process
        and not workflow.storage_settings.default_storage_prefix
    ):
        stop_at_missing_files()


def at_start(*files):
    """Make an input function that gives `files`. Every plan calls one, so that no job starts before the run has its lock."""

    def inputs(wildcards):
        start()
        return files

    return inputs


UNKNOWN = "-"


@functools.cache
def remote_fingerprint(path):
    """Return an input's identity in a storage: its plugin's `fingerprint()`, else size and time; empty if it is missing."""
    stored = get_flag_value(source(path), "storage_object")
    try:
        if hasattr(stored, "fingerprint"):
            return stored.fingerprint()
        return f"{stored.size()} bytes, {stored.mtime()}"
    except (FileNotFoundError, FileOrDirectoryNotFoundError):
        return ""


def fingerprints(*paths):
    """Return identities of files of the user, for a parameter without `input`, which Snakemake records and compares.

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


def fastqs(wildcards):
    """Return the one or two FASTQ files of a unit."""
    start()
    return [source(path) for path in UNITS[wildcards.sample, wildcards.unit].fastqs]


def fastq_fingerprints(wildcards):
    """Return the identities of these files."""
    return fingerprints(*UNITS[wildcards.sample, wildcards.unit].fastqs)


def of_units(pattern):
    """Make an input function that fills in `pattern` for all units, and all shards, of a sample."""

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
