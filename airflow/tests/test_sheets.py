"""Uploaded sheets: which are told of, once, and which runs are not done."""

import asyncio
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from cloud import BUCKET, HEADER, Cloud, client, refused
from terraflow_airflow import sheets, tasks
from terraflow_airflow.aws import Account
from terraflow_airflow.operator import TerraflowRunOperator
from terraflow_airflow.sheets import Inbox, UploadedSheetTrigger

OTHER = f"{HEADER}b\t1\tr.fq\t\n"


def names(inbox: Inbox) -> list[str]:
    return [sheet.name for sheet in inbox.fresh()]


def test_a_sheet_is_fresh_until_a_launcher_has_looked_at_it_as_it_is(cloud: Cloud) -> None:
    inbox = Inbox(Account(), BUCKET)
    assert names(inbox) == []
    cloud.sheet("cohort")
    # Reads, a file in a folder below, and one without a folder.
    for key in ("a/1/0a/r.fq", "cohort/x/samples.tsv", "samples.tsv"):
        cloud.put(f"raw/{key}", "x")
    assert names(inbox) == ["cohort"]
    cloud.entry("cohort", "launching")
    assert names(inbox) == []
    # The launcher was at it while the sheet was changed.
    before = cloud.etag("cohort")
    cloud.sheet("cohort", OTHER)
    assert names(inbox) == ["cohort"]
    cloud.entry("cohort", "launched", etag=before)
    assert names(inbox) == names(Inbox(Account(), BUCKET)) == ["cohort"]
    cloud.entry("cohort", "refused")
    assert names(inbox) == []


@pytest.mark.parametrize("name", ["a b", "", "x" * 41, "{{ 1 }}"])
def test_a_sheet_of_a_name_that_no_run_can_have_is_told_and_refused(cloud: Cloud, name: str) -> None:
    cloud.put(f"raw/{name}/samples.tsv", HEADER)
    assert names(Inbox(Account(), BUCKET)) == [name]
    run = TerraflowRunOperator(task_id="run", bucket=BUCKET, run_name=name)
    with pytest.raises(AirflowFailException, match="40 letters"):
        run.execute({})  # type: ignore[typeddict-item]
    assert cloud.batch.calls == []
    # Each night it is the same.
    assert tasks.unfinished(BUCKET) == []


def test_what_has_not_changed_is_not_read_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        cloud.sheet(f"cohort{number}")
        cloud.entry(f"cohort{number}", "launched")
    inbox = Inbox(Account(), BUCKET)
    inbox.fresh()
    read: list[str] = []
    get = cloud.s3.get_object
    monkeypatch.setattr(cloud.s3, "get_object", lambda **given: read.append(given["Key"]) or get(**given))
    assert (names(inbox), read) == ([], [])
    cloud.sheet("cohort1", OTHER)
    assert names(inbox) == ["cohort1"]
    assert read == ["raw/cohort1/inbox.json", "workflow/current.json", "workflow/0a.tar.xz"]


def test_a_sheet_that_a_form_has_brought_is_left_to_it(cloud: Cloud) -> None:
    cloud.sheet("cohort")
    launcher = cloud.batch.add("cohort-launcher", "lab-head", "RUNNABLE")
    inbox = Inbox(Account(), BUCKET)
    assert names(inbox) == []
    # It has failed before it could look.
    cloud.batch.end(launcher, 1)
    assert names(inbox) == ["cohort"]


def test_each_sheet_is_told_once_by_a_triggerer(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise refused("SlowDown", "ListObjectsV2")

    pauses: list[float] = []
    paginate = cloud.s3.get_paginator

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            cloud.sheet("second")
        if len(pauses) == 2:
            monkeypatch.setattr(cloud.s3, "get_paginator", lambda _: type("P", (), {"paginate": staticmethod(refuse)}))
        if len(pauses) == 3:
            monkeypatch.setattr(cloud.s3, "get_paginator", paginate)
            cloud.sheet("first", OTHER)
        if len(pauses) == 4:
            raise asyncio.CancelledError

    told: list[Any] = []

    async def listen() -> None:
        async for event in UploadedSheetTrigger(poll_interval=60.0).run():
            told.append(event.payload)

    cloud.sheet("first")
    monkeypatch.setattr("terraflow_airflow.sheets.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(listen())
    assert [event["name"] for event in told] == ["first", "second", "first"]
    assert told[2] == {"name": "first", "etag": cloud.etag("first"), "modified": cloud.written("first")}
    assert pauses == [60.0] * 4


def test_a_message_is_a_reason_to_look(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    sqs = client("sqs")
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    waits: list[int] = []

    class Sqs:
        """SQS without its long wait; what the test does meanwhile happens in it."""

        def receive_message(self, **given: Any) -> Any:
            assert given.pop("WaitTimeSeconds") == 20
            waits.append(len(waits))
            if len(waits) == 3:
                cloud.sheet("second")
                sqs.send_message(QueueUrl=queue, MessageBody="whatever")
            if len(waits) == 5:
                raise KeyboardInterrupt
            return sqs.receive_message(**given)

        def delete_message_batch(self, **given: Any) -> Any:
            return sqs.delete_message_batch(**given)

    monkeypatch.setattr(Account, "sqs", property(lambda _: Sqs()))
    monkeypatch.setenv("TERRAFLOW_INBOX_QUEUE", queue)
    trigger: Any = sheets.asset().watchers[0].trigger
    assert (trigger.queue, trigger.poll_interval) == (queue, 3600.0)
    cloud.sheet("first")
    told: list[Any] = []

    async def listen() -> None:
        async for event in trigger.run():
            told.append(event.payload["name"])

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(listen())
    assert (told, len(waits)) == (["first", "second"], 5)
    left = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (left["ApproximateNumberOfMessages"], left["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


def test_the_trigger_is_made_again_from_what_it_says() -> None:
    one = UploadedSheetTrigger("lab", None, "eu-west-3", 5.0, "https://sqs/queue")
    path, given = one.serialize()
    assert path == "terraflow_airflow.sheets.UploadedSheetTrigger"
    assert UploadedSheetTrigger(**given).serialize() == one.serialize()


def test_events_become_names_each_once() -> None:
    class Event:
        def __init__(self, **extra: Any) -> None:
            self.extra = extra

    events = {
        sheets.asset(): [
            Event(from_trigger=True, payload={"name": "b", "etag": "1"}),
            Event(from_trigger=True, payload={"name": "a", "etag": "2"}),
            Event(from_trigger=True, payload={"name": "b", "etag": "3"}),
            # By hand, from the page of assets.
            Event(name="c"),
            Event(),
        ]
    }
    assert tasks.uploaded(events) == ["b", "a", "c"]
    assert tasks.uploaded() == []


def test_what_is_not_done_goes_on_at_night(cloud: Cloud) -> None:
    for name in ("done", "failed", "fresh", "changed"):
        cloud.sheet(name)
    for name, state in {"done": "done", "failed": "failed", "changed": "done"}.items():
        cloud.about(name, state, "job-0")
    cloud.sheet("changed", OTHER)
    assert tasks.unfinished(BUCKET) == ["changed", "failed", "fresh"]
