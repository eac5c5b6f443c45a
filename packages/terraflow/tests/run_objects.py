"""What a run has on S3, for tests that look at runs."""

import json
import time
from dataclasses import asdict, fields, replace
from typing import Any

from snakemake_aws_common import head
from snakemake_aws_common.lock_object import Holder
from snakemake_aws_common.record import attempt as attempts_of_jobs
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record import store
from snakemake_aws_common.record.attempt import Attempt, Step
from snakemake_aws_common.record.live import Live, RuleCount
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.heads.objects import AboutObject
from terraflow.stack import Stack

BUCKET = "data"
_TEXTS = {field.name: field.name for field in fields(Stack) if field.type is str}
_OUTPUTS: dict[str, Any] = {
    **_TEXTS,
    **{
        "region": "us-east-1",
        "bucket": BUCKET,
        "log_group": "/terraflow/terraflow",
        "queues": {"spot": "terraflow-spot", "ondemand": "terraflow-ondemand", "head": "terraflow-head"},
        "images": {},
        "job_definitions": {"20": "terraflow-worker-20gib"},
        "tags": {"stack": "terraflow"},
    },
}
STACK = Stack(**_OUTPUTS)
# 2026-03-01 12:00:00 UTC
START = 1_772_366_400_000
MINUTE = 60_000
ABOUT = About(
    run="cohort7",
    who="ada",
    started_by="terraflow run",
    submitted=START - MINUTE,
    state=abouts.DONE,
    head_job="head-1",
    started=START,
    ended=START + 30 * MINUTE,
    exit_code=0,
)
SUBMITTED = replace(ABOUT, state=abouts.SUBMITTED, head_job="", started=None, ended=None, exit_code=None)
LIVE = Live(
    run="cohort7",
    head="20260301T120000Z-ab12cd34",
    who="worker@head",
    state=lives.DONE,
    started=START,
    updated=START + 29 * MINUTE,
    ended=START + 29 * MINUTE,
    rules={"decompress": RuleCount(total=2, done=2), "bwa_mem": RuleCount(total=2, done=2)},
    spent=1.5,
)
ATTEMPT = Attempt(
    native_id="id-1",
    attempt=1,
    name="cohort7-bwa_mem-a-1-0123456789ab-012345",
    process="lane",
    wildcards={"sample": "a", "unit": "1"},
    is_group=True,
    hash="0123456789ab-012345",
    status=attempts_of_jobs.COMPLETED,
    exit=0,
    reason="Essential container in task exited",
    queue="terraflow-spot",
    spot=True,
    definition="terraflow-worker-20gib:1",
    log_stream="worker-20gib/default/0a1b",
    cpus=4,
    memory=8 << 30,
    disk=20 << 30,
    submit=START,
    runnable=START + 1000,
    starting=START + 2000,
    start=START + 30_000,
    complete=START + 10 * MINUTE,
    head=LIVE.head,
    steps=(
        Step("decompress", {"sample": "a", "unit": "1"}, exit=0, realtime=MINUTE),
        Step("bwa_mem", {"sample": "a", "unit": "1", "shard": "1"}, exit=0, realtime=8 * MINUTE),
    ),
)


def put(
    s3: Any,
    name: str,
    about: About | None = None,
    live: Live | None = None,
    attempts: list[Attempt] | None = None,
) -> None:
    """Store what a launcher and a head write of a run."""
    prefix = f"runs/{name}"
    if about:
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{abouts.NAME}", Body=abouts.to_json(about))
    if live:
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{store.LIVE}", Body=lives.to_json(live))
    if attempts:
        key = f"{prefix}/{store.part_name(LIVE.head, 1)}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=store.pack(attempts))


def about_of(s3: Any, name: str = ABOUT.run) -> About | None:
    """Return what run.json says of a run."""
    written = AboutObject(s3, BUCKET, name).read()
    return written.about if written else None


def put_lock(s3: Any, name: str, seconds: float = 150, who: str = "ada@laptop") -> None:
    """Store a lock that ends in so many seconds."""
    holder = Holder("id", who, 1, "place", "start", "/work", time.time(), seconds)
    s3.put_object(Bucket=BUCKET, Key=f"runs/{name}/{head.NAME}", Body=json.dumps(asdict(holder)).encode())
