"""Logs of heads and jobs: from CloudWatch, from the rules' log files, and why a run has failed."""

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from pretend_batch import PretendBatch
from run_objects import ABOUT, ATTEMPT, BUCKET, LIVE, MINUTE, STACK, START, put, put_lock
from snakemake_aws_common.record import attempt as attempts
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record import store
from snakemake_aws_common.record.attempt import Attempt, Step
from snakemake_aws_common.record.live import Failure, LiveJob
from terraflow import cli
from terraflow.heads import about as abouts
from terraflow.runs import logs as module

Show = Callable[..., tuple[int, str]]
# CloudWatch takes no old lines.
NOW = round(time.time() * 1000)
FAILED = replace(
    ATTEMPT, native_id="id-2", status=attempts.FAILED, exit=1, complete=START + 20 * MINUTE, log_stream="worker/2"
)
OTHER = replace(
    ATTEMPT,
    native_id="id-3",
    process="sort_index",
    wildcards={"sample": "b"},
    is_group=False,
    steps=(Step("sort_index", {"sample": "b"}),),
)
RULE_LOG = "runs/cohort7/logs/bwa_mem/a/1.1.log"
UNREADABLE = (
    "CloudWatch's log can't be read (Could not connect to the endpoint URL: \"https://logs\"); what follows is from S3."
)


@pytest.fixture
def cloudwatch(commands: Any, batch: PretendBatch, monkeypatch: pytest.MonkeyPatch) -> Any:
    """CloudWatch with the stack's log group."""
    client = boto3.client("logs", region_name=STACK.region)
    client.create_log_group(logGroupName=STACK.log_group)
    clients = {"s3": commands, "batch": batch, "logs": client}
    monkeypatch.setattr("terraflow.runs.find.client", lambda service, *_: clients[service])
    return client


def write(cloudwatch: Any, stream: str, lines: Sequence[str]) -> None:
    """Write a log stream."""
    cloudwatch.create_log_stream(logGroupName=STACK.log_group, logStreamName=stream)
    events = [{"timestamp": NOW + number, "message": line} for number, line in enumerate(lines)]
    cloudwatch.put_log_events(logGroupName=STACK.log_group, logStreamName=stream, logEvents=events)


@pytest.fixture
def show(cloudwatch: Any, capsys: pytest.CaptureFixture[str]) -> Show:
    """What the command returns, and prints to both streams."""

    def call(*arguments: str) -> tuple[int, str]:
        code = cli.main(["logs", "cohort7", *arguments])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return call


def test_a_run_that_has_failed_is_explained(commands: Any, show: Show) -> None:
    text = "Rule bwa_mem (sample=a) failed on AWS Batch. It ran out of memory.\n        what to do: Raise mem_mb."
    failures = (Failure("id-2", "bwa_mem", {"sample": "a"}, text), Failure("id-3", "call", {}, "token=abcdef01 failed"))
    about = replace(ABOUT, state=abouts.FAILED, message="2 of 4 jobs failed.")
    put(commands, "cohort7", about=about, live=replace(LIVE, state=lives.FAILED, failures=failures))
    assert show() == (
        3,
        f"2 of 4 jobs failed.\n\n{text}\n\ntoken=[hidden] failed\n\n"
        "`terraflow logs cohort7 --head` shows the head's log, --rule and --sample those of jobs.\n",
    )
    # The message of a head repeats what failed.
    put(commands, "cohort7", about=replace(about, message=f"{text}\nAnd 1 more jobs."))
    assert show()[1].startswith(f"\n{text}\n\ntoken=")
    code, out = show("--json")
    assert (code, [one["native_id"] for one in json.loads(out)["failures"]]) == (3, ["id-2", "id-3"])


@pytest.mark.parametrize("head", ["", "head-1"])
def test_failures_of_an_earlier_start_are_past(commands: Any, show: Show, head: str) -> None:
    """A sheet that is refused writes that the run has failed, and no head begins."""
    text = "Rule bwa_mem (sample=a) failed on AWS Batch."
    earlier = replace(LIVE, state=lives.FAILED, failures=(Failure("id-2", "bwa_mem", {"sample": "a"}, text),))
    refused = replace(
        ABOUT, state=abouts.FAILED, submitted=START + 60 * MINUTE, started=None, ended=START + 60 * MINUTE,
        head_job=head, message="samples.tsv: line 2: fq1 is missing.",
    )  # fmt: skip
    put(commands, "cohort7", about=refused, live=earlier)
    code, out = show()
    assert code == 3
    assert text not in out
    assert "== head of cohort7" in out if head else out == "samples.tsv: line 2: fq1 is missing.\n"
    code, out = show("--json")
    told = json.loads(out)
    assert code == 3
    if not head:
        assert (told["message"], told["failures"]) == (refused.message, [])


