"""What a head's container does around Snakemake: the lock, its child, its last seconds, and the jobs it leaves."""

import dataclasses
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from run_objects import BUCKET, STACK, SUBMITTED, about_of, put, put_lock
from snakemake_aws_common import head
from snakemake_aws_common.lease import HeldError, LostError, Stopwatch
from snakemake_aws_common.lock_object import LockObject
from snakemake_aws_common.packing import pack
from snakemake_aws_common.proof import Proof
from terraflow.heads import about as abouts
from terraflow.heads import archive, conduct, leaving, process
from terraflow.heads.objects import UnreadableError
from terraflow.heads.stopping import Stopping
from terraflow.heads.told import Told

RUN = "cohort7"


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
    stopping = Stopping(STACK, RUN, lambda: 6 - now[0], s3=s3, batch=batch)
    assert stopping.end_jobs() == left
    assert batch.ended == ended
    assert now[0] < 6


def test_jobs_are_left_to_a_head_that_takes_the_run_meanwhile(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(["a"], late=["b"])

    def sleep(_: float) -> None:
        if batch.looks == 2:
            put_lock(s3, RUN)

    monkeypatch.setattr(time, "sleep", sleep)
    left = Stopping(STACK, RUN, lambda: 60.0, s3=s3, batch=batch).end_jobs()
    assert list(left) == ["jobs of run cohort7"] and "left to another head" in left["jobs of run cohort7"]
    assert (batch.looks, batch.ended) == (3, ["a"])


@pytest.mark.parametrize(
    ("seconds", "age", "ended"),
    [(150, 0, []), (150, 80, []), (150, 152, ["a"]), (-10, 0, ["a"]), (None, 0, ["a"])],
    ids=["renewed", "not renewed twice, and not ended", "ended", "ended before", "no lock"],
)
def test_jobs_are_another_head_s_until_its_lease_has_ended(
    s3: Any, monkeypatch: pytest.MonkeyPatch, seconds: float | None, age: float, ended: list[str]
) -> None:
    """A laptop that slept for a minute renews its lock, and goes on with them."""
    if seconds is not None:
        put_lock(s3, RUN, seconds)
    read = LockObject.read

    def later(self: LockObject) -> Any:
        state, now = read(self)
        return state and dataclasses.replace(state, now=state.now + age), now + age

    monkeypatch.setattr(LockObject, "read", later)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    batch = Batch(["a"])
    left = Stopping(STACK, RUN, lambda: 60.0, s3=s3, batch=batch).end_jobs()
    assert batch.ended == ended and bool(left) != bool(ended)


class Hangs:
    """AWS that takes calls and does not answer until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __getattr__(self, _: str) -> Any:
        return self

    def __call__(self, *_: object, **__: object) -> Any:
        self.over.wait(120)
        raise EndpointConnectionError(endpoint_url="https://aws")


@pytest.fixture
def hangs() -> Iterator[Hangs]:
    made = Hangs()
    yield made
    made.over.set()


def test_a_head_that_has_the_lock_does_not_ask_an_s3_that_hangs(hangs: Hangs, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(["a"])
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert Stopping(STACK, RUN, lambda: 60.0, lambda: True, hangs, batch).end_jobs() == {}
    assert batch.ended == ["a"]


@pytest.mark.parametrize("hanging", ["s3", "batch", "whose the run is"])
def test_what_may_still_run_is_said_in_time_where_aws_hangs(s3: Any, hangs: Hangs, hanging: str) -> None:
    """Whose jobs these are is not known, so none is ended."""
    batch = Batch(["a"])
    given = {"s3": s3, "batch": batch, **({hanging: hangs} if hanging in ("s3", "batch") else {})}
    start = time.monotonic()
    stopping = Stopping(STACK, RUN, lambda: start + 0.3 - time.monotonic(), **given)
    left = stopping.end_jobs(hangs if hanging == "whose the run is" else lambda: True)
    assert time.monotonic() - start < 60
    assert left == {f"all jobs of run {RUN}": "AWS has not answered in time"}
    assert batch.ended == []


@pytest.mark.parametrize("asked", ["whose the lock is", "whose the run is", "whose the run is, in a run.json of []"])
def test_jobs_are_named_and_not_ended_where_s3_is_out_of_reach(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    def refuse(**_: object) -> bool:
        raise EndpointConnectionError(endpoint_url="https://s3")

    def misread() -> bool:
        raise UnreadableError("https://s3", ValueError())

    now = [0.0]
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    batch = Batch(["a"])
    stopping = Stopping(STACK, RUN, lambda: 60 - now[0], s3=SimpleNamespace(get_object=refuse), batch=batch)
    left = stopping.end_jobs({"whose the lock is": lambda: True, "whose the run is": refuse}.get(asked, misread))
    assert list(left) == [f"all jobs of run {RUN}"] and "https://s3" in str(left)
    assert batch.ended == []


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

    def hold(prefix: str, *_: object, seconds: float, proof: Proof) -> Any:
        asked.append(f"{prefix} {seconds:g}")
        if isinstance(lease, Exception):
            raise lease
        proof.note(Stopwatch())
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
    assert Proof(unpacked / conduct.PROOF).holds() == began


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
    told = tmp_path / "told"
    monkeypatch.setenv("TOLD", str(told))
    begun = Told.begun

    def tell(self: Told) -> None:
        begun(self)
        told.touch()

    monkeypatch.setattr(Told, "begun", tell)
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


# The child says that it has the lock, and goes on when the head has told it.
BEGIN = (
    "import sys, time, os, signal, pathlib; pathlib.Path(sys.argv[1]).touch(); "
    "told = pathlib.Path(os.environ['TOLD']); any(told.exists() or time.sleep(.02) for _ in range(6000)); "
)


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


PROVE = (
    "from snakemake_aws_common import lease, proof; "
    "proof.Proof(pathlib.Path(sys.argv[1]).with_name('lease.json')).note(lease.Stopwatch()); "
)


@pytest.mark.parametrize(
    ("others", "prove", "jobs"),
    [("nobody", "", ["a"]), ("another head", "", []), ("S3 hangs", PROVE, ["a"]), ("S3 hangs", "", [])],
)
def test_a_head_that_is_told_to_end_ends_its_jobs_also_when_snakemake_hangs(
    s3: Any,
    contained: Callable[[str], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    hangs: Hangs,
    others: str,
    prove: str,
    jobs: list[str],
) -> None:
    """One that has lost the run to another head leaves the jobs to it. What it leaves is said before S3 is asked."""
    batch, said = Batch(["a"]), list[str]()
    monkeypatch.setattr(process, "GRACE", 0.3)
    monkeypatch.setattr(process, "LAST", 2.0 if others == "S3 hangs" and not prove else 60.0)
    lock = hangs if others == "S3 hangs" else s3
    monkeypatch.setattr(process, "Stopping", lambda *given: Stopping(*given, lock, batch))
    monkeypatch.setattr(Stopping, "release_lock", lambda _: said.append(capsys.readouterr().err))
    put(s3, RUN, SUBMITTED)
    if others == "another head":
        put_lock(s3, RUN, 150)
    ignores = "signal.signal(15, signal.SIG_IGN); os.kill(os.getppid(), 15); time.sleep(60)"
    assert contained(f"{BEGIN}{prove}{ignores}") == 62
    found = about_of(s3)
    assert found is not None and (found.state, found.exit_code) == (abouts.STOPPED, 62)
    assert batch.ended == jobs
    assert ("left to another head" in found.message) == (others == "another head")
    assert ("may still run" in found.message) != bool(jobs)
    assert said == [f"{found.message}\n"]


def test_a_head_that_can_t_say_yet_that_it_works_ends_its_jobs_all_the_same(
    s3: Any, contained: Callable[[str], int], monkeypatch: pytest.MonkeyPatch, hangs: Hangs
) -> None:
    """S3 hangs when run.json is written."""
    batch, over = Batch(["a"]), hangs.over
    monkeypatch.setattr(process, "GRACE", 0.3)
    monkeypatch.setattr(process, "LAST", 10.0)
    monkeypatch.setattr(process, "Stopping", lambda *given: Stopping(*given, s3, batch))
    monkeypatch.setattr(Told, "begun", lambda _: Path(os.environ["TOLD"]).touch() or over.wait(120))
    put(s3, RUN, SUBMITTED)
    ignores = "signal.signal(15, signal.SIG_IGN); os.kill(os.getppid(), 15); time.sleep(60)"
    assert contained(BEGIN + ignores) == 62
    assert batch.ended == ["a"]
    found = about_of(s3)
    assert found is not None and found.state == abouts.STOPPED


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
