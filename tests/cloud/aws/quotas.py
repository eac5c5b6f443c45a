"""Service Quotas: Fargate's vCPUs. moto knows only the VPC's quotas."""

from typing import Any

from moto.servicequotas.models import ServiceQuotasBackend

from aws.state import STATE

# Quota codes of the service "fargate", as AWS lists them.
FARGATE = {
    "L-3032A538": ("Fargate On-Demand vCPU resource count", "fargate_ondemand_vcpus"),
    "L-36FBB829": ("Fargate Spot vCPU resource count", "fargate_spot_vcpus"),
}


def patch() -> None:
    """GetServiceQuota answers for Fargate as AWS does."""
    original = ServiceQuotasBackend.get_service_quota

    def get_service_quota(self: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict[str, Any]:
        if service_code != "fargate" or quota_code not in FARGATE:
            return original(self, service_code, quota_code)
        name, setting = FARGATE[quota_code]
        return {
            "ServiceCode": service_code,
            "ServiceName": "AWS Fargate",
            "QuotaCode": quota_code,
            "QuotaName": name,
            "Value": float(STATE.setting(setting)),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }

    ServiceQuotasBackend.get_service_quota = get_service_quota  # type: ignore[method-assign]
