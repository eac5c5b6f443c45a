"""`terraflow airflow`: opens the page of the stack's Airflow through a port that SSM forwards to this machine.

The page listens inside its task only. IAM decides who may forward the port: the stack has a policy for these people.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError

from terraflow import stack as stacks
from terraflow.errors import UserError

USER = "admin"
PAGE = 8080
DOCUMENT = "AWS-StartPortForwardingSession"
PLUGIN = "session-manager-plugin"
INSTALL = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
)
# The oldest that AWS supports; it takes a session from its environment: a command line can be read by others.
OLDEST = (1, 2, 764)
SESSION = "AWS_SSM_START_SESSION_RESPONSE"
REFUSED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


@dataclass(frozen=True)
class Task:
    """The task of Airflow, as SSM names it, and its health as ECS sees it (HEALTHY, UNHEALTHY, UNKNOWN)."""

    target: str
    health: str


@dataclass(frozen=True)
class Session:
    """What SSM answered, what it was asked, and where, as the plugin wants them. Its text does not show the token."""

    answer: str = field(repr=False)
    request: str
    endpoint: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--port", type=int, default=PAGE, help=f"port on this machine (default: {PAGE})")
    parser.add_argument("--show-password", action="store_true", help="print the password of the page, and nothing else")


def run(options: argparse.Namespace) -> int:
    """Say what is missing, else print address and user, and forward the port until Ctrl-C."""
    deployed = stacks.deployed()
    if deployed.airflow is None:
        raise UserError(
            f"Stack {deployed.stack} has no Airflow. airflow = {{ enabled = true }} in terraform.tfvars and `make "
            "deploy` make one, which costs money while nothing runs: docs/airflow.md says how much."
        )
    try:
        if options.show_password:
            print(password(boto3.client("secretsmanager", region_name=deployed.region), deployed.airflow["secret_arn"]))
            return 0
        check_plugin()
        check_port(options.port)
        task = find_task(boto3.client("ecs", region_name=deployed.region), deployed.airflow)
        session = start(boto3.client("ssm", region_name=deployed.region), task.target, options.port)
    except ClientError as error:
        if error.response["Error"]["Code"] in REFUSED:
            raise UserError(
                f"AWS refuses: {error}. Ask whoever deployed the stack to attach {deployed.airflow['page_policy_arn']} "
                "to you."
            ) from None
        raise
    if task.health != "HEALTHY":
        print(f"Airflow is {task.health.lower()} as yet: the page may take minutes after a start.")
    print(
        f"""Airflow of stack {deployed.stack}:

  address   http://localhost:{options.port}
  user      {USER}
  password  terraflow airflow --show-password

Ctrl-C closes it."""
    )
    return forward(session, deployed.region)


def check_plugin() -> None:
    """Raise UserError when AWS's plugin for sessions is missing or too old."""
    if shutil.which(PLUGIN) is None:
        raise UserError(f"{PLUGIN} is missing, which forwards the port: {INSTALL}")
    found = subprocess.run([PLUGIN, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if tuple(int(number) for number in re.findall(r"\d+", found)[:3]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UserError(f"{PLUGIN} is {found or 'of no version that it tells'}, needed is {oldest} or newer: {INSTALL}")


def check_port(port: int) -> None:
    """Raise UserError when the port of this machine can't be used."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            pass
    except (OSError, OverflowError) as error:
        raise UserError(
            f"Port {port} of this machine can't be used ({error}): choose another one with --port"
        ) from None


def find_task(ecs: Any, airflow: Mapping[str, Any]) -> Task:  # noqa: ANN401
    """Find the running task. Raise UserError, with what ECS says, when there is none with an agent for the port."""
    cluster, service = airflow["cluster"], airflow["service"]
    try:
        arns = ecs.list_tasks(cluster=cluster, serviceName=service, desiredStatus="RUNNING")["taskArns"]
    except (ecs.exceptions.ClusterNotFoundException, ecs.exceptions.ServiceNotFoundException):
        raise UserError(f"There is no service {cluster}/{service}: `make deploy` makes it anew.") from None
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    if not tasks:
        described = ecs.describe_services(cluster=cluster, services=[service])["services"]
        events = [event["message"] for found in described for event in found.get("events", [])]
        said = f" ECS says: {events[0]}" if events else ""
        raise UserError(f"No task of Airflow runs.{said} Its log is {airflow['log_group']}.")
    task: dict[str, Any] = max(tasks, key=lambda task: bool(task.get("lastStatus") == "RUNNING"))
    if task.get("lastStatus") != "RUNNING":
        raise UserError(f"Airflow is being started ({task.get('lastStatus')}): try again in a few minutes.")
    # GuardDuty puts a container of its own beside it.
    container: dict[str, Any] = next((one for one in task["containers"] if one["name"] == "airflow"), {})
    agents: list[dict[str, Any]] = container.get("managedAgents", [])
    agent = next((agent for agent in agents if agent["name"] == "ExecuteCommandAgent"), {})
    if agent.get("lastStatus") != "RUNNING":
        raise UserError(
            f"The agent that forwards the port is {agent.get('lastStatus', 'missing')} in Airflow's task"
            f"{': ' + agent['reason'] if agent.get('reason') else ''}. It starts within a minute; if it does not, the "
            "network has no way to ssmmessages, or the agent can't write (read_only_root = false)."
        )
    identity = f"{task['taskArn'].rpartition('/')[2]}_{container['runtimeId']}"
    return Task(f"ecs:{cluster}_{identity}", str(task.get("healthStatus", "UNKNOWN")))


def start(ssm: Any, target: str, port: int) -> Session:  # noqa: ANN401
    """Open a session, and return what the plugin needs to join it. Raise UserError when the agent can't be reached."""
    parameters = {"portNumber": [str(PAGE)], "localPortNumber": [str(port)]}
    try:
        answer = ssm.start_session(Target=target, DocumentName=DOCUMENT, Parameters=parameters)
    except ssm.exceptions.TargetNotConnected:
        raise UserError(
            "SSM does not reach the agent in Airflow's task: it starts within a minute; if it does not, the network "
            "has no way to ssmmessages."
        ) from None
    session = {name: str(answer[name]) for name in ("SessionId", "TokenValue", "StreamUrl")}
    return Session(json.dumps(session), json.dumps({"Target": target}), ssm.meta.endpoint_url)


def forward(session: Session, region: str) -> int:
    """Forward the port until the user ends it, and return an exit code."""
    command = [PLUGIN, SESSION, region, "StartSession", os.environ.get("AWS_PROFILE", "")]
    # The plugin gets Ctrl-C, too, and ends the session.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        env = os.environ | {SESSION: session.answer}
        return subprocess.run([*command, session.request, session.endpoint], env=env, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def password(client: Any, secret_arn: str) -> str:  # noqa: ANN401
    """Return the password of the page. Raise UserError before Airflow has made it."""
    try:
        return str(json.loads(client.get_secret_value(SecretId=secret_arn)["SecretString"])["password"])
    except client.exceptions.ResourceNotFoundException:
        raise UserError("There is no password yet: Airflow makes it when it first starts, within minutes.") from None
