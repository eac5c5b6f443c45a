"""`terraflow destroy`: takes the stack away, and never data that were not named."""

import argparse

import boto3

from terraflow import checkout, checks, emptying, jobs, profile, registry, stack
from terraflow.approval import confirm
from terraflow.deploy import say
from terraflow.errors import UserError
from terraflow.standing import Standing, standing
from terraflow.terraform import Terraform


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--auto-approve", action="store_true", help="ask no question (as with YES=1)")
    parser.add_argument(
        "--delete-data", metavar="BUCKET", help="delete all objects of this bucket, in all versions, with the stack"
    )


def run(options: argparse.Namespace) -> int:
    """Refuses while there are data or jobs; then images, data if named, and everything that Terraform made.

    Terraform's own force_destroy stays off: a run that is interrupted leaves no bucket that can be deleted by mistake.
    What there is to check is read from Terraform's state, so that a second call after a failed one checks as much.
    """
    terraform = Terraform(checkout.root() / "terraform")
    problem = terraform.problem()
    if problem:
        raise UserError(problem)
    terraform.init()
    if not terraform.resources():
        _forget()
        say("There is no stack that Terraform knows of.")
        return 0
    there = standing(terraform.state())
    checks.same_place(terraform, there.account, there.region)
    _refuse_jobs(there)
    _refuse_data(there, options.delete_data)
    name = there.stack or "of which only parts are there"
    data = f" and ALL DATA in {options.delete_data}" if options.delete_data else ""
    place = f"account {there.account or 'of the credentials'}, {there.region or 'its region'}"
    confirm(f"Remove stack {name}{data} from {place}?", there.stack or "yes", approved=options.auto_approve)
    if there.bucket and options.delete_data:
        say(f"Deleting all objects and versions of {there.bucket}")
        emptying.empty_bucket(boto3.client("s3", region_name=there.region), there.bucket)
    ecr = boto3.client("ecr", region_name=there.region)
    if there.repository and registry.repository(ecr, there.repository):
        emptying.empty_repository(ecr, there.repository)
    terraform.destroy()
    _forget()
    say(f"Stack {name} is gone.")
    return 0


def _refuse_jobs(there: Standing) -> None:
    found = jobs.unended(there.region, there.queues)
    if found:
        raise UserError(
            f"{len(found)} jobs have not ended, nothing was removed. Wait for them, stop their run with Ctrl-C, or end "
            f"each with: aws batch terminate-job --region {there.region} --reason unwanted --job-id <id>",
            *jobs.shown(found),
        )


def _refuse_data(there: Standing, named: str | None) -> None:
    if named is not None and there.bucket is not None and named != there.bucket:
        raise UserError(f"The stack's bucket is {there.bucket}, not {named}: nothing was deleted.")
    if named is not None or there.bucket is None:
        return
    bucket = boto3.resource("s3", region_name=there.region).Bucket(there.bucket)
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


def _forget() -> None:
    stack.path().unlink(missing_ok=True)
    profile.remove(checkout.root() / "profiles" / profile.NAME)
