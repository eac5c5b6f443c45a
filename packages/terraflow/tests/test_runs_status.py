"""How a run does, as text and for programs, in each state; and what is said when something can't be found out."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from rich.console import Console

from pretend_batch import PretendBatch
from run_objects import ABOUT, ATTEMPT, BUCKET, LIVE, MINUTE, START, put, put_lock
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record.live import Failure, LiveJob, RuleCount
from terraflow import cli
from terraflow.heads import about as abouts
from terraflow.runs import picture, status, words
from terraflow.runs.overview import Head, Overview

NOW = START + 60 * MINUTE
BEGUN = replace(ABOUT, state=abouts.RUNNING, ended=None, exit_code=None, budget=20)
JOB = LiveJob(
    native_id="id-2",
    process="bwa_mem",
    wildcards={"sample": "b", "unit": "1"},
    is_group=False,
    status="RUNNING",
    since=NOW - 12 * MINUTE,
    reason="",
    queue="terraflow-spot",
    spot=True,
    cpus=4,
    memory=8 << 30,
    disk=20 << 30,
    submit=NOW - 14 * MINUTE,
)
BLOCKED = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
WORKS = replace(
    LIVE,
    state=lives.RUNNING,
    ended=None,
    updated=NOW - 5000,
    rules={"decompress": RuleCount(total=2, done=2), "bwa_mem": RuleCount(total=5, waiting=3, running=1, done=1)},
    jobs=(
        JOB,
        replace(JOB, native_id="id-3", status="RUNNABLE", since=NOW - 3 * MINUTE),
        replace(JOB, native_id="id-4", status="RUNNABLE", since=NOW - 90 * MINUTE, reason=BLOCKED),
        replace(JOB, native_id="id-5", status="STARTING", since=NOW - 20_000),
    ),
)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour after the run's start."""
    monkeypatch.setattr(words, "now_ms", lambda: NOW)


