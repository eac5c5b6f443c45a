"""Jobs of this run that ended while no head looked: AWS Batch remembers them for days, the record forever.

The head before left the list of its jobs (`live.json`); those that it submitted after it wrote that, and those of heads
that kept none, are found by name. A run of the same name that was removed had jobs, too: they are older than the oldest
object of this one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from snakemake_aws_common.record.attempt import ABORTED, COMPLETED, Attempt
from snakemake_aws_common.record.live import Live, LiveJob

from .attempts import ENDED, Known, short
from .batches import IDS_TO_DESCRIBE, batches
from .earlier import Found
from .untyped import Client

# Milliseconds before the last list of jobs in which one may have been submitted that is not in it, nor in what
# Snakemake's memory of the run has on S3.
BEFORE = 600_000
# Milliseconds after its submission in which Batch may not show a job yet.
YOUNG = 3_600_000


def found(
    batch: Client,
    queues: Iterable[str],
    run: str,
    tag_prefix: str,
    recorded: Sequence[Attempt],
    live: Live | None,
    since: int,
) -> Iterator[tuple[Mapping[str, Any], Known]]:
    """Yield the descriptions of ended jobs that the record may lack, and what is known of each.

    `since`, in milliseconds since 1970, is when the first of them can have been submitted. Raises what AWS Batch says
    if it does not answer.
    """
    left = {job.native_id: of_live(job) for job in live.jobs} if live else {}
    whole = {one.native_id for one in recorded if one.status in (COMPLETED, ABORTED)}
    since = max(since, live.updated - BEFORE) if live else since
    ids = dict.fromkeys([*left, *(job for queue in queues for job in _listed(batch, queue, run, since))])
    for description in ended(batch, [job for job in ids if job not in whole]):
        tags = description.get("tags") or {}
        of = left.get(description["jobId"])
        if of is not None or tags.get(f"{tag_prefix}run") == run:
            yield description, of or of_tags(tags, tag_prefix)


def ended_well(attempts: Iterable[Attempt], live: Live | None) -> list[Found]:
    """Return the jobs that have ended well and that the last head may not have stored as under way, or as done."""
    if live is None:
        return []
    since = live.updated - BEFORE
    return [
        Found(one.native_id, one.name, "SUCCEEDED", one.submit / 1000)
        for one in attempts
        if one.status == COMPLETED and one.submit >= since
    ]


def begun(s3: Client, bucket: str, prefix: str) -> int:
    """Return when the run below `prefix` began, in milliseconds since 1970: with its oldest object, else now."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/" if prefix else "")
    dates = (item["LastModified"] for page in pages for item in page.get("Contents", ()))
    return int(min(dates, default=datetime.now(UTC)).timestamp() * 1000)


def ended(batch: Client, ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the descriptions of those jobs that have ended."""
    for asked in batches(ids, IDS_TO_DESCRIBE):
        yield from (one for one in batch.describe_jobs(jobs=asked)["jobs"] if one["status"] in ENDED)


def forgotten(batch: Client, jobs: Iterable[LiveJob], now: int) -> list[str]:
    """Return the ids of jobs that AWS Batch does not know any more; one that was just submitted it may not know yet."""
    ids = [job.native_id for job in jobs if now - job.submit >= YOUNG]
    known = {one["jobId"] for asked in batches(ids, IDS_TO_DESCRIBE) for one in batch.describe_jobs(jobs=asked)["jobs"]}
    return [job for job in ids if job not in known]


def _listed(batch: Client, queue: str, run: str, since: int) -> Iterator[str]:
    """Yield ids of ended jobs whose names begin with the run's, made since then (milliseconds since 1970).

    Names of another run may begin with this one's. Answers to this filter are grouped by name, not by time (AWS Batch
    API reference, ListJobs): each page has to be read.
    """
    asked = {"jobQueue": queue, "filters": [{"name": "JOB_NAME", "values": [f"{run}-*"]}]}
    for page in batch.get_paginator("list_jobs").paginate(**asked):
        for job in page["jobSummaryList"]:
            if job.get("status") in ENDED and job.get("createdAt", 0) >= since:
                yield job["jobId"]


def of_tags(tags: Mapping[str, str], prefix: str) -> Known:
    """Return what a job's tags say about it: the rule, and the wildcards that the settings made tags."""
    named = {name.removeprefix(prefix): value for name, value in tags.items() if name.startswith(prefix)}
    return Known(named.pop("rule", ""), {name: value for name, value in named.items() if name != "run"}, is_group=False)


def of_live(job: LiveJob) -> Known:
    """Return what the list of a head's jobs says about one."""
    return Known(
        process=job.process,
        wildcards=job.wildcards,
        is_group=job.is_group,
        queue=short(job.queue),
        cpus=job.cpus,
        memory=job.memory,
        disk=job.disk,
        submit=job.submit,
        steps=job.steps,
    )
