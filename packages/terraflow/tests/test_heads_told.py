"""What a head tells of its run: exit codes and words, run.json, and the copy of its log."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from run_objects import ABOUT, BUCKET, LIVE, SUBMITTED, about_of, put
from snakemake_aws_common import patience
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record.live import Failure, Live
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.heads.log import LogCopy
from terraflow.heads.outcome import Outcome, outcome_of
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


def test_a_run_json_that_can_t_be_read_ends_no_run(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"runs/{RUN}/{abouts.NAME}", Body=b"[]")
    told = Told(s3, BUCKET, RUN, "head-1")
    told.begun()
    told.ended(Outcome(abouts.FAILED, 60, "why"))
    assert capsys.readouterr().out.count("is not what a head writes there") == 2


def test_an_answer_that_breaks_off_leaves_no_wrong_state(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore repeats no request whose answer has begun."""
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    put(s3, RUN, dataclasses.replace(ABOUT, head_job="head-1", state=abouts.RUNNING, ended=None), live=OVER)

    class Breaking:
        reads = 0

        def get_object(self, **given: Any) -> Any:
            Breaking.reads += 1
            if Breaking.reads % 2:
                raise ReadTimeoutError(endpoint_url="https://s3")
            return s3.get_object(**given)

        def put_object(self, **given: Any) -> Any:
            return s3.put_object(**given)

    told = Told(Breaking(), BUCKET, RUN, "head-1")
    assert told.live(OVER.updated) == OVER
    told.ended(Outcome(abouts.DONE, 0, ""))
    found = about_of(s3)
    assert found is not None and found.state == abouts.DONE
