"""The bill: groups are shared out by measured seconds, lost attempts count, and the sums by all keys are one number."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snakemake_aws_common.prices import cost_of, load
from snakemake_aws_common.record.attempt import Attempt, Step
from terraflow.costs.bill import KEYS, NANO, lines_of, rows_by, split, weights_of
from terraflow.samples import SHARED

PRICES = load("us-east-1")
GIB = 1 << 30
# 2026-03-01 12:00:00 UTC
START = 1_772_366_400_000
BARE = Attempt(
    native_id="id", attempt=1, name="n", process="bwa_mem", wildcards={"sample": "a"}, is_group=False, hash="",
    status="COMPLETED", exit=0, reason="", queue="spot", spot=True, definition="", log_stream="", cpus=4,
    memory=8 * GIB,
    disk=20 * GIB, submit=START - 1000, runnable=None, starting=None, start=START, complete=START + 570_000, head="h",
)  # fmt: skip


def attempt(**changes: Any) -> Attempt:
    return dataclasses.replace(BARE, **changes)


def step(rule: str, seconds: float | None = None, **wildcards: str) -> Step:
    return Step(rule, wildcards, realtime=None if seconds is None else round(seconds * 1000))


def dollars(key: str, attempts: list[Attempt]) -> dict[str, float]:
    return {row.key: row.nano / NANO for row in rows_by(key, lines_of(attempts, PRICES))}


LANE = attempt(
    process="lane", is_group=True,
    steps=(step("decompress", 60, sample="a"), step("fastqc", 140, sample="a"), step("bwa_mem", 300, sample="a")),
)  # fmt: skip
# Ten minutes on Spot, the 30 s of the image's pull included, and what it sends through endpoints.
TEN_MINUTES = 0.4 * (4 * 0.04048 + 8 * 0.004445) / 6 + 0.00001


def test_a_run_costs_what_a_sum_by_hand_says() -> None:
    lost = attempt(status="FAILED", reason="Your Spot Task was interrupted.", complete=START + 270_000)
    again = attempt(attempt=2, start=START + 300_000, complete=START + 870_000)
    demand = attempt(
        native_id="other", process="bwa_index", wildcards={}, spot=False, queue="ondemand", cpus=1, memory=2 * GIB,
        disk=50 * GIB, complete=START + 3_570_000,
    )  # fmt: skip
    hour = 0.04048 + 2 * 0.004445 + 30 * 0.000111 + 0.00001
    run = [lost, again, demand, LANE]
    five_minutes = (TEN_MINUTES - 0.00001) / 2 + 0.00001
    assert dollars("queue", run) == pytest.approx({"spot": five_minutes + 2 * TEN_MINUTES, "ondemand": hour}, abs=1e-8)
    assert dollars("sample", run) == pytest.approx({"a": five_minutes + 2 * TEN_MINUTES, SHARED: hour}, abs=1e-8)
    assert dollars("rule", run) == pytest.approx(
        {
            "bwa_index": hour,
            "bwa_mem": five_minutes + TEN_MINUTES + 0.6 * TEN_MINUTES,
            "fastqc": 0.28 * TEN_MINUTES,
            "decompress": 0.12 * TEN_MINUTES,
        },
        abs=1e-8,
    )


@pytest.mark.parametrize(
    ("steps", "seconds", "shares", "guessed"),
    [
        pytest.param([step("a", 30), step("b", 10)], 100, [0.75, 0.25], [False, False], id="all measured"),
        pytest.param([step("a", 30), step("b"), step("c")], 90, [1 / 3, 1 / 3, 1 / 3], [False, True, True], id="rest"),
        pytest.param([step("a"), step("b")], 0, [0.5, 0.5], [True, True], id="nothing is known"),
        pytest.param([step("a", 0), step("b", 0)], 60, [0.5, 0.5], [True, True], id="no seconds"),
        pytest.param([step("a", 80), step("b")], 60, [1, 0], [False, True], id="no time was left"),
        pytest.param(
            [Step("a", start=0, complete=30_000), Step("b", fetch_time=5000, realtime=4000, store_time=1000)], 60,
            [0.75, 0.25], [False, False], id="begin and end, or fetching, tool and storing",
        ),
    ],
)  # fmt: skip
def test_shares_of_a_group(steps: list[Step], seconds: float, shares: list[float], guessed: list[bool]) -> None:
    weights, found = weights_of(steps, seconds)
    assert [weight / sum(weights) for weight in weights] == pytest.approx(shares)
    assert found == guessed


def test_a_lost_group_gives_what_was_not_measured_to_the_rule_that_was_cut_off() -> None:
    lost = dataclasses.replace(LANE, status="FAILED", steps=(step("decompress", 57, sample="a"), step("bwa_mem")))
    lines = lines_of([lost], PRICES)
    assert [line.guessed for line in lines] == [False, True]
    assert dollars("rule", [lost])["bwa_mem"] == pytest.approx(0.9 * TEN_MINUTES)


def test_a_job_that_measured_nothing_has_its_rule_and_sample() -> None:
    (line,) = lines_of([attempt(steps=())], PRICES)
    assert (line.rule, line.sample, line.guessed) == ("bwa_mem", "a", False)


def test_a_group_whose_rules_are_not_known_has_its_name() -> None:
    assert dollars("rule", [attempt(process="lane", is_group=True)]) == pytest.approx({"lane": TEN_MINUTES}, abs=1e-8)


def test_calls_of_one_sample_are_its_own_and_joint_calls_are_shared() -> None:
    own, joint = (attempt(process="variants", wildcards={"callset": name}) for name in ("a", "all"))
    assert set(dollars("sample", [attempt(), own, joint])) == {"a", SHARED}
    assert dollars("sample", [attempt(), own, joint])["a"] == pytest.approx(2 * TEN_MINUTES, abs=1e-8)


def test_a_sample_named_shared_is_not_what_all_samples_share() -> None:
    run = [attempt(wildcards={"sample": "shared"}), attempt(process="multiqc", wildcards={})]
    assert dollars("sample", run) == pytest.approx({"shared (a sample)": TEN_MINUTES, SHARED: TEN_MINUTES}, abs=1e-8)


@pytest.mark.parametrize(
    ("key", "attempts"),
    [("queue", {"spot": 3}), ("sample", {"a": 3}), ("rule", {"bwa_mem": 3, "fastqc": 1, "decompress": 1})],
)
def test_a_group_is_one_attempt_of_each_key(key: str, attempts: dict[str, int]) -> None:
    rows = rows_by(key, lines_of([LANE, attempt(native_id="b"), attempt(native_id="b", attempt=2)], PRICES))
    assert {row.key: row.attempts for row in rows} == attempts


def test_days_are_those_of_starts_in_utc_and_in_order() -> None:
    late = attempt(start=START + 12 * 3_600_000 - 1, complete=START + 13 * 3_600_000)
    assert list(dollars("day", [attempt(start=START + 12 * 3_600_000), late])) == ["2026-03-01", "2026-03-02"]


weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=8).filter(lambda found: sum(found) > 0)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**15), weights)
def test_shares_are_whole_and_add_up(amount: int, weights: list[float]) -> None:
    shares = split(amount, weights)
    assert sum(shares) == amount
    assert all(share >= 0 for share in shares)


maybe = st.none() | st.integers(0, 10**8)
names = st.sampled_from(["a", "b", "shared"])
tags = st.dictionaries(st.sampled_from(["sample", "unit", "callset", "window"]), names, max_size=2)
steps = st.builds(
    Step, st.sampled_from(["x", "y", "z"]), tags, st.none(), maybe, maybe, maybe, fetch_time=maybe, store_time=maybe
)
attempt_strategy = st.builds(
    attempt,
    process=st.sampled_from(["x", "y", "lane"]),
    wildcards=tags,
    is_group=st.booleans(),
    queue=st.sampled_from(["spot", "ondemand"]),
    spot=st.booleans(),
    cpus=st.sampled_from([0.25, 1, 4, 16]),
    memory=st.integers(GIB // 2, 120 * GIB),
    disk=st.integers(20, 200).map(lambda gib: gib * GIB),
    starting=maybe.map(lambda moment: None if moment is None else START + moment),
    start=maybe.map(lambda moment: None if moment is None else START + moment),
    complete=maybe.map(lambda moment: None if moment is None else START + moment),
    steps=st.lists(steps, max_size=4).map(tuple),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(attempt_strategy, max_size=12))
def test_sums_by_all_keys_agree_exactly(attempts: list[Attempt]) -> None:
    lines = lines_of(attempts, PRICES, START + 10**8)
    sums = {tuple(map(sum, zip(*(row.parts for row in rows_by(key, lines)), strict=True))) for key in KEYS}
    assert len(sums) == 1
    whole = sum(cost_of(one, PRICES, START + 10**8).total for one in attempts)
    assert sum(map(sum, sums)) == pytest.approx(whole * NANO, abs=4 * len(attempts) + 1)
