"""Log files of rules have the names by which `terraflow logs` finds them."""

import re
from pathlib import Path

import pytest

from terraflow.runs import rule_logs

RULES = Path(__file__).parents[2] / "workflow" / "rules"
DECLARED = [
    (rule, name)
    for path in sorted(RULES.glob("*.smk"))
    for rule, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
    for name in re.findall(r"^    log:\n\s+\"logs/(.+?)\",?$", body, re.MULTILINE)
]


def test_all_log_files_are_looked_at() -> None:
    assert len(DECLARED) == sum(path.read_text().count("\n    log:\n") for path in RULES.glob("*.smk")) > 15


@pytest.mark.parametrize(("rule", "name"), DECLARED)
def test_a_log_file_is_found_by_rule_and_wildcards(rule: str, name: str) -> None:
    wildcards = {one: f"{one}.1" for one in re.findall(r"{(\w+)}", name)}
    assert rule_logs.is_of(name.format(**wildcards), rule, wildcards)
    for one in wildcards:
        assert not rule_logs.is_of(name.format(**wildcards), rule, wildcards | {one: "another"})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("bwa_mem/a/1.2.log", True),
        ("bwa_mem/a/1.3.log", False),
        ("bwa_mem/ab/1.2.log", False),
        ("bwa_mem/a/1.2.log.old", False),
        ("bwa_mem/a.log", False),
        ("bwa_mem2/a/1.2.log", False),
    ],
)
def test_no_other_file_is_found(name: str, found: bool) -> None:
    assert rule_logs.is_of(name, "bwa_mem", {"sample": "a", "unit": "1", "shard": "2"}) is found
