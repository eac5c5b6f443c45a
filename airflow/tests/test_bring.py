"""What an order writes into the inbox, and what it leaves alone."""

import pytest
import yaml

from cloud import BUCKET, CONFIG, HEADER, Cloud
from terraflow_airflow import stack as stacks
from terraflow_airflow.bring import OURS, bring, differing, merged
from terraflow_airflow.errors import OrderError
from terraflow_airflow.order import checked

SHEET = f"{HEADER}a\t1\tr.fq\t\n"
CONFIG_KEY, SHEET_KEY = "raw/cohort/config.yaml", "raw/cohort/samples.tsv"
ORDER = checked("cohort", SHEET, {"calling": {"ploidy": 1}, "filters": {"depth": 3}})


def test_the_sheet_is_written_last_and_settings_are_added_to_the_published_configuration(cloud: Cloud) -> None:
    stack = stacks.read(cloud.s3, BUCKET)
    assert bring(cloud.s3, stack, ORDER, again=False) == [CONFIG_KEY, SHEET_KEY]
    assert cloud.get(SHEET_KEY) == SHEET
    config = cloud.get(CONFIG_KEY)
    assert config is not None and config.startswith(OURS)
    assert yaml.safe_load(config) == {
        "reference": CONFIG["reference"],
        "calling": {"ploidy": 1, "mode": "joint"},
        "filters": {"depth": 3},
    }


def test_another_try_writes_nothing_anew(cloud: Cloud) -> None:
    stack = stacks.read(cloud.s3, BUCKET)
    bring(cloud.s3, stack, ORDER, again=False)
    assert differing(cloud.s3, stack, ORDER) == []
    assert bring(cloud.s3, stack, ORDER, again=True) == []
    other = checked("cohort", f"{SHEET}b\t1\tr.fq\t\n", {"calling": {"ploidy": 1}, "filters": {"depth": 3}})
    assert differing(cloud.s3, stack, other) == [SHEET_KEY]
    assert bring(cloud.s3, stack, other, again=True) == [SHEET_KEY]
    # Somebody asks for it once more: the sheet starts it.
    assert bring(cloud.s3, stack, other, again=False) == [CONFIG_KEY, SHEET_KEY]


def test_without_a_sheet_the_one_in_the_inbox_is_meant(cloud: Cloud) -> None:
    stack = stacks.read(cloud.s3, BUCKET)
    with pytest.raises(OrderError) as error:
        bring(cloud.s3, stack, checked("cohort"), again=False)
    assert f"s3://{BUCKET}/{SHEET_KEY} is missing" in str(error.value)
    cloud.sheet("cohort")
    assert bring(cloud.s3, stack, checked("cohort"), again=False) == []


def test_somebody_else_s_configuration_is_not_lost(cloud: Cloud) -> None:
    stack = stacks.read(cloud.s3, BUCKET)
    cloud.put(CONFIG_KEY, "# The whole configuration of a run\nreference: {}\n")
    with pytest.raises(OrderError, match="was written by somebody else"):
        bring(cloud.s3, stack, ORDER, again=False)
    assert cloud.get(SHEET_KEY) is None
    # Without settings it is what the run takes.
    assert bring(cloud.s3, stack, checked("cohort", SHEET), again=False) == [SHEET_KEY]


def test_settings_need_a_published_configuration(cloud: Cloud) -> None:
    cloud.publish(None)
    with pytest.raises(OrderError, match="no configuration to which settings could be added"):
        bring(cloud.s3, stacks.read(cloud.s3, BUCKET), ORDER, again=False)


def test_sections_are_merged_key_by_key() -> None:
    below = {"a": {"x": 1, "y": {"z": 2}}, "b": [1], "c": 3}
    above = {"a": {"y": {"w": 4}}, "b": [2], "c": {"d": 5}}
    assert merged(below, above) == {"a": {"x": 1, "y": {"z": 2, "w": 4}}, "b": [2], "c": {"d": 5}}
    assert below["a"] == {"x": 1, "y": {"z": 2}}