@pytest.fixture
def show(commands: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """What the command returns and prints, without spaces at the ends of lines."""

    def call(*arguments: str) -> tuple[int, str]:
        code = cli.main(["status", "cohort7", *arguments])
        captured = capsys.readouterr()
        return code, "\n".join(line.rstrip() for line in (captured.out + captured.err).splitlines())

    return call


def test_a_run_at_work(commands: Any, batch: PretendBatch, show: Callable[..., tuple[int, str]]) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS, attempts=[ATTEMPT])
    put_lock(commands, "cohort7")
    batch.add("head-1", "cohort7", "head", queue="head")
    for number in range(3):
        batch.add(f"other-{number}", "mito", "bwa_mem", "RUNNABLE")
    batch.add("id-3", "cohort7", "bwa_mem", "RUNNABLE")
    assert show() == (
        0,
        "Run cohort7: running, started 2026-03-01 12:00 UTC, 1 h 00 min ago, by ada (terraflow run)\n"
        "Head: works, as Batch job head-1\n"
        "Cost so far, without the head: $1.50 of at most $20.00\n"
        # 36 vCPU-minutes were done in 59.5 minutes, and 112 are left: each bwa_mem takes 4 vCPUs for 8 minutes.
        "Expected end: about 2026-03-01 16:05 UTC, in 3 h 05 min\n"
        "\n"
        "RULE        WAITING  RUNNING  DONE  FAILED  ALL\n"
        "decompress        0        0     2       0    2\n"
        "bwa_mem           3        1     1       0    5\n"
        "sum               3        1     3       0    7\n"
        "\n"
        "Running: 2 jobs\n"
        "JOB                         STATUS       FOR  QUEUE           BATCH JOB\n"
        "bwa_mem (sample=b, unit=1)  RUNNING   12 min  terraflow-spot  id-2\n"
        "bwa_mem (sample=b, unit=1)  STARTING    20 s  terraflow-spot  id-5\n"
        "\n"
        "Waiting in AWS Batch: 2 jobs\n"
        "STATUS    JOBS     LONGEST  QUEUE           PLACE  WHY\n"
        "RUNNABLE     1       3 min  terraflow-spot      4  AWS Batch gives no reason\n"
        "RUNNABLE     1  1 h 30 min  terraflow-spot      -  MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    )


def test_a_run_that_has_failed(commands: Any, show: Callable[..., tuple[int, str]]) -> None:
    failure = Failure("id-2", "bwa_mem", {"sample": "b"}, "Rule bwa_mem (sample=b) failed on AWS Batch. It ran out.\nX")
    rules = {"bwa_mem": RuleCount(total=2, done=1, failed=1)}
    live = replace(LIVE, state=lives.FAILED, rules=rules, failures=(failure,))
    put(commands, "cohort7", about=replace(ABOUT, state=abouts.FAILED, message=failure.text), live=live)
    assert show() == (
        3,
        "Run cohort7: failed, started 2026-03-01 12:00 UTC, 30 min long, by ada (terraflow run)\n"
        "Cost so far, without the head: $1.50\n"
        "\n"
        "RULE     WAITING  RUNNING  DONE  FAILED  ALL\n"
        "bwa_mem        0        0     1       1    2\n"
        "sum            0        0     1       1    2\n"
        "\n"
        "Failed: 1 job\n"
        "  Rule bwa_mem (sample=b) failed on AWS Batch. It ran out.\n"
        "`terraflow logs cohort7` says why.",
    )


def test_why_a_run_has_ended_is_said(commands: Any, show: Callable[..., tuple[int, str]]) -> None:
    put(commands, "cohort7", about=replace(ABOUT, state=abouts.OVER_BUDGET, message="$20 are spent."), live=LIVE)
    code, text = show()
    assert (code, text.splitlines()[1]) == (3, "$20 are spent.")


SUBMITTED = replace(ABOUT, state=abouts.SUBMITTED, started=None, ended=None, exit_code=None)


@pytest.mark.parametrize(
    ("about", "live", "job", "expected"),
    [
        (
            SUBMITTED,
            None,
            {"status": "RUNNABLE", "statusReason": BLOCKED},
            (0, f"Head: waits to start, as Batch job head-1 (RUNNABLE: {BLOCKED})"),
        ),
        (
            SUBMITTED,
            None,
            {"status": "FAILED", "statusReason": "CannotPullContainerError"},
            (
                3,
                "Head: has ended without a word (Batch job head-1, FAILED: CannotPullContainerError). `terraflow run` "
                "goes on with it.",
            ),
        ),
        # Batch starts it again.
        (BEGUN, WORKS, {"status": "STARTING"}, (0, "Head: waits to start, as Batch job head-1 (STARTING)")),
        (
            None,
            WORKS,
            {},
            (
                3,
                "Head: nobody conducts it. `terraflow run --name cohort7` or `snakemake --profile aws` goes on with "
                "it.",
            ),
        ),
    ],
)
def test_heads(
    commands: Any,
    batch: PretendBatch,
    show: Callable[..., tuple[int, str]],
    about: abouts.About | None,
    live: lives.Live | None,
    job: dict[str, str],
    expected: tuple[int, str],
) -> None:
    put(commands, "cohort7", about=about, live=live)
    if job:
        batch.add("head-1", "cohort7", "head", queue="head", **job)
    code, text = show()
    assert (code, text.splitlines()[1]) == expected


def test_a_run_of_the_version_before(commands: Any, batch: PretendBatch, show: Callable[..., tuple[int, str]]) -> None:
    commands.put_object(Bucket=BUCKET, Key="runs/cohort7/results/x", Body=b"")
    put_lock(commands, "cohort7")
    batch.add("id-1", "cohort7", "bwa_mem", createdAt=START, startedAt=NOW - MINUTE)
    batch.add("id-2", "cohort7", "bwa_mem", "RUNNABLE", createdAt=NOW - 2 * MINUTE)
    batch.add("id-3", "cohort7-2", "bwa_mem")
    # Of tags with another beginning nothing is known; the name alone could be that of a run `cohort7` as well.
    commands.put_object(Bucket=BUCKET, Key="runs/cohort7-b/results/x", Body=b"")
    batch.add("id-4", "cohort7-b", "bwa_mem", tags={"lab:run": "cohort7-b"})
    code, text = show()
    assert code == 0
    assert text.partition("\n")[2] == (
        "Head: works, as ada@laptop in /work\n"
        "There is no record of this run: no job was submitted yet, or by a version that kept none. AWS Batch knows "
        "only what has not ended.\n"
        "\n"
        "RULE     WAITING  RUNNING\n"
        "bwa_mem        1        1\n"
        "sum            1        1\n"
        "\n"
        "Running: 1 job\n"
        "JOB      STATUS     FOR  QUEUE           BATCH JOB\n"
        "bwa_mem  RUNNING  1 min  terraflow-spot  id-1\n"
        "\n"
        "Waiting in AWS Batch: 1 job\n"
        "STATUS    JOBS  LONGEST  QUEUE           PLACE  WHY\n"
        "RUNNABLE     1    2 min  terraflow-spot      -  AWS Batch gives no reason"
    )


def test_what_batch_refuses_to_say_is_said(
    commands: Any, batch: PretendBatch, show: Callable[..., tuple[int, str]]
) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS, attempts=[ATTEMPT])
    put_lock(commands, "cohort7")
    batch.refused = {"DescribeJobs": "AccessDeniedException", "GetJobQueueSnapshot": "AccessDeniedException"}
    code, text = show()
    assert code == 0
    denied = "An error occurred (AccessDeniedException) when calling the {} operation: no"
    assert "Head: works, as ada@laptop in /work" in text
    assert f"Not known: the head's job: {denied.format('DescribeJobs')}" in text
    assert f"Not known: places in queues: {denied.format('GetJobQueueSnapshot')}" in text
    assert "RUNNABLE     1       3 min  terraflow-spot      -  AWS Batch gives no reason" in text


