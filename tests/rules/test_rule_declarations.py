"""Declarations that every rule has to have: log, environment, resources and docstring."""

import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from project import Project

from shared import ROOT
from terraflow_workflow.inputs.places import OUTPUTS
from terraflow_workflow.running.time_limit import BEGIN

WORKFLOW = ROOT / "workflow"
GROWING = ("mem_mb", "disk_mb", "runtime")


def rules_in_files() -> list[str]:
    """Return the names of all rules, as they stand in the files."""
    files = [WORKFLOW / "Snakefile", *sorted((WORKFLOW / "rules").glob("*.smk"))]
    found = [
        name
        for path in files
        for name in re.findall(r"^(?:rule (\w+):|use rule \w+ as (\w+) with:)", path.read_text(), re.M)
    ]
    return [first or second for first, second in found]


RULES = rules_in_files()
JOBS = [name for name in RULES if name != "all"]


@pytest.fixture(scope="module")
def declared(finished: Project) -> dict[str, dict[str, Any]]:
    """Return each rule's declarations, of a configuration that needs all rules."""
    return description(finished.folder)


@functools.cache
def description(folder: Path) -> dict[str, dict[str, Any]]:
    """Parse the workflow in a process of its own."""
    script = Path(__file__).with_name("describe_rules.py")
    command = [sys.executable, script, WORKFLOW / "Snakefile", folder / "config.yaml", folder]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_no_rule_escapes_this_table(declared: dict[str, dict[str, Any]]) -> None:
    assert sorted(declared) == sorted(RULES)
    assert len(RULES) >= 17


@pytest.mark.parametrize("name", RULES)
def test_rule_says_what_it_is_for(declared: dict[str, dict[str, Any]], name: str) -> None:
    assert len((declared[name]["docstring"] or "").split()) >= 4


@pytest.mark.parametrize("name", JOBS)
def test_rule_has_a_log_of_its_own(declared: dict[str, dict[str, Any]], name: str) -> None:
    logs = declared[name]["log"]

    assert len(logs) == 1
    assert logs[0].startswith("logs/") and logs[0].endswith(".log")
    sharing = [other for other in JOBS if logs == declared[other]["log"]]
    # These rules are for single and for paired units: a unit is one or the other.
    assert sharing == [name] or set(sharing) == {"fastqc", "fastqc_single"}
    wildcards = {w for path in declared[name]["output"] for w in re.findall(r"{(\w+)", path)}
    assert wildcards == set(re.findall(r"{(\w+)", logs[0]))


@pytest.mark.parametrize("name", JOBS)
def test_rule_writes_where_no_input_may_lie(declared: dict[str, dict[str, Any]], name: str) -> None:
    paths = [path for key in ("output", "log", "benchmark") for path in declared[name][key]]

    assert paths
    assert {path.split("/")[0] for path in paths} <= set(OUTPUTS)


@pytest.mark.parametrize("name", JOBS)
def test_rule_has_an_environment(declared: dict[str, dict[str, Any]], name: str) -> None:
    environment = declared[name]["conda"]

    assert environment is not None
    assert (WORKFLOW / "rules" / environment).resolve().is_file()


@pytest.mark.parametrize("name", JOBS)
def test_rule_begins_with_begin_sh(declared: dict[str, dict[str, Any]], name: str) -> None:
    """Which also makes it a job of this workflow that is ended after its `runtime`."""
    (first, *_) = declared[name]["shell"].strip().split("\n")
    assert first == f"{BEGIN} {{log:q}} {{output:q}}"


@pytest.mark.parametrize("name", JOBS)
def test_rule_has_threads(declared: dict[str, dict[str, Any]], name: str) -> None:
    assert declared[name]["threads"] >= 1
    # Snakemake's default is not enough.
    files = "\n".join(path.read_text() for path in (WORKFLOW / "rules").glob("*.smk"))
    base = re.search(rf"use rule (\w+) as {name} with:", files)
    text = re.search(rf"^rule {base[1] if base else name}:\n(?:(?:    .*)?\n)*", files, re.MULTILINE)
    assert text is not None and re.search("^    threads: [0-9]+$", text[0], re.MULTILINE)


@pytest.mark.parametrize("resource", GROWING)
@pytest.mark.parametrize("name", JOBS)
def test_resources_grow_with_each_attempt(declared: dict[str, dict[str, Any]], name: str, resource: str) -> None:
    first, second, third = (declared[name][size][resource] for size in ("small", "again", "third"))

    assert 0 < first < second < third


@pytest.mark.parametrize("name", RULES)
def test_wildcards_are_constrained(declared: dict[str, dict[str, Any]], name: str) -> None:
    assert declared[name]["unconstrained"] == []


def test_wildcards_match_names_of_the_sheet_and_no_folders(declared: dict[str, dict[str, Any]]) -> None:
    constraints = {
        match
        for rule in declared.values()
        for path in rule["output"]
        for match in re.findall(r"{(\w+),([^{}]+)}", path)
    }

    assert {name for name, _ in constraints} >= {"sample", "unit", "callset", "window"}
    for name, pattern in constraints:
        assert not re.fullmatch(pattern, "a/b"), name
        assert not re.fullmatch(pattern, ""), name
        if name in ("sample", "unit", "callset"):
            assert re.fullmatch(pattern, "a.bam.b_R1-x+1")


def test_rule_that_shards_has_its_wildcard_constrained(declared: dict[str, dict[str, Any]]) -> None:
    assert any(r"{shard,\d+}" in path for path in declared["bwa_mem"]["output"])
