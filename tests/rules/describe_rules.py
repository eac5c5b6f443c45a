"""Print as JSON the declarations of the workflow's rules: `describe_rules.py SNAKEFILE CONFIG DIRECTORY`."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.io import flag
from snakemake.iocontainers import Wildcards
from snakemake.rules import Rule
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

GROWING = ("mem_mb", "disk_mb", "runtime")


def inputs_of(megabytes: float) -> list[str]:
    """Return three inputs in storage; only their size is known."""
    stored = SimpleNamespace(size=lambda: int(megabytes * 2**20))
    return [flag("input", "storage_object", stored) for _ in range(3)]


def resources(rule: Rule, attempt: int, megabytes: float) -> dict[str, int]:
    """Return a rule's resources for three inputs of `megabytes` each, for the first unit of the sheet."""
    inputs = inputs_of(megabytes)
    sample, unit = next(iter(rule.workflow.globals["UNITS"]))
    wildcards = Wildcards(fromdict={"sample": sample, "unit": unit, "shard": "1"})
    found = {}
    for name in GROWING:
        resource = rule.resources.get(name)
        if resource is None:
            continue
        if resource.is_evaluable():
            resource = resource.evaluate(wildcards, input=inputs, attempt=attempt)
        found[name] = resource.value
    return found


def describe(rule: Rule) -> dict[str, Any]:
    """Return the declarations of one rule; wildcards without a constraint are `{name}` in its files."""
    patterns = [str(item) for files in (rule.output, rule.log) for item in files]
    patterns += [str(rule.benchmark)] if rule.benchmark else []
    return {
        "docstring": rule.docstring,
        "shell": rule.shellcmd or "",
        "log": [str(path) for path in rule.log],
        "output": [str(path) for path in rule.output],
        "benchmark": [str(rule.benchmark)] if rule.benchmark else [],
        "conda": str(rule.conda_env) if rule.conda_env else None,
        "threads": rule.resources["_cores"].value,
        "unconstrained": [name for pattern in patterns for name in re.findall(r"{(\w+)}", pattern)],
        "small": resources(rule, 1, 1),
        "again": resources(rule, 2, 1),
        "third": resources(rule, 3, 1),
    }


def main(snakefile: Path, config: Path, directory: Path) -> None:
    """Parse the workflow, without running anything."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[config]),
            snakefile=snakefile,
            workdir=directory,
        )._workflow
        print(json.dumps({rule.name: describe(rule) for rule in workflow.rules}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
