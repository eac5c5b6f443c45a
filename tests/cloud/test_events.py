"""Who may do what of those that start runs by themselves or tell of them: a plan's policies, call by call."""

from typing import Any

import needs
import pytest
from stacks import Deployed

from strict_aws import policies
from strict_aws.policies import Verdict, judge

ACCOUNT = "123456789012"
BATCH = f"arn:aws:batch:us-east-1:{ACCOUNT}"
BUCKET = f"arn:aws:s3:::terraflow-{ACCOUNT}-us-east-1"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:terraflow-news"
NEWS_LOG = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/terraflow/terraflow/news:log-stream:2026/03/01/0a1b"
REPOSITORY = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/terraflow"
TLS = {"aws:SecureTransport": "true"}
KEYS = ["terraflow:run", "terraflow:rule", "project", "stack"]
TAGGED: policies.Context = {"aws:RequestTag/stack": "terraflow", "aws:TagKeys": KEYS}
HEAD = [f"{BATCH}:job-queue/terraflow-head", f"{BATCH}:job-definition/terraflow-head"]
LAUNCHER = f"{BATCH}:job-definition/terraflow-launcher"
ON = {"inbox_budget": 20, "schedule": "rate(1 day)", "notify_email": "lab@example.org"}
Policies = dict[str, list[policies.Policy]]
Call = tuple[str, str, policies.Context]

