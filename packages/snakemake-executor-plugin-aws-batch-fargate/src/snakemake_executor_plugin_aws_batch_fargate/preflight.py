"""Checks before the first job: one list of all that is wrong with queues, job definitions, images, roles and bucket."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from snakemake_aws_common.patience import OUT_OF_REACH

from . import client
from .request import Target
from .untyped import Client

DEFAULT_DISK_GIB = 20
# The services that a run needs, by the names that users know. A head in a private network may reach no other.
NEEDED = {"batch": "AWS Batch", "s3": "S3"}
# Codes of errors that say that a permission is missing.
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
NEXT_STEP = "Make or repair this on AWS, or name what is there in the settings."
T = TypeVar("T")
ClientOf = Callable[[str], Client]


@dataclass(frozen=True)
class Platform:
    """What of a job definition the price of its jobs depends on, besides their size."""

    architecture: str = "X86_64"
    public_address: bool = False


@dataclass
class Report:
    """The findings."""

    # Parts that are missing or broken on AWS.
    of_stack: list[str] = field(default_factory=list)
    # Faults of this machine, its credentials or the settings.
    others: list[str] = field(default_factory=list)
    # Checks that were left out: for want of permission, or of a way to the service.
    unknown: list[str] = field(default_factory=list)
    # Services that did not answer, and are not asked again.
    unreached: set[str] = field(default_factory=set)
    # By queue: true if it has a scheduling policy, and so wants a share identifier with each submission.
    fair_share: dict[str, bool] = field(default_factory=dict)
    # Whether all compute environments of a queue are Spot, by its name.
    spot: dict[str, bool] = field(default_factory=dict)
    # By the names of job definitions.
    platforms: dict[str, Platform] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """Return all that is wrong; what has to be mended on AWS comes last."""
        return [*self.others, *self.of_stack]

    def text(self, hint: str | None = None) -> str:
        """Return the problems as one message; `hint` says how the stack on AWS is made or repaired."""
        count = len(self.problems)
        head = "One thing is" if count == 1 else f"{count} things are"
        lines = [f"{head} wrong with the stack on AWS; no job was submitted."]
        lines += [f"  - {problem}" for problem in self.problems]
        return "\n".join([*lines, *([hint or NEXT_STEP] if self.of_stack else [])])


def check(
    client_of: ClientOf, target: Target, region: str | None, prefix: str | None, brief_of: ClientOf | None = None
) -> Report:
    """Check credentials, queues, definitions, their images and roles, and the bucket of the default storage's prefix.

    `brief_of` makes the clients of services that a run can do without, so that one out of reach costs seconds.
    """
    report = Report()
    if not region:
        report.others.append("No AWS region is set. Set --aws-batch-fargate-region or AWS_REGION.")
        return report
    brief_of = brief_of or cache(lambda service: client.client_of(service, region, client.brief()))
    try:
        brief_of("sts").get_caller_identity()
    except OUT_OF_REACH as error:
        _note_unreached(report, "sts", "credentials", error)
    except (ClientError, BotoCoreError) as error:
        # Without credentials everything else fails for the same reason.
        report.others.append(
            f"AWS does not accept the credentials of this machine: {error}. Set them up with `aws configure` or "
            "`aws sso login`, or give this machine a role."
        )
        return report
    if not target.queue:
        report.others.append("No job queue is named. Set --aws-batch-fargate-queue.")
    for queue in target.queues:
        _asked(report, "batch", f"queue {queue}", _check_queue, client_of("batch"), queue, report)
    definitions: dict[str, Mapping[str, Any]] = {}
    for disk, name in target.definitions.items():
        answer = _asked(report, "batch", f"job definition {name}", find_definition, client_of("batch"), name)
        if answer is None:
            continue
        (found,) = answer
        if found is None:
            report.of_stack.append(f"Job definition {name} has no active revision in {region}.")
            continue
        definitions[name] = found
        report.platforms[name] = platform_of(found)
        report.of_stack += definition_problems(name, found, disk)
    images = {_container(definition).get("image", "") for definition in definitions.values()}
    for image in sorted(images):
        _asked(report, "ecr", f"image {image}", _check_image, brief_of, image, region, report)
    roles = {
        _container(definition).get(role, "")
        for definition in definitions.values()
        for role in ("executionRoleArn", "jobRoleArn")
    }
    for role in sorted(filter(None, roles)):
        _asked(report, "iam", f"role {role}", _check_role, brief_of("iam"), role, report)
    if prefix and prefix.startswith("s3://"):
        bucket = urlsplit(prefix).netloc
        _asked(report, "s3", f"bucket {bucket}", _check_bucket, client_of("s3"), bucket, region, report)
    return report


def find_definition(batch: Client, name: str) -> Mapping[str, Any] | None:
    """Return the newest active revision of a job definition, or the one in its name; None if there is none."""
    short = name.rpartition("/")[2]
    if ":" in short:
        pages = [batch.describe_job_definitions(jobDefinitions=[name])]
    else:
        paginator = batch.get_paginator("describe_job_definitions")
        pages = paginator.paginate(jobDefinitionName=short, status="ACTIVE")
    found = [definition for page in pages for definition in page["jobDefinitions"]]
    active = [definition for definition in found if definition.get("status") == "ACTIVE"]
    return max(active, key=lambda definition: int(definition["revision"]), default=None)


def disk_of(definition: Mapping[str, Any]) -> int:
    """Return the GiB of disk that a job definition gives."""
    storage = _container(definition).get("ephemeralStorage") or {}
    return int(storage.get("sizeInGiB", DEFAULT_DISK_GIB))


def platform_of(definition: Mapping[str, Any]) -> Platform:
    """Return the architecture of a job definition, and whether its jobs get a public address."""
    container = _container(definition)
    architecture = (container.get("runtimePlatform") or {}).get("cpuArchitecture") or "X86_64"
    public = (container.get("networkConfiguration") or {}).get("assignPublicIp") == "ENABLED"
    return Platform(str(architecture), public)


def definition_problems(name: str, definition: Mapping[str, Any], disk: int) -> list[str]:
    """Return what is wrong with a job definition for Fargate, or differs from the settings."""
    problems = []
    container = _container(definition)
    if "FARGATE" not in definition.get("platformCapabilities", []):
        problems.append(f"Job definition {name} is not made for Fargate (platformCapabilities).")
    if disk_of(definition) < disk:
        problems.append(
            f"Job definition {name} has {disk_of(definition)} GiB of disk; "
            f"--aws-batch-fargate-job-definitions says {disk}."
        )
    if not container.get("executionRoleArn"):
        problems.append(f"Job definition {name} has no execution role: Fargate can't fetch its image or write logs.")
    if not container.get("jobRoleArn"):
        problems.append(f"Job definition {name} has no job role: its jobs can't read or write S3.")
    return problems


def _asked(report: Report, service: str, what: str, question: Callable[..., T], *arguments: object) -> tuple[T] | None:
    """Return the answer, in a tuple; without the permission to ask, add a note instead of a problem."""
    if service in report.unreached:
        return None
    try:
        return (question(*arguments),)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in DENIED:
            report.unknown.append(f"{what}: {error}")
        else:
            report.others.append(f"AWS refused to describe {what}: {error}")
    except OUT_OF_REACH as error:
        _note_unreached(report, service, what, error)
    except BotoCoreError as error:
        report.others.append(f"AWS could not be asked about {what}: {error}")
    return None


def _note_unreached(report: Report, service: str, what: str, error: Exception) -> None:
    """Add one note for a service that does not answer, or a problem if no run can do without it."""
    report.unreached.add(service)
    if service in NEEDED:
        report.others.append(
            f"This machine does not reach {NEEDED[service]} (asked about {what}): {error}. Look at its network and "
            "proxy settings; in a private network it needs an endpoint for it or a NAT gateway."
        )
    else:
        report.unknown.append(f"{what}: this machine does not reach {service.upper()}: {error}")


def _check_queue(batch: Client, queue: str, report: Report) -> None:
    found = batch.describe_job_queues(jobQueues=[queue])["jobQueues"]
    if not found:
        report.of_stack.append(f"There is no job queue {queue} in this account and region.")
        return
    described = found[0]
    report.fair_share[queue] = bool(described.get("schedulingPolicyArn"))
    if described["state"] != "ENABLED" or described["status"] != "VALID":
        report.of_stack.append(
            f"Job queue {queue} is {described['state']} and {described['status']}; it has to be ENABLED and VALID. "
            f"{described.get('statusReason', '')}".rstrip()
        )
    arns = [entry["computeEnvironment"] for entry in described["computeEnvironmentOrder"]]
    environments = batch.describe_compute_environments(computeEnvironments=arns)["computeEnvironments"]
    kinds = [_kind(environment) for environment in environments]
    report.spot[queue.rpartition("/")[2]] = set(kinds) == {"FARGATE_SPOT"}
    for environment, kind in zip(environments, kinds, strict=True):
        name = environment["computeEnvironmentName"]
        if kind not in ("FARGATE", "FARGATE_SPOT"):
            report.of_stack.append(
                f"Job queue {queue} has the compute environment {name}, which is {kind}, not Fargate."
            )
        if environment.get("state") != "ENABLED" or environment.get("status") != "VALID":
            report.of_stack.append(
                f"Compute environment {name} of job queue {queue} is {environment.get('state')} and "
                f"{environment.get('status')}; it has to be ENABLED and VALID. "
                f"{environment.get('statusReason', '')}".rstrip()
            )


def _kind(environment: Mapping[str, Any]) -> str:
    return str((environment.get("computeResources") or {}).get("type", environment.get("type", "UNMANAGED")))


def _check_image(client_of: ClientOf, image: str, region: str, report: Report) -> None:
    """Look for an image that lies in ECR and in the region; others can't be looked for."""
    found = re.fullmatch(
        r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
        r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]+))?",
        image,
    )
    if not found or found["region"] != region:
        return
    image_id = {"imageDigest": found["digest"]} if found["digest"] else {"imageTag": found["tag"] or "latest"}
    try:
        client_of("ecr").describe_images(
            registryId=found["account"], repositoryName=found["repository"], imageIds=[image_id]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ImageNotFoundException", "RepositoryNotFoundException"):
            raise
        report.of_stack.append(f"Image {image} is not in its registry: build and push it.")


def _check_role(iam: Client, arn: str, report: Report) -> None:
    try:
        iam.get_role(RoleName=arn.rpartition("/")[2])
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchEntity", "NoSuchEntityException"):
            raise
        report.of_stack.append(f"Role {arn} of a job definition does not exist.")


def _check_bucket(s3: Client, bucket: str, region: str, report: Report) -> None:
    try:
        answer = s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        why = {
            "404": "it does not exist",
            "NoSuchBucket": "it does not exist",
            "403": "these credentials may not list it",
            "301": "it is in another region",
        }.get(code, str(error))
        problems = report.of_stack if code in ("404", "NoSuchBucket") else report.others
        problems.append(f"Bucket {bucket} of --default-storage-prefix can't be used: {why}.")
        return
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    there = answer.get("BucketRegion") or headers.get("x-amz-bucket-region")
    if there and there != region:
        report.others.append(
            f"Bucket {bucket} is in {there} and the queues are in {region}: every byte would cross regions, and cost. "
            "Use a bucket in the queues' region."
        )


def _container(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    return definition.get("containerProperties") or {}
