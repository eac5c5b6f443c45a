"""What a head's container does around Snakemake: exit codes, run.json, the log, and its last seconds."""

import dataclasses
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from run_objects import ABOUT, BUCKET, LIVE, STACK, put, put_lock
from snakemake_aws_common import head
from snakemake_aws_common.lease import HeldError, LostError
from snakemake_aws_common.packing import pack
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record.live import Failure, Live
from terraflow.heads import about as abouts
from terraflow.heads import archive, conduct, leaving, process
from terraflow.heads.about import About
from terraflow.heads.log import LogCopy
from terraflow.heads.objects import AboutObject
from terraflow.heads.outcome import Outcome, outcome_of
from terraflow.heads.stopping import Stopping
from terraflow.heads.told import Told

RUN = "cohort7"
FAILURES = tuple(Failure(f"job-{n}", "bwa_mem", {}, f"job {n} had too little memory") for n in range(5))
FAILED = dataclasses.replace(LIVE, state=lives.FAILED, failures=FAILURES)
OVER = dataclasses.replace(LIVE, state=lives.OVER_BUDGET, message="$20 are spent.")


@pytest.mark.parametrize(
    ("code", "stopped", "left", "live", "state", "exit_code", "words"),
    [
        (0, False, {}, LIVE, abouts.DONE, 0, ""),
        (0, True, {}, LIVE, abouts.DONE, 0, ""),
        (60, False, {}, FAILED, abouts.FAILED, 60, "job 2 had too little memory\nAnd 2 more jobs."),
        (60, False, {}, LIVE, abouts.FAILED, 60, "its log is s3://log"),
        (60, False, {}, None, abouts.FAILED, 60, "its log is s3://log"),
        (60, False, {}, OVER, abouts.OVER_BUDGET, 61, "$20 are spent."),
        (60, True, {}, FAILED, abouts.STOPPED, 62, "has ended its jobs"),
        (62, False, {}, None, abouts.STOPPED, 62, "has ended its jobs"),
        (
            -9,
            True,
            {"job-1": "throttled"},
            LIVE,
            abouts.STOPPED,
            62,
            "may still run, and cost money:\n  job-1: throttled",
        ),
        (63, False, {}, None, abouts.FAILED, 63, "Another head has the run"),
        # Batch starts the head again.
        (-9, False, {}, LIVE, abouts.RUNNING, 137, ""),
        (1, False, {}, None, abouts.RUNNING, 1, ""),
        (75, False, {}, None, abouts.RUNNING, 75, ""),
    ],
)
def test_an_end_has_its_exit_code_and_words(
    code: int, stopped: bool, left: Mapping[str, str], live: Live | None, state: str, exit_code: int, words: str
) -> None:
    ended = outcome_of(code, stopped, left, live, "s3://log")
    assert (ended.state, ended.exit_code) == (state, exit_code)
    assert words in ended.message


def test_exit_codes_are_those_of_the_job_definition() -> None:
    """It ends a job at 6*, and starts every other one again."""
    codes = [*abouts.EXIT_CODES.values(), abouts.EXIT_HELD, abouts.EXIT_UNUSABLE]
    assert sorted(code for code in codes if code) == [60, 61, 62, 63, 64]
    assert all(abouts.from_json(abouts.to_json(one)) == one for one in (ABOUT, About("a", "b", "c", 1)))


def about_of(s3: Any) -> About | None:
    written = AboutObject(s3, BUCKET, RUN).read()
    return written.about if written else None


SUBMITTED = dataclasses.replace(ABOUT, state=abouts.SUBMITTED, head_job="", started=None, ended=None, exit_code=None)


@pytest.mark.parametrize(
    ("before", "keeps_start", "is_ours"),
    [
        (None, False, False),
        (SUBMITTED, False, True),
        (dataclasses.replace(SUBMITTED, head_job="head-1"), False, True),
        (dataclasses.replace(ABOUT, state=abouts.RUNNING, ended=None), True, True),
        # A start of before.
        (ABOUT, False, True),
        (dataclasses.replace(ABOUT, head_job="another", state=abouts.RUNNING), False, False),
    ],
)
def test_the_head_with_the_lock_writes_that_it_works(
    s3: Any, before: About | None, keeps_start: bool, is_ours: bool
) -> None:
    put(s3, RUN, before)
    told = Told(s3, BUCKET, RUN, "head-1")
    assert told.is_ours() == is_ours
    told.begun()
    found = about_of(s3)
    assert found is not None
    assert (found.state, found.head_job, found.ended, found.exit_code) == (abouts.RUNNING, "head-1", None, None)
    assert found.started is not None and (found.started == ABOUT.started) == keeps_start
    assert before is None or (found.who, found.estimate, found.archive) == (ABOUT.who, ABOUT.estimate, ABOUT.archive)
    told.ended(Outcome(abouts.FAILED, 60, "why"))
    ended = about_of(s3)
    assert ended is not None
    assert (ended.state, ended.exit_code, ended.message, ended.started) == (abouts.FAILED, 60, "why", found.started)
    assert ended.ended is not None and ended.ended >= found.started


