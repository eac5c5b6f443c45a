"""Finds the parts of a stack in Terraform's state: after a removal that failed there are no outputs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Region and account of an ARN; those of S3 and IAM lack one or both.
ARN = re.compile(r"arn:[a-z-]+:[a-z0-9-]+:([a-z0-9-]*):(\d{12}|)")


@dataclass(frozen=True)
class Remains:
    """Parts of the stack that exist, and their account and region; None for what the state does not say."""

    account: str | None
    region: str | None
    stack: str | None
    bucket: str | None
    repository: str | None
    queues: tuple[str, ...]


def find(resources: Iterable[Mapping[str, Any]]) -> Remains:
    """Find the parts of the stack among the resources of a state (`terraform show -json`)."""
    managed = [resource for resource in resources if resource.get("mode") == "managed"]
    values = [resource["values"] for resource in managed]
    places = [found for value in values if (found := ARN.match(str(value.get("arn"))))]

    def first(found: Iterable[Any]) -> str | None:
        return next((str(value) for value in found if value), None)

    def named(kind: str, key: str) -> list[str]:
        return [str(resource["values"][key]) for resource in managed if resource["type"] == kind]

    return Remains(
        account=first(place[2] for place in places),
        region=first([*(place[1] for place in places), *named("aws_s3_bucket", "region")]),
        stack=first((value.get("tags_all") or {}).get("stack") for value in values),
        bucket=first(named("aws_s3_bucket", "bucket")),
        repository=first(named("aws_ecr_repository", "name")),
        queues=tuple(named("aws_batch_job_queue", "name")),
    )
