"""`terraflow destroy`: takes the stack away, and never data that were not named."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import boto3

from terraflow import profile, registry, stack
from terraflow.approval import confirm
from terraflow.deploy import say
from terraflow.errors import UserError
from terraflow.terraform import Terraform

if TYPE_CHECKING:
    from mypy_boto3_batch.literals import JobStatusType
    from mypy_boto3_s3.service_resource import Bucket

ACTIVE: Sequence["JobStatusType"] = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
# S3 and ECR: at most so many objects, and images, in one call.
OBJECTS, IMAGES = 1000, 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--auto-approve", action="store_true", help="ask no question (as with YES=1)")
    parser.add_argument(
        "--delete-data", metavar="BUCKET", help="delete all objects of this bucket, in all versions, with the stack"
    )


def run(options: argparse.Namespace) -> int:
    """Refuses while there are data or jobs; then images, data if named, and everything that Terraform made.

    Terraform's own force_destroy stays off: a run that is interrupted leaves no bucket that can be deleted by mistake.
    """
    terraform = Terraform(stack.ROOT / "terraform")
    problem = terraform.problem()
    if problem:
        raise UserError(problem)
    terraform.init()
    if not terraform.resources():
        _forget()
        say("There is no stack that Terraform knows of.")
        return 0
    # After a deployment or destruction that failed not all of them are there, nor all that they name.
    outputs = terraform.outputs()
    region, name = outputs.get("region"), outputs.get("stack", "of which only parts are there")
    _refuse_jobs(region, [*outputs.get("queues", {}).values()])
    bucket = boto3.resource("s3", region_name=region).Bucket(outputs["bucket"]) if "bucket" in outputs else None
    if bucket:
        _refuse_data(bucket, options.delete_data)
    data = f" and ALL DATA in {options.delete_data}" if options.delete_data else ""
    place = f"account {outputs.get('account_id', 'of the credentials')}, {region or 'its region'}"
    confirm(f"Remove stack {name}{data} from {place}?", outputs.get("stack", "yes"), approved=options.auto_approve)
    if bucket and options.delete_data:
        _empty_bucket(bucket)
    if "repository_url" in outputs:
        _empty_repository(region, outputs["repository_url"])
    terraform.destroy(outputs.get("image_tag", "none"))
    _forget()
    say(f"Stack {name} is gone.")
    return 0


def _refuse_jobs(region: str | None, queues: Sequence[str]) -> None:
    client = boto3.client("batch", region_name=region)
    there = client.describe_job_queues(jobQueues=queues)["jobQueues"] if queues else []
    jobs = [
        f"{job['jobId']} {job['jobName']}"
        for queue in (queue["jobQueueName"] for queue in there)
        for status in ACTIVE
        for page in client.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status)
        for job in page["jobSummaryList"]
    ]
    if jobs:
        shown = [*jobs[:20], *([f"and {len(jobs) - 20} more"] if len(jobs) > 20 else [])]
        raise UserError(
            f"{len(jobs)} jobs have not ended, nothing was removed. Wait for them, stop their run with Ctrl-C, or end "
            f"each with: aws batch terminate-job --region {region} --reason unwanted --job-id <id>",
            *shown,
        )


def _refuse_data(bucket: "Bucket", named: str | None) -> None:
    if named is not None and named != bucket.name:
        raise UserError(f"The stack's bucket is {bucket.name}, not {named}: nothing was deleted.")
    if named is not None:
        return
    number = size = 0
    try:
        for version in bucket.object_versions.all():
            number += 1
            size += version.size or 0
    except bucket.meta.client.exceptions.NoSuchBucket:
        return
    if number:
        raise UserError(
            f"Bucket {bucket.name} holds {number} objects and old versions, {size / 1e9:.3f} GB: nothing was removed. "
            f"Copy what you need, then delete them with the stack: make destroy BUCKET={bucket.name}"
        )


def _empty_bucket(bucket: "Bucket") -> None:
    say(f"Deleting all objects and versions of {bucket.name}")
    for upload in bucket.multipart_uploads.all():
        upload.abort()
    for answer in bucket.object_versions.page_size(OBJECTS).delete():
        errors = answer.get("Errors")
        if errors:
            first = errors[0]
            raise UserError(f"Of {bucket.name} can't be deleted: {first['Key']} ({first['Message']}) and others.")


def _empty_repository(region: str | None, url: str) -> None:
    """Images are no data: `make deploy` builds them anew."""
    client = boto3.client("ecr", region_name=region)
    name = url.partition("/")[2]
    if registry.repository(client, name) is None:
        return
    pages = client.get_paginator("list_images").paginate(repositoryName=name)
    images = [image for page in pages for image in page["imageIds"]]
    for first in range(0, len(images), IMAGES):
        client.batch_delete_image(repositoryName=name, imageIds=images[first : first + IMAGES])


def _forget() -> None:
    stack.path().unlink(missing_ok=True)
    profile.remove(stack.ROOT / "profiles" / profile.NAME)
