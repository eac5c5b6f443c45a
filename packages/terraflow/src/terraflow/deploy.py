"""`terraflow deploy`: everything in the AWS account that `snakemake --profile aws` needs."""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.markup import escape

from terraflow import checkout, checks, image, jobs, profile, registry, service_roles, stack
from terraflow.approval import confirm
from terraflow.errors import UserError
from terraflow.terraform import Terraform

# us-east-1: an interface endpoint, an hour and zone.
ENDPOINT_HOUR = 0.01
ENDPOINTS = 3
# For head jobs alone.
HEAD_ENDPOINTS = 1
HOURS_OF_MONTH = 730

# Kinds of resources that runs hold: Terraform waits until tasks end, or AWS ends them.
HELD = (
    "aws_batch_compute_environment",
    # Replaced, it is not there for seconds, in which a run can't submit.
    "aws_batch_job_definition",
    "aws_batch_job_queue",
    "aws_internet_gateway",
    "aws_route",
    "aws_route_table",
    "aws_route_table_association",
    "aws_security_group",
    "aws_subnet",
    "aws_vpc",
    "aws_vpc_endpoint",
)
# How long service-linked roles that were just made are given until all of AWS knows them.
READY_SECONDS = 10

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
    terraform = Terraform(checkout.root() / "terraform")
    snakemake = checkout.root() / "profiles" / profile.NAME
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
            _refuse_while_jobs_run(terraform, plan, ready.region)
            approved = options.auto_approve or bool(os.environ.get("CI"))
            confirm(f"Do this in account {ready.account}, {ready.region}?", "yes", approved=approved)
        if repository:
            push_images(repository, tag, ready.region)
        else:
            image.build(checkout.root(), tag)
        if changes:
            _apply(terraform, tag, plan)
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
    return image.content_tag(checkout.root()) + suffix


def _refuse_other_place(outputs: Mapping[str, Any], ready: checks.Ready) -> None:
    """Elsewhere Terraform would find nothing of what it made, forget it, and make it all anew."""
    known = (outputs.get("account_id", ready.account), outputs.get("region", ready.region))
    if known != (ready.account, ready.region):
        raise UserError(
            f"The stack that Terraform knows is in account {known[0]}, {known[1]}; the credentials and settings are "
            f"for account {ready.account}, {ready.region}. Set AWS_PROFILE and region right; or, for a stack there, "
            "use another copy of the project."
        )


def _refuse_while_jobs_run(terraform: Terraform, plan: Path, region: str) -> None:
    """Changes of zones, network or queues take away what tasks use."""
    held = taken_away(terraform.planned(plan))
    running = jobs.unended(region, list(terraform.outputs().get("queues", {}).values())) if held else []
    if running:
        raise UserError(
            f"{len(running)} jobs have not ended, and this would take away what they run on ({', '.join(held[:5])}"
            f"{', …' if len(held) > 5 else ''}). Nothing was changed. Wait for them, or stop their run with Ctrl-C; or "
            "leave zones, network, existing_network, vpc_cidr and head_jobs as they are until then.",
            *jobs.shown(running),
        )


def taken_away(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Addresses of what tasks run on that a plan deletes or replaces, or whose subnets it changes."""
    return [
        change["address"]
        for change in changes
        if change["type"] in HELD and ("delete" in change["change"]["actions"] or _moves(change["change"]))
    ]


def _moves(change: Mapping[str, Any]) -> bool:
    """Whether a compute environment goes on in other subnets or security groups."""

    def network(side: str) -> list[Any]:
        resources = (change.get(side) or {}).get("compute_resources") or []
        return [(part.get("subnets"), part.get("security_group_ids")) for part in resources]

    return "update" in change["actions"] and network("before") != network("after")


def _apply(terraform: Terraform, tag: str, plan: Path) -> None:
    """Applies; once more if AWS could not use its own roles yet, as in an account that never had them."""
    made, problems = service_roles.make_missing()
    for role in made:
        say(f"Made {role}, AWS's own role in this account")
    for problem in problems:
        console.print(f"[yellow]Note:[/] {escape(problem)}")
    try:
        terraform.apply(plan)
    except UserError:
        if service_roles.NOT_READY not in terraform.complaint:
            raise
        say("AWS's own roles could not be used yet; once more")
        time.sleep(READY_SECONDS)
        if terraform.plan(tag, plan):
            terraform.apply(plan)


def push_images(repository_url: str, tag: str, region: str) -> None:
    """Brings to the repository those of the two images that it lacks."""
    authorisation = registry.authorisation(boto3.client("ecr", region_name=region))
    targets = {f"{target}-{tag}": target for target in image.TARGETS}
    missing = registry.missing(repository_url, targets, authorisation)
    if not missing:
        say(f"Images {', '.join(targets)} are there already")
        return
    local = image.build(checkout.root(), tag)
    for name in missing:
        say(f"Pushing {repository_url}:{name}")
        registry.push(local[targets[name]], repository_url, name, authorisation)


def idle(variables: Mapping[str, Any]) -> str:
    """What the stack costs in a month in which nothing runs."""
    if variables["existing_network"] or variables["network"] == "public":
        return "nothing but what the bucket and the images hold"
    endpoints = (ENDPOINTS + HEAD_ENDPOINTS * bool(variables["head_jobs"])) * int(variables["zones"])
    return (
        f"about ${endpoints * ENDPOINT_HOUR * HOURS_OF_MONTH:.0f} a month for {endpoints} interface endpoints "
        '(network = "public" has none), and what the bucket and the images hold'
    )


def say(text: str) -> None:
    """A step that begins, or its result."""
    console.print(f"[bold]terraflow:[/] {text}")
