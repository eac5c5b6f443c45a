"""Sheets in the inbox: an asset that tells of those that were uploaded, and those whose runs are not done.

What has been looked at stands in raw/NAME/inbox.json, which launchers write. So nothing is lost when Airflow is down.
Nothing is started twice when an event comes twice: the launcher's claim of a sheet, and the lock of its run, see to it.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from airflow.sdk import Asset, AssetWatcher, Variable
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from terraflow_airflow import jobs
from terraflow_airflow import stack as stacks
from terraflow_airflow.aws import DEFAULT_CONNECTION, TROUBLE, Account
from terraflow_airflow.errors import OrderError
from terraflow_airflow.order import NAME
from terraflow_airflow.runs import DONE, Run

# Variable of Airflow with the name of the stack's bucket.
BUCKET = "terraflow_bucket"
# Variable of the environment with the address of a queue, and the seconds between two looks where there is one.
QUEUE, WITH_QUEUE = "TERRAFLOW_INBOX_QUEUE", 3600.0
# Source: SQS API reference, ReceiveMessage.
MESSAGES = 10
FOLDER, SHEET, ENTRY = "raw/", "samples.tsv", "inbox.json"


@dataclass(frozen=True)
class Sheet:
    """A sheet in the inbox: the name of its run, its ETag, when it was written, in milliseconds since 1970.

    `looked_at` is the ETag of inbox.json beside it; empty if no launcher has written one.
    """

    name: str
    etag: str
    modified: int
    looked_at: str


def listed(s3: Any, bucket: str) -> list[Sheet]:  # noqa: ANN401
    """Return the sheets in the inbox, of names that no run can have, too. Each request lists 1,000 objects."""
    sheets: dict[str, tuple[str, int]] = {}
    entries: dict[str, str] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=FOLDER):
        for item in page.get("Contents", ()):
            _, name, *rest = item["Key"].split("/")
            if rest == [SHEET]:
                sheets[name] = (item["ETag"], round(item["LastModified"].timestamp() * 1000))
            elif rest == [ENTRY]:
                entries[name] = item["ETag"]
    return [Sheet(name, *written, entries.get(name, "")) for name, written in sorted(sheets.items())]


class Inbox:
    """The inbox of a bucket, looked at again and again; what was read of a sheet is not read twice."""

    def __init__(self, account: Account, bucket: str) -> None:
        """Ask AWS nothing yet."""
        self._account, self._s3, self._bucket = account, account.s3, bucket
        self._known: dict[Sheet, bool] = {}

    def fresh(self) -> list[Sheet]:
        """Return the sheets that no launcher has looked at as they are now, nor is about to, such as a form's.

        Those of names that no run can have are among them, since nobody else tells of them: their tasks are refused.
        """
        sheets = listed(self._s3, self._bucket)
        self._known = {sheet: self._known[sheet] if sheet in self._known else self._is_fresh(sheet) for sheet in sheets}
        found = [sheet for sheet, is_fresh in self._known.items() if is_fresh]
        named = [sheet for sheet in found if _is_name(sheet)]
        if not named:
            return found
        stack = stacks.read(self._s3, self._bucket)
        begun = {sheet for sheet in named if jobs.active_launchers(self._account.batch, stack, sheet.name)}
        return [sheet for sheet in found if sheet not in begun]

    def _is_fresh(self, sheet: Sheet) -> bool:
        entry = Run(self._s3, self._bucket, sheet.name).entry() if sheet.looked_at else None
        return entry is None or (entry.etag, entry.modified) != (sheet.etag, sheet.modified)


def unfinished(s3: Any, bucket: str) -> list[str]:  # noqa: ANN401
    """Return the names of runs whose sheets lie in the inbox, and which are not done."""
    named = filter(_is_name, listed(s3, bucket))
    return [sheet.name for sheet in named if not _is_done(Run(s3, bucket, sheet.name), sheet)]


def _is_name(sheet: Sheet) -> bool:
    return NAME.fullmatch(sheet.name) is not None


def _is_done(run: Run, sheet: Sheet) -> bool:
    about = run.about()
    return about is not None and about.state == DONE and about.sheet_etag == sheet.etag


class Queue:
    """A queue of SQS that gets the bucket's events. Whatever a message says, it is a reason to look, and no more."""

    def __init__(self, account: Account, url: str) -> None:
        """Ask AWS nothing yet."""
        self._account, self._url = account, url
        self._received: list[dict[str, str]] = []

    def wait(self) -> bool:
        """Wait for messages, for some seconds, and return whether there are any."""
        answer = self._account.sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=MESSAGES, WaitTimeSeconds=20)
        found = answer.get("Messages", ())
        self._received = [{"Id": str(id), "ReceiptHandle": one["ReceiptHandle"]} for id, one in enumerate(found)]
        return bool(self._received)

    def done(self) -> None:
        """Delete what was received: the inbox was looked at since."""
        if self._received:
            self._account.sqs.delete_message_batch(QueueUrl=self._url, Entries=self._received)
            self._received = []


