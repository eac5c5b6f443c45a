"""Why a job failed, in plain words, and whether running it again can help."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

OUT_OF_MEMORY = "out of memory"
OUT_OF_DISK = "no disk space"
# Batch's reason when it ends a job for its time limit.
EXCEEDED = r"attempt duration exceeded timeout"
# Batch's reasons when a queue's state time limit ends a job that can never run.
MISCONFIGURED = r"MISCONFIGURATION:|JobStateTimeLimit"
# ECS's reason when someone stops a task.
STOPPED_BY = r"Task stopped by|stopped by user|UserInitiated"
# SIGKILL: the container's own process was killed.
KILLED = 137
# AWS's reason when the container's process ended by itself, whatever its exit code.
EXITED = "Essential container in task exited"
# The reason that this plugin gives when it ends a job.
ENDED_BY_US = "ended by Snakemake"


class Again(Enum):
    """Who tries a failed job again."""

    # The cause stays: neither Batch nor Snakemake tries again.
    NO = "no"
    # Snakemake tries again, as often as `retries` says: resources can grow with the attempt, or the cause can pass.
    SNAKEMAKE = "snakemake"
    # Batch has spent its attempts on Spot: one more on the on-demand queue.
    ON_DEMAND = "on demand"


@dataclass(frozen=True)
class Cause:
    """A row of the table: how a failure is recognised, what it means, and what to do.

    A row matches if its pattern is found in Batch's reasons or in the end of the log, or its exit code is the job's.
    """

    name: str
    meaning: str
    advice: str
    reason: str | None = None
    log: str | None = None
    codes: tuple[int, ...] = ()
    again: Again = Again.NO

    def matches(self, reasons: str, log: str, code: int | None) -> bool:
        """Return whether this is the cause."""
        return (
            bool(self.reason and re.search(self.reason, reasons, re.IGNORECASE))
            or bool(self.log and re.search(self.log, log, re.MULTILINE))
            or (code is not None and code in self.codes)
        )


# The first row that matches counts: AWS's reasons come before the log, and the log before exit codes.
CAUSES = (
    Cause(
        "Spot reclaim",
        "AWS took its Spot capacity back, as often as the job definition allows it to be tried.",
        "Nothing, if it runs again by itself. If it happens often, set the on-demand queue as queue, or cut the work "
        "into shorter jobs.",
        reason=r"Spot Task was interrupted|SpotInterruption|Host EC2 .*terminated",
        again=Again.ON_DEMAND,
    ),
    Cause(
        "time limit",
        "It ran longer than its time limit.",
        "Raise the rule's runtime (minutes), or the timeout of the job definition if the rule has none.",
        reason=EXCEEDED,
        again=Again.SNAKEMAKE,
    ),
    Cause(
        OUT_OF_MEMORY,
        "It ran out of memory.",
        "Raise the rule's mem_mb, or let it grow: mem_mb=lambda wildcards, attempt: 4000 * attempt.",
        reason=r"OutOfMemory|out of memory",
        again=Again.SNAKEMAKE,
    ),
    Cause(
        OUT_OF_DISK,
        "Its disk was full.",
        "Raise the rule's disk_mb, or let it grow with the attempt; the largest job definition is the limit.",
        reason=r"no space left on device",
        log=r"[Nn]o space left on device|ENOSPC|[Dd]isk quota exceeded",
        again=Again.SNAKEMAKE,
    ),
    Cause(
        "input replaced",
        "An input was replaced by another one after the run was planned.",
        "Start the run again in the same way: it is planned anew, with what is there then.",
        log=r"another object than the one that the run was planned with",
    ),
    Cause(
        "overrides too long",
        "Its command and variables are longer than ECS takes.",
        "Give it fewer or shorter environment variables (`envvars` of the workflow, settings of storages), or large "
        "values as files.",
        reason=r"Container Overrides length",
    ),
    Cause(
        "too many tags",
        "It and its job definition have more tags than AWS takes (50).",
        "Give fewer tags in the settings or in the job definition.",
        reason=r"\btags? (?:can ?not be|must be|exceed)|(?:too many|number of|limit on) tags",
    ),
    Cause(
        "misconfigured",
        "AWS Batch ended it while it waited: no compute environment of its queue can ever run it.",
        "Its size is more than the compute environment's maximum of vCPUs, or than any size that it offers: ask for "
        "less (threads, mem_mb), or raise that maximum.",
        reason=MISCONFIGURED,
    ),
    Cause(
        "image architecture",
        "The image was built for another kind of processor than the job definition asks for.",
        "Build the image for the stack's architecture, and deploy it.",
        reason=r"exec format error|image .*platform|does not match the (?:specified|detected) .*platform",
        log=r"exec format error|Exec format error",
    ),
    Cause(
        "image pull",
        "Its image could not be fetched.",
        "Look whether the image's tag is in the registry, whether the execution role may read it, and whether the "
        "subnets reach the registry (endpoints for ecr.api, ecr.dkr and s3, or a way to the internet).",
        reason=r"CannotPull|pull access denied|manifest (?:unknown|for .* not found)"
        r"|image .*(?:not found|does not exist)",
    ),
    Cause(
        "start-up",
        "AWS could not start its container.",
        "Often passes by itself. If not: look at the subnets' routes and endpoints, the security group, the execution "
        "role and the log group.",
        reason=r"ResourceInitialization|Task failed to start|CannotStartContainer|CannotCreateContainer|InternalError"
        r"|CannotInspectContainer|CannotCreateVolume|ContainerRuntime\w*Error|DockerTimeout|Timeout waiting for"
        r"|network interface|Capacity is unavailable",
        again=Again.SNAKEMAKE,
    ),
    Cause(
        "vCPU quota",
        "It would have taken more vCPUs than the account may have at a time.",
        "Let fewer jobs run at a time (--jobs), or have the quota raised: "
        "aws service-quotas list-service-quotas --service-code fargate.",
        reason=r"limit on the number of vCPUs|vCPU limit",
        again=Again.SNAKEMAKE,
    ),
    Cause(
        "maintenance",
        "AWS took the machine that it ran on out of service.",
        "Nothing, if it runs again by itself.",
        reason=r"performing maintenance|task retirement|infrastructure (?:issue|failure)",
        again=Again.SNAKEMAKE,
    ),
    Cause(
        OUT_OF_MEMORY,
        "It, or a tool that it started, was killed: almost always for want of memory.",
        "Raise the rule's mem_mb, or let it grow: mem_mb=lambda wildcards, attempt: 4000 * attempt.",
        log=r"exit codes of the parts of what failed, in order:.*\b137\b|(?:^|[\s:])Killed$|\bMemoryError\b"
        r"|std::bad_alloc|[Cc]annot allocate memory|OutOfMemoryError|exit (?:code|status) 137|SIGKILL",
        codes=(KILLED,),
        again=Again.SNAKEMAKE,
    ),
    Cause(
        "missing input",
        "A file that it reads was not there any more.",
        "The last lines name it. Look who deleted it: somebody, another run, or the bucket's lifecycle. If no rule "
        "makes it, put it back; then give the same command again.",
        # Snakemake's messages, and after them those of storage plugins.
        log=r"MissingInputException|^Missing input files for rule|FileOrDirectoryNotFoundError"
        r"|Failed to (?:retrieve|get|check) .*(?:from|of) \S+\n(?:.*\n){0,3}?.*"
        r"(?:does not exist|[Nn]ot [Ff]ound|NoSuchKey)",
    ),
    Cause(
        "no permission",
        "AWS refused it something.",
        "The line with AccessDenied names the action and the resource; the job role has to allow it.",
        log=r"AccessDenied|UnauthorizedOperation|is not authorized to perform",
    ),
    Cause(
        "no credentials",
        "It had no credentials.",
        "The job definition needs a job role (jobRoleArn).",
        log=r"NoCredentialsError|Unable to locate credentials|There are no AWS credentials to reach",
    ),
    Cause(
        "network",
        "It could not reach AWS, or got no answer.",
        "Look at the subnets' routes and endpoints, and at the security group.",
        log=r"EndpointConnectionError|Could not connect to the endpoint URL|ConnectTimeoutError|ReadTimeoutError"
        r"|ConnectionClosedError|ResponseStreamingError|\(reached max retries"
        # More of botocore's names, and what the storage plugin says in words of its own.
        r"|SSLError|ProxyConnectionError|HTTPClientError|IncompleteReadError"
        r"|CredentialRetrievalError|MetadataRetrievalError"
        r"|S3 cannot be reached for|S3 has more requests than it takes|arrived damaged or cut off",
        again=Again.SNAKEMAKE,
    ),
    Cause(
        "command not found",
        "A command of the rule is not in the image.",
        "Look at the last lines for its name; add it to the image, and deploy it.",
        log=r": command not found$|\bsh: (?:\d+: |line \d+: )?\S+: not found$",
        codes=(127,),
    ),
    Cause(
        "not executable",
        "A command of the rule is in the image, but can't be executed.",
        "Look at the last lines for its name and its permissions.",
        codes=(126,),
    ),
    Cause(
        "crash", "The tool crashed.", "Look at the last lines; a newer version may help.", codes=(134, 135, 136, 139)
    ),
)

ENDED = Cause(
    "ended",
    "Someone ended it.",
    "If it was not you, look who may call TerminateJob and CancelJob, and at the queue's state time limits.",
)
LOST = Cause(
    "lost",
    "AWS Batch does not know it any more.",
    "Check that the queue is in the account and region that it was submitted to.",
    again=Again.SNAKEMAKE,
)
STOPPED = Cause(
    "stopped",
    "AWS stopped it, and its tool had not failed.",
    "Look at the reason. If it happens again, ask AWS what it means.",
    again=Again.SNAKEMAKE,
)
TOOL = Cause(
    "error",
    "The tool failed.",
    "The last lines of its log say why. Running it again would give the same, so it is not run again.",
)


@dataclass(frozen=True)
class Failure:
    """Why a job failed, and Batch's reasons."""

    cause: Cause
    code: int | None
    reasons: list[str]
    attempts: int


