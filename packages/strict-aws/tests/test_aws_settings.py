"""Settings, what depends on them alone, and reset."""

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
