"""Checks before a deployment: credentials, region, Terraform, Docker and quotas. All problems are listed at once."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from terraflow.errors import UserError
from terraflow.terraform import Terraform

if TYPE_CHECKING:
    from mypy_boto3_service_quotas.client import ServiceQuotasClient

VARIABLES = (
    "airflow",
    "architecture",
    "existing_network",
    "head_jobs",
    "inbox_budget",
    "network",
    "ondemand_max_vcpus",
    "region",
    "spot_max_vcpus",
    "stack",
    "zones",
)
# Docker's names of what Fargate calls X86_64 and ARM64.
ENGINES = {"X86_64": "amd64", "ARM64": "arm64"}
CREDENTIALS = "`aws configure sso` and AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give some."
# Service quotas of Fargate: by code, what a quota limits, and the variable of the stack that it limits.
QUOTAS = {
    "L-3032A538": ("Fargate On-Demand vCPU resource count", "ondemand_max_vcpus"),
    "L-36FBB829": ("Fargate Spot vCPU resource count", "spot_max_vcpus"),
}


@dataclass(frozen=True)
class Ready:
    """The account, region and settings of a deployment that may begin."""

    account: str
    region: str
    variables: Mapping[str, Any]
    warnings: tuple[str, ...]


def check(terraform: Terraform, profile: Path) -> Ready:
    """Check credentials, region, Terraform, Docker and quotas. Raise UserError with all problems."""
    problems: list[str] = []
    variables = _variables(terraform, problems)
    problems += _docker(variables.get("architecture"))
    region = variables.get("region") or _region_of_environment(problems)
    account, warnings = "", []
    if region:
        account = _account(region, problems)
    elif boto3.session.Session().get_credentials() is None:
        problems.append(f"No AWS credentials: {CREDENTIALS}")
    if account:
        warnings = _quotas(region, variables, largest_job(profile), problems)
    if problems:
        raise UserError("Before anything can be deployed:", *problems)
    return Ready(account, region, variables, tuple(warnings))


def refuse_other_place(terraform: Terraform, account: str | None, region: str | None) -> None:
    """Raise UserError when credentials or settings lead to another account or region than the stack's.

    Terraform would find none of its resources there, and drop them from its state.
    """
    problems: list[str] = []
    wanted = terraform.variables("region")["region"] or _region_of_environment(problems)
    here = _account(wanted, problems) if wanted else ""
    if problems:
        raise UserError("Before anything can be removed:", *problems)
    if (account or here, region or wanted) != (here, wanted):
        raise UserError(
            f"The stack that Terraform knows is in account {account}, {region}; the credentials and settings are for "
            f"account {here}, {wanted}. Set AWS_PROFILE and region right. Nothing was changed."
        )


def largest_job(profile: Path) -> int:
    """Return the vCPUs of the largest job that Snakemake's profile lets rules and groups ask for."""
    settings = yaml.safe_load(profile.read_text()) or {}
    # No rule gets more threads than there are cores.
    asked = [settings["cores"]] if "cores" in settings else (settings.get("set-threads") or {}).values()
    return max([1, *(number for number in asked if isinstance(number, int))])


def _variables(terraform: Terraform, problems: list[str]) -> dict[str, Any]:
    problem = terraform.problem()
    if problem:
        problems.append(problem)
        return {}
    try:
        terraform.init()
        return terraform.variables(*VARIABLES)
    except UserError as error:
        problems.append(str(error))
        return {}


def _docker(architecture: str | None) -> list[str]:
    if shutil.which("docker") is None:
        return ["Docker is missing: see https://docs.docker.com/engine/install"]
    command = ["docker", "version", "--format", "{{.Server.Arch}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"No Docker engine answers (is it started, and may you use it?): {done.stderr.strip()}"]
    engine, wanted = done.stdout.strip(), ENGINES.get(architecture or "")
    if wanted and engine != wanted:
        return [
            f"architecture is {architecture}, but this Docker engine builds images for {engine}: deploy from a machine "
            f"with {wanted}, or choose the other architecture in terraform.tfvars."
        ]
    return []


def _region_of_environment(problems: list[str]) -> str:
    try:
        region = boto3.session.Session().region_name
    except BotoCoreError as error:
        problems.append(f"AWS's configuration can't be used: {error}")
        return ""
    if not region:
        problems.append(
            'No region: write region = "eu-central-1" (or another) into terraform/terraform.tfvars, or set AWS_REGION.'
        )
    return region or ""


def _account(region: str, problems: list[str]) -> str:
    try:
        return str(boto3.client("sts", region_name=region).get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        problems.append(f"No AWS credentials that work in {region} ({error}): {CREDENTIALS}")
        return ""


def _quotas(region: str, variables: Mapping[str, Any], largest: int, problems: list[str]) -> list[str]:
    """Return warnings; a quota too small for a single job is a problem, since the job would wait for ever."""
    warnings = []
    client = boto3.client("service-quotas", region_name=region)
    for code, (name, variable) in QUOTAS.items():
        more = f"aws service-quotas request-service-quota-increase --service-code fargate --quota-code {code}"
        try:
            quota = quota_of(client, code)
        except (BotoCoreError, ClientError) as error:
            warnings.append(f"The quota of {name} in {region} could not be read: {error}")
            continue
        asked = variables.get(variable)
        if quota < largest:
            problems.append(
                f"The account's quota of {name} in {region} is {quota:g}, and the largest job takes {largest} vCPUs: "
                f"it would wait for ever. Ask for more: {more} --region {region} --desired-value {asked or largest}"
            )
        elif asked is not None and quota < asked:
            warnings.append(
                f"{variable} is {asked}, but the account's quota of {name} in {region} is {quota:g}: no more than that "
                f"works at a time. For more: {more} --region {region} --desired-value {asked}"
            )
    return warnings


def quota_of(client: "ServiceQuotasClient", code: str) -> float:
    """Return a quota of Fargate. Until an account's quota is changed, AWS knows only its default."""
    try:
        return client.get_service_quota(ServiceCode="fargate", QuotaCode=code)["Quota"]["Value"]
    except client.exceptions.NoSuchResourceException:
        return client.get_aws_default_service_quota(ServiceCode="fargate", QuotaCode=code)["Quota"]["Value"]
