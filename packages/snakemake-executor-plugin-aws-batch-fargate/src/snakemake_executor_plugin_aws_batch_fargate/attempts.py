"""From what Batch says about a job, and what the head knows of it, to the attempts in the record of the run.

Pure: asks nobody. Times are milliseconds since 1970, memory and disk are bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from snakemake_aws_common.record.attempt import ABORTED, COMPLETED, FAILED, Attempt, Step

from . import failures, names
from .preflight import DEFAULT_DISK_GIB, Platform
from .request import Submission
from .untyped import Job

MIB, GIB = 2**20, 2**30
ENDED = ("SUCCEEDED", "FAILED")


@dataclass(frozen=True)
class Known:
    """What a head knows of a job without asking: the rule (or group), what it asked for, and the rules in it."""

    process: str
    wildcards: Mapping[str, str]
    is_group: bool
    name: str = ""
    queue: str = ""
    definition: str = ""
    cpus: float = 0.0
    memory: int = 0
    disk: int = DEFAULT_DISK_GIB * GIB
    submit: int = 0
    architecture: str = "X86_64"
    public_address: bool = False
    steps: Sequence[tuple[str, Mapping[str, str]]] = ()
    # When a look at the job first saw it in a status, by the attempt that it was in.
    seen: Mapping[tuple[int, str], int] = field(default_factory=dict)


def known(job: Job, submission: Submission, platforms: Mapping[str, Platform] | None = None) -> Known:
    """Return what is known of a job that this head has submitted, or waits for.

    `platforms` are those of job definitions, by their names in the settings.
    """
    platform = (platforms or {}).get(submission.request["jobDefinition"], Platform())
    asked, shape = submission.request, submission.shape
    members = sorted(names.members(job), key=lambda one: (one.rule.name, sorted(one.wildcards_dict.items())))
    return Known(
        process=names.rule_of(job),
        wildcards=names.wildcards_of(job),
        is_group=job.is_group(),
        name=submission.earlier or asked["jobName"],
        queue=short(asked["jobQueue"]),
        definition=short(asked["jobDefinition"]),
        cpus=shape.vcpus,
        memory=shape.memory_mib * MIB,
        disk=shape.disk_gib * GIB,
        submit=submission.submitted,
        architecture=platform.architecture,
        public_address=platform.public_address,
        steps=[(one.rule.name, {name: str(value) for name, value in one.wildcards_dict.items()}) for one in members],
        seen=submission.seen,
    )


def short(arn: str) -> str:
    """Return the name in an ARN, or the name that is one already."""
    return arn.rpartition("/")[2]


def ended_attempts(
    description: Mapping[str, Any], of: Known, is_spot: Mapping[str, bool], head: str, after: int = 0
) -> list[Attempt]:
    """Return the attempts of a job that have ended, without the first `after`; of a job that goes on, the lost ones.

    A job that ended before it began counts as one attempt. `description` is DescribeJobs' answer, or what
    `status.Watch.look` keeps of it; `is_spot` says which queues, by name, are Spot.
    """
    given = list(description.get("attempts") or [])
    has_ended = description["status"] in ENDED
    if has_ended and not given:
        given = [{}]
    return [
        _attempt(description, one, number, has_ended and number == len(given), of, is_spot, head)
        for number, one in enumerate(given, 1)
        if number > after
    ]


def _attempt(
    description: Mapping[str, Any],
    given: Mapping[str, Any],
    number: int,
    is_last: bool,
    of: Known,
    is_spot: Mapping[str, bool],
    head: str,
) -> Attempt:
    whole = description.get("container") or {}
    # A job that was ended before it began has times and reasons of its own only.
    own = {**(whole if is_last else {}), **(given.get("container") or {})}
    outer = {**({k: description.get(k) for k in ("startedAt", "stoppedAt")} if is_last else {}), **given}
    asked = {entry["type"]: entry["value"] for entry in whole.get("resourceRequirements") or ()}
    queue = short(description.get("jobQueue") or of.queue)
    name = description.get("jobName") or of.name
    identity = names.identity_in(name)
    network = whole.get("networkConfiguration") or {}
    reasons = [given.get("statusReason"), own.get("reason"), description.get("statusReason") if is_last else None]
    code = own.get("exitCode")
    return Attempt(
        native_id=str(description["jobId"]),
        attempt=number,
        name=name,
        process=of.process,
        wildcards=dict(of.wildcards),
        is_group=of.is_group,
        hash=identity.suffix if identity else "",
        status=_status(description, is_last),
        exit=None if code is None else int(code),
        reason="; ".join(dict.fromkeys(filter(None, reasons))),
        queue=queue,
        spot=is_spot.get(queue, False),
        definition=short(description.get("jobDefinition") or of.definition),
        log_stream=str(own.get("logStreamName") or ""),
        cpus=float(asked.get("VCPU") or whole.get("vcpus") or of.cpus),
        memory=int(asked.get("MEMORY") or whole.get("memory") or of.memory // MIB) * MIB,
        disk=int((whole.get("ephemeralStorage") or {}).get("sizeInGiB") or of.disk // GIB) * GIB,
        submit=int(description.get("createdAt") or of.submit),
        runnable=of.seen.get((number, "RUNNABLE")),
        starting=of.seen.get((number, "STARTING")),
        start=outer.get("startedAt"),
        complete=outer.get("stoppedAt"),
        head=head,
        steps=tuple(Step(rule, dict(wildcards)) for rule, wildcards in of.steps),
        architecture=str((whole.get("runtimePlatform") or {}).get("cpuArchitecture") or of.architecture),
        public_address=network.get("assignPublicIp") == "ENABLED" if network else of.public_address,
    )


def _status(description: Mapping[str, Any], is_last: bool) -> str:
    if is_last and description["status"] == "SUCCEEDED":
        return COMPLETED
    return ABORTED if is_last and failures.is_ended(description) else FAILED