def test_for_programs(commands: Any, show: Callable[..., tuple[int, str]]) -> None:
    put(commands, "cohort7", about=BEGUN, live=WORKS, attempts=[ATTEMPT])
    put_lock(commands, "cohort7")
    code, text = show("--json")
    found = json.loads(text)
    assert code == 0
    assert (found["state"], found["spent"], found["budget"]) == ("running", 1.5, 20)
    assert found["rules"]["bwa_mem"] == {"total": 5, "waiting": 3, "running": 1, "done": 1, "failed": 0}
    assert [job["native_id"] for job in found["running"]] == ["id-2", "id-5"]
    assert found["head"]["works"] is True


def test_a_name_that_does_not_exist(commands: Any, show: Callable[..., tuple[int, str]]) -> None:
    put(commands, "cohort77", about=replace(ABOUT, run="cohort77"))
    assert show() == (
        1,
        "terraflow status: There is no run 'cohort7' in s3://data/runs/. Is it cohort77? `terraflow runs` lists all 1.",
    )


def test_what_was_estimated_stands_beside_the_cost(commands: Any, show: Callable[..., tuple[int, str]]) -> None:
    estimate = {"hours": 2.5, "spot": 3.1, "on_demand": 9.0, "head": 0.6}
    put(commands, "cohort7", about=replace(BEGUN, estimate=estimate), live=replace(WORKS, jobs=()))
    put_lock(commands, "cohort7")
    _, text = show()
    assert "Cost so far, without the head: $1.50 of at most $20.00; $2.50 were expected in all\n" in text
    # Until something is done, the estimate says how long it takes.
    assert "Expected end: about 2026-03-01 14:30 UTC, in 1 h 30 min\n" in text


def test_the_cost_is_counted_where_the_head_did_not(commands: Any, show: Callable[..., tuple[int, str]]) -> None:
    put(commands, "cohort7", about=ABOUT, live=replace(LIVE, spent=None), attempts=[ATTEMPT])
    _, text = show("--json")
    # 4 vCPUs and 8 GiB for 9.5 minutes and the pull of the image, on Spot.
    assert 0.005 < json.loads(text)["spent"] < 0.04


def looks(*overviews: Overview | Exception) -> Callable[[], Overview]:
    """A look at a run that sees these, one after the other."""
    left = iter(overviews)

    def look() -> Overview:
        seen = next(left)
        if isinstance(seen, Exception):
            raise seen
        return seen

    return look


AT_WORK = Overview(
    run="cohort7", state="running", message="", who="ada", started_by="", started=START, ended=None, now=NOW,
    updated=NOW, head=Head(True, "ada@laptop", "/work"), has_record=True, rules={"bwa_mem": RuleCount(2, 1, 1)},
)  # fmt: skip
LATER = replace(AT_WORK, updated=NOW + 1, rules={"bwa_mem": RuleCount(2, 0, 1, 1)})
OVER = replace(AT_WORK, state="done", ended=NOW, head=Head(False), rules={"bwa_mem": RuleCount(2, 0, 0, 2)})
UNREACHABLE = EndpointConnectionError(endpoint_url="https://s3")


@pytest.mark.parametrize(
    ("seen", "states"),
    [
        ([AT_WORK, OVER], [(1, 1, 0), (0, 0, 2)]),
        # One text a minute at most, and none if nothing has changed.
        ([AT_WORK, *[LATER] * 12, *[LATER] * 30, OVER], [(1, 1, 0), (0, 1, 1), (0, 0, 2)]),
        ([AT_WORK, *[AT_WORK] * 30, OVER], [(1, 1, 0), (0, 0, 2)]),
        ([AT_WORK, UNREACHABLE, OVER], [(1, 1, 0), (0, 0, 2)]),
    ],
)
def test_watching_without_a_terminal(seen: list[Overview | Exception], states: list[tuple[int, ...]]) -> None:
    file, waited = io.StringIO(), []
    assert status.watch(looks(*seen), Console(file=file, width=200), waited.append) == OVER
    text = file.getvalue()
    assert [tuple(map(int, found)) for found in re.findall(r"bwa_mem +(\d+) +(\d+) +(\d+)", text)] == states
    assert text.count("AWS can't be asked just now") == seen.count(UNREACHABLE)
    assert len(waited) == len(seen) - 1


def test_watching_on_a_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=40)
    assert status.watch(looks(AT_WORK, UNREACHABLE, OVER), console, lambda _: None) == OVER
    text = console.file.getvalue()
    assert text.index("running") < text.index("AWS can't be asked just now") < text.rindex("done")
    assert "\x1b[" in text


def test_an_error_that_does_not_pass_ends_the_watch() -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
    with pytest.raises(ClientError, match="AccessDenied"):
        status.watch(looks(AT_WORK, denied), Console(file=io.StringIO()), lambda _: None)


def test_a_small_screen_holds_the_table() -> None:
    jobs = [replace(JOB, native_id=f"id-{number}") for number in range(50)]
    console = Console(file=io.StringIO(), width=100)
    console.print(picture.of(replace(AT_WORK, running=jobs), height=24))
    assert "and 46 more" in console.file.getvalue()
    assert console.file.getvalue().count("\n") <= 24
