"""Prices: an attempt costs what a sum by hand says, by the second; a wrong file of prices is named with its key."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from snakemake_aws_common import price_list
from snakemake_aws_common.prices import Cost, PricesError, billed_seconds, cost_of, load, load_or_stand_in, total
from snakemake_aws_common.record.attempt import Attempt, Step

PRICES = load("us-east-1")
GIB = 1 << 30
START = 1_700_000_000_000


def attempt(seconds: float | None, **changes: Any) -> Attempt:
    complete = None if seconds is None else START + round(seconds * 1000)
    return dataclasses.replace(
        Attempt(
            native_id="id", attempt=1, name="n", process="bwa_mem", wildcards={}, is_group=False, hash="", status="",
            exit=0, reason="", queue="q", spot=False, definition="", log_stream="", cpus=4, memory=8 * GIB,
            disk=20 * GIB, submit=START - 60_000, runnable=None, starting=None, start=START, complete=complete, head="",
        ),
        **changes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "now", "seconds"),
    [
        pytest.param(attempt(3570), None, 3600, id="an hour with the 30 s of the pull"),
        pytest.param(attempt(5), None, 60, id="one minute at least"),
        pytest.param(attempt(30.001), None, 61, id="rounded up to the second"),
        pytest.param(attempt(-5), None, 60, id="clocks that disagree"),
        pytest.param(attempt(None), START + 70_000, 100, id="runs"),
        pytest.param(attempt(100), START + 900_000, 130, id="has ended: now does not matter"),
        pytest.param(attempt(None, steps=(Step("a", complete=START + 90_000),)), None, 120, id="its end is not known"),
        pytest.param(attempt(None, start=None), START + 900_000, 0, id="waits"),
        pytest.param(attempt(900, start=None), None, 0, id="ended while it waited"),
        pytest.param(attempt(900, start=None, starting=START), None, 60, id="pulled its image and never ran"),
    ],
)
def test_seconds_that_are_billed(one: Attempt, now: int | None, seconds: int) -> None:
    assert billed_seconds(one, PRICES, now) == seconds


@pytest.mark.parametrize(
    ("one", "dollars"),
    [
        pytest.param(attempt(3570), Cost(4 * 0.04048, 8 * 0.004445, 0, 0.00001), id="on demand"),
        pytest.param(attempt(3570, spot=True), Cost(4 * 0.016192, 8 * 0.001778, 0, 0.00001), id="Spot is 60 % below"),
        pytest.param(
            attempt(3570, spot=True, disk=120 * GIB), Cost(4 * 0.016192, 8 * 0.001778, 100 * 0.000111, 0.00001),
            id="disk above 20 GiB, without discount",
        ),
        pytest.param(
            attempt(3570, architecture="ARM64"), Cost(4 * 0.03238, 8 * 0.00356, 0, 0.00001), id="ARM",
        ),
        pytest.param(
            attempt(3570, public_address=True), Cost(4 * 0.04048, 8 * 0.004445, 0, 0.005), id="a public address",
        ),
        pytest.param(
            attempt(1, cpus=0.25, memory=GIB // 2), Cost(0.25 * 0.04048 / 60, 0.5 * 0.004445 / 60, 0, 0.00001),
            id="a minute of the smallest task",
        ),
        pytest.param(attempt(None, start=None), Cost(), id="never ran"),
    ],
)  # fmt: skip
def test_cost_is_the_sum_by_hand(one: Attempt, dollars: Cost) -> None:
    cost = cost_of(one, PRICES)
    assert dataclasses.astuple(cost) == pytest.approx(dataclasses.astuple(dollars))
    assert cost.total == pytest.approx(sum(dataclasses.astuple(dollars)))


def test_costs_add_up() -> None:
    parts = [cost_of(attempt(600), PRICES), cost_of(attempt(60, spot=True), PRICES)]
    assert total(parts).total == pytest.approx(parts[0].total + parts[1].total)
    assert (parts[0] * 0.25).vcpu == parts[0].vcpu / 4


def own_file(folder: Path, change: dict[str, Any] | None = None, **keys: Any) -> Path:
    """Write a file of prices of region `here`, in the form that the messages show."""
    content = json.loads(price_list.FORM.replace("REGION", "here"))
    content["regions"]["here"].update(change or {})
    content.update(keys)
    (folder / "prices.json").write_text(json.dumps(content))
    return folder / "prices.json"


def test_a_file_of_the_users_own(tmp_path: Path) -> None:
    prices = load("here", own_file(tmp_path, spot_discount=0.5, pull_seconds=0))
    assert cost_of(attempt(3600, spot=True), prices).vcpu == pytest.approx(4 * 0.02)
    assert (prices.source, prices.date, prices.endpoint_bytes) == ("our contract", "2026-01-31", PRICES.endpoint_bytes)


def test_a_file_without_arm_prices_x86_only(tmp_path: Path) -> None:
    file = own_file(tmp_path)
    content = json.loads(file.read_text())
    del content["regions"]["here"]["ARM64"]
    file.write_text(json.dumps(content))
    prices = load("here", file)
    assert cost_of(attempt(1), prices).vcpu > 0
    with pytest.raises(PricesError, match=r"no prices of ARM64 in here, but of X86_64.*--prices FILE"):
        cost_of(attempt(1, architecture="ARM64"), prices)


@pytest.mark.parametrize(
    ("change", "keys", "words"),
    [
        ({"disk_gb_hour": None}, {}, "regions.here.disk_gb_hour is missing; it has to be a number"),
        ({"disk_gb_hour": "0.1"}, {}, "regions.here.disk_gb_hour is '0.1'"),
        ({"address_hour": -1}, {}, "regions.here.address_hour is -1"),
        ({"endpoint_gb": float("nan")}, {}, "regions.here.endpoint_gb is nan"),
        ({"endpoint_gb": True}, {}, "regions.here.endpoint_gb is True"),
        ({"X86_64": {"vcpu_hour": 1}}, {}, "regions.here.X86_64.memory_gb_hour is missing"),
        ({"X86_64": 0.04}, {}, "regions.here.X86_64 has to be an object with memory_gb_hour, vcpu_hour"),
        ({"x86": {}}, {}, "regions.here has to be an object with"),
        ({}, {"spot_discount": 60}, "spot_discount is 60; it has to be a number from 0 to 1"),
        ({}, {"date": 2026}, "date has to be a text"),
        ({}, {"source": " "}, "source has to be a text"),
        ({}, {"spot": 0.6}, "unknown keys: spot"),
        ({}, {"regions": {}}, "'regions' has to name at least one region"),
        ({}, {"regions": {"there": {}}}, "has no prices of region 'here', but of there. Add it."),
    ],
)
def test_a_wrong_file_is_explained(change: dict[str, Any], keys: dict[str, Any], words: str, tmp_path: Path) -> None:
    file = own_file(tmp_path, change, **keys)
    with pytest.raises(PricesError) as raised:
        load("here", file)
    assert words in str(raised.value)
    assert str(file) in str(raised.value)


@pytest.mark.parametrize(("text", "words"), [("[]", "an object"), ("{", "no JSON"), (None, "can't be read")])
def test_a_file_that_is_none_is_explained(text: str | None, words: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "prices.json").write_text(text)
    with pytest.raises(PricesError, match=words):
        load("here", tmp_path / "prices.json")


def test_others_prices_stand_in_for_those_of_a_region_without() -> None:
    known, own_note = load_or_stand_in("us-east-1")
    prices, note = load_or_stand_in("mars-north-1")
    assert (known, own_note) == (load("us-east-1"), "")
    one = attempt(600, disk=50 * GIB, public_address=True)
    assert cost_of(one, prices).total == pytest.approx(1.75 * cost_of(one, known).total)
    assert cost_of(attempt(600), prices).total == pytest.approx(1.75 * cost_of(attempt(600), known).total)
    assert (prices.region, prices.spot_discount) == ("mars-north-1", known.spot_discount)
    assert "no prices of mars-north-1: reckoned with those of us-east-1 times 1.75" in note


def test_an_unknown_region_asks_for_a_file_and_shows_its_form() -> None:
    with pytest.raises(PricesError) as raised:
        load("mars-north-1")
    assert "no prices of region 'mars-north-1'" in str(raised.value)
    assert "--prices FILE" in str(raised.value)
    assert '"mars-north-1": {"X86_64"' in str(raised.value)


@pytest.mark.parametrize(
    "region", json.loads((Path(price_list.__file__).with_name("prices.json")).read_text())["regions"]
)
def test_all_regions_of_the_package_can_be_used(region: str) -> None:
    prices = load(region)
    assert set(prices.rates) == {"X86_64", "ARM64"}
    assert cost_of(attempt(60), prices).total > 0
