"""The record of a run: what is written is read, each attempt once, whichever head wrote it."""

import dataclasses
import json

import pytest

from snakemake_aws_common.record import attempt, live, store
from snakemake_aws_common.record.attempt import Attempt, Step

ONE = Attempt(
    native_id="id-1",
    attempt=1,
    name="main-bwa_mem-a-1",
    process="lane",
    wildcards={"sample": "a"},
    is_group=True,
    hash="0123456789ab-012345",
    status=attempt.COMPLETED,
    exit=0,
    reason="",
    queue="spot",
    spot=True,
    definition="worker-20gib:1",
    log_stream="worker/default/1",
    cpus=2,
    memory=4 << 30,
    disk=20 << 30,
    submit=1000,
    runnable=1500,
    starting=None,
    start=3000,
    complete=9000,
    head="2026-01-01T00:00:00Z-ab",
    steps=(Step("bwa_mem", {"sample": "a"}, exit=0, realtime=5000, cpu_time=9000),),
)


def test_attempts_are_read_as_they_were_written() -> None:
    assert store.unpack(store.pack([ONE])) == [ONE]
    assert ONE.steps[0].tag == "sample=a"


def test_a_line_has_the_tag_of_a_trace() -> None:
    two = dataclasses.replace(ONE, wildcards={"sample": "a", "unit": "1"})
    assert json.loads(attempt.to_line(two))["tag"] == two.tag == "sample=a, unit=1"


def test_fields_of_later_versions_are_left_out() -> None:
    line = json.loads(attempt.to_line(ONE))
    line["more"] = line["steps"][0]["more"] = 1
    assert attempt.from_mapping(line) == ONE


def test_fields_that_earlier_versions_did_not_have_are_as_if_unknown() -> None:
    line = json.loads(attempt.to_line(ONE))
    del line["architecture"], line["steps"][0]["peak_rss"]
    assert attempt.from_mapping(line) == ONE
    del line["native_id"]
    with pytest.raises(TypeError, match="native_id"):
        attempt.from_mapping(line)


def test_what_was_read_can_not_be_changed() -> None:
    (one,) = store.unpack(store.pack([ONE]))
    for part in (one, one.steps[0]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            part.exit = 7  # type: ignore[misc]


@pytest.mark.parametrize(
    ("naming", "found"),
    [
        ([], ["id-1", "id-2"]),
        (["id-2"], ["id-2"]),
        (["bwa_mem"], ["id-1", "id-2"]),
        (['"ü\\'], ["id-2"]),
        (["a", "bwa_mem"], ["id-1"]),
        (["bwa"], []),
    ],
)
def test_lines_without_the_texts_are_left_out(naming: list[str], found: list[str]) -> None:
    other = dataclasses.replace(ONE, native_id="id-2", wildcards={"sample": '"ü\\'}, steps=(Step("bwa_mem"),))
    assert [one.native_id for one in store.unpack(store.pack([ONE, other]), naming)] == found


def test_of_two_heads_the_later_part_counts() -> None:
    again = dataclasses.replace(ONE, head="2026-01-02T00:00:00Z-cd", exit=1)
    earlier = dataclasses.replace(ONE, native_id="id-0", complete=10)
    assert store.merged([[ONE], [again, earlier]]) == [earlier, again]


def test_live_is_read_as_it_was_written() -> None:
    job = live.LiveJob(
        "id", "lane", {}, True, "RUNNING", 1, "", "spot", True, 2, 1, 1, 1, (("bwa_mem", {"unit": "1"}),)
    )
    state = live.Live(
        "main", "h", "somebody", live.RUNNING, 1, 2, rules={"bwa_mem": live.RuleCount(3, 1, 1, 1)}, jobs=(job,),
        failures=(live.Failure("id", "call", {}, "text"),), budget=2.5,
    )  # fmt: skip
    assert live.from_json(live.to_json(state)) == state
