"""`terraflow destroy`: removes the stack, and data only if their bucket is named."""

import argparse

import boto3

from terraflow import airflow_database, checkout, checks, emptying, jobs, profile, registry, stack
from terraflow.approval import confirm
from terraflow.deploy import say
from terraflow.errors import UserError
from terraflow.launch import publish
from terraflow.news import package
from terraflow.remains import Remains, find
from terraflow.terraform import Terraform


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--auto-approve", action="store_true", help="ask no question (as with YES=1)")
    parser.add_argument(
        "--delete-data", metavar="BUCKET", help="delete all objects of this bucket, in all versions, with the stack"
    )


def run(options: argparse.Namespace) -> int:
    """Refuse while there are jobs or unnamed data; else delete data and images, and all that Terraform made.

    Terraform's own force_destroy stays off, so that an interrupted removal leaves no bucket that can be deleted by
    mistake. The checks read Terraform's state, so that a second call after a failed one checks as much.
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
    state = terraform.state()
    remains = find(state)
    checks.refuse_other_place(terraform, remains.account, remains.region)
    airflow_database.refuse_to_remove(state)
    _refuse_jobs(remains)
    _refuse_data(remains, options.delete_data)
    name = remains.stack or "of which only parts are there"
    data = f" and ALL DATA in {options.delete_data}" if options.delete_data else ""
    place = f"account {remains.account or 'of the credentials'}, {remains.region or 'its region'}"
    confirm(f"Remove stack {name}{data} from {place}?", remains.stack or "yes", approved=options.auto_approve)
    if remains.bucket:
        if options.delete_data:
            say(f"Deleting all objects and versions of {remains.bucket}")
        # The published workflow is no data: `make deploy` publishes it anew.
        prefix = "" if options.delete_data else publish.FOLDER
        emptying.empty_bucket(boto3.client("s3", region_name=remains.region), remains.bucket, prefix)
    ecr = boto3.client("ecr", region_name=remains.region)
    if remains.repository and registry.repository(ecr, remains.repository):
        emptying.empty_repository(ecr, remains.repository)
    # A plan to destroy reads the file, too, and this may be another machine than the one that deployed.
    package.build(terraform.folder / package.NAME)
    terraform.destroy()
    _forget()
    say(f"Stack {name} is gone.")
    return 0


def _refuse_jobs(remains: Remains) -> None:
    found = jobs.active(remains.region, remains.queues)
    if found:
        raise UserError(
            f"{len(found)} jobs have not ended, nothing was removed. Wait for them, stop their run with Ctrl-C, or end "
            f"each with: aws batch terminate-job --region {remains.region} --reason unwanted --job-id <id>",
            *jobs.listed(found),
        )


def _refuse_data(remains: Remains, named: str | None) -> None:
    if named is not None and remains.bucket is not None and named != remains.bucket:
        raise UserError(f"The stack's bucket is {remains.bucket}, not {named}: nothing was deleted.")
    if named is not None or remains.bucket is None:
        return
    bucket = boto3.resource("s3", region_name=remains.region).Bucket(remains.bucket)
    number = size = 0
    try:
        for version in bucket.object_versions.all():
            if not version.object_key.startswith(publish.FOLDER):
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
