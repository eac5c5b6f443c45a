"""The record of a run: how many requests it takes, what S3 may refuse, and what an ended head leaves."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from fake_head import until
from snakemake_aws_common.record.attempt import Attempt, Step
from snakemake_aws_common.record.measured import measured_name, pack_steps
from snakemake_aws_common.record.store import PART, part_name, read_attempts
from snakemake_executor_plugin_aws_batch_fargate import recorder
from snakemake_executor_plugin_aws_batch_fargate.attempts import Known
from snakemake_executor_plugin_aws_batch_fargate.recorder import Place, Recorder

HEAD = "20260101T000000Z-0123abcd"
OF = Known("bwa_mem", {"sample": "A"}, False, "main-bwa_mem-A-0123456789ab-0123ab", "spot", steps=[("bwa_mem", {})])


class CountedS3:
    """A client of S3 that counts its calls, and may refuse some."""

    def __init__(self, client: Any) -> None:
        self.client, self.calls = client, []
        self.refuse: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments.get("Key", "")))
            if name in self.refuse:
                raise ClientError({"Error": {"Code": "SlowDown", "Message": "made to fail"}}, name)
            return getattr(self.client, name)(**arguments)

        return getattr(self.client, name) if name == "get_paginator" else call

    def count(self, name: str) -> int:
        return [called for called, _ in self.calls].count(name)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[CountedS3]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="data")
        yield CountedS3(client)


def job(number: int, started: int | None = 1_000) -> dict[str, Any]:
    attempt = {"container": {"exitCode": 0}, "startedAt": started, "stoppedAt": 2_000 + number}
    return {"jobId": f"j-{number}", "status": "SUCCEEDED", "createdAt": 1, "attempts": [attempt]}


def kept(s3: CountedS3) -> list[Attempt]:
    return read_attempts(s3.client, "data", "runs/main")


def new(s3: CountedS3, head: str = HEAD) -> tuple[Recorder, list[str]]:
    said: list[str] = []
    made = Recorder(Place(s3, "data", "runs/main"), head, {"spot": True}, said.append)
    made.start()
    return made, said


def test_all_that_ended_in_one_look_is_one_put_of_one_part(s3: CountedS3) -> None:
    one, said = new(s3)
    for number in range(30):
        one.note(job(number), OF)
    one.write_soon()
    assert one.finish(20) == 0
    assert s3.count("put_object") == 1 and s3.calls[-1] == ("put_object", f"runs/main/{part_name(HEAD, 1)}")
    assert [attempt.native_id for attempt in kept(s3)] == [f"j-{number}" for number in range(30)]
    assert all(attempt.spot and attempt.head == HEAD for attempt in kept(s3)) and not said


def test_a_part_is_rewritten_until_it_is_full(s3: CountedS3) -> None:
    """Jobs that never began have no measurements, for which S3 would be asked."""
    one, _ = new(s3)
    for end, puts in ((2, 1), (PART - 1, 2), (PART + 3, 4)):
        for number in range(end):
            one.note(job(number, started=None), OF)
        one.write_soon()
        until(lambda wanted=puts: s3.count("put_object") == wanted)  # type: ignore[misc]
    assert one.finish(20) == 0
    keys = [key.rpartition("/")[2] for name, key in s3.calls if name == "put_object"]
    assert keys == ["00001.jsonl.gz"] * 3 + ["00002.jsonl.gz"]
    assert len(kept(s3)) == PART + 3


def test_an_attempt_is_recorded_once_and_one_that_is_known_never(s3: CountedS3) -> None:
    one, _ = new(s3)
    assert len(one.note(job(1), OF)) == 1
    assert one.note(job(1), OF) == []
    assert one.finish(20) == 0
    two, _ = new(s3, "20260102T000000Z-0123abcd")
    two.know(kept(s3))
    assert two.note(job(1), OF) == []
    assert two.finish(20) == 0
    assert s3.count("put_object") == 1


def test_measurements_get_into_the_steps_and_are_removed(s3: CountedS3) -> None:
    one, _ = new(s3)
    measured = [Step("bwa_mem", {}, exit=0, realtime=900, cpu_time=1_700), Step("sort", {"sample": "A"}, exit=0)]
    s3.client.put_object(Bucket="data", Key=f"runs/main/{measured_name('j-1', 1)}", Body=pack_steps(measured))
    s3.client.put_object(Bucket="data", Key=f"runs/main/{measured_name('j-2', 1)}", Body=b"<html>")
    for number in range(4):
        one.note(job(number), OF)
    assert one.finish(20) == 0
    steps = {attempt.native_id: list(attempt.steps) for attempt in kept(s3)}
    assert steps == {"j-1": measured, **{f"j-{number}": [Step("bwa_mem", {})] for number in (0, 2, 3)}}
    left = s3.client.list_objects_v2(Bucket="data", Prefix="runs/main/head/measured/")
    assert left["KeyCount"] == 0
    # A GET for each job that ran; one PUT and one call that removes, however many they are.
    assert [s3.count(name) for name in ("get_object", "put_object", "delete_objects")] == [4, 1, 1]


def test_what_s3_refuses_is_tried_again_and_said_once(s3: CountedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "TICK", 0.01)
    one, said = new(s3)
    s3.refuse = {"put_object"}
    one.note(job(1), OF)
    one.write_soon()
    until(lambda: s3.count("put_object") >= 3)
    one.note(job(2), OF)
    s3.refuse = set()
    assert one.finish(20) == 0
    assert [attempt.native_id for attempt in kept(s3)] == ["j-1", "j-2"]
    assert len(said) == 1 and "record of the run can't be written" in said[0]


@pytest.mark.parametrize("refused", ["put_object", "get_object"])
def test_what_could_not_be_written_is_counted(s3: CountedS3, refused: str) -> None:
    one, said = new(s3)
    s3.refuse = {refused}
    for number in range(3):
        one.note(job(number), OF)
    assert one.finish(20) == 3
    assert len(said) == 1


def test_measurements_that_stay_are_no_trouble(s3: CountedS3) -> None:
    one, said = new(s3)
    s3.client.put_object(Bucket="data", Key=f"runs/main/{measured_name('j-1', 1)}", Body=pack_steps([]))
    s3.refuse = {"delete_objects"}
    one.note(job(1), OF)
    assert one.finish(20) == 0 and not said
