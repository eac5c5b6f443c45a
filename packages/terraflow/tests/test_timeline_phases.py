"""Phases of attempts and of jobs that have not ended: each in its place, and no time lost or counted twice."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from snakemake_aws_common.record.attempt import Attempt
from snakemake_aws_common.record.live import Live, LiveJob
from terraflow.timeline import bars, phases
from timeline_records import ALONE, FULL, LANE, LOST, RECORD, T0, step


def lengths(attempt: Attempt, begin: int | None = None, end: int | None = None) -> list[tuple[str, int]]:
    """The phases of an attempt and their milliseconds, in order."""
    begin = attempt.submit if begin is None else begin
    found = phases.spans_of(attempt, begin, phases.end_of(attempt) if end is None else end)
    ends = [begin, *(end for _, end, _ in found)]
    return [
        (phases.PHASES[phase], end - start) for (phase, _, _), (start, end) in zip(found, pairwise(ends), strict=True)
    ]


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        pytest.param(
            ALONE,
            [("waiting", 10_000), ("starting", 20_000), ("other", 5000), ("fetching", 1000), ("tool", 50_000),
             ("storing", 2000), ("other", 12_000)],
            id="one step",
        ),
        pytest.param(
            LANE,
            [("waiting", 110_000), ("starting", 10_000), ("other", 4000), ("fetching", 1000), ("tool", 10_000),
             ("other", 3000), ("fetching", 1000), ("tool", 45_000), ("storing", 2000), ("storing", 2000),
             ("other", 2000)],
            id="group",
        ),
        pytest.param(LOST, [("waiting", 2000), ("starting", 18_000), ("other", 80_000)], id="nothing measured"),
        pytest.param(replace(ALONE, starting=None, steps=()), [("waiting", 30_000), ("other", 70_000)],
                     id="not seen starting"),
        pytest.param(replace(ALONE, start=None, starting=None, steps=()), [("waiting", 100_000)], id="never began"),
        pytest.param(replace(ALONE, start=None, steps=()), [("waiting", 10_000), ("starting", 90_000)],
                     id="ended as it started"),
        pytest.param(replace(ALONE, complete=None), [("waiting", 10_000), ("starting", 20_000), ("other", 5000),
                     ("fetching", 1000), ("tool", 50_000)], id="no end"),
    ],
)  # fmt: skip
def test_phases_follow_each_other(attempt: Attempt, expected: list[tuple[str, int]]) -> None:
    assert lengths(attempt) == expected


def test_a_second_attempt_begins_where_the_first_ended() -> None:
    first, second = bars.bars([LANE, LOST], None, lambda _: None)
    assert (first.one.attempt, first.end, second.one.attempt, second.begin) == (1, T0 + 100_000, 2, T0 + 100_000)
    assert lengths(second.one, second.begin)[0] == ("waiting", 10_000)


def test_steps_that_overlap_or_lie_outside_the_attempt_add_no_time() -> None:
    rng = random.Random(1)
    for _ in range(300):
        steps = tuple(
            step("r", rng.randint(-50, 120), rng.randint(0, 90), rng.randint(0, 30), rng.randint(0, 30))
            for _ in range(rng.randint(0, 4))
        )
        times = sorted(T0 + rng.randint(0, 100) for _ in range(4))
        if rng.random() < 0.2:
            rng.shuffle(times)
        submit, starting, start, complete = times
        one = replace(ALONE, submit=submit, starting=starting, start=start, complete=complete, steps=steps)
        found = phases.spans_of(one, one.submit, max(one.submit, complete))
        ends = [one.submit, *(end for _, end, _ in found)]
        assert ends == sorted(set(ends))
        assert ends[-1] == max(one.submit, complete)


def job(status: str, since: int, native_id: str = "job-live") -> LiveJob:
    """A job that has not ended."""
    return LiveJob(native_id, "lane", {"sample": "c"}, True, status, T0 + since, "", "q", True, 4, 1, 1, T0)


@pytest.mark.parametrize(
    ("status", "expected", "taken"),
    [
        ("SUBMITTED", [("waiting", 400_000)], None),
        ("RUNNABLE", [("waiting", 400_000)], None),
        ("STARTING", [("waiting", 100_000), ("starting", 300_000)], T0 + 100_000),
        ("RUNNING", [("waiting", 100_000), ("other", 300_000)], T0 + 100_000),
    ],
)
def test_jobs_that_have_not_ended_last_until_the_head_looked(
    status: str, expected: list[tuple[str, int]], taken: int | None
) -> None:
    live = Live("run", "h", "ada", "running", T0, T0 + 400_000, jobs=(job(status, 100_000),))
    (one,) = bars.bars([], live, lambda _: None)
    assert (lengths(one.one, one.begin, one.end), one.taken, one.failed) == (expected, taken, False)


def test_a_job_is_not_shown_twice() -> None:
    jobs = (job("RUNNING", 1000, ALONE.native_id), job("RUNNABLE", 101_000, LOST.native_id))
    live = Live("run", "h", "ada", "running", T0, T0 + 400_000, jobs=jobs)
    found = bars.bars([ALONE, LOST, FULL], live, lambda _: None)
    assert [(bar.one.native_id, bar.one.attempt, bar.begin) for bar in found] == [
        ("job-lane", 1, T0),
        ("job-lane", 2, T0 + 100_000),
        ("job-full", 1, T0 + 200_000),
        ("job-alone", 1, T0 + 200_000),
    ]


def test_calls_of_one_sample_are_its_own_and_joint_calls_are_shared() -> None:
    calls = [
        replace(ALONE, native_id=name, process="bcftools_call", wildcards={"callset": name, "window": "1"})
        for name in ("a", "all", "late")
    ]
    aligned = replace(ALONE, native_id="shared", wildcards={"sample": "shared"})
    # The alignments of a sample that is not done yet.
    live = Live(
        "run", "h", "ada", "running", T0, T0 + 400_000, jobs=(replace(job("RUNNING", 0), wildcards={"sample": "late"}),)
    )
    found = bars.bars([LANE, aligned, *calls], live, lambda _: None)
    assert {bar.one.native_id: (bar.sample, bar.rest) for bar in found} == {
        "job-lane": ("a", "L1"),
        "a": ("a", "1"),
        "all": ("shared", "all 1"),
        "late": ("late", "1"),
        "job-live": ("late", ""),
        "shared": ("shared (a sample)", ""),
    }
    assert bars.ordered({bar.sample for bar in found}) == ["a", "late", "shared (a sample)", "shared"]


def test_labels_tell_bars_apart() -> None:
    twins = [replace(ALONE, native_id=name, wildcards={"sample": "a", "unit": "1"}) for name in "xyz"]
    found = bars.bars([*RECORD, *twins], None, lambda _: None)
    named = dict(zip([(bar.one.native_id, bar.one.attempt) for bar in found], bars.labels(found), strict=True))
    assert named[("job-lane", 1)] == "L1"
    assert named[("job-lane", 2)] == "L1 (attempt 2)"
    assert [named[(name, 1)] for name in "xyz"] == ["1", "1 #2", "1 #3"]