@pytest.mark.parametrize("lines", ["-5", "many", "1.5"])
def test_lines_are_a_number(show: Show, lines: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        show(f"--lines={lines}")
    assert end.value.code == 2
    assert f"--lines: found {lines}; expected a number of lines, 0 for all" in capsys.readouterr().err


def head_job(batch: PretendBatch, status: str = "RUNNING") -> None:
    """A head that was started twice."""
    first = [{"container": {"logStreamName": "head/1"}}]
    batch.add("head-1", "cohort7", "head", status, queue="head", attempts=first, container={"logStreamName": "head/2"})


def test_the_head(commands: Any, batch: PretendBatch, cloudwatch: Any, show: Show) -> None:
    put(commands, "cohort7", about=ABOUT, live=LIVE)
    head_job(batch)
    write(cloudwatch, "head/1", ["one", "two"])
    write(cloudwatch, "head/2", ["three", "password=abcdef01"])
    title = "== head of cohort7: /terraflow/terraflow, head/2\n"
    assert show() == (0, f"{title}one\ntwo\nthree\npassword=[hidden]\n")
    assert show("--lines", "1") == (0, f"{title}password=[hidden]\n")
    _, out = show("--json", "--lines", "0")
    assert json.loads(out)["head"]["lines"] == ["one", "two", "three", "password=[hidden]"]


def test_a_head_that_batch_has_forgotten(commands: Any, show: Show) -> None:
    put(commands, "cohort7", about=ABOUT, live=LIVE)
    commands.put_object(Bucket=BUCKET, Key="runs/cohort7/head/logs/20260301T120000Z-head-1-1.log", Body=b"one\ntwo\n")
    assert show("--lines", "1") == (
        0,
        "AWS Batch does not know job head-1 any more, and so not its log stream.\n"
        "== head of cohort7: s3://data/runs/cohort7/head/logs/20260301T120000Z-head-1-1.log\ntwo\n",
    )


def test_a_head_elsewhere(commands: Any, show: Show) -> None:
    put(commands, "cohort7", live=replace(LIVE, who="eve@laptop"))
    code, text = show()
    assert code == 1
    assert "The head of run cohort7 is no job of the stack but eve@laptop's own Snakemake" in text


@pytest.fixture
def jobs(commands: Any, cloudwatch: Any) -> Any:
    """A run with three attempts: two of one job, of which the later has failed."""
    put(commands, "cohort7", about=ABOUT, live=LIVE, attempts=[ATTEMPT, FAILED, OTHER])
    write(cloudwatch, ATTEMPT.log_stream, ["of the first"])
    write(cloudwatch, "worker/2", [f"line {number}" for number in range(200)])
    commands.put_object(Bucket=BUCKET, Key=RULE_LOG, Body=b"[E::main] no reads\n")
    commands.put_object(Bucket=BUCKET, Key="runs/cohort7/logs/bwa_mem/a/1.2.log", Body=b"of another shard\n")
    return commands


def test_attempts_of_a_rule_the_newest_first(jobs: Any, show: Show) -> None:
    code, text = show("--rule", "bwa_mem", "--sample", "a", "--lines", "2")
    assert code == 3
    assert text == (
        "== lane (sample=a, unit=1): failed with exit code 1 2026-03-01 12:20 UTC (Essential container in task exited)"
        "; Batch job id-2, attempt 1\n"
        "-- CloudWatch, worker/2\nline 198\nline 199\n"
        f"-- s3://data/{RULE_LOG}, stored later\n[E::main] no reads\n\n"
        "== lane (sample=a, unit=1): done 2026-03-01 12:10 UTC; Batch job id-1, attempt 1\n"
        "-- CloudWatch, worker-20gib/default/0a1b\nof the first\n"
        f"-- s3://data/{RULE_LOG}, stored later\n[E::main] no reads\n\n"
    )


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (("--rule", "bwa_mem"), ["id-2", "id-1"]),
        (("--rule", "lane"), ["id-2", "id-1"]),
        (("--sample", "b"), ["id-3"]),
        (("--sample", "a", "--job", "id-1"), ["id-1"]),
    ],
)
def test_which_jobs(jobs: Any, show: Show, arguments: tuple[str, ...], ids: list[str]) -> None:
    _, out = show(*arguments, "--json")
    assert [one["job"]["native_id"] for one in json.loads(out)["jobs"]] == ids


