"""`--follow`: the head's log in its order, over all attempts, and the exit code that it ends with."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from rich.console import Console

from run_objects import ABOUT, STACK, put
from terraflow.errors import UserError
from terraflow.launch import follow
from terraflow.runs import find
from terraflow.runs.tail import Tail

HEAD = dataclasses.replace(ABOUT, state="running", ended=None, exit_code=None)


class Logs:
    """Streams that grow: each call of `get_log_events` gives two lines at most."""

    def __init__(self, **streams: list[str]) -> None:
        self.streams = streams

    def get_log_events(self, logStreamName: str, nextToken: str = "f/0", **_: object) -> Mapping[str, Any]:
        if logStreamName not in self.streams:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "GetLogEvents")
        start = int(nextToken.removeprefix("f/"))
        found = self.streams[logStreamName][start : start + 2]
        return {"events": [{"message": line} for line in found], "nextForwardToken": f"f/{start + len(found)}"}


def job(status: str, stream: str = "", tries: tuple[str, ...] = (), **container: object) -> Mapping[str, Any]:
    attempts = [{"container": {"logStreamName": one}} for one in tries]
    own = {**container, **({"logStreamName": stream} if stream else {})}
    return {"jobId": "head-1", "status": status, "attempts": attempts, "container": own, "statusReason": "its reason"}


class Looks:
    """AWS Batch, which answers each look at the head with the next of these jobs."""

    def __init__(self, *jobs: Mapping[str, Any] | None) -> None:
        self.jobs: Iterator[Mapping[str, Any] | None] = iter(jobs)
        self.before: dict[int, Any] = {}

    def describe_jobs(self, jobs: list[str]) -> Mapping[str, Any]:
        assert jobs == ["head-1"]
        found = next(self.jobs)
        return {"jobs": [found] if found else []}


def followed(monkeypatch: pytest.MonkeyPatch, s3: Any, batch: Any, logs: Any) -> tuple[int, list[str]]:
    clients = {"s3": s3, "batch": batch, "logs": logs}
    monkeypatch.setattr(find, "client", lambda service, *_: clients[service])
    out = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    return follow.follow("cohort7", STACK, out, pause=0), out.export_text().splitlines()


def test_the_log_of_all_attempts_is_shown_once(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "cohort7", HEAD)
    logs = Logs(one=["a", "b", "c"])
    lost = job("RUNNABLE", tries=("one",))

    class Growing(Looks):
        def describe_jobs(self, jobs: list[str]) -> Mapping[str, Any]:
            found = super().describe_jobs(jobs)
            if found["jobs"] and found["jobs"][0] is lost:
                logs.streams["one"].append("d")
                logs.streams["two"] = ["e"]
            return found

    done = job("SUCCEEDED", "two", ("one", "two"), exitCode=0)
    batch = Growing(None, job("STARTING"), job("RUNNING", "one"), lost, job("RUNNING", "two", ("one",)), done)

    code, shown = followed(monkeypatch, s3, batch, logs)

    assert code == 0
    assert [line for line in shown if not line.startswith("(head")] == ["a", "b", "c", "d", "e"]
    states = ["STARTING", "RUNNING", "RUNNABLE", "RUNNING", "SUCCEEDED"]
    assert [line for line in shown if line.startswith("(head")] == [f"(head: {state}) its reason" for state in states]


@pytest.mark.parametrize(
    ("about", "last", "code", "words"),
    [
        ({"state": "failed", "exit_code": 60, "message": "bwa_mem failed"}, job("FAILED"), 60, "bwa_mem failed"),
        ({"state": "over budget", "exit_code": 61}, job("FAILED", exitCode=61), 61, ""),
        # A head that died without a word.
        ({}, job("FAILED", exitCode=137), 137, "The head has ended: its reason."),
        ({}, job("FAILED"), 60, "The head has ended: its reason."),
        ({}, job("SUCCEEDED"), 0, ""),
    ],
)
def test_it_ends_with_the_exit_code_of_the_head(
    s3: Any,
    monkeypatch: pytest.MonkeyPatch,
    about: Mapping[str, Any],
    last: Mapping[str, Any],
    code: int,
    words: str,
) -> None:
    put(s3, "cohort7", dataclasses.replace(HEAD, **about))
    found, shown = followed(monkeypatch, s3, Looks(last), Logs())
    assert found == code
    assert words in "\n".join(shown)


class Flaky(Looks):
    """AWS Batch, of which some of these looks fail."""

    def describe_jobs(self, jobs: list[str]) -> Mapping[str, Any]:
        found = super().describe_jobs(jobs)
        if found["jobs"] and isinstance(error := found["jobs"][0], Exception):
            raise error
        return found


def failing(code: str, status: int) -> Any:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "DescribeJobs")


def test_what_passes_is_waited_for_and_said_once(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "cohort7", HEAD)
    gone = EndpointConnectionError(endpoint_url="https://batch")
    done = job("SUCCEEDED", "one", exitCode=0)
    batch = Flaky(job("RUNNING", "one"), gone, gone, failing("InternalError", 500), done)  # type: ignore[arg-type]
    code, shown = followed(monkeypatch, s3, batch, Logs(one=["a", "b"]))
    assert code == 0
    assert [line for line in shown if not line.startswith("(head")] == [
        "a", "b", "AWS can't be asked just now, and is asked again: "
        'Could not connect to the endpoint URL: "https://batch"',
    ]  # fmt: skip
    with pytest.raises(ClientError, match="AccessDenied"):
        followed(monkeypatch, s3, Flaky(failing("AccessDenied", 403)), Logs())


def test_ctrl_c_ends_the_following_only_and_says_so(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "cohort7", HEAD)

    class Interrupted(Looks):
        def describe_jobs(self, jobs: list[str]) -> Mapping[str, Any]:
            raise KeyboardInterrupt

    code, shown = followed(monkeypatch, s3, Interrupted(), Logs())
    assert code == 130
    assert "Following ended; run cohort7 goes on." in " ".join(shown)
    assert "`terraflow stop cohort7` ends it." in " ".join(shown)


def test_a_head_that_is_no_job_can_t_be_followed(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="is no job of the stack's head queue"):
        followed(monkeypatch, s3, Looks(), Logs())


def test_a_head_that_batch_has_forgotten_is_said_to_be_so(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "cohort7", HEAD)
    with pytest.raises(UserError, match="does not know head-1"):
        followed(monkeypatch, s3, Looks(job("RUNNING"), None), Logs())


def test_a_tail_reads_on_where_it_ended() -> None:
    logs = Logs(one=["a", "b", "c"])
    tail = Tail(logs, "group")  # type: ignore[arg-type]
    assert list(tail.lines("none")) == []
    assert list(tail.lines("one")) == ["a", "b", "c"]
    logs.streams["one"].append("d")
    assert list(tail.lines("one")) == ["d"]
    assert list(tail.lines("one")) == []
