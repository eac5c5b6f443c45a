"""`terraflow deploy`: makes or updates everything in the AWS account that `snakemake --profile aws` needs."""

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

from terraflow import airflow_database, checkout, checks, image, jobs, profile, registry, service_roles, stack
from terraflow.approval import confirm
from terraflow.errors import UserError
from terraflow.launch import publish
from terraflow.news import confirmation, package
from terraflow.terraform import Terraform

# Dollars for an interface endpoint, in each hour and zone (us-east-1).
ENDPOINT_HOUR = 0.01
# Interface endpoints in each zone of a private network, and those that only head jobs need.
ENDPOINTS = 3
HEAD_ENDPOINTS = 1
HOURS_OF_MONTH = 730
# In a month: Airflow's task (0.5 vCPU, 2 GB), its database (db.t4g.micro, 20 GB) and secrets; a public address.
AIRFLOW_MONTH = 21.26 + 13.98 + 0.91
ADDRESS_MONTH = 3.65
# Interface endpoints that only Airflow needs, in one zone.
AIRFLOW_ENDPOINTS = 2
# A launcher's minute in each hour of a month (0.5 vCPU, 4 GB).
INBOX_MONTH = 0.46

# Resources that running jobs use: Terraform waits until the jobs end, or AWS ends them.
USED_BY_JOBS = (
    "aws_batch_compute_environment",
    # While one is replaced, a run can't submit for some seconds.
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
# Seconds until all of AWS knows a service-linked role.
ROLE_SECONDS = 10

console = Console(highlight=False, soft_wrap=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--auto-approve",
        action="store_true",
        help="change the account without a question; so do YES=1 and CI. Without a terminal one of them is needed",
    )


def run(options: argparse.Namespace) -> int:
    """Check, plan, ask, bring the images, apply, and link the profile, in this order.

    While jobs may start, no job definition may name an image that does not exist. So images are pushed before the
    definitions change; only in a new account does Terraform have to make the repository first.
    """
    terraform = Terraform(checkout.root() / "terraform")
    snakemake = checkout.root() / "profiles" / profile.NAME
    say("Checking credentials, region, Terraform, Docker and quotas")
    ready = checks.check(terraform, snakemake / "config.yaml")
    say(f"Account {ready.account}, region {ready.region}")
    for warning in ready.warnings:
        console.print(f"[yellow]Note:[/] {warning}")

    _refuse_other_place(terraform.outputs(), ready)
    tags = image_tags(ready.variables)
    variables = {"image_tag": tags["worker"], "airflow_image_tag": tags.get(image.AIRFLOW, "none")}
    package.build(terraform.folder / package.NAME)
    repository = registry.repository(boto3.client("ecr", region_name=ready.region), ready.variables["stack"])
    with tempfile.TemporaryDirectory(prefix="terraflow-plan-") as folder:
        plan = Path(folder) / "plan"
        changes = terraform.plan(variables, plan)
        if changes:
            airflow_database.refuse_to_delete(terraform.planned(plan))
            _refuse_while_jobs_run(terraform, plan, ready.region)
            approved = options.auto_approve or bool(os.environ.get("CI"))
            confirm(f"Do this in account {ready.account}, {ready.region}?", "yes", approved=approved)
        if repository:
            push_images(repository, tags, ready.region)
        else:
            build_images(tags)
        if changes:
            _apply(terraform, variables, plan)
    outputs = terraform.outputs()
    deployed = stack.from_outputs(outputs, "Terraform's outputs are not whole")
    if not repository:
        push_images(deployed.repository_url, tags, deployed.region)

    file = stack.save(outputs)
    left_alone = profile.install(snakemake)
    if left_alone:
        console.print(f"[yellow]Note:[/] {left_alone}")
    publish_workflow(deployed)
    say(f"Stack {deployed.stack} is deployed; {file} tells Snakemake where it is.")
    if deployed.airflow:
        say("Airflow's first start takes minutes; `make airflow` opens its page.")
    for note in confirmation.notes(deployed):
        console.print(f"[yellow]Note:[/] {escape(note)}")
    say(f"Idle it costs {idle_cost(ready.variables)}.")
    console.print(
        f"""
  data       s3://{deployed.bucket}/raw/ reference/ runs/
  logs       CloudWatch, log group {deployed.log_group}
  people     attach {deployed.submit_policy_arn} to whoever runs workflows

Next:
  .venv/bin/terraflow stage config/samples.tsv    upload reads and reference
  .venv/bin/terraflow run                         say what it will take, and have the cloud conduct it; or from here:
  .venv/bin/snakemake --profile aws --configfile config/aws.yaml
""",
        markup=False,
    )
    return 0


def image_tags(variables: Mapping[str, Any]) -> dict[str, str]:
    """Return the tag of each image that the stack wants: a digest of its content, and any architecture but X86_64."""
    root, architecture = checkout.root(), variables["architecture"]
    suffix = "" if architecture == "X86_64" else f"-{architecture.lower()}"
    tags = dict.fromkeys(image.TARGETS, image.content_tag(root) + suffix)
    if variables["airflow"]["enabled"]:
        tags[image.AIRFLOW] = image.content_tag(root, image.AIRFLOW_CONTENT) + suffix
    return tags


def build_images(tags: Mapping[str, str]) -> dict[str, str]:
    """Build the images that the engine lacks, and return their names by target."""
    root = checkout.root()
    return {target: image.build(root, tag, targets=[target])[target] for target, tag in tags.items()}


def _refuse_other_place(outputs: Mapping[str, Any], ready: checks.Ready) -> None:
    """Raise UserError for another account or region than the stack's: Terraform would make all of it anew there."""
    known = (outputs.get("account_id", ready.account), outputs.get("region", ready.region))
    if known != (ready.account, ready.region):
        raise UserError(
            f"The stack that Terraform knows is in account {known[0]}, {known[1]}; the credentials and settings are "
            f"for account {ready.account}, {ready.region}. Set AWS_PROFILE and region right; or, for a stack there, "
            "use another copy of the project."
        )


def _refuse_while_jobs_run(terraform: Terraform, plan: Path, region: str) -> None:
    """Raise UserError if the plan removes resources that jobs run on, and jobs have not ended."""
    removed = removed_from_jobs(terraform.planned(plan))
    running = jobs.active(region, list(terraform.outputs().get("queues", {}).values())) if removed else []
    if running:
        raise UserError(
            f"{len(running)} jobs have not ended, and this would take away what they run on ({', '.join(removed[:5])}"
            f"{', …' if len(removed) > 5 else ''}). Nothing was changed. Wait for them, or stop their run with Ctrl-C; "
            "or leave zones, network, existing_network, vpc_cidr and head_jobs as they are until then.",
            *jobs.listed(running),
        )


def removed_from_jobs(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the addresses of what jobs run on and a plan deletes, replaces or moves to other subnets."""
    return [
        change["address"]
        for change in changes
        if change["type"] in USED_BY_JOBS and ("delete" in change["change"]["actions"] or _moves(change["change"]))
    ]


def _moves(change: Mapping[str, Any]) -> bool:
    """Say whether a compute environment gets other subnets or security groups."""

    def network(side: str) -> list[Any]:
        resources = (change.get(side) or {}).get("compute_resources") or []
        return [(part.get("subnets"), part.get("security_group_ids")) for part in resources]

    return "update" in change["actions"] and network("before") != network("after")


def _apply(terraform: Terraform, variables: Mapping[str, str], plan: Path) -> None:
    """Apply the plan, and once more if AWS can't use its own roles yet, which an account gets with its first stack."""
    created, problems = service_roles.create_missing()
    for role in created:
        say(f"Made {role}, AWS's own role in this account")
    for problem in problems:
        console.print(f"[yellow]Note:[/] {escape(problem)}")
    try:
        terraform.apply(plan)
    except UserError:
        if service_roles.NOT_READY not in terraform.errors:
            raise
        say("AWS's own roles could not be used yet; once more")
        time.sleep(ROLE_SECONDS)
        if terraform.plan(variables, plan):
            terraform.apply(plan)


def push_images(repository_url: str, tags: Mapping[str, str], region: str) -> None:
    """Push those of the images that the repository lacks, building them if need be; `tags` by target."""
    authorisation = registry.authorisation(boto3.client("ecr", region_name=region))
    targets = {f"{target}-{tag}": target for target, tag in tags.items()}
    missing = registry.missing(repository_url, targets, authorisation)
    if not missing:
        say(f"Images {', '.join(targets)} are there already")
        return
    local = build_images({targets[name]: tags[targets[name]] for name in missing})
    for name in missing:
        say(f"Pushing {repository_url}:{name}")
        registry.push(local[targets[name]], repository_url, name, authorisation)


def publish_workflow(deployed: stack.Stack) -> None:
    """Store the checkout's workflow in the bucket, for runs that no laptop starts; note what launchers lack."""
    client = boto3.client("s3", region_name=deployed.region)
    done = publish.publish(client, deployed, checkout.root())
    say(f"{'Published the workflow' if done.changed else 'The workflow is unchanged'}: {done.current.archive}")
    launching = deployed.inbox_budget is not None or deployed.airflow is not None
    for problem in done.problems if launching else ():
        console.print(f"[yellow]Note:[/] Each sheet has to bring a config.yaml: {escape(problem)}")


def idle_cost(variables: Mapping[str, Any]) -> str:
    """Describe what the stack costs in a month in which nothing runs."""
    airflow = bool((variables.get("airflow") or {}).get("enabled"))
    own = variables["existing_network"]
    private = not own and variables["network"] == "private"
    public = own.get("assign_public_ip", False) if own else not private
    inbox = f"about ${INBOX_MONTH:.2f} for looking into the inbox" if variables.get("inbox_budget") else ""
    desk = f"about ${AIRFLOW_MONTH + ADDRESS_MONTH * public:.0f} for Airflow" if airflow else ""
    endpoints = (ENDPOINTS + HEAD_ENDPOINTS * bool(variables["head_jobs"])) * int(variables["zones"]) * private
    endpoints += AIRFLOW_ENDPOINTS * airflow * private
    ways = (
        f"about ${endpoints * ENDPOINT_HOUR * HOURS_OF_MONTH:.0f} a month for {endpoints} interface endpoints "
        f'(network = "public" has none)'
        if endpoints
        else ""
    )
    parts = [part for part in (ways, desk, inbox) if part]
    return f"{', '.join([*parts, 'and ']) if parts else 'nothing but '}what the bucket and the images hold"


def say(text: str) -> None:
    """Print a step that begins, or its result."""
    console.print(f"[bold]terraflow:[/] {text}")
