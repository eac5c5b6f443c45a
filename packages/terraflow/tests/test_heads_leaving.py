"""What a head leaves when its run has ended: its cost, a timeline, and a receipt that has it."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

import receipt_run
from run_objects import ATTEMPT, BUCKET, LIVE, put
from run_objects import STACK as UNUSUAL
from terraflow import receipt
from terraflow.heads import leaving
from terraflow.receipt import reading
from terraflow.runs import find
from terraflow.timeline import write

STACK = replace(UNUSUAL, architecture="X86_64")


@pytest.fixture(autouse=True)
def _no_quotas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the question that moto can't answer."""
    monkeypatch.setattr(write, "limits_of", lambda _: {})


def test_timeline_and_receipt_are_left(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    receipt_run.make(s3)
    about = replace(receipt_run.DONE, estimate={"spot": 0.02, "on_demand": 0.05, "low": 0.01, "high": 0.03})
    put(s3, "cohort7", about=about, live=LIVE, attempts=[ATTEMPT])
    leaving.leave(STACK, "cohort7")
    said = capsys.readouterr()
    assert said.err == ""
    # $0.0132 for 4 vCPUs and 8 GiB of Spot, 10 minutes; $0.0251 for a head of 1 vCPU and 2 GiB, 30.5 minutes.
    assert said.out.splitlines()[0] == "Cost: $0.04; expected were $0.02 ($0.01 to $0.03): more than expected."
    assert f"The receipt of the run: s3://{BUCKET}/runs/cohort7/ro-crate-metadata.json" in said.out
    outputs = reading.of_run(s3, find.find("cohort7", STACK, s3)).outputs
    assert set(outputs) == {*receipt_run.RESULTS, "results/timeline.html"}


def test_what_fails_ends_nothing(s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    receipt_run.make(s3)

    def fail(*_: object, **__: object) -> str:
        raise MemoryError("too large")

    monkeypatch.setattr(receipt, "write", fail)
    leaving.leave(STACK, "cohort7")
    said = capsys.readouterr()
    # The run has no estimate, and no attempt in its record: the head's half hour alone.
    assert said.out.splitlines()[0] == "Cost: $0.03."
    assert "The timeline of the run: s3://" in said.out
    assert "The receipt of the run could not be written (MemoryError: too large)" in said.err
    assert "`terraflow verify cohort7 --write` makes it" in said.err


def test_the_image_of_the_worker_suffices() -> None:
    """The workflow's own package is not in the image: each run brings its own copy, for Snakemake alone."""
    modules = ("receipt.gather", "receipt.crate", "receipt.writing", "timeline.write", "heads.leaving", "heads.process")
    imports = "".join(f"; import terraflow.{module}" for module in modules)
    code = f"import sys; sys.modules['terraflow_workflow'] = None{imports}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
