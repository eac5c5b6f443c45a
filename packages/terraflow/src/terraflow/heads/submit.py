"""Starts a head: its archive to S3, run.json claimed, and one job of the stack's head definition.

One head for a run. In this order, whoever starts one
 1. looks at run.json, at Batch and at the lock of the run: a head that is submitted or works is followed, not doubled;
 2. claims the run by a conditional write of run.json: of two that start in one second, S3 refuses one;
 3. submits the job, and writes its id into run.json.
A claim without a job is void after `CLAIM` seconds: whoever made it died in between, or got no answer from Batch, which
shows by then whether it has made a job. Should two heads be submitted in spite of all that, such as by a laptop that
slept between 2 and 3, the lock of the run lets one of them work.
"""

import base64
import contextlib
import dataclasses
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, SSLError

from snakemake_aws_common import head
from snakemake_aws_common.lock_object import LockObject
from snakemake_aws_common.packing import SUFFIX
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.heads.archive import Packed
from terraflow.heads.objects import AboutObject, ChangedError, Written
from terraflow.jobs import ACTIVE
from terraflow.runs import words
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient
    from mypy_boto3_batch.type_defs import JobSummaryTypeDef
    from mypy_boto3_s3.client import S3Client

# Value of the tag terraflow:rule.
RULE = "head"
# Seconds for which a claim holds without a job: more than a submission takes, Batch's delays included.
CLAIM = 120.0
# MiB of a head's memory on one vCPU, by the number of jobs up to which it suffices; 8192 is the most for one vCPU.
# Snakemake takes 128 MB and, in a run, 82 KB a job (benchmarks/storage.md).
MEMORY = ((2_000, 2048), (15_000, 4096), (None, 8192))


class UnderWayError(UserError):
    """A head of the run is submitted or works already; `about` says which, if it has written so."""

    def __init__(self, message: str, about: About | None = None) -> None:
        """Keep what is known of the other head."""
        super().__init__(message)
        self.about = about


def store(stack: Stack, run: str, packed: Packed, s3: "S3Client | None" = None) -> str:
    """Store a head's archive below the run, and return its key."""
    key = f"runs/{run}/head/{packed.sha256}{SUFFIX}"
    checksum = base64.b64encode(bytes.fromhex(packed.sha256)).decode()
    (s3 or _client("s3", stack)).put_object(Bucket=stack.bucket, Key=key, Body=packed.body, ChecksumSHA256=checksum)
    return key


def head_name(run: str) -> str:
    """Return the name of a run's heads among Batch's jobs."""
    return f"{run}-{RULE}"


def memory_for(jobs: int | None) -> int:
    """Return MiB of memory for the head of a run of so many jobs; None is unknown."""
    return next(mib for limit, mib in MEMORY if limit is None or (jobs or 0) <= limit)


def submit(
    stack: Stack,
    about: About,
    key: str,
    *,
    jobs: int | None = None,
    s3: "S3Client | None" = None,
    batch: "BatchClient | None" = None,
) -> str:
    """Submit a head with the archive under `key`, which `store` has returned, and return the id of its Batch job.

    `about` is what run.json is to say of the run; state, time, archive and job are filled in. `jobs` is how many the
    run has, if that is known. Raise UnderWayError if a head of the run is submitted or works already, and UserError
    for a stack without heads.
    """
    # A submission whose answer is lost is not repeated: it would make another job.
    s3, once = s3 or _client("s3", stack), batch or _client("batch", stack, tries=1)
    run = about.run
    written = AboutObject(s3, stack.bucket, run)
    earlier = refuse_under_way(stack, run, s3=s3, batch=batch)
    claim = dataclasses.replace(
        about,
        state=abouts.SUBMITTED,
        archive=key,
        head_job="",
        submitted=round(time.time() * 1000),
        claim=secrets.token_hex(8),
    )
    try:
        etag = written.write(claim, earlier.etag if earlier else None)
    except ChangedError:
        other = written.read()
        raise UnderWayError(_already(run, "was just submitted"), other.about if other else None) from None
    try:
        job = _submit_job(stack, run, key, memory_for(jobs), once)
    except (ClientError, BotoCoreError) as error:
        # Where a job may have been made, the claim keeps others from another one until Batch shows it.
        if _made_nothing(error):
            _take_back(written, etag, earlier)
        else:
            error.add_note(
                f"A head of run {run} may have been submitted all the same. `terraflow status {run}` shows it in a few "
                f"minutes if so; `terraflow stop {run}` ends it. If not, give the same command again."
            )
        raise
    # The head writes its job itself when it begins; perhaps it has already.
    with contextlib.suppress(ChangedError, ClientError, BotoCoreError):
        written.write(dataclasses.replace(claim, head_job=job), etag)
    return job


