"""The function that mails news: which events it tells, once each, from what lies in S3; and its code as a zip."""

import dataclasses
import itertools
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from run_objects import STACK
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record.live import Live, LiveJob, RuleCount
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.inbox import entry as entries
from terraflow.inbox.entry import Entry
from terraflow.news import confirmation, function, package, told

BUCKET = "lab-data"
SETTINGS = {
    "BUCKET": BUCKET,
    "TOPIC": "arn:aws:sns:us-east-1:123456789012:lab-news",
    "HEAD_QUEUE": "lab-head",
    "LAUNCHER": "lab-launcher",
    "LOG_GROUP": "/terraflow/lab",
}
BEGAN = 1_772_366_400_000
NOW = BEGAN + 600_000_000


class Topic:
    """Keeps what is published; `failures` is how often publishing fails before it works."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.failures = 0

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> None:
        assert TopicArn == SETTINGS["TOPIC"]
        if self.failures:
            self.failures -= 1
            raise ConnectionError("SNS does not answer")
        self.sent.append((Subject, Message))


class Batch:
    """Lists the jobs of the head queue, by status."""

    def __init__(self) -> None:
        self.jobs: dict[str, list[dict[str, Any]]] = {}

    def get_paginator(self, name: str) -> "Batch":
        assert name == "list_jobs"
        return self

    def paginate(self, *, jobQueue: str, jobStatus: str) -> list[dict[str, Any]]:
        assert jobQueue == "lab-head"
        return [{"jobSummaryList": self.jobs.get(jobStatus, [])}]


class Laboratory:
    """The function with a bucket, a topic and a queue."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3", region_name="us-east-1")
        self.s3.create_bucket(Bucket=BUCKET)
        self.topic, self.batch = Topic(), Batch()
        self.news = function.News(self.s3, self.batch, self.topic, SETTINGS, lambda: NOW)

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def keys(self) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.fixture
def lab(account: None) -> Iterator[Laboratory]:
    yield Laboratory()


def ended(
    job: str = "head-1", definition: str = "lab-head", status: str = "SUCCEEDED", code: int = 0
) -> dict[str, Any]:
    """Return the event of a job's end, as AWS Batch sends it."""
    return {
        "id": "c8f9c4b5",
        "source": "aws.batch",
        "detail-type": "Batch Job State Change",
        "detail": {
            "jobId": job,
            "jobName": "cohort-head",
            "jobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/lab-head",
            "jobDefinition": f"arn:aws:batch:us-east-1:123456789012:job-definition/{definition}:7",
            "status": status,
            "statusReason": "Essential container in task exited",
            "createdAt": BEGAN,
            "startedAt": BEGAN,
            "stoppedAt": BEGAN + 60_000,
            "container": {"exitCode": code, "logStreamName": "head/default/0a1b"},
            "tags": {"resourceArn": f"arn:aws:batch:us-east-1:123456789012:job/{job}", "terraflow:run": "cohort"},
        },
    }


def created(key: str) -> dict[str, Any]:
    """Return the event of an object, as S3 sends it through EventBridge."""
    return {"detail-type": "Object Created", "detail": {"bucket": {"name": BUCKET}, "object": {"key": key}}}


CLOCK = {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


def test_one_end_is_told_once_however_often_its_event_comes(lab: Laboratory) -> None:
    about = About("cohort", "me", "upload", BEGAN, abouts.DONE, head_job="head-1", samples=2)
    lab.put("runs/cohort/head/run.json", abouts.to_json(about))
    live = Live("cohort", "h", "", lives.DONE, BEGAN, BEGAN, rules={"sort_index": RuleCount(2, 0, 0, 2)}, spent=1.0)
    lab.put("runs/cohort/head/live.json", lives.to_json(live))
    assert [lab.news.handle(ended()) for _ in range(3)] == [1, 0, 0]
    [(subject, body)] = lab.topic.sent
    assert subject == "[terraflow] Run cohort is done"
    assert "Samples   2 of 2 done\n" in body and "Cost      $1.00 for its jobs\n" in body
    # A later start of the run is another end.
    assert lab.news.handle(ended("head-2", status="FAILED", code=137)) == 1
    assert lab.topic.sent[1][0] == "[terraflow] Run cohort ended without a word of its head"


def test_of_many_calls_at_once_one_sends(lab: Laboratory) -> None:
    barrier = threading.Barrier(8)

    def call() -> None:
        barrier.wait()
        # A call that comes while another one sends is repeated by AWS.
        with suppress(told.HeldError):
            lab.news.handle(ended())

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lab.topic.sent) == 1


