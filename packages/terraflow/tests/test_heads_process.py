"""What a head's container does around Snakemake: the lock, its child, its last seconds, and the jobs it leaves."""

import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from left_jobs import RUN, Batch, Hangs
from run_objects import BUCKET, STACK, SUBMITTED, about_of, put, put_lock
from snakemake_aws_common import head
from snakemake_aws_common.lease import HeldError, LostError, Stopwatch
from snakemake_aws_common.packing import pack
from snakemake_aws_common.proof import Proof
from terraflow.heads import about as abouts
from terraflow.heads import archive, conduct, leaving, process
from terraflow.heads.stopping import Stopping
from terraflow.heads.told import Told


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
    threads = list[threading.Thread]()

    def release(stopping: Stopping) -> None:
        said.append(capsys.readouterr().err)
        threads.append(stopping._thread)

    monkeypatch.setattr(Stopping, "release_lock", release)
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
    # It would work on in the tests that follow, and pause by their clocks.
    hangs.over.set()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()


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