def _submit_job(stack: Stack, run: str, key: str, memory: int, batch: "BatchClient") -> str:
    sha256 = key.rpartition("/")[2].removesuffix(SUFFIX)
    answer = batch.submit_job(
        jobName=head_name(run),
        jobQueue=stack.queues["head"],
        jobDefinition=str(stack.head_job_definition),
        containerOverrides={
            "command": ["python", "-m", "terraflow.heads.process", f"s3://{stack.bucket}/{key}", sha256],
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": str(memory)}],
        },
        tags={**stack.tags, "terraflow:run": run, "terraflow:rule": RULE},
        propagateTags=True,
    )
    return answer["jobId"]


def _made_nothing(error: ClientError | BotoCoreError) -> bool:
    """Return whether a submission that failed so has certainly made no job: Batch refused it, or did not get it."""
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) < 500
    # TLS may fail after the request was sent.
    return not isinstance(error, HTTPClientError | SSLError)


def _take_back(written: AboutObject, etag: str, earlier: Written | None) -> None:
    """Undo a claim after a submission that failed."""
    # What can't be undone is void by itself in a while.
    with contextlib.suppress(ChangedError, ClientError, BotoCoreError):
        if earlier is None:
            written.delete(etag)
        else:
            written.write(earlier.body, etag)


# Heads that there are already


def active_heads(stack: Stack, run: str, batch: "BatchClient", known: Iterable[str] = ()) -> list[str]:
    """Return the ids of the run's heads that have not ended; `known` are ids that are asked for by themselves."""
    found = [job["jobId"] for job in listed_heads(stack, run, batch) if job.get("status") in ACTIVE]
    # A list may lack a job that was submitted some seconds ago.
    asked = [job for job in known if job and job not in found]
    if asked:
        found += [job["jobId"] for job in batch.describe_jobs(jobs=asked)["jobs"] if job["status"] in ACTIVE]
    return found


def listed_heads(stack: Stack, run: str, batch: "BatchClient") -> Iterator["JobSummaryTypeDef"]:
    """Yield the heads of a run that Batch lists, those that have ended as well."""
    named = [{"name": "JOB_NAME", "values": [head_name(run)]}]
    pages = batch.get_paginator("list_jobs").paginate(jobQueue=stack.queues["head"], filters=named)  # type: ignore[arg-type]
    # Batch's filter takes Cohort7 and cohort7 for one name.
    return (job for page in pages for job in page["jobSummaryList"] if job["jobName"] == head_name(run))


def is_unseen(written: Written, batch: "BatchClient") -> bool:
    """Return whether a head was submitted so recently that Batch may not know its job yet."""
    about = written.about
    if about.state != abouts.SUBMITTED or written.age >= CLAIM:
        return False
    return not about.head_job or not batch.describe_jobs(jobs=[about.head_job])["jobs"]


def refuse_under_way(
    stack: Stack, run: str, *, s3: "S3Client | None" = None, batch: "BatchClient | None" = None
) -> Written | None:
    """Return the run's run.json, None if there is none, if a head may be submitted.

    Raise UnderWayError if a head of the run is being submitted, is submitted, or works, and UserError for a stack
    without heads.
    """
    if stack.head_job_definition is None or "head" not in stack.queues:
        raise UserError(
            "The stack has no queue for heads: set head_jobs = true in terraform.tfvars, then `make deploy`."
        )
    s3, batch = s3 or _client("s3", stack), batch or _client("batch", stack)
    earlier = AboutObject(s3, stack.bucket, run).read()
    about = earlier.about if earlier else None
    if active := active_heads(stack, run, batch, [about.head_job] if about else []):
        since = f", submitted by {about.who} at {words.clock(about.submitted)}" if about else ""
        raise UnderWayError(_already(run, f"is under way (Batch job {active[0]}{since})"), about)
    if earlier and is_unseen(earlier, batch):
        raise UnderWayError(_already(run, f"was submitted {earlier.age:.0f} s ago by {earlier.about.who}"), about)
    state, _ = LockObject(s3, stack.bucket, f"runs/{run}/{head.NAME}").read()
    # One that died is waited for by the next, which is refused if this one lives after all.
    if state is not None and state.is_kept(1.5):
        raise UnderWayError(
            f"{_already(run, 'works')} It is not a job of the stack's head queue:\n{state}\nIf it has died, its lock "
            f"ends in {state.left:.0f} s.",
            about,
        )
    return earlier


def _already(run: str, how: str) -> str:
    return f"A head of run {run} {how}; nothing was submitted. `terraflow status {run}` shows what it does."


def _client(service: str, stack: Stack, tries: int = 4) -> Any:  # noqa: ANN401
    config = Config(retries={"mode": "standard", "total_max_attempts": tries}, connect_timeout=10, read_timeout=60)
    session: Any = boto3.session.Session(region_name=stack.region)
    return session.client(service, config=config)
