"""`terraflow deploy`: everything in the AWS account that `snakemake --profile aws` needs."""

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console

from terraflow import checks, image, profile, registry, stack
from terraflow.approval import confirm
from terraflow.errors import UserError
from terraflow.terraform import Terraform

# us-east-1: an interface endpoint, an hour and zone.
ENDPOINT_HOUR = 0.01
ENDPOINTS = 4
HOURS_OF_MONTH = 730

console = Console(highlight=False, soft_wrap=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--auto-approve",
        action="store_true",
        help="change the account without a question; so do YES=1 and CI. Without a terminal one of them is needed",
    )


def run(options: argparse.Namespace) -> int:
    """Checks, plan, question, images, Terraform, profile.

    A definition must never name an image that is not there while jobs may start. So where a repository exists, images
    go there before the definitions change; in a new account Terraform has to make the repository first.
    """
    terraform = Terraform(stack.ROOT / "terraform")
    snakemake = stack.ROOT / "profiles" / profile.NAME
    say("Checking credentials, region, Terraform, Docker and quotas")
    ready = checks.check(terraform, snakemake / "config.yaml")
    say(f"Account {ready.account}, region {ready.region}")
    for warning in ready.warnings:
        console.print(f"[yellow]Note:[/] {warning}")

    _refuse_other_place(terraform.outputs(), ready)
    tag = image_tag(ready.variables["architecture"])
    repository = registry.repository(boto3.client("ecr", region_name=ready.region), ready.variables["stack"])
    with tempfile.TemporaryDirectory(prefix="terraflow-plan-") as folder:
        plan = Path(folder) / "plan"
        changes = terraform.plan(tag, plan)
        if changes:
            approved = options.auto_approve or bool(os.environ.get("CI"))
            confirm(f"Do this in account {ready.account}, {ready.region}?", "yes", approved=approved)
        if repository:
            push_images(repository, tag, ready.region)
        else:
            image.build(stack.ROOT, tag)
        if changes:
            terraform.apply(plan)
    outputs = terraform.outputs()
    deployed = stack.of_outputs(outputs, "Terraform's outputs are not whole")
    if not repository:
        push_images(deployed.repository_url, tag, deployed.region)

    file = stack.keep(outputs)
    left_alone = profile.install(snakemake)
    if left_alone:
        console.print(f"[yellow]Note:[/] {left_alone}")
    say(f"Stack {deployed.stack} is deployed; {file} tells Snakemake where it is.")
    say(f"Idle it costs {idle(ready.variables)}.")
    console.print(
        f"""
  data       s3://{deployed.bucket}/raw/ reference/ runs/
  logs       CloudWatch, log group {deployed.log_group}
  people     attach {deployed.submit_policy_arn} to whoever runs workflows

Next:
  .venv/bin/terraflow stage config/samples.tsv                             upload reads and reference
  .venv/bin/snakemake --profile aws --configfile config/aws.yaml --dry-run   see what would be done
  .venv/bin/snakemake --profile aws --configfile config/aws.yaml
""",
        markup=False,
    )
    return 0


def image_tag(architecture: str) -> str:
    """Tag of the checkout's images: their content, and what processor they are for unless it is the usual one."""
    suffix = "" if architecture == "X86_64" else f"-{architecture.lower()}"
    return image.content_tag(stack.ROOT) + suffix


def _refuse_other_place(outputs: Mapping[str, Any], ready: checks.Ready) -> None:
    """Elsewhere Terraform would find nothing of what it made, forget it, and make it all anew."""
    known = (outputs.get("account_id", ready.account), outputs.get("region", ready.region))
    if known != (ready.account, ready.region):
        raise UserError(
            f"The stack that Terraform knows is in account {known[0]}, {known[1]}; the credentials and settings are "
            f"for account {ready.account}, {ready.region}. Set AWS_PROFILE and region right; or, for a stack there, "
            "use another copy of the project."
        )


def push_images(repository_url: str, tag: str, region: str) -> None:
    """Brings to the repository those of the two images that it lacks."""
    authorisation = registry.authorisation(boto3.client("ecr", region_name=region))
    targets = {f"{target}-{tag}": target for target in image.TARGETS}
    missing = registry.missing(repository_url, targets, authorisation)
    if not missing:
        say(f"Images {', '.join(targets)} are there already")
        return
    local = image.build(stack.ROOT, tag)
    for name in missing:
        say(f"Pushing {repository_url}:{name}")
        registry.push(local[targets[name]], repository_url, name, authorisation)


def idle(variables: Mapping[str, Any]) -> str:
    """What the stack costs in a month in which nothing runs."""
    if variables["existing_network"] or variables["network"] == "public":
        return "nothing but what the bucket and the images hold"
    endpoints = ENDPOINTS * int(variables["zones"])
    return (
        f"about ${endpoints * ENDPOINT_HOUR * HOURS_OF_MONTH:.0f} a month for {endpoints} interface endpoints "
        '(network = "public" has none), and what the bucket and the images hold'
    )


def say(text: str) -> None:
    """A step that begins, or its result."""
    console.print(f"[bold]terraflow:[/] {text}")