def reasons_of(description: Mapping[str, Any]) -> list[str]:
    """Return the reasons that DescribeJobs gives for the end of a job, each once."""
    last = (list(description.get("attempts") or []) or [{}])[-1]
    given = [
        description.get("statusReason"),
        (description.get("container") or {}).get("reason"),
        last.get("statusReason"),
        (last.get("container") or {}).get("reason"),
    ]
    return list(dict.fromkeys(reason for reason in given if reason))


def is_ended(description: Mapping[str, Any]) -> bool:
    """Return whether a head or a person has ended a failed job."""
    return _is_ended(description, "\n".join(reasons_of(description)))


def _is_ended(description: Mapping[str, Any], reasons: str) -> bool:
    stopped = description.get("isTerminated") or description.get("isCancelled") or re.search(STOPPED_BY, reasons)
    return bool(stopped) and not re.search(f"{EXCEEDED}|{MISCONFIGURED}", reasons, re.IGNORECASE)


def explain(description: Mapping[str, Any], lines: list[str]) -> Failure:
    """Find the cause from what DescribeJobs says about a failed job and the end of its log."""
    container = description.get("container") or {}
    attempts = list(description.get("attempts") or [])
    last = attempts[-1] if attempts else {}
    last_container = last.get("container") or {}
    code = container.get("exitCode", last_container.get("exitCode"))
    reasons = reasons_of(description)
    failure = Failure(TOOL, code, reasons, max(1, len(attempts)))
    text, log = "\n".join(reasons), "\n".join(lines)
    if _is_ended(description, text):
        return replace(failure, cause=ENDED)
    # A row that matches AWS's own reason goes before any that matches a log or an exit code; but a process that was
    # killed with its container could not write why.
    for where in ((text, "", None), (text, "", code if code == KILLED else None), (text, log, None), (text, log, code)):
        for cause in CAUSES:
            if cause.matches(*where):
                return replace(failure, cause=cause)
    if code is None and reasons and EXITED not in text:
        return replace(failure, cause=STOPPED)
    return failure
