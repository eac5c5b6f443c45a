"""`terraflow airflow`: what is missing is named; the plugin is called with a session for the task's port."""

import json
import socket
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from run_objects import STACK
from terraflow import airflow, airflow_database, deploy, stack
from terraflow.airflow import find_task, password, start
from terraflow.errors import UserError
from terraflow.launch import publish

AIRFLOW = {
    "cluster": "terraflow-airflow",
    "service": "airflow",
    "secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:terraflow-airflow-a1b2c3",
    "log_group": "/terraflow/terraflow/airflow",
    "page_policy_arn": "arn:aws:iam::123456789012:policy/terraflow-airflow-page-us-east-1",
    "budget": None,
}
TASK = "arn:aws:ecs:us-east-1:123456789012:task/terraflow-airflow/0a1b"
AGENT = {"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}
CONTAINER = {"name": "airflow", "runtimeId": "0a1b-42", "managedAgents": [AGENT]}
RUNNING = {"taskArn": TASK, "lastStatus": "RUNNING", "healthStatus": "HEALTHY", "containers": [CONTAINER]}
# A plugin that notes what it is given.
PLUGIN = """#!/bin/sh
[ "$1" = --version ] && echo "${PLUGIN_VERSION:-1.2.764.0}" && exit
printf '%s\\n' "$@" >"$PLUGIN_CALLS"
printf '%s\\n' "$AWS_SSM_START_SESSION_RESPONSE" >>"$PLUGIN_CALLS"
"""


def ecs(tasks: list[dict[str, Any]], *, error: str = "", events: tuple[str, ...] = ()) -> Any:
    """Return a client that answers as ECS does for these tasks."""
    client = boto3.client("ecs", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)
    if error:
        stub.add_client_error("list_tasks", error)
    else:
        asked = {"cluster": "terraflow-airflow", "serviceName": "airflow", "desiredStatus": "RUNNING"}
        stub.add_response("list_tasks", {"taskArns": [task["taskArn"] for task in tasks]}, asked)
    if tasks:
        stub.add_response("describe_tasks", {"tasks": tasks})
    else:
        stub.add_response("describe_services", {"services": [{"events": [{"message": text} for text in events]}]})
    stub.activate()
    return client


def test_the_running_task_is_the_target() -> None:
    before = RUNNING | {"taskArn": TASK + "c", "lastStatus": "PROVISIONING"}
    beside = {"name": "aws-guardduty-agent-0a1b", "runtimeId": "0a1b-1", "managedAgents": []}
    task = find_task(ecs([before, RUNNING | {"containers": [beside, CONTAINER]}]), AIRFLOW)
    assert (task.target, task.health) == ("ecs:terraflow-airflow_0a1b_0a1b-42", "HEALTHY")


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (ecs([], error="ClusterNotFoundException"), "no service terraflow-airflow/airflow"),
        (ecs([], events=("CannotPullContainerError", "older")), "ECS says: CannotPullContainerError Its log is /terra"),
        (ecs([]), "No task of Airflow runs. Its log is /terraflow/terraflow/airflow"),
        (ecs([RUNNING | {"lastStatus": "PENDING"}]), "being started (PENDING)"),
        (
            ecs([RUNNING | {"containers": [CONTAINER | {"managedAgents": [AGENT | {"lastStatus": "STOPPED"}]}]}]),
            "is STOPPED in Airflow's task",
        ),
        (ecs([RUNNING | {"containers": [{"name": "airflow", "runtimeId": "1"}]}]), "is missing in Airflow's task"),
    ],
    ids=["no-cluster", "no-image", "no-task", "starting", "agent-stopped", "no-agent"],
)
def test_what_does_not_run_is_named(client: Any, words: str) -> None:
    with pytest.raises(UserError) as error:
        find_task(client, AIRFLOW)
    assert words in str(error.value)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep a stack with Airflow, whose AWS answers for its running task; return the folder for programs."""
    kept = replace(STACK, airflow=AIRFLOW)
    monkeypatch.setattr(stack, "deployed", lambda: kept)
    ssm = boto3.client("ssm", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(ssm)
    asked = {
        "Target": "ecs:terraflow-airflow_0a1b_0a1b-42",
        "DocumentName": "AWS-StartPortForwardingSession",
        "Parameters": {"portNumber": ["8080"], "localPortNumber": [str(PORT)]},
    }
    stub.add_response("start_session", {"SessionId": "s-1", "TokenValue": "secret", "StreamUrl": "wss://x"}, asked)
    stub.activate()
    clients = {"ecs": ecs([RUNNING]), "ssm": ssm}
    monkeypatch.setattr(boto3, "client", lambda service, **_: clients[service])
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PLUGIN_CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return tmp_path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


PORT = free_port()
ASKED = Namespace(port=PORT, show_password=False)


def install(folder: Path) -> None:
    program = folder / "session-manager-plugin"
    program.write_text(PLUGIN)
    program.chmod(0o755)


def test_address_user_and_the_way_to_the_password_are_told(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(deployed)
    assert airflow.run(ASKED) == 0
    printed = capsys.readouterr().out
    for words in (f"http://localhost:{PORT}", "user      admin", "terraflow airflow --show-password"):
        assert words in printed
    *command, answer = (deployed / "calls").read_text().splitlines()
    assert command == [
        "AWS_SSM_START_SESSION_RESPONSE",
        "us-east-1",
        "StartSession",
        "",
        '{"Target": "ecs:terraflow-airflow_0a1b_0a1b-42"}',
        "https://ssm.us-east-1.amazonaws.com",
    ]
    # The token is in the environment only.
    assert json.loads(answer) == {"SessionId": "s-1", "TokenValue": "secret", "StreamUrl": "wss://x"}
    assert "secret" not in printed


def test_a_missing_plugin_is_named(deployed: Path) -> None:
    with pytest.raises(UserError, match="session-manager-plugin is missing"):
        airflow.run(ASKED)


def test_an_old_plugin_is_named(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(deployed)
    monkeypatch.setenv("PLUGIN_VERSION", "1.2.707.0")
    with pytest.raises(UserError, match=r"is 1\.2\.707\.0, needed is 1\.2\.764"):
        airflow.run(ASKED)


def test_a_port_in_use_is_named(deployed: Path) -> None:
    install(deployed)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="choose another one"):
        airflow.run(Namespace(port=taken.getsockname()[1], show_password=False))


def test_a_missing_permission_names_the_policy(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(deployed)

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "StartSession")

    monkeypatch.setattr(airflow, "start", refuse)
    with pytest.raises(UserError, match="policy/terraflow-airflow-page-us-east-1"):
        airflow.run(ASKED)


def test_an_agent_out_of_reach_is_told() -> None:
    ssm = boto3.client("ssm", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(ssm)
    stub.add_client_error("start_session", "TargetNotConnected")
    with stub, pytest.raises(UserError, match="no way to ssmmessages"):
        start(ssm, "ecs:a_b_c", 8080)


def test_a_stack_without_airflow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "deployed", lambda: STACK)
    with pytest.raises(UserError, match="has no Airflow"):
        airflow.run(ASKED)


@mock_aws
def test_the_password_is_that_of_the_secret() -> None:
    client = boto3.client("secretsmanager", region_name="us-east-1")
    arn = client.create_secret(Name="terraflow-airflow-1")["ARN"]
    with pytest.raises(UserError, match="no password yet"):
        password(client, arn)
    client.put_secret_value(SecretId=arn, SecretString='{"password": "p", "fernet_key": "f"}')
    assert password(client, arn) == "p"


DATABASE = {"identifier": "terraflow-airflow", "deletion_protection": True}


def test_a_protected_database_is_not_deleted() -> None:
    change = {"type": "aws_db_instance", "change": {"actions": ["delete"], "before": DATABASE}}
    with pytest.raises(UserError, match="keep_database = false"):
        airflow_database.refuse_to_delete([change])
    with pytest.raises(UserError, match="keep_database = false"):
        airflow_database.refuse_to_delete([change | {"change": {"actions": ["delete", "create"], "before": DATABASE}}])
    with pytest.raises(UserError, match="keep_database = false"):
        airflow_database.refuse_to_remove([{"type": "aws_db_instance", "values": DATABASE}])


def test_other_changes_and_an_unprotected_database_go_on() -> None:
    free = DATABASE | {"deletion_protection": False}
    airflow_database.refuse_to_delete(
        [
            {"type": "aws_db_instance", "change": {"actions": ["update"], "before": DATABASE}},
            {"type": "aws_db_instance", "change": {"actions": ["create"], "before": None}},
            {"type": "aws_db_instance", "change": {"actions": ["delete"], "before": free}},
            {"type": "aws_subnet", "change": {"actions": ["delete"], "before": {"id": "subnet-1"}}},
        ]
    )
    airflow_database.refuse_to_remove([{"type": "aws_db_instance", "values": free}, {"type": "aws_vpc", "values": {}}])


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"network": "private", "zones": 2, "existing_network": None}, ["$73 a month for 10 int", "$36 for Airflow"]),
        ({"network": "public", "zones": 2, "existing_network": None}, ["about $40 for Airflow, and what"]),
        (
            {"network": "private", "zones": 2, "existing_network": {"assign_public_ip": False}},
            ["about $36 for Airflow, and what"],
        ),
    ],
)
def test_what_airflow_costs_idle(network: dict[str, Any], words: list[str]) -> None:
    told = deploy.idle_cost(network | {"head_jobs": True, "airflow": {"enabled": True}})
    for text in words:
        assert text in told


def test_only_a_stack_with_airflow_wants_its_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy.checkout, "root", lambda: tmp_path)
    monkeypatch.setattr(deploy.image, "content_tag", lambda _, content=(): "a" if content else "j")
    on, off = ({"architecture": "ARM64", "airflow": {"enabled": enabled}} for enabled in (True, False))
    assert deploy.image_tags(off) == {"worker": "j-arm64", "report": "j-arm64"}
    assert deploy.image_tags(on) == {"worker": "j-arm64", "report": "j-arm64", "airflow": "a-arm64"}


def test_only_what_the_repository_lacks_is_built_and_pushed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built, pushed = [], []

    def build(_: Path, tag: str, *, targets: list[str]) -> dict[str, str]:
        built.append((tag, *targets))
        return {target: f"terraflow:{target}-{tag}" for target in targets}

    monkeypatch.setattr(deploy.checkout, "root", lambda: tmp_path)
    monkeypatch.setattr(deploy.image, "build", build)
    monkeypatch.setattr(deploy.boto3, "client", lambda *_, **__: None)
    monkeypatch.setattr(deploy.registry, "authorisation", lambda _: None)
    monkeypatch.setattr(deploy.registry, "missing", lambda _, names, __: [n for n in names if n != "report-j"])
    monkeypatch.setattr(deploy.registry, "push", lambda local, url, name, _: pushed.append((local, f"{url}:{name}")))
    deploy.push_images("ecr/lab", {"worker": "j", "report": "j", "airflow": "a"}, "us-east-1")
    assert built == [("j", "worker"), ("a", "airflow")]
    assert pushed == [
        ("terraflow:worker-j", "ecr/lab:worker-j"),
        ("terraflow:airflow-a", "ecr/lab:airflow-a"),
    ]


@pytest.mark.parametrize(
    ("given", "told"), [({}, False), ({"airflow": AIRFLOW}, True), ({"inbox_budget": 5.0}, True)], ids=str
)
def test_without_a_configuration_each_sheet_has_to_bring_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: dict[str, Any], told: bool
) -> None:
    done = publish.Publication(publish.Current("workflow/a.tar.xz", "a", "0.2.0", ""), True, ("no config/aws.yaml",))
    monkeypatch.setattr(deploy.boto3, "client", lambda *_, **__: None)
    monkeypatch.setattr(deploy.publish, "publish", lambda *_: done)
    deploy.publish_workflow(replace(STACK, **given))
    printed = " ".join(capsys.readouterr().out.split())
    assert ("Each sheet has to bring a config.yaml: no config/aws.yaml" in printed) is told
