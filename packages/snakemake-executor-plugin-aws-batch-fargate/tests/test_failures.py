"""Why a job failed: a table of descriptions and logs, and of the causes that are found in them."""

from typing import Any

import pytest

from snakemake_executor_plugin_aws_batch_fargate import failures

SAID: list[tuple[str, dict[str, Any], list[str], str, failures.Again]] = [
    (
        "oom by AWS",
        {"container": {"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"}},
        [],
        "out of memory",
        failures.Again.SNAKEMAKE,
    ),
    ("oom by code", {"container": {"exitCode": 137}}, [], "out of memory", failures.Again.SNAKEMAKE),
    (
        "oom in a pipe",
        {"container": {"exitCode": 1}, "statusReason": "Essential container in task exited"},
        ["exit codes of the parts of what failed, in order: 0 137 0"],
        "out of memory",
        failures.Again.SNAKEMAKE,
    ),
    ("spot", {"statusReason": "Your Spot Task was interrupted."}, [], "Spot reclaim", failures.Again.ON_DEMAND),
    (
        "spot, in the last attempt only",
        {"statusReason": "", "attempts": [{"statusReason": "Your Spot Task was interrupted."}]},
        ["Killed"],
        "Spot reclaim",
        failures.Again.ON_DEMAND,
    ),
    (
        "pull",
        {"container": {"reason": "CannotPullContainerError: pull image manifest has been retried 5 time(s)"}},
        [],
        "image pull",
        failures.Again.NO,
    ),
    (
        "start",
        {"statusReason": "ResourceInitializationError: unable to pull secrets or registry auth"},
        [],
        "start-up",
        failures.Again.SNAKEMAKE,
    ),
    (
        "time",
        {"statusReason": "Job attempt duration exceeded timeout", "container": {"exitCode": 137}},
        ["No space left on device"],
        "time limit",
        failures.Again.SNAKEMAKE,
    ),
    (
        "disk",
        {"container": {"exitCode": 1}},
        ["samtools: error: No space left on device"],
        "no disk space",
        failures.Again.SNAKEMAKE,
    ),
    (
        "not found",
        {"container": {"exitCode": 1}},
        ["/bin/bash: line 1: bwa: command not found"],
        "command not found",
        failures.Again.NO,
    ),
    ("not found by code", {"container": {"exitCode": 127}}, [], "command not found", failures.Again.NO),
    ("ended", {"isTerminated": True, "container": {"exitCode": 137}}, [], "ended", failures.Again.NO),
    (
        "denied",
        {"container": {"exitCode": 1}},
        ["ClientError: AccessDenied on PutObject"],
        "no permission",
        failures.Again.NO,
    ),
    (
        "time, terminated by Batch",
        {"isTerminated": True, "statusReason": "Job attempt duration exceeded timeout"},
        [],
        "time limit",
        failures.Again.SNAKEMAKE,
    ),
    (
        "ended in ECS",
        {"statusReason": "Task stopped by user", "container": {"exitCode": 137}},
        [],
        "ended",
        failures.Again.NO,
    ),
    (
        "ended while it waited for a second attempt on Spot",
        {"isTerminated": True, "attempts": [{"statusReason": "Your Spot Task was interrupted."}]},
        [],
        "ended",
        failures.Again.NO,
    ),
    (
        "image larger than the disk",
        {"container": {"reason": "CannotPullContainerError: failed to extract layer: no space left on device"}},
        [],
        "no disk space",
        failures.Again.SNAKEMAKE,
    ),
    (
        "runtime",
        {"container": {"reason": "ContainerRuntimeTimeoutError: Could not transition to running; timed out"}},
        [],
        "start-up",
        failures.Again.SNAKEMAKE,
    ),
    (
        "quota",
        {"statusReason": "You've reached the limit on the number of vCPUs you can run concurrently"},
        [],
        "vCPU quota",
        failures.Again.SNAKEMAKE,
    ),
    (
        "maintenance",
        {"statusReason": "ECS is performing maintenance on the underlying infrastructure hosting the task."},
        [],
        "maintenance",
        failures.Again.SNAKEMAKE,
    ),
    (
        "killed, whatever was written before",
        {"container": {"exitCode": 137}, "statusReason": "Essential container in task exited"},
        ["warning: AccessDenied on GetBucketTagging, which can be done without"],
        "out of memory",
        failures.Again.SNAKEMAKE,
    ),
    (
        "no exit code and words that are not known",
        {"statusReason": "Something that AWS has never said before"},
        ["bwa: 1000 reads done"],
        "stopped",
        failures.Again.SNAKEMAKE,
    ),
    (
        "no exit code",
        {"statusReason": "Essential container in task exited"},
        ["ValueError: reads are damaged"],
        "error",
        failures.Again.NO,
    ),
    (
        "not found, but no command",
        {"container": {"exitCode": 1}},
        ["ValueError: contig chr1: not found"],
        "error",
        failures.Again.NO,
    ),
    (
        "not found by dash",
        {"container": {"exitCode": 1}},
        ["sh: 1: bwa: not found"],
        "command not found",
        failures.Again.NO,
    ),
    (
        "S3 that takes nothing",
        {"container": {"exitCode": 1}},
        ["An error occurred (SlowDown) when calling the PutObject operation (reached max retries: 4): Please reduce"],
        "network",
        failures.Again.SNAKEMAKE,
    ),
    ("crash", {"container": {"exitCode": 139}}, [], "crash", failures.Again.NO),
    *(
        (f"missing input: {lines[0]}", {"container": {"exitCode": 1}}, lines, "missing input", failures.Again.NO)
        for lines in (
            ["MissingInputException in rule gather in file Snakefile, line 3:"],
            ["Missing input files for rule gather:", "    output: all.txt"],
            [
                "    Failed to retrieve storage object from s3://data/a",
                "    WorkflowError:",
                "        s3://data/a does not exist.",
            ],
            [
                "    Failed to retrieve storage object from s3://data/a",
                "    ClientError:",
                "        An error occurred (404) when calling the HeadObject operation: Not Found",
            ],
            [
                "    Failed to get expected local footprint (i.e. size) of s3://data/a",
                "    ClientError: An error occurred (404) when calling the HeadObject operation: Not Found",
            ],
            ["    FileOrDirectoryNotFoundError:", "        Storage object s3://data/a not found in storage"],
        )
    ),
    (
        "an object that can't be read",
        {"container": {"exitCode": 1}},
        [
            "Failed to retrieve storage object from s3://data/a",
            "An error occurred (AccessDenied) when calling GetObject",
        ],
        "no permission",
        failures.Again.NO,
    ),
    (
        "an input that was replaced",
        {"container": {"exitCode": 1}},
        ["s3://lab/raw/A.fq is another object than the one that the run was planned with (planned: ETag 1; found: 2)."],
        "input replaced",
        failures.Again.NO,
    ),
    (
        "arch",
        {"container": {"exitCode": 1}},
        ["exec /bin/bash: exec format error"],
        "image architecture",
        failures.Again.NO,
    ),
    (
        "tool",
        {"container": {"exitCode": 1}, "statusReason": "Essential container in task exited"},
        ["ValueError: reads are damaged"],
        "error",
        failures.Again.NO,
    ),
]


@pytest.mark.parametrize(
    ("described", "lines", "cause", "again"), [row[1:] for row in SAID], ids=[row[0] for row in SAID]
)
def test_causes(described: dict[str, Any], lines: list[str], cause: str, again: failures.Again) -> None:
    failure = failures.explain(described, lines)
    assert (failure.cause.name, failure.cause.again) == (cause, again)


def test_every_row_of_the_table_can_be_reached_and_says_what_to_do() -> None:
    reached = {failures.explain(described, lines).cause.name for _, described, lines, *_ in SAID}
    table = {cause.name for cause in failures.CAUSES}
    # Reasons of real accounts are in test_failure_reasons.py.
    account = {"overrides too long", "too many tags", "misconfigured"}
    assert table - reached == {"no credentials", "not executable"} | account
    assert failures.explain({"container": {"exitCode": 126}}, []).cause.name == "not executable"
    assert failures.explain({}, ["NoCredentialsError: Unable to locate"]).cause.name == "no credentials"
    assert failures.explain({}, ["Could not connect to the endpoint URL: s3"]).cause.name == "network"
    assert all(cause.meaning.endswith(".") and cause.advice.endswith(".") for cause in failures.CAUSES)