def test_calls_of_one_sample_are_its_own(commands: Any, cloudwatch: Any, show: Show) -> None:
    calls = [
        replace(OTHER, native_id=f"of-{name}", process="bcftools_call", wildcards={"callset": name}, steps=())
        for name in ("a", "all")
    ]
    put(commands, "cohort7", about=ABOUT, live=LIVE, attempts=[ATTEMPT, *calls])
    for rule in ([], ["--rule", "bcftools_call"]):
        _, out = show("--sample", "a", *rule, "--json")
        assert {one["job"]["native_id"] for one in json.loads(out)["jobs"]} == {"of-a", *([] if rule else ["id-1"])}
    code, text = show("--sample", "all")
    assert code == 1
    assert "is of sample 'all'. There are a." in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--rule", "bwa_men"),
            "No job of the run that was submitted so far is of rule 'bwa_men'. There are bwa_mem",
        ),
        (("--sample", "c"), "No job of the run that was submitted so far is of sample 'c'. There are a, b."),
        (("--rule", "sort_index", "--sample", "a"), "is of sample 'a'. There are b."),
        (("--rule", "bwa_mem", "--follow"), "None of those jobs runs. Without --follow their logs are shown."),
    ],
)
def test_what_is_not_there(jobs: Any, show: Show, arguments: tuple[str, ...], words: str) -> None:
    code, text = show(*arguments)
    assert code == 1
    assert words in text


@pytest.mark.parametrize(
    ("arguments", "looks"),
    [
        (("--rule", "bwa_mem"), [["bwa_mem"]]),
        (("--rule", "bwa_mem", "--sample", "a", "--job", "id-2"), [["bwa_mem", "a", "id-2"]]),
        # The names that there are must come from somewhere.
        (("--rule", "bwa_men"), [["bwa_men"], []]),
        (("--rule", "sort_index", "--follow"), [["sort_index"]]),
        (("--sample", "c", "--follow"), []),
    ],
)
def test_of_the_record_no_more_is_read_than_is_needed(
    jobs: Any, show: Show, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], looks: list[list[str]]
) -> None:
    job = LiveJob("id-4", "call", {"sample": "c"}, False, "RUNNABLE", START, "", "terraflow-spot", True, 4, 1, 1, START)
    put(jobs, "cohort7", live=replace(LIVE, state=lives.RUNNING, ended=None, jobs=(job,)))
    put_lock(jobs, "cohort7")
    asked: list[list[str]] = []
    unpack = store.unpack

    def noted(body: bytes, naming: Sequence[str]) -> list[Attempt]:
        asked.append(list(naming))
        return unpack(body, naming)

    monkeypatch.setattr(store, "unpack", noted)
    show(*arguments)
    assert asked == looks


def test_many_attempts_are_listed(commands: Any, show: Show) -> None:
    made = [replace(ATTEMPT, native_id=f"id-{number}", complete=START + number * MINUTE) for number in range(9)]
    put(commands, "cohort7", about=ABOUT, live=LIVE, attempts=made)
    _, text = show("--rule", "bwa_mem")
    assert text.count("== lane") == 5
    assert (
        "and 4 attempts more; `terraflow logs cohort7 --job ID` shows one:\n  id-3  lane (sample=a, unit=1): done"
        in text
    )
    # Their log streams are gone; what is left is said.
    assert text.count("-- CloudWatch has no log of it any more; what follows is from S3.\n-- no log file") == 5


