"""The heads of a run as attempts, so that they are billed as everything else: as Batch knows them, or by run.json.

The record holds no heads: they don't see their own ends. Batch forgets a job about a week after it has ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from snakemake_aws_common.record import attempt as attempts
from snakemake_aws_common.record.attempt import Attempt
from terraflow.errors import explain_aws
from terraflow.heads.submit import RULE, head_name, listed_heads, memory_for
from terraflow.runs import find
from terraflow.runs.find import Run
from terraflow.runs.words import counted
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient

# Batch's word for an attempt that has not ended.
RUNNING = "RUNNING"
MIB, GIB = 2**20, 2**30
DISK = 20
# Job ids in a call (API reference, DescribeJobs).
DESCRIBED = 100


@dataclass(frozen=True)
class Heads:
    """Attempts of a run's heads, and what a reader has to know of them; `note` is empty if nothing is missing."""

    attempts: tuple[Attempt, ...]
    note: str = ""


def heads_of(run: Run, recorded: Sequence[Attempt], stack: Stack, batch: "BatchClient | None" = None) -> Heads:
    """Return the heads of a run: those that Batch knows, else the last one by run.json."""
    told = ""
    known: tuple[Attempt, ...] = ()
    if "head" in stack.queues:
        try:
            known = tuple(_of_batch(run, stack, batch or find.client("batch", stack)))
        except (ClientError, BotoCoreError) as error:
            told = f"Batch does not say how long the heads ran. {(explain_aws(error) or '').rstrip('.')}. "
    # A run of the same name that was removed had heads, too.
    submissions = [one.submit for one in recorded] + ([run.about.submitted] if run.about else [])
    begun = min(submissions, default=0)
    own = {head.native_id for head in known if head.complete is None or head.complete >= begun}
    known = tuple(head for head in known if head.native_id in own)
    if known:
        earlier = sorted({one.head for one in recorded if _before(one.head, min(head.submit for head in known))})
        missing = f"Not counted: {counted(len(earlier), 'earlier head')}, which Batch has forgotten." if earlier else ""
        return Heads(known, missing)
    if run.about is None or not (run.about.head_job or run.about.started):
        by_another = "by run.json, another machine conducted the run" if told else "another machine conducted the run"
        return Heads((), f"{told}There was no head in the cloud: {by_another}.")
    why = "" if told else ": Batch forgets jobs after a week"
    return Heads(tuple(_of_about(run, stack)), f"{told}The head's hours are those of its last start, by run.json{why}.")


def _before(head: str, moment: int) -> bool:
    """Return whether a head, whose name begins with the time when it began, began before a moment."""
    try:
        began = datetime.fromisoformat(head.partition("-")[0])
    except ValueError:
        return False
    return began.timestamp() * 1000 < moment


def _of_batch(run: Run, stack: Stack, batch: "BatchClient") -> Iterator[Attempt]:
    ids = [job["jobId"] for job in listed_heads(stack, run.name, batch)]
    if run.about and run.about.head_job and run.about.head_job not in ids:
        ids.append(run.about.head_job)
    for first in range(0, len(ids), DESCRIBED):
        for job in batch.describe_jobs(jobs=ids[first : first + DESCRIBED])["jobs"]:
            yield from _attempts(job)


def _attempts(job: Mapping[str, Any]) -> Iterator[Attempt]:
    """Yield the attempts of a described job; the one that runs is not yet among its attempts."""
    tries = list(job.get("attempts", ()))
    if job.get("startedAt") and job["startedAt"] not in [one.get("startedAt") for one in tries]:
        tries.append(job)
    container = job.get("container", {})
    asked = {one["type"]: float(one["value"]) for one in container.get("resourceRequirements", ())}
    for number, one in enumerate(tries, 1):
        own = one.get("container", {})
        reasons = dict.fromkeys(filter(None, (one.get("statusReason"), own.get("reason"))))
        yield _attempt(
            native_id=job["jobId"],
            number=number,
            name=job["jobName"],
            queue=job["jobQueue"].rpartition("/")[2],
            cpus=asked.get("VCPU", 1.0),
            memory=int(asked.get("MEMORY", memory_for(None)) * MIB),
            submit=job["createdAt"],
            start=one.get("startedAt"),
            complete=one.get("stoppedAt"),
            status=_status(job, number == len(tries), one.get("stoppedAt")),
            exit_code=own.get("exitCode"),
            reason="; ".join(reasons),
            disk=container.get("ephemeralStorage", {}).get("sizeInGiB", DISK) * GIB,
            architecture=container.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64"),
            public_address=container.get("networkConfiguration", {}).get("assignPublicIp") == "ENABLED",
        )


def _status(job: Mapping[str, Any], is_last: bool, stopped: int | None) -> str:
    """Return how an attempt of a head's job has ended; only the last one can have done so well."""
    if stopped is None:
        return RUNNING
    if is_last and job["status"] == "SUCCEEDED":
        return attempts.COMPLETED
    return attempts.ABORTED if is_last and job.get("isTerminated") else attempts.FAILED


def _of_about(run: Run, stack: Stack) -> Iterator[Attempt]:
    about, live = run.about, run.live
    if about is None or about.started is None:
        return
    ended = about.ended
    if ended is None and live is not None and not run.has_head:
        ended = live.ended or live.updated
    status = RUNNING if ended is None else attempts.COMPLETED if about.exit_code == 0 else attempts.FAILED
    yield _attempt(
        native_id=about.head_job,
        number=1,
        name=head_name(run.name),
        queue=stack.queues.get("head", RULE),
        cpus=1.0,
        memory=memory_for(sum(count.total for count in live.rules.values()) if live else None) * MIB,
        submit=about.submitted,
        start=about.started,
        complete=ended,
        status=status,
        exit_code=about.exit_code,
        reason=about.message,
        disk=DISK * GIB,
        architecture=stack.architecture,
        public_address=False,
    )


def _attempt(
    native_id: str, number: int, name: str, queue: str, cpus: float, memory: int, submit: int, start: int | None,
    complete: int | None, status: str, exit_code: int | None, reason: str, disk: int, architecture: str,
    public_address: bool,
) -> Attempt:  # fmt: skip
    """Return an attempt of a head, which is on demand and serves all samples."""
    return Attempt(
        native_id=native_id,
        attempt=number,
        name=name,
        process=RULE,
        wildcards={},
        is_group=False,
        hash="",
        status=status,
        exit=exit_code,
        reason=reason,
        queue=queue,
        spot=False,
        definition="",
        log_stream="",
        cpus=cpus,
        memory=memory,
        disk=disk,
        submit=submit,
        runnable=None,
        starting=None,
        start=start,
        complete=complete,
        head="",
        architecture=architecture,
        public_address=public_address,
    )
