"""Settings: read as they are meant, or refused with the part that is wrong."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common.record.attempt import Attempt, Step, to_line
from snakemake_executor_plugin_aws_batch_fargate import request, settings


def test_settings_are_read() -> None:
    assert settings.parse_definitions("20=a 50=b") == {20: "a", 50: "b"}
    assert settings.parse_tags("project=heart owner='A. Smith'") == {"project": "heart", "owner": "A. Smith"}
    assert settings.parse_tags(None) == {}


@pytest.mark.parametrize("wrong", ["", "19=a", "201=a", "20", "20=", "'20=a"])
def test_wrong_definitions_are_refused(wrong: str) -> None:
    with pytest.raises(WorkflowError, match="--aws-batch-fargate-job-definitions"):
        settings.parse_definitions(wrong)


@pytest.mark.parametrize("wrong", ["aws:run=1", "a*=b", "a='b;c'", f"{'k' * 129}=v", f"k={'v' * 257}", "a='b\tc'"])
def test_tags_that_aws_does_not_take_are_refused(wrong: str) -> None:
    with pytest.raises(WorkflowError, match="--aws-batch-fargate-tags"):
        settings.parse_tags(wrong)


@pytest.mark.parametrize("wrong", ["1a", "sample lane", "a-b"])
def test_names_that_are_no_wildcards_are_refused(wrong: str) -> None:
    assert settings.parse_wildcards(" sample, lane ,") == ["sample", "lane"] and settings.parse_wildcards(None) == []
    with pytest.raises(WorkflowError, match=f"--aws-batch-fargate-tag-wildcards has '{wrong}'"):
        settings.parse_wildcards(wrong)


@pytest.mark.parametrize(
    ("wrong", "prefix", "words"),
    [
        ("run", "lab:", "the tag lab:run gives the run of each job"),
        ("sample,rule", "", "the tag rule gives the rule of each job"),
        ("w" * 65, "p" * 64, "AWS does not take pp"),
    ],
)
def test_wildcards_that_can_be_no_tag_are_refused(wrong: str, prefix: str, words: str) -> None:
    assert settings.parse_wildcards(f"run_,{'w' * 64},run_", "p" * 64) == ["run_", "w" * 64]
    with pytest.raises(WorkflowError, match=f"--aws-batch-fargate-tag-wildcards has .*{words}"):
        settings.parse_wildcards(wrong, prefix)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"temporary_tags": " ".join(f"t{n}=1" for n in range(11))}, "temporary-tags has 11 tags .* may have 10"),
        ({"tags": " ".join(f"t{n}=1" for n in range(51))}, "-tags has 51 tags .* may have 50"),
        ({"tags": " ".join(f"t{n}=1" for n in range(48))}, "A job would get 51 tags .*AWS Batch takes 50"),
        ({"tag_wildcards": "rule"}, "tag-wildcards has 'rule'"),
    ],
)
def test_more_tags_than_aws_takes_are_refused_with_the_settings(changed: dict[str, str], words: str) -> None:
    good = {"queue": "spot", "job_definitions": "20=a", "region": "eu-central-1", "tag_wildcards": "sample"}
    most = {
        "tags": " ".join(f"t{n}=1" for n in range(47)),
        "temporary_tags": " ".join(f"t{n}=1" for n in range(10)),
    }
    target = request.target_of(settings.ExecutorSettings(**good, **most))  # type: ignore[arg-type]
    assert len(target.tags.more) == 47 and len(target.temporary_tags) == 10
    with pytest.raises(WorkflowError, match=words):
        request.target_of(settings.ExecutorSettings(**good | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["aws:", "a*", "x" * 65, " lab:"])
def test_prefixes_that_aws_does_not_take_are_refused(wrong: str) -> None:
    assert settings.checked_tag_prefix("lab:") == "lab:" and settings.checked_tag_prefix("") == ""
    with pytest.raises(WorkflowError, match="--aws-batch-fargate-tag-prefix"):
        settings.checked_tag_prefix(wrong)


GIVEN: dict[str, Any] = {one.name: {} for one in dataclasses.fields(Attempt) if one.default is dataclasses.MISSING}
LINE = json.loads(to_line(Attempt(**{**GIVEN, "steps": (Step("bwa_mem"),)})))


@pytest.mark.parametrize(("line", "title"), [(LINE, "An attempt of a job"), (LINE["steps"][0], "A step is the work")])
def test_the_docs_have_each_field_of_the_record_and_no_other(line: dict[str, Any], title: str) -> None:
    docs = (Path(__file__).parents[1] / "docs" / "further.md").read_text()
    table = docs.partition(f"\n{title}")[2].partition("| --- | --- |\n")[2].partition("\n\n")[0]
    named = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(line)


def test_the_docs_show_each_option_in_a_command() -> None:
    docs = (Path(__file__).parents[1] / "docs" / "further.md").read_text()
    for option in (field.name.replace("_", "-") for field in dataclasses.fields(settings.ExecutorSettings)):
        assert re.search(rf"^\| `{option}` \|.*`--aws-batch-fargate-{option}[ `]", docs, re.MULTILINE), option
