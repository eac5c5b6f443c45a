"""Runs are found by their names, and what there is of them is read; what is missing or broken is said."""

import gzip
import time
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from run_objects import ABOUT, ATTEMPT, BUCKET, LIVE, STACK, put, put_lock
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record import store
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.runs import find, state


def found(s3: Any, name: str = "cohort7") -> find.Run:
    """The run of this name."""
    return find.find(name, STACK, s3)


def test_all_of_a_run_is_read(s3: Any) -> None:
    put(s3, "cohort7", about=ABOUT, live=LIVE)
    put_lock(s3, "cohort7")
    run = found(s3)
    assert (run.about, run.live, run.has_record, run.has_head) == (ABOUT, LIVE, True, True)
    assert run.lock is not None
    assert run.lock.holder.who == "ada@laptop"
    assert run.address == f"s3://{BUCKET}/runs/cohort7"


def test_a_run_of_the_version_before_has_no_record(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="runs/old/results/variants/all.vcf.gz", Body=b"")
    run = found(s3, "old")
    assert (run.about, run.live, run.lock, run.has_record, run.has_head) == (None, None, None, False, False)
    assert state.of(run) == state.UNKNOWN
    assert find.attempts(s3, run) == []


@pytest.mark.parametrize(
    ("runs", "asked", "words"),
    [
        ([], "cohort7", "There is no run in s3://data/runs/ yet. `terraflow run` starts one."),
        (
            ["cohort7", "cohort8", "mito"],
            "cohort",
            "There is no run 'cohort' in s3://data/runs/. Is it cohort8 or cohort7? `terraflow runs` lists all 3.",
        ),
        (["mito"], "cohort7", "There is no run 'cohort7' in s3://data/runs/. `terraflow runs` lists all 1."),
        # The beginning of a name is not the name, and what is no name is looked for nowhere.
        (["main2"], "main", "There is no run 'main' in s3://data/runs/. Is it main2? `terraflow runs` lists all 1."),
        (["mito"], "../raw", "There is no run '../raw' in s3://data/runs/. `terraflow runs` lists all 1."),
        (["mito"], "", "There is no run '' in s3://data/runs/. `terraflow runs` lists all 1."),
    ],
)
def test_a_name_that_does_not_exist(s3: Any, runs: list[str], asked: str, words: str) -> None:
    for name in runs:
        put(s3, name, about=replace(ABOUT, run=name))
    with pytest.raises(UserError) as raised:
        found(s3, asked)
    assert str(raised.value) == words


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("head/run.json", b"{"),
        ("head/run.json", b'{"who": "ada"}'),
        ("head/live.json", b"[]"),
        ("head/record/a/00001.jsonl.gz", b"not gzip"),
        ("head/record/a/00001.jsonl.gz", gzip.compress(b"{}\n", mtime=0)),
        ("head/record/a/00001.jsonl.gz", gzip.compress(b"{}\n", mtime=0)[:-9]),
    ],
)
def test_an_object_that_is_none_of_ours_is_named(s3: Any, key: str, body: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{key}", Body=body)
    with pytest.raises(UserError, match=rf"^s3://data/runs/cohort7/{key} is (not what|no part) .* are untouched"):
        find.attempts(s3, found(s3))


def test_a_bucket_that_is_gone_is_an_error(account: None) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        find.find("cohort7", STACK)


NOW = round(time.time() * 1000)
EARLIER, LATER = NOW - 3_600_000, NOW + 3_600_000
BEGUN = replace(ABOUT, state=abouts.RUNNING, submitted=NOW, started=NOW, ended=None)
WORKS = replace(LIVE, state=lives.RUNNING, started=NOW, ended=None)


@pytest.mark.parametrize(
    ("about", "live", "locked", "expected"),
    [
        (replace(BEGUN, state=abouts.SUBMITTED), None, False, "submitted"),
        (BEGUN, WORKS, True, "running"),
        (None, WORKS, True, "running"),
        (None, None, True, "running"),
        # Killed: nobody has written its end.
        (BEGUN, WORKS, False, "lost"),
        (None, WORKS, False, "lost"),
        (replace(BEGUN, state=abouts.FAILED, ended=LATER), WORKS, False, "failed"),
        (BEGUN, replace(WORKS, state=lives.DONE, ended=LATER), False, "done"),
        # Submitted anew: what its head before has written is past.
        (replace(BEGUN, state=abouts.SUBMITTED), replace(WORKS, state=lives.DONE, started=EARLIER), False, "submitted"),
        # A laptop has gone on after a head in the cloud.
        (
            replace(BEGUN, state=abouts.OVER_BUDGET, submitted=EARLIER, ended=EARLIER),
            replace(WORKS, state=lives.DONE, ended=LATER),
            False,
            "done",
        ),
        (replace(BEGUN, state=abouts.DONE, ended=EARLIER), WORKS, True, "running"),
    ],
)
def test_state(s3: Any, about: abouts.About | None, live: lives.Live | None, locked: bool, expected: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="runs/cohort7/results/x", Body=b"")
    put(s3, "cohort7", about=about, live=live)
    if locked:
        put_lock(s3, "cohort7")
    assert state.of(found(s3)) == expected


def test_a_lock_that_has_ended_is_no_head(s3: Any) -> None:
    put(s3, "cohort7", about=BEGUN, live=WORKS)
    put_lock(s3, "cohort7", seconds=-10)
    assert state.of(found(s3)) == "lost"


def test_all_runs_are_found(s3: Any) -> None:
    for name in ("mito", "cohort7"):
        put(s3, name, about=replace(ABOUT, run=name))
    s3.put_object(Bucket=BUCKET, Key="raw/lab/a.fastq.gz", Body=b"")
    assert [run.name for run in find.find_all(STACK, s3)] == ["cohort7", "mito"]


def test_parts_of_the_record_are_fetched_when_they_have_changed(s3: Any) -> None:
    first, second = (replace(ATTEMPT, native_id=f"id-{number}", complete=number) for number in (1, 2))
    put(s3, "cohort7", live=LIVE, attempts=[first])
    read, fetched = find.record(s3, found(s3)), []
    s3.meta.events.register("before-call.s3.GetObject", lambda **_: fetched.append(1))
    assert read() == read() == [first]
    assert len(fetched) == 1
    put(s3, "cohort7", attempts=[first, second])
    assert read() == [first, second]
    assert len(fetched) == 2


def test_parts_are_fetched_once_each_and_of_their_lines_those_that_are_named_are_read(s3: Any) -> None:
    put(s3, "cohort7", live=LIVE)
    made = [
        replace(ATTEMPT, native_id=f"id-{number}", complete=number, wildcards={"sample": f"s{number % 3}"}, steps=())
        for number in range(9)
    ]
    for number in range(3):
        key = f"runs/cohort7/{store.part_name(LIVE.head, number + 1)}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=store.pack(made[3 * number : 3 * number + 3]))
    fetched: list[str] = []
    s3.meta.events.register("provide-client-params.s3.GetObject", lambda params, **_: fetched.append(params["Key"]))
    run = find.read(s3, BUCKET, "cohort7")
    fetched.clear()
    assert find.attempts(s3, run) == made
    assert find.attempts(s3, run, naming=["lane", "s1"]) == [made[1], made[4], made[7]]
    assert find.attempts(s3, run, naming=["s1", "id-4"]) == [made[4]]
    # As a part of a value it is none.
    assert find.attempts(s3, run, naming=["s"]) == []
    assert sorted(fetched) == sorted(4 * [f"runs/cohort7/{store.part_name(LIVE.head, number)}" for number in (1, 2, 3)])


def test_a_head_that_was_refused_meanwhile_does_not_count(s3: Any) -> None:
    """It wrote its end while a head on a laptop worked, which has ended since."""
    refused = replace(ABOUT, state=abouts.FAILED, submitted=LIVE.started - 2, ended=LIVE.started + 1)
    put(s3, "cohort7", about=refused, live=LIVE)
    assert state.of(found(s3)) == state.DONE
