"""Logs of failed jobs: the end of the log stream, and of the log files of rules."""

import datetime
import io
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ResponseStreamingError
from botocore.stub import Stubber

from fake_batch import REGION
from fake_jobs import FakeJob
from snakemake_executor_plugin_aws_batch_fargate import logs, rule_logs


def client(service: str) -> Any:
    session = botocore.session.get_session()
    session.set_credentials("tests", "tests")
    return session.create_client(service, region_name=REGION)


def test_the_end_of_a_log_stream() -> None:
    stubbed = client("logs")
    with Stubber(stubbed) as stub:
        asked = {"logStreamName": "s", "limit": 300, "startFromHead": False}
        stub.add_client_error(
            "get_log_events", "ResourceNotFoundException", expected_params={"logGroupName": "/g", **asked}
        )
        stub.add_response(
            "get_log_events",
            {"events": [{"message": f"a {n}\nb {n}", "timestamp": n} for n in range(30)]},
            {"logGroupName": "/aws/batch/job", **asked},
        )
        log = logs.tail(stubbed, {"container": {"logStreamName": "s"}}, REGION, "/g")
    assert (len(log.lines), log.lines[-1], log.group) == (30, "b 29", "/aws/batch/job")


def test_a_log_that_comes_late() -> None:
    answers: list[list[dict[str, str]]] = [[], [{"message": "late"}]]
    late = SimpleNamespace(get_log_events=lambda **_: {"events": answers.pop(0)})
    described = {
        "container": {"logStreamName": "s", "logConfiguration": {"options": {"awslogs-group": "/aws/batch/job"}}}
    }
    log = logs.tail(late, described, REGION, patience=0.1)
    assert log.lines == ["late"]


def test_pages_without_lines_are_turned() -> None:
    pages: dict[str | None, Any] = {
        None: {"events": [], "nextBackwardToken": "1"},
        "1": {"events": [], "nextBackwardToken": "2"},
        "2": {"events": [{"message": "there"}], "nextBackwardToken": "3"},
    }
    asked = SimpleNamespace(get_log_events=lambda nextToken=None, **_: pages[nextToken])
    assert logs.tail(asked, {"container": {"logStreamName": "s"}}, REGION).lines == ["there"]


def test_a_log_out_of_reach_is_not_asked_for_again() -> None:
    asked: list[str] = []

    def unreachable(logGroupName: str, **_: Any) -> None:
        asked.append(logGroupName)
        raise EndpointConnectionError(endpoint_url="https://logs")

    log = logs.tail(SimpleNamespace(get_log_events=unreachable), {"container": {"logStreamName": "s"}}, REGION, "/g")
    assert "can't be read" in log.trouble and asked == ["/g"]


def test_no_log() -> None:
    log = logs.tail(None, {"container": {}}, REGION)
    assert log.where() == [] and "did not start" in log.trouble
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetLogEvents")

    def refuse(**_: object) -> None:
        raise denied

    log = logs.tail(SimpleNamespace(get_log_events=refuse), {"container": {"logStreamName": "s"}}, REGION, patience=0)
    assert "AccessDenied" in log.trouble and log.where()


def test_what_a_worker_stores_after_a_failure_does_not_hide_it() -> None:
    stored = [{"message": f"Storing in storage: s3://data/{n}\nFinished upload."} for n in range(100)]
    asked = SimpleNamespace(get_log_events=lambda **_: {"events": [{"message": "reads are damaged"}, *stored]})
    assert logs.tail(asked, {"container": {"logStreamName": "s"}}, REGION).lines == ["reads are damaged"]


class Refused(Exception):
    pass


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (Refused("AccessDenied on /stack"), "its log can't be read: AccessDenied on /stack"),
        ([], "it wrote nothing"),
    ],
)
def test_the_stack_s_own_log_group_says_why_there_is_no_log(own: object, words: str) -> None:
    """Batch's default group, which is tried besides, most often is not there: that is not the reason."""

    def get_log_events(logGroupName: str, **_: object) -> dict[str, Any]:
        found = own if logGroupName == "/stack" else Refused("ResourceNotFoundException on /aws/batch/job")
        if isinstance(found, Exception):
            raise found
        return {"events": found}

    description = {"container": {"logStreamName": "worker/default/1"}}
    client = SimpleNamespace(get_log_events=get_log_events)
    log = logs.tail(client, description, "us-east-1", "/stack", patience=0)
    assert (log.lines, log.group, log.trouble) == ([], "/stack", words)


def test_ends_of_rule_logs() -> None:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    bodies = {
        "runs/a.log": (now, io.BytesIO(b"one\n\ntwo\n")),
        "runs/old.log": (now - datetime.timedelta(hours=1), io.BytesIO(b"old\n")),
    }

    def get_object(Bucket: str, Key: str, Range: str) -> dict[str, Any]:
        assert Range == "bytes=-16384"
        if Key not in bodies:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": ""}}, "GetObject")
        return {"LastModified": bodies[Key][0], "Body": bodies[Key][1]}

    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise ResponseStreamingError(error="cut")

    bodies["runs/cut.log"] = (now, Broken())
    job = FakeJob(
        log=[
            "s3://data/runs/cut.log",
            "s3://data/runs/a.log",
            "s3://data/runs/old.log",
            "s3://data/runs/none.log",
            "local.log",
        ]
    )
    found = rule_logs.rule_logs(SimpleNamespace(get_object=get_object), job, {"startedAt": now.timestamp() * 1000})
    assert found == [rule_logs.RuleLog("s3://data/runs/a.log", ["one", "two"])]


def test_of_a_group_the_log_of_what_failed_comes_first() -> None:
    now = datetime.datetime.now(datetime.UTC)
    bucket = SimpleNamespace(get_object=lambda **_: {"LastModified": now, "Body": io.BytesIO(b"line")})
    job = FakeJob(log=[f"s3://data/{n}.log" for n in range(100)])
    said = [
        "    log: s3://data/77.log (send to storage) (check log file(s) for error details)",
        "s3://data/50.log stored",
    ]
    found = rule_logs.rule_logs(bucket, job, {}, said)
    assert [log.address[10:-4] for log in found] == ["77", "0", "1", "2", "3"]
