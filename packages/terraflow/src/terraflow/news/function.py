"""The function that AWS Lambda calls (terraform/news.tf): reads what heads and launchers left in S3, and publishes.

It is called when a job of the head queue has ended, when a launcher has written what became of a sheet, and each half
hour to see what waits.
"""

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import boto3
from botocore.exceptions import ClientError

from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record.live import Live
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.inbox.entry import Entry, from_json
from terraflow.news import text
from terraflow.news.text import HeadJob, Mail, Place
from terraflow.news.told import once
from terraflow.runs.words import now_ms

Client: TypeAlias = Any
Event: TypeAlias = Mapping[str, Any]
# Milliseconds in RUNNABLE that are worth a message.
LONG = 3_600_000
MISSING = ("NoSuchKey", "404")
# The end of a head's name among Batch's jobs.
HEAD = "-head"


class News:
    """One call of the function, with its clients."""

    def __init__(
        self,
        s3: Client,
        batch: Client,
        sns: Client,
        settings: Mapping[str, str],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Take the function's environment as settings."""
        self._s3, self._batch, self._sns, self._clock = s3, batch, sns, clock
        self._bucket, self._topic = settings["BUCKET"], settings["TOPIC"]
        self._queue, self._launcher = settings["HEAD_QUEUE"], settings["LAUNCHER"]
        self._place = Place(self._bucket, settings["LOG_GROUP"])

    def handle(self, event: Event) -> int:
        """Tell what an event is about; return the number of messages."""
        kind = event.get("detail-type")
        if kind == "Batch Job State Change":
            return self._ended(event["detail"])
        if kind == "Object Created":
            return self._sheet(event["detail"]["object"]["key"])
        if kind == "Scheduled Event":
            return self._waits(self._clock())
        raise ValueError(f"found an event of type {kind!r}; expected one of a rule of the stack")

    def _ended(self, detail: Event) -> int:
        job = head_job(detail)
        if detail["jobDefinition"].rpartition("/")[2].partition(":")[0] == self._launcher:
            if job.status != "FAILED":
                return 0
            # Those of the inbox have no tags.
            failed = text.launcher_failed(job, self._place, of_airflow=named_run(detail) is not None)
            return self._tell(f"raw/.launcher/told/{_day()}.json", failed)
        mail = text.ended(job, self._about(job.run), self._live(job.run), self._place)
        return self._tell(f"runs/{job.run}/head/told/{job.id}.json", mail)

    def _sheet(self, key: str) -> int:
        body = self._get(key)
        entry: Entry | None = from_json(body) if body else None
        if entry is None or not entry.is_refusal:
            return 0
        name = key.split("/")[1]
        mail = text.sheet(name, entry.message, entry.missing, self._place)
        return self._tell(f"raw/{name}/told/{entry.updated}.json", mail)

    def _waits(self, now: int) -> int:
        told = 0
        for job in self._jobs("RUNNABLE"):
            if now - (job.started or now) < LONG:
                continue
            if job.run:
                told += self._tell_wait(job, text.waits(job.run, job, (), now, self._place))
            else:
                told += self._tell(f"raw/.launcher/told/{_day()}-waits.json", text.launcher_waits(job))
        for job in self._jobs("RUNNING"):
            live = self._live(job.run) if job.run else None
            jobs = live.jobs if live and live.state == lives.RUNNING else ()
            if jobs and all(one.status == "RUNNABLE" and now - one.since >= LONG for one in jobs):
                told += self._tell_wait(job, text.waits(job.run, None, jobs, now, self._place))
        return told

    def _tell_wait(self, job: HeadJob, mail: Mail) -> int:
        return self._tell(f"runs/{job.run}/head/told/{job.id}-waits.json", mail)

    def _tell(self, key: str, mail: Mail | None) -> int:
        if mail is None:
            return 0

        def publish() -> None:
            self._sns.publish(TopicArn=self._topic, Subject=mail.subject, Message=mail.body)

        return int(once(self._s3, self._bucket, key, publish))

    def _jobs(self, status: str) -> list[HeadJob]:
        """Return jobs of the head queue; `started` is when they were submitted, `run` is empty for other jobs."""
        pages = self._batch.get_paginator("list_jobs").paginate(jobQueue=self._queue, jobStatus=status)
        found = [job for page in pages for job in page["jobSummaryList"]]
        return [
            HeadJob(
                job["jobId"],
                job["jobName"].removesuffix(HEAD) if job["jobName"].endswith(HEAD) else "",
                status,
                job.get("statusReason") or "",
                started=job["createdAt"],
            )
            for job in found
        ]

    def _about(self, run: str) -> About | None:
        body = self._get(f"runs/{run}/{abouts.NAME}")
        return abouts.from_json(body) if body else None

    def _live(self, run: str) -> Live | None:
        body = self._get(f"runs/{run}/head/live.json")
        return lives.from_json(body) if body else None

    def _get(self, key: str) -> bytes | None:
        try:
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return None
            raise
        return body


def head_job(detail: Event) -> HeadJob:
    """Return the job that an event of AWS Batch describes."""
    container = detail.get("container") or {}
    return HeadJob(
        id=detail["jobId"],
        run=named_run(detail) or detail["jobName"].removesuffix(HEAD),
        status=detail["status"],
        reason=detail.get("statusReason") or "",
        exit_code=container.get("exitCode"),
        started=detail.get("startedAt"),
        stopped=detail.get("stoppedAt"),
        log_stream=container.get("logStreamName") or "",
    )


def named_run(detail: Event) -> str | None:
    """Return the run that a job's tags name, in an event of AWS Batch."""
    named: str | None = (detail.get("tags") or {}).get("terraflow:run")
    return named


def _day() -> str:
    return datetime.now(UTC).date().isoformat()


def handle(event: Event, _context: object) -> dict[str, int]:
    """Handle one event; AWS Lambda calls this."""
    news = News(boto3.client("s3"), boto3.client("batch"), boto3.client("sns"), os.environ)
    told = news.handle(event)
    print(json.dumps({"event": event.get("id"), "type": event.get("detail-type"), "messages": told}))
    return {"messages": told}
