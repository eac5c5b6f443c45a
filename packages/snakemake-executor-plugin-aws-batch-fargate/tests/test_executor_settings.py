"""Settings: read as they are meant, or refused with the part that is wrong."""

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_aws_batch_fargate import settings


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