READ: list[Call] = [
    ("s3:ListBucket", BUCKET, {"s3:prefix": "raw/"}),
    ("s3:GetObject", f"{BUCKET}/raw/cohort/samples.tsv", {}),
    ("s3:GetObject", f"{BUCKET}/reference/genome.fa", {}),
    ("s3:GetObject", f"{BUCKET}/runs/cohort/.head-lock.json", {}),
    ("s3:GetObject", f"{BUCKET}/runs/cohort/head/run.json", {}),
]
# Writes of data, and of what others write.
WRITES: list[Call] = [
    ("s3:PutObject", f"{BUCKET}/runs/cohort/results/all.vcf.gz", {}),
    ("s3:PutObject", f"{BUCKET}/runs/cohort/.head-lock.json", {}),
    ("s3:PutObject", f"{BUCKET}/raw/cohort/samples.tsv", {}),
    ("s3:PutObject", f"{BUCKET}/raw/cohort/config.yaml", {}),
    ("s3:PutObject", f"{BUCKET}/reference/genome.fa", {}),
    ("s3:PutObject", f"{BUCKET}/workflow/current.json", {}),
    ("s3:DeleteObject", f"{BUCKET}/runs/cohort/results/all.vcf.gz", {}),
    ("s3:DeleteObject", f"{BUCKET}/raw/cohort/samples.tsv", {}),
    ("s3:GetObject", "arn:aws:s3:::another-bucket/raw/x", {}),
]
JOBS: list[Call] = [
    ("batch:SubmitJob", f"{BATCH}:job-queue/terraflow-spot", TAGGED),
    ("batch:SubmitJob", f"{BATCH}:job-queue/terraflow-ondemand", TAGGED),
    ("batch:SubmitJob", f"{BATCH}:job-definition/terraflow-worker-20gib:1", TAGGED),
    ("batch:SubmitJob", f"{BATCH}:job-definition/another-head:1", TAGGED),
    ("batch:TerminateJob", f"{BATCH}:job/0a1b", {"aws:ResourceTag/stack": "terraflow"}),
    ("batch:RegisterJobDefinition", LAUNCHER, {}),
    ("batch:TagResource", f"{BATCH}:job/0a1b", TAGGED),
]
OTHERS: list[Call] = [
    ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/terraflow-launcher-us-east-1", {}),
    ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/terraflow-head-us-east-1", {}),
    ("events:PutRule", f"arn:aws:events:us-east-1:{ACCOUNT}:rule/terraflow-launch-upload", {}),
    ("scheduler:CreateSchedule", "*", {}),
    ("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:terraflow-news", {}),
    ("lambda:UpdateFunctionCode", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:terraflow-news", {}),
    ("sns:Subscribe", TOPIC, {}),
    ("s3:PutBucketNotification", BUCKET, {}),
]
PUBLISH: Call = ("sns:Publish", TOPIC, {})
MAY = {
    "launcher": [
        *READ,
        ("s3:GetObject", f"{BUCKET}/workflow/current.json", {}),
        ("s3:PutObject", f"{BUCKET}/runs/cohort/head/run.json", {}),
        ("s3:PutObject", f"{BUCKET}/runs/cohort/head/0a1b.tar.xz", {}),
        ("s3:PutObject", f"{BUCKET}/raw/cohort/inbox.json", {}),
        *[
            (action, arn, TAGGED)
            for action in ("batch:SubmitJob", "batch:TagResource")
            for arn in (*HEAD, f"{HEAD[1]}:7")
        ],
        ("batch:ListJobs", "*", {}),
        ("batch:DescribeJobs", "*", {}),
        ("batch:DescribeJobQueues", "*", {}),
        ("ecr:DescribeImages", REPOSITORY, {}),
    ],
    # EventBridge gives jobs no tags.
    "starter": [("batch:SubmitJob", arn, {}) for arn in (HEAD[0], LAUNCHER, f"{LAUNCHER}:3")],
    "news": [
        ("s3:ListBucket", BUCKET, {}),
        ("s3:GetObject", f"{BUCKET}/runs/cohort/head/run.json", {}),
        ("s3:GetObject", f"{BUCKET}/runs/cohort/head/live.json", {}),
        ("s3:GetObject", f"{BUCKET}/runs/cohort/head/told/0a1b.json", {}),
        ("s3:GetObject", f"{BUCKET}/raw/cohort/inbox.json", {}),
        ("s3:GetObject", f"{BUCKET}/raw/cohort/told/1.json", {}),
        ("s3:PutObject", f"{BUCKET}/runs/cohort/head/told/0a1b.json", {}),
        ("s3:PutObject", f"{BUCKET}/raw/.launcher/told/2026-03-01.json", {}),
        ("batch:ListJobs", "*", {}),
        PUBLISH,
        ("logs:CreateLogStream", NEWS_LOG, {}),
        ("logs:PutLogEvents", NEWS_LOG, {}),
    ],
}
MAY_NOT = {
    "launcher": [
        *WRITES,
        *JOBS,
        *OTHERS,
        PUBLISH,
        # A head without the stack's tag could not be ended.
        *[("batch:SubmitJob", arn, {}) for arn in HEAD],
        ("batch:SubmitJob", LAUNCHER, TAGGED),
        ("logs:GetLogEvents", NEWS_LOG, {}),
    ],
    "starter": [
        *READ,
        *WRITES,
        *JOBS,
        *OTHERS,
        PUBLISH,
        ("batch:SubmitJob", HEAD[1], {}),
        ("batch:SubmitJob", f"{HEAD[1]}:1", TAGGED),
    ],
    "news": [
        *WRITES,
        *JOBS,
        *OTHERS,
        ("batch:SubmitJob", HEAD[0], {}),
        ("s3:GetObject", f"{BUCKET}/raw/cohort/samples.tsv", {}),
        ("s3:GetObject", f"{BUCKET}/runs/cohort/results/all.vcf.gz", {}),
        ("s3:PutObject", f"{BUCKET}/runs/cohort/head/run.json", {}),
        ("s3:PutObject", f"{BUCKET}/raw/cohort/inbox.json", {}),
        ("sns:Publish", f"{TOPIC}-2", {}),
        ("logs:PutLogEvents", NEWS_LOG.replace("/news:", ":"), {}),
    ],
}


@pytest.fixture(scope="module")
def planned(deployed_stack: Deployed) -> dict[str, Any]:
    """Return the resources by address that a stack gets when all of it is switched on, as a plan shows them."""
    plan = deployed_stack.stack.plan(**ON, news_zip=str(needs.TERRAFORM / "versions.tf"))
    changed = [one for one in plan["resource_changes"] if one["change"]["actions"] not in (["no-op"], ["read"])]
    assert {tuple(one["change"]["actions"]) for one in changed} == {("create",)}
    return {one["address"]: one["change"]["after"] for one in changed}


@pytest.fixture(scope="module")
def held(planned: dict[str, Any]) -> Policies:
    """Return the policy of each caller."""
    return {caller: [policies.parse(planned[f"aws_iam_role_policy.{caller}[0]"]["policy"])] for caller in MAY}


def calls(table: dict[str, list[Call]]) -> list[Any]:
    """Return the table's rows, each with a descriptive name."""
    return [
        pytest.param(caller, *call, id=f"{caller} {call[0]} {call[1].rpartition(':')[2]} {len(call[2])}")
        for caller, rows in table.items()
        for call in rows
    ]


@pytest.mark.parametrize(("caller", "action", "resource", "context"), calls(MAY))
def test_who_may(held: Policies, caller: str, action: str, resource: str, context: policies.Context) -> None:
    assert judge(held[caller], action, resource, {**context, **TLS}) is Verdict.ALLOWED


@pytest.mark.parametrize(("caller", "action", "resource", "context"), calls(MAY_NOT))
def test_who_may_not(held: Policies, caller: str, action: str, resource: str, context: policies.Context) -> None:
    assert judge(held[caller], action, resource, {**context, **TLS}) is not Verdict.ALLOWED


@pytest.mark.parametrize("caller", MAY)
def test_no_wildcard_in_an_action(held: Policies, caller: str) -> None:
    assert policies.wildcard_actions(held[caller]) == []


@pytest.mark.parametrize(
    ("role", "secure", "verdict"),
    [
        ("terraflow-news-us-east-1", "true", Verdict.ALLOWED),
        ("terraflow-news-us-east-1", "false", Verdict.DENIED),
        # Whatever an administrator's own policy allows.
        ("admin", "true", Verdict.DENIED),
        ("terraflow-head-us-east-1", "true", Verdict.DENIED),
    ],
)
def test_the_function_alone_publishes_and_over_tls(
    planned: dict[str, Any], held: Policies, role: str, secure: str, verdict: Verdict
) -> None:
    own = policies.parse(planned["aws_sns_topic_policy.news[0]"]["policy"])
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    context = {"aws:PrincipalArn": arn, "aws:SecureTransport": secure}
    assert judge(held["news"], "sns:Publish", TOPIC, context, resource_policies=[own], principal=arn) is verdict


RULE = f"arn:aws:events:us-east-1:{ACCOUNT}:rule"
GROUP = f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/default"


@pytest.mark.parametrize(
    ("role", "service", "account", "source", "verdict"),
    [
        ("starter", "events", ACCOUNT, f"{RULE}/terraflow-launch-upload", Verdict.ALLOWED),
        ("starter", "scheduler", ACCOUNT, GROUP, Verdict.ALLOWED),
        ("starter", "events", ACCOUNT, f"{RULE}/another", Verdict.NOT_ALLOWED),
        ("starter", "events", "999999999999", f"{RULE}/terraflow-launch-upload", Verdict.NOT_ALLOWED),
        ("starter", "scheduler", ACCOUNT, f"{RULE}/terraflow-launch-upload", Verdict.NOT_ALLOWED),
        ("starter", "lambda", ACCOUNT, GROUP, Verdict.NOT_ALLOWED),
        ("launcher", "ecs-tasks", ACCOUNT, f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/a/b", Verdict.ALLOWED),
        ("launcher", "events", ACCOUNT, f"{RULE}/terraflow-launch-upload", Verdict.NOT_ALLOWED),
        ("news", "lambda", ACCOUNT, "", Verdict.ALLOWED),
        ("news", "ecs-tasks", ACCOUNT, "", Verdict.NOT_ALLOWED),
    ],
)
def test_who_takes_a_role(
    planned: dict[str, Any], role: str, service: str, account: str, source: str, verdict: Verdict
) -> None:
    document = policies.parse(planned[f"aws_iam_role.{role}[0]"]["assume_role_policy"])
    context = {"aws:SourceAccount": account, **({"aws:SourceArn": source} if source else {})}
    taken = judge(
        [], "sts:AssumeRole", "*", context, resource_policies=[document], principal=f"{service}.amazonaws.com"
    )
    assert taken is verdict


def test_switched_on_nothing_that_is_there_changes(planned: dict[str, Any]) -> None:
    # `planned` has seen that all changes are creations.
    kinds = {address.partition(".")[0] for address in planned}
    assert "aws_lambda_function" in kinds and "aws_s3_bucket_notification" in kinds
    assert planned['aws_batch_job_definition.this["launcher"]']["parameters"] == {"by": "upload"}
