"""Who may do what around Airflow: the stack's policies against a table of calls.

The provider is mocked: a database takes a minute and a half, even in an AWS for tests. The statements that it is given
are those that the real one writes as JSON.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import needs
import pytest

from strict_aws import policies
from strict_aws.policies import Verdict, judge

STACK = """
mock_provider "aws" {
  source = "./tests/mocks"
}
run "all" {
  variables {
    image_tag         = "1"
    airflow_image_tag = "1"
    kms_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/1a2b3c4d"
    airflow           = { enabled = true }
  }
}
"""
PLACE = "eu-central-1:123456789012"
BATCH, BUCKET = f"arn:aws:batch:{PLACE}", "arn:aws:s3:::data"
LOGS = f"arn:aws:logs:{PLACE}:log-group:/terraflow"
OURS = f"arn:aws:secretsmanager:{PLACE}:secret:terraflow-airflow-a1b2c3"
DATABASE = f"arn:aws:secretsmanager:{PLACE}:secret:rds!db-1"
KEY = f"arn:aws:kms:{PLACE}:key/1a2b3c4d"
TASK = f"arn:aws:ecs:{PLACE}:task/terraflow-airflow/0a1b"
PORT = "arn:aws:ssm:eu-central-1::document/AWS-StartPortForwardingSession"
KEYS = ["terraflow:run", "terraflow:rule", "project", "stack"]
TAGGED: policies.Context = {"aws:RequestTag/stack": "terraflow", "aws:TagKeys": KEYS}
MISTAGGED: policies.Context = {"aws:RequestTag/stack": "another", "aws:TagKeys": KEYS}
THROUGH = {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}
CLUSTER = {"ecs:cluster": "arn:aws:ecs:eu-central-1:123456789012:cluster/terraflow-airflow"}
Call = tuple[str, str, policies.Context]

# Documents of each caller; Airflow has the submit policy attached, too.
CALLERS = {
    "airflow": ("airflow", "submit", "run", "data", "read", "see", "estimate", "submitting"),
    "execution": ("airflow_execution", "pull"),
    "people": ("airflow_page",),
}
MAY: dict[str, list[Call]] = {
    "airflow": [
        ("batch:SubmitJob", f"{BATCH}:job-queue/terraflow-head", TAGGED),
        ("batch:SubmitJob", f"{BATCH}:job-definition/terraflow-launcher", TAGGED),
        ("batch:TagResource", f"{BATCH}:job-definition/terraflow-launcher:3", TAGGED),
        ("batch:TerminateJob", f"{BATCH}:job/0a1b", {"aws:ResourceTag/stack": "terraflow"}),
        ("batch:DescribeJobs", "*", {}),
        ("batch:ListJobs", "*", {}),
        ("logs:GetLogEvents", f"{LOGS}/terraflow:log-stream:head/default/0a1b", {}),
        ("s3:GetObject", f"{BUCKET}/workflow/current.json", {}),
        ("s3:GetObject", f"{BUCKET}/runs/main/head/run.json", {}),
        ("s3:PutObject", f"{BUCKET}/raw/main/samples.tsv", {}),
        ("s3:ListBucket", BUCKET, {"s3:prefix": "raw/"}),
        ("s3:ListBucket", BUCKET, {"s3:prefix": "airflow/logs/dag_id=terraflow_run/"}),
        ("s3:PutObject", f"{BUCKET}/airflow/logs/dag_id=terraflow_run/attempt=1.log", {}),
        ("s3:GetObject", f"{BUCKET}/airflow/logs/dag_id=terraflow_run/attempt=1.log", {}),
        ("secretsmanager:GetSecretValue", OURS, {}),
        ("secretsmanager:PutSecretValue", OURS, {}),
        ("secretsmanager:GetSecretValue", DATABASE, {}),
        ("kms:Decrypt", KEY, THROUGH),
        ("ssmmessages:OpenDataChannel", "*", {}),
    ],
    "execution": [
        ("ecr:BatchGetImage", f"arn:aws:ecr:{PLACE}:repository/terraflow", {}),
        ("logs:PutLogEvents", f"{LOGS}/terraflow/airflow:log-stream:service/airflow/0a1b", {}),
    ],
    "people": [
        ("ecs:ListTasks", "*", CLUSTER),
        ("ecs:DescribeTasks", TASK, CLUSTER),
        ("ssm:StartSession", TASK, {}),
        ("ssm:StartSession", PORT, {}),
        ("ssm:TerminateSession", f"arn:aws:ssm:{PLACE}:session/USER-0a1b", {}),
        ("ssmmessages:OpenDataChannel", f"arn:aws:ssm:{PLACE}:session/USER-0a1b", {}),
        ("secretsmanager:GetSecretValue", OURS, {}),
        ("kms:Decrypt", KEY, THROUGH),
    ],
}
NOBODY: list[Call] = [
    ("iam:PassRole", "arn:aws:iam::123456789012:role/terraflow-job-eu-central-1", {}),
    ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{PLACE}:secret:another-a1b2c3", {}),
    ("secretsmanager:PutSecretValue", DATABASE, {}),
    ("secretsmanager:DeleteSecret", OURS, {}),
    ("rds:DeleteDBInstance", f"arn:aws:rds:{PLACE}:db:terraflow-airflow", {}),
    ("ecs:UpdateService", f"arn:aws:ecs:{PLACE}:service/terraflow-airflow/airflow", {}),
    ("ecs:ExecuteCommand", TASK, {}),
    ("sns:Publish", f"arn:aws:sns:{PLACE}:terraflow-news", {}),
    ("kms:Decrypt", KEY, {}),
]
MAY_NOT: dict[str, list[Call]] = {
    "airflow": [
        *NOBODY,
        ("batch:SubmitJob", f"{BATCH}:job-definition/terraflow-launcher", MISTAGGED),
        ("batch:SubmitJob", f"{BATCH}:job-definition/terraflow-launcher", {}),
        ("batch:SubmitJob", f"{BATCH}:job-definition/another-launcher", TAGGED),
        ("batch:RegisterJobDefinition", f"{BATCH}:job-definition/terraflow-launcher", {}),
        ("batch:TerminateJob", f"{BATCH}:job/0a1b", {"aws:ResourceTag/stack": "another"}),
        ("s3:DeleteObject", f"{BUCKET}/airflow/logs/x", {}),
        ("s3:DeleteObject", f"{BUCKET}/raw/main/samples.tsv", {}),
        ("s3:PutObject", f"{BUCKET}/workflow/current.json", {}),
        ("s3:PutObject", f"{BUCKET}/airflow/x", {}),
        ("s3:ListBucket", BUCKET, {"s3:prefix": "elsewhere/"}),
        ("ssm:StartSession", TASK, {}),
    ],
    "execution": [
        *NOBODY,
        ("secretsmanager:GetSecretValue", OURS, {}),
        ("secretsmanager:GetSecretValue", DATABASE, {}),
        ("logs:PutLogEvents", f"{LOGS}/another/airflow:log-stream:service/airflow/0a1b", {}),
        ("ecr:PutImage", f"arn:aws:ecr:{PLACE}:repository/terraflow", {}),
    ],
    "people": [
        *NOBODY,
        ("secretsmanager:GetSecretValue", DATABASE, {}),
        ("secretsmanager:PutSecretValue", OURS, {}),
        ("ssm:StartSession", f"arn:aws:ecs:{PLACE}:task/another/0a1b", {}),
        # A shell, and a session that names no document.
        ("ssm:StartSession", "arn:aws:ssm:eu-central-1::document/SSM-SessionManagerRunShell", {}),
        ("ssm:StartSession", f"arn:aws:ssm:{PLACE}:document/SSM-SessionManagerRunShell", {}),
        ("ssm:StartSession", TASK, {"ssm:SessionDocumentAccessCheck": "false"}),
        ("ssm:StartSession", f"arn:aws:ec2:{PLACE}:instance/i-1", {}),
        ("ssm:TerminateSession", f"arn:aws:ssm:{PLACE}:session/OTHER-0a1b", {}),
        ("ssmmessages:OpenDataChannel", f"arn:aws:ssm:{PLACE}:session/OTHER-0a1b", {}),
        ("ecs:ListTasks", "*", {"ecs:cluster": "arn:aws:ecs:eu-central-1:123456789012:cluster/another"}),
        ("batch:SubmitJob", f"{BATCH}:job-definition/terraflow-launcher", TAGGED),
        ("s3:GetObject", f"{BUCKET}/runs/main/head/run.json", {}),
    ],
}


def policy(statements: list[dict[str, Any]]) -> policies.Policy:
    """Return the policy that the provider writes for a document's statements."""
    written = []
    for statement in statements:
        assert not (statement["not_actions"] or statement["not_resources"] or statement["principals"])
        conditions: dict[str, dict[str, list[str]]] = {}
        for condition in statement["condition"]:
            conditions.setdefault(condition["test"], {})[condition["variable"]] = condition["values"]
        # The caller of the table is USER.
        resources = [re.sub(r"\$\{aws:user(id|name)\}", "USER", arn) for arn in statement["resources"]]
        written.append(
            {"Effect": statement["effect"] or "Allow", "Action": statement["actions"], "Resource": resources}
            | ({"Condition": conditions} if conditions else {})
        )
    return {"Version": "2012-10-17", "Statement": written}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[policies.Policy]]:
    """Return the policies of each caller, as the stack declares them."""
    initialised = needs.need_terraform()
    folder = tmp_path_factory.mktemp("airflow") / "terraform"
    shutil.copytree(needs.TERRAFORM, folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars"))
    shutil.copytree(initialised / ".terraform", folder / ".terraform", symlinks=True)
    shutil.copy(initialised / ".terraform.lock.hcl", folder)
    (folder / "tests" / "applied.tftest.hcl").write_text(STACK)
    command = ["terraform", f"-chdir={folder}", "test", "-json", "-verbose", "-filter=tests/applied.tftest.hcl"]
    env = {name: value for name, value in needs.terraform_env().items() if not name.startswith("AWS_")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, done.stdout
    state = next(line["test_state"] for line in lines if line["type"] == "test_state")
    documents: dict[str, list[list[dict[str, Any]]]] = {}
    for found in state["root_module"]["resources"]:
        # Heads submit with other rights than people.
        if found["type"] == "aws_iam_policy_document" and found.get("index") != "head":
            documents.setdefault(found["name"], []).append(found["values"]["statement"])
    return {
        caller: [policy(statements) for name in names for statements in documents[name]]
        for caller, names in CALLERS.items()
    }


def rows(table: dict[str, list[Call]]) -> list[Any]:
    return [
        pytest.param(caller, *call, id=f"{caller} {call[0]} {call[1].rpartition(':')[2]} {len(call[2])}")
        for caller, calls in table.items()
        for call in calls
    ]


@pytest.mark.parametrize(("caller", "action", "resource", "context"), rows(MAY))
def test_who_may(
    held: Mapping[str, list[policies.Policy]], caller: str, action: str, resource: str, context: policies.Context
) -> None:
    assert judge(held[caller], action, resource, context) is Verdict.ALLOWED


@pytest.mark.parametrize(("caller", "action", "resource", "context"), rows(MAY_NOT))
def test_who_may_not(
    held: Mapping[str, list[policies.Policy]], caller: str, action: str, resource: str, context: policies.Context
) -> None:
    assert judge(held[caller], action, resource, context) is not Verdict.ALLOWED


def test_no_wildcard_in_an_action(held: Mapping[str, list[policies.Policy]]) -> None:
    assert [policies.wildcard_actions(own) for own in held.values()] == [[], [], []]
