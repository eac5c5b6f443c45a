# The user's files: how rules find them, what they are, and what a run does before it reads any.
import functools
from importlib.util import find_spec

from snakemake.io import flag, get_flag_value
from snakemake.logging import logger
from snakemake.path_modifier import PATH_MODIFIER_FLAG
from snakemake_interface_storage_plugins.exceptions import FileOrDirectoryNotFoundError
from terraflow_workflow.inputs.fingerprint import fingerprint
from terraflow_workflow.inputs.settings import problems_of_missing
from terraflow_workflow.running.start import start_run

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
    """End the plan at files that neither are there nor are made by another workflow's rules, which are all known now."""
    problems = problems_of_missing(
        INPUTS, lambda path: any(rule.is_producer(path) for rule in workflow.rules)
    )
    if problems:
        logger.error("\n    ".join(["Files are missing, nothing was run:", *problems]))
        raise SystemExit(1)


def start():
    """Start the run, and look for files that nothing makes. The input functions that each plan begins with call it."""
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
