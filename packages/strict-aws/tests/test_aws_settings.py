"""Settings, what depends on them alone, and reset."""

import re

import pytest

from strict_aws import Aws
from strict_helpers import code


def test_the_quotas_are_those_of_fargate(strict_aws: Aws) -> None:
    quotas = strict_aws.client("service-quotas")
    default = quotas.get_aws_default_service_quota(ServiceCode="fargate", QuotaCode="L-3032A538")
    assert default["Quota"]["Value"] == 6
    asked = {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"}
    assert code(quotas.get_service_quota, **asked) == "NoSuchResourceException"
    strict_aws.set(fargate_spot_vcpus=400, quotas_changed=["fargate_spot_vcpus"])
    assert quotas.get_service_quota(ServiceCode="fargate", QuotaCode="L-36FBB829")["Quota"]["Value"] == 400
    assert code(quotas.get_service_quota, ServiceCode="fargate", QuotaCode="L-0") == "NoSuchResourceException"


def test_reset_forgets_everything(fresh_strict_aws: Aws) -> None:
    fresh_strict_aws.client("s3").create_bucket(Bucket="data")
    fresh_strict_aws.set(containers=1)
    fresh_strict_aws.fault(call="reset", service="batch")
    fresh_strict_aws.reset()
    assert fresh_strict_aws.client("s3").list_buckets()["Buckets"] == []
    assert fresh_strict_aws.settings()["containers"] == 4
    assert fresh_strict_aws.faults() == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"container": 1}, "there is no setting 'container'; there are registry,"),
        ({"containers": "4"}, "setting containers is '4', but has to be of type int or float"),
        ({"enforce_roles": 1}, "has to be of type bool"),
        ({"registry": 5000}, "has to be of type str or NoneType"),
        ({"quotas_changed": "fargate_spot_vcpus"}, "has to be of type list"),
    ],
)
def test_a_wrong_setting_is_refused(strict_aws: Aws, values: dict[str, object], said: str) -> None:
    before = strict_aws.settings()
    with pytest.raises(ValueError, match=re.escape(said)):
        strict_aws.set(stop_seconds=9, **values)
    assert strict_aws.settings() == before


def test_settings_change_for_the_length_of_a_with(strict_aws: Aws) -> None:
    before = strict_aws.settings()
    with strict_aws.changed(containers=0, enforce_roles=False):
        assert strict_aws.settings() == before | {"containers": 0, "enforce_roles": False}
    assert strict_aws.settings() == before


def test_an_unknown_order_is_refused(strict_aws: Aws) -> None:
    with pytest.raises(ValueError, match="there is no order 'rest'; there are reset, settings,"):
        strict_aws.ask("rest")