def test_a_head_says_nothing_about_the_end_of_another_one(s3: Any) -> None:
    put(s3, RUN, dataclasses.replace(ABOUT, head_job="another", state=abouts.RUNNING))
    Told(s3, BUCKET, RUN, "head-1").ended(Outcome(abouts.FAILED, 63, "held"))
    found = about_of(s3)
    assert found is not None and (found.state, found.head_job) == (abouts.RUNNING, "another")


@pytest.mark.parametrize(("before", "after"), [(abouts.SUBMITTED, abouts.FAILED), (abouts.RUNNING, abouts.RUNNING)])
def test_an_attempt_that_is_refused_says_nothing_of_the_one_that_works(s3: Any, before: str, after: str) -> None:
    """Both are of one Batch job."""
    put(s3, RUN, dataclasses.replace(ABOUT, state=before, ended=None, exit_code=None))
    Told(s3, BUCKET, RUN, "head-1").ended(Outcome(abouts.FAILED, 63, "held"))
    found = about_of(s3)
    assert found is not None and found.state == after


def test_what_an_earlier_head_did_last_is_not_this_one_s(s3: Any) -> None:
    put(s3, RUN, live=FAILED)
    told = Told(s3, BUCKET, RUN, "head-1")
    assert told.live(FAILED.updated) == FAILED and told.live(FAILED.updated + 1) is None


