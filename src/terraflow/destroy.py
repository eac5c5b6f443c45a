"""`terraflow destroy`: takes the stack away, and never data that were not named."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import boto3

from terraflow import profile, stack
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
    parser.add_argument("--auto-approve", action="store_true", help="ask no question")
    parser.add_argument(
        "--delete-data", metavar="BUCKET", help="delete all objects of this bucket, in all versions, with the stack"
    )


def run(options: argparse.Namespace) -> int:
    """Refuses while there are data or jobs; then images, data if named, and everything that Terraform made."""
    terraform = Terraform(stack.ROOT / "terraform")
    problem = terraform.problem()
    if problem:
        raise UserError(problem)
    terraform.init()
    outputs = terraform.outputs()
    if not outputs:
        # A first apply that failed may have left something without outputs.
        terraform.destroy("none")
        _forget()
        return 0
    there = stack.of_outputs(outputs, "Terraform's outputs are not whole")
    _refuse_jobs(there)
    bucket = boto3.resource("s3", region_name=there.region).Bucket(there.bucket)
    _refuse_data(bucket, options.delete_data)
    _ask(there, options)
    if options.delete_data:
        _empty_bucket(bucket)
    _empty_repository(there)
    terraform.destroy(there.image_tag)
    _forget()
    say(f"Stack {there.stack} is gone from {there.region}.")
    return 0


def _refuse_jobs(there: stack.Stack) -> None:
    client = boto3.client("batch", region_name=there.region)
    jobs = [
        f"{job['jobId']} {job['jobName']}"
        for queue in there.queues.values()
        for status in ACTIVE
        for page in client.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status)
        for job in page["jobSummaryList"]
    ]
    if jobs:
        shown = [*jobs[:20], *([f"and {len(jobs) - 20} more"] if len(jobs) > 20 else [])]
        raise UserError(
            f"{len(jobs)} jobs of {there.stack} have not ended. Wait for them, stop their run with Ctrl-C, or end each "
            f"with: aws batch terminate-job --region {there.region} --reason unwanted --job-id <id>",
            *shown,
        )


def _refuse_data(bucket: "Bucket", named: str | None) -> None:
    if named is not None and named != bucket.name:
        raise UserError(f"The stack's bucket is {bucket.name}, not {named}: nothing was deleted.")
    if named is not None:
        return
    number = size = 0
    for version in bucket.object_versions.all():
        number += 1
        size += version.size or 0
    if number:
        raise UserError(
            f"Bucket {bucket.name} holds {number} objects and old versions, {size / 1e9:.3f} GB: nothing was removed. "
            f"Copy what you need, then delete them with the stack: make destroy BUCKET={bucket.name}"
        )


def _ask(there: stack.Stack, options: argparse.Namespace) -> None:
    if options.auto_approve or not sys.stdin.isatty():
        return
    data = f" and ALL DATA in {there.bucket}" if options.delete_data else ""
    answer = input(f"Remove stack {there.stack}{data} from account {there.account_id}, {there.region}? Type its name: ")
    if answer.strip() != there.stack:
        raise UserError("Nothing was removed.")


def _empty_bucket(bucket: "Bucket") -> None:
    say(f"Deleting all objects and versions of {bucket.name}")
    for upload in bucket.multipart_uploads.all():
        upload.abort()
    for answer in bucket.object_versions.page_size(OBJECTS).delete():
        errors = answer.get("Errors")
        if errors:
            first = errors[0]
            raise UserError(f"Of {bucket.name} can't be deleted: {first['Key']} ({first['Message']}) and others.")


def _empty_repository(there: stack.Stack) -> None:
    """Images are no data: `make deploy` builds them anew."""
    client = boto3.client("ecr", region_name=there.region)
    name = there.repository_url.partition("/")[2]
    pages = client.get_paginator("list_images").paginate(repositoryName=name)
    images = [image for page in pages for image in page["imageIds"]]
    for first in range(0, len(images), IMAGES):
        client.batch_delete_image(repositoryName=name, imageIds=images[first : first + IMAGES])


def _forget() -> None:
    stack.path().unlink(missing_ok=True)
    profile.remove(stack.ROOT / "profiles" / profile.NAME)