class UploadedSheetTrigger(BaseEventTrigger):
    """Fires for each sheet that is uploaded, with the name of its run. It asks S3, which needs no endpoint that costs.

    `bucket` is None for the one that the variable terraflow_bucket names; `poll_interval` is seconds. With `queue`, the
    address of a queue of SQS that gets the bucket's events, each message is a reason to look besides.
    """

    def __init__(
        self,
        bucket: str | None = None,
        aws_conn_id: str | None = DEFAULT_CONNECTION,
        region_name: str | None = None,
        poll_interval: float = 60.0,
        queue: str | None = None,
    ) -> None:
        """Ask AWS nothing yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.bucket, self.aws_conn_id, self.region_name = bucket, aws_conn_id, region_name
        self.poll_interval, self.queue = poll_interval, queue

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what makes another one of it, in whichever triggerer."""
        names = ("bucket", "aws_conn_id", "region_name", "poll_interval", "queue")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; trouble with AWS is logged, and the next look comes."""
        account = Account(self.aws_conn_id, self.region_name)
        inbox = await asyncio.to_thread(lambda: Inbox(account, self.bucket or Variable.get(BUCKET)))
        queue = Queue(account, self.queue) if self.queue else None
        told: set[tuple[str, str, int]] = set()
        while True:
            try:
                found = await asyncio.to_thread(inbox.fresh)
            except (*TROUBLE, OrderError) as error:
                self.log.warning("The inbox can't be read: %s", error)
            else:
                sheets = [(sheet.name, sheet.etag, sheet.modified) for sheet in found]
                for name, etag, modified in sheets:
                    if (name, etag, modified) not in told:
                        yield TriggerEvent({"name": name, "etag": etag, "modified": modified})
                told = set(sheets)
            await self._pause(queue)

    async def _pause(self, queue: Queue | None) -> None:
        """Wait until it is time for a look, or a message comes."""
        if queue is None:
            await asyncio.sleep(self.poll_interval)
            return
        until = time.monotonic() + self.poll_interval
        try:
            await asyncio.to_thread(queue.done)
            while time.monotonic() < until and not await asyncio.to_thread(queue.wait):
                pass
        except TROUBLE as error:
            self.log.warning("The queue %s can't be read: %s", self.queue, error)
            await asyncio.sleep(self.poll_interval)


def asset() -> Asset:
    """Return the asset of uploaded sheets, by which a DAG is scheduled.

    The variable of the environment TERRAFLOW_INBOX_QUEUE names a queue that gets the bucket's events, if there is one.
    """
    queue = os.environ.get(QUEUE) or None
    trigger = UploadedSheetTrigger(queue=queue, poll_interval=WITH_QUEUE if queue else 60.0)
    return Asset(name="terraflow_inbox", uri="terraflow://inbox", watchers=[AssetWatcher("terraflow_inbox", trigger)])