def test_the_log_is_copied_when_it_has_grown(s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Counted:
        puts = 0
        error: Exception | None = None

        def put_object(self, **given: Any) -> Any:
            Counted.puts += 1
            if Counted.error:
                raise Counted.error
            return s3.put_object(**given)

    copy = LogCopy(Counted(), BUCKET, "runs/cohort7/head/logs/x.log", tmp_path)
    copy.finish()
    assert Counted.puts == 0
    folder = tmp_path / ".snakemake/log"
    folder.mkdir(parents=True)
    log = folder / "2026-03-01T120000.1.snakemake.log"
    log.write_text("one\n")
    copy.finish()
    copy.finish()
    assert Counted.puts == 1
    log.write_text("one\ntwo\n")
    Counted.error = EndpointConnectionError(endpoint_url="https://s3")
    copy.finish()
    copy.finish()
    assert capsys.readouterr().out.count("could not be stored") == 1
    Counted.error = None
    copy.finish()
    assert s3.get_object(Bucket=BUCKET, Key="runs/cohort7/head/logs/x.log")["Body"].read() == b"one\ntwo\n"


class Batch:
    """Jobs of a run on the stack's queues. `late` turn up at the third look; `refused` can't be ended."""

    def __init__(self, jobs: Sequence[str], late: Sequence[str] = (), refused: Sequence[str] = ()) -> None:
        self.jobs, self.late, self.refused = list(jobs), list(late), refused
        self.looks = 0
        self.ended: list[str] = []

    def get_paginator(self, _: str) -> "Batch":
        return self

    def paginate(self, jobQueue: str, jobStatus: str) -> list[dict[str, Any]]:
        if (jobQueue, jobStatus) != ("terraflow-spot", "RUNNING"):
            return []
        self.looks += 1
        if self.looks == 3:
            self.jobs += self.late
        names = [{"jobId": job, "jobName": f"{RUN}-{job}"} for job in [*self.jobs, "head", "other"]]
        return [{"jobSummaryList": names}]

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        def one(job: str) -> dict[str, Any]:
            rule, run = ("head" if job == "head" else "bwa_mem"), ("cohort7-2" if job == "other" else RUN)
            tags = {"terraflow:run": run, "terraflow:rule": rule}
            return {"jobId": job, "jobName": f"{RUN}-{job}", "status": "RUNNING", "tags": tags, "jobQueue": "q"}

        return {"jobs": [one(job) for job in jobs]}

    def terminate_jobs(self, jobs: list[str], reason: str) -> dict[str, Any]:
        self.ended += [job for job in jobs if job not in self.refused]
        return {"errors": [{"job": job, "code": "500", "message": "no"} for job in jobs if job in self.refused]}


@pytest.mark.parametrize(
    ("batch", "ended", "left"),
    [
        (Batch([]), [], {}),
        (Batch(["a", "b"]), ["a", "b"], {}),
        (Batch(["a"], late=["b"]), ["a", "b"], {}),
        (Batch(["a", "b"], refused=["b"]), ["a"], {"b": "500: no"}),
        (Batch([f"j{n}" for n in range(120)]), [f"j{n}" for n in range(120)], {}),
    ],
)
def test_jobs_that_snakemake_left_are_ended_or_named(
    s3: Any, monkeypatch: pytest.MonkeyPatch, batch: Batch, ended: list[str], left: dict[str, str]
) -> None:
    """Neither heads nor jobs of a run with a longer name; those that run on for their 30 seconds count as ended."""
    now = [0.0]
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    stopping = Stopping(STACK, RUN, lambda: 6 - now[0], s3, batch)
    assert stopping.end_jobs() == left
    assert batch.ended == ended
    assert now[0] < 6


@pytest.mark.parametrize(("seconds", "works"), [(150, True), (-10, False)])
def test_a_lock_that_is_not_renewed_is_nobody_s(s3: Any, seconds: float, works: bool) -> None:
    stopping = Stopping(STACK, RUN, lambda: 0.0, s3, Batch([]))
    assert stopping.nobody_works()
    put_lock(s3, RUN, seconds)
    assert stopping.nobody_works() != works


@pytest.mark.parametrize("in_doubt", [True, False])
def test_an_s3_that_does_not_answer_leaves_it_in_doubt_who_works(in_doubt: bool) -> None:
    def refuse(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3")

    stopping = Stopping(STACK, RUN, lambda: 0.0, SimpleNamespace(get_object=refuse), Batch([]))
    assert stopping.nobody_works(in_doubt) == in_doubt


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ([], 150.0),
        (["-k", "--aws-batch-fargate-lock-seconds", "8", "--config", "a=1"], 8.0),
        (["--aws-batch-fargate-lock-seconds=0"], 0.0),
    ],
)
def test_the_lease_is_as_long_as_snakemake_s_arguments_say(arguments: list[str], seconds: float) -> None:
    assert conduct.lock_seconds(arguments) == seconds


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an unpacked archive of a head."""
    body, sha256 = archive_of()
    folder = tmp_path / "head"
    archive.unpack(body, sha256, folder)
    monkeypatch.setenv("TERRAFLOW_STACK", str(folder / archive.STACK))
    monkeypatch.chdir(tmp_path)
    return folder


def archive_of() -> tuple[bytes, str]:
    manifest = archive.Manifest(RUN, "cohort", "workflow/Snakefile", "profiles/aws", arguments=["-k"])
    return pack(
        {
            archive.MANIFEST: archive._json(dataclasses.asdict(manifest)),
            archive.STACK: archive._json(dataclasses.asdict(STACK)),
        }
    )


def _refuse() -> bool:
    raise LostError("lost")


LOST = SimpleNamespace(lost=LostError("lost"), is_sure=_refuse)
HOLDS = SimpleNamespace(lost=None, is_sure=lambda: True)
# S3 is out of reach.
UNSURE = SimpleNamespace(lost=None, is_sure=lambda: False)


@pytest.mark.parametrize(
    ("lease", "snakemake", "code", "began"),
    [
        (HOLDS, 0, 0, True),
        (HOLDS, 1, 60, True),
        (LOST, 1, 63, True),
        (UNSURE, 1, 75, True),
        (UNSURE, 0, 0, True),
        (HOLDS, KeyboardInterrupt(), 62, True),
        (HeldError("Another head works"), 0, 63, False),
    ],
)
def test_snakemake_runs_under_the_lock(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch, lease: Any, snakemake: Any, code: int, began: bool
) -> None:
    asked: list[str] = []

    def hold(prefix: str, *_: object, seconds: float) -> Any:
        asked.append(f"{prefix} {seconds:g}")
        if isinstance(lease, Exception):
            raise lease
        return lease

    def run(arguments: Sequence[str]) -> int:
        asked.append(f"{Path.cwd().name} {arguments[-1]}")
        if isinstance(snakemake, BaseException):
            raise snakemake
        return int(snakemake)

    monkeypatch.setattr(head, "hold", hold)
    monkeypatch.setattr(conduct, "_snakemake", run)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert conduct.main([str(unpacked), str(unpacked / "mark")]) == code
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert asked == [f"s3://{BUCKET}/runs/{RUN} 150", *(["cohort -k"] if began else [])]
    assert (unpacked / "mark").exists() == began


@pytest.fixture
def contained(s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], int]:
    """Return a function that runs a head's program, with a child of a few words in the place of Snakemake."""
    body, sha256 = archive_of()
    key = f"runs/{RUN}/head/{sha256}.tar.xz"
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    monkeypatch.setattr(process, "_client", lambda _: s3)
    monkeypatch.setenv(process.JOB, "head-1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # What a head sets for its child.
    for name in ("TERRAFLOW_STACK", "TERRAFLOW_RUN"):
        monkeypatch.setenv(name, "")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    real = process.subprocess.Popen

    def run(program: str, query: str = f"s3://{BUCKET}/{key}") -> int:
        def child(command: Sequence[str], **given: Any) -> Any:
            return real([sys.executable, "-c", program, command[-1]], **given)

        monkeypatch.setattr(process.subprocess, "Popen", child)
        try:
            return process.main([query, sha256])
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    return run


BEGIN = "import sys, time, os, signal, pathlib; pathlib.Path(sys.argv[1]).touch(); time.sleep(.5); "


@pytest.mark.parametrize(
    ("program", "code", "state"),
    [
        (BEGIN + "sys.exit(0)", 0, abouts.DONE),
        (BEGIN + "sys.exit(60)", 60, abouts.FAILED),
        (BEGIN + "os.kill(os.getpid(), 9)", 137, abouts.RUNNING),
        ("import sys; sys.exit(1)", 1, abouts.SUBMITTED),
        ("import sys; sys.exit(63)", 63, abouts.FAILED),
    ],
)
def test_run_json_and_exit_code_are_those_of_the_child(
    s3: Any,
    contained: Callable[[str], int],
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    code: int,
    state: str,
) -> None:
    put(s3, RUN, SUBMITTED)
    left = list[str]()
    monkeypatch.setattr(leaving, "leave", lambda _, run, *prices: left.append(run))
    assert contained(program) == code
    found = about_of(s3)
    assert found is not None and found.state == state
    assert (found.exit_code is None) == (state in (abouts.RUNNING, abouts.SUBMITTED))
    assert left == ([RUN] if code in (0, 60) else [])


@pytest.mark.parametrize(("other_head", "jobs"), [(False, ["a"]), (True, [])])
def test_a_head_that_is_told_to_end_ends_its_jobs_also_when_snakemake_hangs(
    s3: Any, contained: Callable[[str], int], monkeypatch: pytest.MonkeyPatch, other_head: bool, jobs: list[str]
) -> None:
    """One that has lost the run to another head leaves the jobs to it."""
    batch = Batch(["a"])
    monkeypatch.setattr(process, "GRACE", 0.3)
    monkeypatch.setattr(process, "LAST", 4.0)
    monkeypatch.setattr(process, "Stopping", lambda stack, run, left: Stopping(stack, run, left, s3, batch))
    put(s3, RUN, SUBMITTED)
    if other_head:
        put_lock(s3, RUN, 150)
    hangs = "signal.signal(15, signal.SIG_IGN); os.kill(os.getppid(), 15); time.sleep(60)"
    assert contained(BEGIN + hangs) == 62
    found = about_of(s3)
    assert found is not None and (found.state, found.exit_code) == (abouts.STOPPED, 62)
    assert batch.ended == jobs


def test_an_archive_that_can_t_be_used_ends_the_run_in_words(s3: Any, contained: Any) -> None:
    put(s3, RUN, SUBMITTED)
    assert contained("", f"s3://{BUCKET}/runs/{RUN}/head/none.tar.xz") == 64
    found = about_of(s3)
    assert found is not None and (found.state, found.exit_code) == (abouts.FAILED, 64)
    assert "It is not there".lower() in found.message.lower()


def test_an_s3_that_is_out_of_reach_has_batch_start_the_head_again(
    contained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "503", "Message": "slow down"}}, "GetObject")

    monkeypatch.setattr(process, "_client", lambda _: SimpleNamespace(get_object=refuse))
    with pytest.raises(ClientError):
        contained("")
    assert os.environ["TERRAFLOW_RUN"] == ""