def test_a_message_that_could_not_be_sent_is_sent_by_the_repeated_call(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.topic.failures = 1
    with pytest.raises(ConnectionError):
        lab.news.handle(ended())
    # Somebody may still be at it: AWS is to repeat the call.
    with pytest.raises(told.HeldError):
        lab.news.handle(ended())

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Later":
            return super().now(tz) + timedelta(seconds=told.HELD + 1)

    monkeypatch.setattr(told, "datetime", Later)
    assert [lab.news.handle(ended()) for _ in range(2)] == [1, 0]
    assert len(lab.topic.sent) == 1


def test_an_error_of_s3_is_no_reason_to_be_silent(lab: Laboratory) -> None:
    lab.s3.delete_bucket(Bucket=BUCKET)
    with pytest.raises(lab.s3.exceptions.ClientError, match="NoSuchBucket"):
        lab.news.handle(ended())


def test_launchers_are_told_of_when_they_fail_once_a_day(lab: Laboratory) -> None:
    assert lab.news.handle(ended("l-1", "lab-launcher")) == 0
    failed = [ended(f"l-{number}", "lab-launcher", "FAILED", 1) for number in range(3)]
    for event in failed:
        # EventBridge submits it, which gives no tags of its own.
        del event["detail"]["tags"]["terraflow:run"]
    assert [lab.news.handle(event) for event in failed] == [1, 0, 0]
    assert lab.topic.sent[0][0] == "[terraflow] The launcher of runs failed"
    assert "It is started again each hour." in lab.topic.sent[0][1]
    assert lab.keys() == [f"raw/.launcher/told/{datetime.now(UTC).date().isoformat()}.json"]


def test_a_launcher_of_airflow_is_for_one_run(lab: Laboratory) -> None:
    assert lab.news.handle(ended("l-1", "lab-launcher", "FAILED", 1)) == 1
    assert lab.topic.sent[0][1].startswith("The launcher of run cohort, which Airflow has started, failed.")


@pytest.mark.parametrize(
    ("state", "messages"),
    [
        (entries.REFUSED, 1),
        (entries.INCOMPLETE, 1),
        (entries.WAITING, 0),
        (entries.LAUNCHING, 0),
        (entries.LAUNCHED, 0),
    ],
)
def test_a_sheet_is_told_of_when_people_have_to_act(lab: Laboratory, state: str, messages: int) -> None:
    entry = Entry("0a1b", BEGAN, state, BEGAN, BEGAN, message="line 2: fq1 is empty", missing=("s3://lab-data/raw/x",))
    lab.put("raw/cohort/inbox.json", entries.to_json(entry))
    assert [lab.news.handle(created("raw/cohort/inbox.json")) for _ in range(2)] == [messages, 0]
    assert [subject for subject, _ in lab.topic.sent] == [
        "[terraflow] No run was started for raw/cohort/samples.tsv"
    ] * messages
    # Refused once more, later: another message.
    again = Entry("0a1b", BEGAN, state, BEGAN, BEGAN + 1, message="line 3: fq1 is empty")
    lab.put("raw/cohort/inbox.json", entries.to_json(again))
    assert lab.news.handle(created("raw/cohort/inbox.json")) == messages


def waiting(status: str = "RUNNABLE", minutes: int = 61) -> LiveJob:
    since = NOW - minutes * 60_000
    return LiveJob("id", "bwa_mem", {"sample": "a"}, False, status, since, "", "lab-spot", True, 4, 0, 20, since)


@pytest.mark.parametrize(
    ("jobs", "messages"),
    [
        ([waiting(), waiting()], 1),
        # A run that works, or has just begun to wait, is no news; nor is one that has nothing in Batch.
        ([waiting(), waiting("RUNNING")], 0),
        ([waiting(), waiting("STARTING", 1)], 0),
        ([waiting(), waiting(minutes=59)], 0),
        ([], 0),
    ],
)
def test_a_run_in_which_nothing_works_is_told_once(lab: Laboratory, jobs: list[LiveJob], messages: int) -> None:
    head = {"jobId": "head-1", "jobName": "cohort-head", "createdAt": BEGAN}
    lab.batch.jobs["RUNNING"] = [head, {"jobId": "l-1", "jobName": "lab-launcher", "createdAt": BEGAN}]
    live = Live("cohort", "h", "", lives.RUNNING, BEGAN, BEGAN, jobs=tuple(jobs))
    lab.put("runs/cohort/head/live.json", lives.to_json(live))
    assert [lab.news.handle(CLOCK) for _ in range(2)] == [messages, 0]
    assert [subject for subject, _ in lab.topic.sent] == ["[terraflow] Run cohort waits"] * messages


def test_a_head_that_waits_is_told_once(lab: Laboratory) -> None:
    ages = itertools.count(59)
    lab.batch.jobs["RUNNABLE"] = [
        {"jobId": f"head-{n}", "jobName": f"run{n}-head", "createdAt": NOW - next(ages) * 60_000} for n in (59, 60)
    ]
    assert [lab.news.handle(CLOCK) for _ in range(2)] == [1, 0]
    assert lab.topic.sent[0][0] == "[terraflow] Run run60 waits"


def test_launchers_that_wait_are_told_of_once_a_day(lab: Laboratory) -> None:
    lab.batch.jobs["RUNNABLE"] = [
        {"jobId": f"l-{minutes}", "jobName": "lab-launcher", "createdAt": NOW - minutes * 60_000}
        for minutes in (59, 60, 90)
    ]
    assert [lab.news.handle(CLOCK) for _ in range(2)] == [1, 0]
    assert lab.topic.sent[0][0] == "[terraflow] The launcher of runs waits"
    assert "Batch job l-60, waits in RUNNABLE" in lab.topic.sent[0][1]


def test_an_event_of_another_kind_is_an_error(lab: Laboratory) -> None:
    with pytest.raises(ValueError, match="'Batch Compute Environment State Change'"):
        lab.news.handle({"detail-type": "Batch Compute Environment State Change"})


def test_the_zip_is_the_same_each_time_and_runs_alone(tmp_path: Path) -> None:
    file, again = tmp_path / "news.zip", tmp_path / "again.zip"
    package.build(file)
    package.build(again)
    assert file.read_bytes() == again.read_bytes()
    assert all(info.external_attr >> 16 == 0o644 for info in zipfile.ZipFile(file).infolist())
    # AWS Lambda has boto3, and nothing else of ours or of others.
    program = (
        "import sys, types; sys.path.insert(0, sys.argv[1])\n"
        "boto3, botocore, errors = (types.ModuleType(n) for n in ('boto3', 'botocore', 'botocore.exceptions'))\n"
        "errors.ClientError = Exception\n"
        "sys.modules.update({m.__name__: m for m in (boto3, botocore, errors)})\n"
        "from terraflow.news import function\n"
        "print(function.handle.__name__, function.__file__)\n"
    )
    alone = [sys.executable, "-I", "-S", "-c", program, str(file)]
    done = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["handle", f"{file}/terraflow/news/function.py"], done.stderr


def test_the_function_s_answer_says_how_many_messages_went_out(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clients = {"s3": lab.s3, "batch": lab.batch, "sns": lab.topic}
    monkeypatch.setattr(boto3, "client", clients.__getitem__)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    assert function.handle(ended(), None) == {"messages": 1}
    assert json.loads(capsys.readouterr().out) == {"event": "c8f9c4b5", "type": "Batch Job State Change", "messages": 1}


class Subscriptions:
    """SNS with one subscription of the topic."""

    def __init__(self, arn: str) -> None:
        self.arn = arn

    def get_paginator(self, name: str) -> "Subscriptions":
        assert name == "list_subscriptions_by_topic"
        return self

    def paginate(self, *, TopicArn: str) -> list[dict[str, Any]]:
        assert TopicArn == SETTINGS["TOPIC"]
        return [{"Subscriptions": [{"Endpoint": "lab@example.org", "SubscriptionArn": self.arn}]}]


@pytest.mark.parametrize(
    ("topic", "subscription", "says"),
    [
        (SETTINGS["TOPIC"], "PendingConfirmation", ["AWS has asked lab@example.org by e-mail to confirm"]),
        (SETTINGS["TOPIC"], f"{SETTINGS['TOPIC']}:0a1b", []),
        (None, "PendingConfirmation", []),
    ],
)
def test_an_address_that_was_not_confirmed_is_noted(topic: str | None, subscription: str, says: list[str]) -> None:
    found = confirmation.notes(dataclasses.replace(STACK, news_topic_arn=topic), Subscriptions(subscription))
    assert [note.partition(" that it wants")[0] for note in found] == says