def test_cloudwatch_out_of_reach(jobs: Any, cloudwatch: Any, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://logs")

    monkeypatch.setattr(cloudwatch, "get_log_events", unreachable)
    code, text = show("--job", "id-1")
    assert code == 0
    assert f"-- {UNREADABLE}\n-- s3://data/{RULE_LOG}, stored later\n[E::main] no reads\n" in text


def test_a_run_without_a_record(commands: Any, show: Show) -> None:
    commands.put_object(Bucket=BUCKET, Key="runs/cohort7/results/x", Body=b"")
    code, text = show("--rule", "bwa_mem")
    assert code == 1
    assert "There is no record of run cohort7" in text
    assert "s3://data/runs/cohort7/logs/" in text


def test_jobs_of_a_run_without_a_record_that_have_not_ended(
    commands: Any, batch: PretendBatch, cloudwatch: Any, show: Show
) -> None:
    commands.put_object(Bucket=BUCKET, Key="runs/cohort7/results/x", Body=b"")
    tags = {"terraflow:run": "cohort7", "terraflow:rule": "bwa_mem", "terraflow:sample": "a"}
    batch.add("id-1", "cohort7", "bwa_mem", tags=tags, createdAt=START, container={"logStreamName": "worker/1"})
    batch.add("id-2", "cohort7-b", "bwa_mem", tags=tags | {"terraflow:run": "cohort7-b"})
    batch.add("id-3", "cohort7", "sort_index", "SUCCEEDED")
    write(cloudwatch, "worker/1", ["[M::mem_process_seqs]"])
    code, text = show("--sample", "a")
    assert code == 0
    assert text.startswith("== bwa_mem (sample=a): RUNNING since ") and text.count("==") == 1
    assert "; Batch job id-1\n-- CloudWatch, worker/1\n[M::mem_process_seqs]\n" in text
    code, text = show("--rule", "sort_index")
    assert code == 1
    assert "only jobs are known that have not ended" in text and "There are bwa_mem." in text


def test_a_job_is_followed_through_a_pipe_until_it_ends(
    commands: Any, batch: PretendBatch, cloudwatch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = LiveJob(
        "id-4", "bwa_mem", {"sample": "a"}, False, "RUNNING", START, "", "terraflow-spot", True, 4, 1, 1, START
    )  # fmt: skip
    put(commands, "cohort7", live=replace(LIVE, state=lives.RUNNING, ended=None, jobs=(job,)), attempts=[OTHER])
    put_lock(commands, "cohort7")
    batch.add("id-4", "cohort7", "bwa_mem", container={"logStreamName": "worker/4"})
    write(cloudwatch, "worker/4", ["first"])

    pipe = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(pipe))

    def later(_: float) -> None:
        assert pipe.getvalue() == b"first\n"
        batch.jobs["id-4"] |= {"status": "FAILED", "statusReason": "Essential container in task exited"}
        events = [{"timestamp": NOW + 9, "message": "last"}]
        cloudwatch.put_log_events(logGroupName=STACK.log_group, logStreamName="worker/4", logEvents=events)

    monkeypatch.setattr(module.time, "sleep", later)
    assert cli.main(["logs", "cohort7", "--rule", "bwa_mem", "--follow"]) == 3
    assert pipe.getvalue() == b"first\nlast\n== bwa_mem (sample=a): FAILED Essential container in task exited\n"


def test_a_job_is_followed_through_trouble(
    commands: Any, batch: PretendBatch, cloudwatch: Any, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = LiveJob("id-4", "bwa_mem", {}, False, "RUNNING", START, "", "terraflow-spot", True, 4, 1, 1, START)
    put(commands, "cohort7", live=replace(LIVE, state=lives.RUNNING, ended=None, jobs=(job,)))
    put_lock(commands, "cohort7")
    batch.add("id-4", "cohort7", "bwa_mem", container={"logStreamName": "worker/4"})
    write(cloudwatch, "worker/4", ["first"])
    get, looks = cloudwatch.get_log_events, iter([False, True, True, False, False])

    def flaky(**given: Any) -> Any:
        if next(looks, False):
            raise EndpointConnectionError(endpoint_url="https://logs")
        return get(**given)

    monkeypatch.setattr(cloudwatch, "get_log_events", flaky)
    monkeypatch.setattr(module.time, "sleep", lambda _: batch.jobs["id-4"].update(status="SUCCEEDED"))
    assert show("--rule", "bwa_mem", "--follow") == (
        0,
        "first\n== bwa_mem: SUCCEEDED\n"
        'AWS can\'t be asked just now, and is asked again: Could not connect to the endpoint URL: "https://logs"\n',
    )
