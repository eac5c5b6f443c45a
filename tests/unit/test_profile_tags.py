"""The AWS profile gives jobs and temporary objects the tags that the stack's policies and lifecycle rules expect."""

import re
from typing import Any

import hcl2
import yaml

from shared import ROOT
from snakemake_executor_plugin_aws_batch_fargate import names, request, settings
from snakemake_storage_plugin_s3_inventory import StorageProviderSettings

PROFILE: dict[str, Any] = yaml.safe_load((ROOT / "profiles" / "aws" / "config.yaml").read_text())
OPTION = "aws-batch-fargate-"
STORAGE = "storage-s3-inventory-"
# Evaluated when the profile is read; here they stand for those of a deployed stack.
STACK = {"job_definitions": "20=worker-20gib", "queue": "spot", "ondemand_queue": "ondemand", "tags": "stack=lab"}


def target() -> request.Target:
    """Where the profile sends jobs, and which tags they and temporary objects have."""
    given = {key.removeprefix(OPTION).replace("-", "_"): value for key, value in PROFILE.items() if OPTION in key}
    literal = {key: value for key, value in given.items() if not str(value).startswith("?")}
    return request.target_of(settings.ExecutorSettings(**(literal | STACK | {"region": "us-east-1"})))


def test_policies_allow_the_tags_of_jobs() -> None:
    found = re.search(
        r'tag_keys = concat\(keys\(local.tags\), \[for key in \[(.*?)\] : "(.*?)\$\{key\}"\]\)', text("iam")
    )
    assert found, "the stack's policies say which tags a submission may have"
    allowed = {found[2] + key for key in re.findall(r'"(\w+)"', found[1])}
    tags = target().tags
    assert {f"{tags.prefix}{name}" for name in ("run", "rule", *tags.wildcards)} == allowed
    assert allowed == {"terraflow:run", "terraflow:rule", "terraflow:sample"}
    assert tags.more == {"stack": "lab"} and isinstance(tags, names.Tags)


def test_the_lifecycle_removes_temporary_objects() -> None:
    rules = [
        rule
        for block in hcl2.loads(text("storage"))["resource"]
        for kind, named in block.items()
        if "lifecycle" in kind
        for resource in named.values()
        for rule in resource["rule"]
    ]
    tagged = re.findall(r"terraflow:lifetime\W+intermediate", str(rules))
    assert len(tagged) == 1
    assert target().temporary_tags == {"terraflow:lifetime": "intermediate"}
    given = {key.removeprefix(STORAGE).replace("-", "_"): value for key, value in PROFILE.items() if STORAGE in key}
    storage = StorageProviderSettings(**(given | {"region": "us-east-1"}))
    storage.check()
    assert storage.tags_of("runs/main/results/bwa_mem/A/L1.1.cram") == {"terraflow:lifetime": "intermediate"}
    assert storage.tags_of("runs/main/results/alignments/A.cram") == {}


def test_upgrading_shows_the_lines_of_the_profile() -> None:
    page = (ROOT / "docs" / "upgrading.md").read_text().partition("## A profile of your own")[2]
    found = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert found, "the lines that a profile of a user's own needs"
    lines = yaml.safe_load(found[1])
    assert lines == {key: PROFILE[key] for key in lines} and len(lines) == 5
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert all(f"`{key}`" in changes for key in lines)


def text(name: str) -> str:
    """Read a file of the stack."""
    return (ROOT / "terraform" / f"{name}.tf").read_text()
