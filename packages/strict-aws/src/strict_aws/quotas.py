"""Service Quotas: Fargate's vCPUs. moto knows only the quotas of VPCs.

As on AWS, GetServiceQuota knows a quota only once somebody has had it changed (setting `quotas_changed`).
"""

import json
from typing import Any

from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.models import ServiceQuotasBackend
from moto.servicequotas.responses import ServiceQuotasResponse

from strict_aws.state import STATE

# Quota codes of the service "fargate", as AWS lists them.
FARGATE = {
    "L-3032A538": ("Fargate On-Demand vCPU resource count", "fargate_ondemand_vcpus"),
    "L-36FBB829": ("Fargate Spot vCPU resource count", "fargate_spot_vcpus"),
}


def fargate(quota_code: str) -> dict[str, Any]:
    """Return a quota of Fargate as Service Quotas describes it."""
    name, setting = FARGATE[quota_code]
    return {
        "ServiceCode": "fargate",
        "ServiceName": "AWS Fargate",
        "QuotaCode": quota_code,
        "QuotaName": name,
        "Value": float(STATE.setting(setting)),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def patch() -> None:
    """Make GetServiceQuota and GetAWSDefaultServiceQuota know the quotas of Fargate."""
    original = ServiceQuotasBackend.get_service_quota

    def get_service_quota(self: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict[str, Any]:
        if service_code != "fargate" or quota_code not in FARGATE:
            return original(self, service_code, quota_code)
        if FARGATE[quota_code][1] not in STATE.setting("quotas_changed"):
            raise NoSuchResource
        return fargate(quota_code)

    def get_aws_default_service_quota(self: ServiceQuotasResponse) -> str:
        asked = json.loads(self.body)
        if asked["ServiceCode"] != "fargate" or asked["QuotaCode"] not in FARGATE:
            raise NoSuchResource
        return json.dumps({"Quota": fargate(asked["QuotaCode"])})

    ServiceQuotasResponse.get_aws_default_service_quota = get_aws_default_service_quota  # type: ignore[attr-defined]
    ServiceQuotasBackend.get_service_quota = get_service_quota  # type: ignore[method-assign]
