"""Who may do what: the applied stack's policies against a table of calls."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from stacks import Deployed

from strict_aws import Aws, policies
from strict_aws.policies import Verdict, judge

ACCOUNT = "123456789012"
BATCH = f"arn:aws:batch:us-east-1:{ACCOUNT}"
BUCKET = f"arn:aws:s3:::terraflow-{ACCOUNT}-us-east-1"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/terraflow/terraflow"
REPOSITORY = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository"
STREAM = f"{LOGS}:log-stream:worker-20gib/default/0a1b"
TLS = {"aws:SecureTransport": "true"}
OURS, OTHERS = {"aws:ResourceTag/stack": "terraflow"}, {"aws:ResourceTag/stack": "another"}
# Tags of a submission: the executor's, the stack's, and others that are not allowed.
KEYS = ["terraflow:run", "terraflow:rule", "terraflow:sample", "project", "stack"]
TAGGED: policies.Context = {"aws:RequestTag/stack": "terraflow", "aws:TagKeys": KEYS}
MISTAGGED: policies.Context = {"aws:RequestTag/stack": "another", "aws:TagKeys": KEYS}
OTHER_KEYS: policies.Context = {"aws:RequestTag/stack": "terraflow", "aws:TagKeys": [*KEYS, "cost-centre"]}
Policies = dict[str, list[policies.Policy]]


@pytest.fixture(scope="module")
def held(deployed_stack: Deployed, aws: Aws) -> Policies:
    """Return the policies of each caller, as IAM has them."""
    iam, outputs = aws.client("iam"), deployed_stack.outputs
    found: Policies = {}
    for caller in ("execution", "job", "head"):
        role = outputs[f"{caller}_role_arn"].rpartition("/")[2]
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        found[caller] = [policies.parse(document) for document in documents]
    version = iam.get_policy(PolicyArn=outputs["submit_policy_arn"])["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=outputs["submit_policy_arn"], VersionId=version)
    found["submit"] = [policies.parse(document["PolicyVersion"]["Document"])]
    assert all(found.values())
    return found


@pytest.fixture(scope="module")
def bucket_policy(deployed_stack: Deployed, aws: Aws) -> policies.Policy:
    """Return the policy of the data bucket."""
    return policies.parse(aws.client("s3").get_bucket_policy(Bucket=deployed_stack.outputs["bucket"])["Policy"])


def trust(aws: Aws, arn: str) -> policies.Policy:
    """Who may take a role."""
    document = aws.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    return policies.parse(document if isinstance(document, dict) else unquote(document))


# Action, resource, condition keys.
Call = tuple[str, str, policies.Context]
PULL: list[Call] = [
    ("ecr:GetAuthorizationToken", "*", {}),
    ("ecr:BatchGetImage", f"{REPOSITORY}/terraflow", {}),
    ("ecr:GetDownloadUrlForLayer", f"{REPOSITORY}/terraflow", {}),
    ("ecr:BatchCheckLayerAvailability", f"{REPOSITORY}/terraflow", {}),
]
WRITE_LOG: list[Call] = [("logs:CreateLogStream", STREAM, {}), ("logs:PutLogEvents", STREAM, {})]
DATA: list[Call] = [
    ("s3:GetBucketLocation", BUCKET, {}),
    ("s3:ListBucket", BUCKET, {"s3:prefix": "runs/main/"}),
    ("s3:ListBucket", BUCKET, {"s3:prefix": "raw/"}),
    ("s3:GetObject", f"{BUCKET}/raw/lab/a_R1.fastq.gz", {}),
    ("s3:GetObject", f"{BUCKET}/reference/genome.fa", {}),
    ("s3:GetObject", f"{BUCKET}/runs/main/results/all.vcf.gz", {}),
    ("s3:PutObject", f"{BUCKET}/runs/main/results/all.vcf.gz", {}),
    ("s3:PutObjectTagging", f"{BUCKET}/runs/main/results/shard.zst", {}),
    ("s3:PutObject", f"{BUCKET}/reference/genome.fa.bwt", {}),
    ("s3:AbortMultipartUpload", f"{BUCKET}/runs/main/x", {}),
    ("s3:DeleteObject", f"{BUCKET}/runs/main/results/shard.zst", {}),
    # A lock by conditional writes and deletions: read, written and deleted like any object of a run.
    ("s3:GetObject", f"{BUCKET}/runs/main/lock", {}),
    ("s3:PutObject", f"{BUCKET}/runs/main/lock", {}),
    ("s3:DeleteObject", f"{BUCKET}/runs/main/lock", {}),
]
NO_DATA: list[Call] = [
    ("s3:DeleteObject", f"{BUCKET}/raw/lab/a_R1.fastq.gz", {}),
    ("s3:DeleteObject", f"{BUCKET}/reference/genome.fa", {}),
    ("s3:DeleteObjectVersion", f"{BUCKET}/runs/main/x", {}),
    ("s3:DeleteObjectVersion", f"{BUCKET}/raw/lab/a_R1.fastq.gz", {}),
    ("s3:PutObject", f"{BUCKET}/elsewhere/x", {}),
    ("s3:GetObject", "arn:aws:s3:::another-bucket/raw/x", {}),
    ("s3:ListBucket", "arn:aws:s3:::another-bucket", {"s3:prefix": "runs/"}),
    ("s3:PutObject", f"{BUCKET}-2/runs/main/x", {}),
    ("s3:PutBucketPolicy", BUCKET, {}),
    ("s3:PutLifecycleConfiguration", BUCKET, {}),
    ("s3:PutBucketVersioning", BUCKET, {}),
    ("s3:PutObjectAcl", f"{BUCKET}/runs/main/x", {}),
]
CONDUCT: list[Call] = [
    ("batch:SubmitJob", f"{BATCH}:job-queue/terraflow-spot", TAGGED),
    ("batch:SubmitJob", f"{BATCH}:job-queue/terraflow-ondemand", TAGGED),
    ("batch:SubmitJob", f"{BATCH}:job-definition/terraflow-worker-20gib", TAGGED),
    ("batch:SubmitJob", f"{BATCH}:job-definition/terraflow-report:7", TAGGED),
    # AWS requires this permission, too, when a submission has tags.
    ("batch:TagResource", f"{BATCH}:job-queue/terraflow-spot", TAGGED),
    ("batch:TagResource", f"{BATCH}:job-definition/terraflow-worker-20gib", TAGGED),
    ("batch:TagResource", f"{BATCH}:job-definition/terraflow-worker-20gib:7", TAGGED),
    ("batch:TagResource", f"{BATCH}:job-definition/terraflow-report:7", TAGGED),
    ("batch:TerminateJob", f"{BATCH}:job/0a1b", OURS),
    ("batch:CancelJob", f"{BATCH}:job/0a1b", OURS),
    ("batch:DescribeJobs", "*", {}),
    ("batch:ListJobs", "*", {}),
    ("batch:DescribeJobDefinitions", "*", {}),
    ("batch:DescribeJobQueues", "*", {}),
    ("batch:DescribeComputeEnvironments", "*", {}),
    ("logs:GetLogEvents", STREAM, {}),
    ("ecr:DescribeImages", f"{REPOSITORY}/terraflow", {}),
]
# Before a head is submitted, and by a head for its timeline.
QUOTAS: list[Call] = [
    ("servicequotas:GetServiceQuota", "*", {}),
    ("servicequotas:GetAWSDefaultServiceQuota", "*", {}),
]
# Before a head is submitted, and the head.
START: list[Call] = [
    *QUOTAS,
    ("s3:PutObject", f"{BUCKET}/runs/main/head/0a1b.tar.xz", {}),
    ("s3:PutObject", f"{BUCKET}/runs/main/head/run.json", {}),
    ("batch:SubmitJob", f"{BATCH}:job-queue/terraflow-head", TAGGED),
    ("batch:SubmitJob", f"{BATCH}:job-definition/terraflow-head", TAGGED),
    ("batch:TagResource", f"{BATCH}:job-definition/terraflow-head:7", TAGGED),
]
# The published workflow is whoever deploys' to write; launchers and people, who may launch, read it.
WORKFLOW: list[Call] = [
    ("s3:GetObject", f"{BUCKET}/workflow/current.json", {}),
    ("s3:PutObject", f"{BUCKET}/workflow/current.json", {}),
    ("s3:DeleteObject", f"{BUCKET}/workflow/current.json", {}),
]
NO_CONDUCT: list[Call] = [
    ("batch:SubmitJob", f"{BATCH}:job-queue/another-spot", TAGGED),
    ("batch:SubmitJob", f"{BATCH}:job-definition/another-worker-20gib", TAGGED),
    ("batch:SubmitJob", f"{BATCH}:job-definition/terraflow2-worker-20gib:1", TAGGED),
    # A job without the stack's tag could not be ended again, and another stack's can't be made one's own.
    ("batch:SubmitJob", f"{BATCH}:job-queue/terraflow-spot", {}),
    ("batch:SubmitJob", f"{BATCH}:job-queue/terraflow-spot", MISTAGGED),
    ("batch:SubmitJob", f"{BATCH}:job-queue/terraflow-spot", OTHER_KEYS),
    # Neither another stack's job nor an untagged one can be made one's own, and then ended.
    ("batch:TagResource", f"{BATCH}:job/0a1b", {**TAGGED, **OTHERS}),
    ("batch:TagResource", f"{BATCH}:job/0a1b", TAGGED),
    ("batch:TagResource", f"{BATCH}:job/0a1b", {**TAGGED, **OURS}),
    ("batch:TagResource", f"{BATCH}:job-queue/terraflow-spot", {}),
    ("batch:TagResource", f"{BATCH}:job-queue/terraflow-spot", MISTAGGED),
    ("batch:TagResource", f"{BATCH}:job-queue/terraflow-spot", OTHER_KEYS),
    ("batch:TagResource", f"{BATCH}:job-queue/another-spot", TAGGED),
    ("batch:TagResource", f"{BATCH}:job-definition/another-worker-20gib", TAGGED),
    ("batch:TagResource", f"{BATCH}:compute-environment/terraflow-spot", TAGGED),
    ("batch:UntagResource", f"{BATCH}:job/0a1b", OURS),
    ("batch:TerminateJob", f"{BATCH}:job/0a1b", OTHERS),
    ("batch:TerminateJob", f"{BATCH}:job/0a1b", {}),
    ("batch:CancelJob", f"{BATCH}:job/0a1b", OTHERS),
    ("logs:GetLogEvents", STREAM.replace("/terraflow/terraflow", "/terraflow/another"), {}),
    ("ecr:DescribeImages", f"{REPOSITORY}/another", {}),
]
SEE_QUEUES: list[Call] = [("batch:GetJobQueueSnapshot", f"{BATCH}:job-queue/terraflow-spot", {})]
# Calls that no caller may make.
NOBODY: list[Call] = [
    ("s3:DeleteBucket", BUCKET, {}),
    ("s3:CreateBucket", BUCKET, {}),
    ("s3:ListAllMyBuckets", "*", {}),
    ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/terraflow-job-us-east-1", {}),
    ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/terraflow-job-us-east-1", {}),
    ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam:PassedToService": "ecs-tasks.amazonaws.com"}),
    (
        "iam:PassRole",
        f"arn:aws:iam::{ACCOUNT}:role/terraflow-job-us-east-1",
        {"iam:PassedToService": "ec2.amazonaws.com"},
    ),
    ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {}),
    ("batch:RegisterJobDefinition", f"{BATCH}:job-definition/terraflow-worker-20gib", {}),
    ("batch:DeleteJobQueue", f"{BATCH}:job-queue/terraflow-spot", {}),
    ("batch:UpdateComputeEnvironment", f"{BATCH}:compute-environment/terraflow-spot", {}),
    ("ecr:PutImage", f"{REPOSITORY}/terraflow", {}),
    ("ecr:BatchDeleteImage", f"{REPOSITORY}/terraflow", {}),
    ("logs:DeleteLogGroup", LOGS, {}),
    ("ec2:RunInstances", "*", {}),
    ("batch:GetJobQueueSnapshot", f"{BATCH}:job-queue/another-spot", {}),
]
MAY = {
    "execution": PULL + WRITE_LOG,
    "job": DATA,
    "head": DATA + CONDUCT + QUOTAS,
    "submit": [
        *DATA,
        *CONDUCT,
        *SEE_QUEUES,
        *START,
        WORKFLOW[0],
        ("s3:PutObject", f"{BUCKET}/raw/lab/a_R1.fastq.gz", {}),
    ],
}
MAY_NOT = {
    "execution": [
        *NOBODY,
        *DATA,
        *CONDUCT[:7],
        ("ecr:BatchGetImage", f"{REPOSITORY}/another", {}),
        ("logs:PutLogEvents", STREAM.replace("/terraflow/terraflow", "/terraflow/another"), {}),
    ],
    "job": [*NOBODY, *NO_DATA, *CONDUCT, *WORKFLOW, *PULL, ("s3:PutObject", f"{BUCKET}/raw/lab/a_R1.fastq.gz", {})],
    "head": [
        *NOBODY,
        *NO_DATA,
        *NO_CONDUCT,
        *WORKFLOW,
        *START[-3:],
        ("servicequotas:RequestServiceQuotaIncrease", "*", {}),
        ("s3:PutObject", f"{BUCKET}/raw/lab/a_R1.fastq.gz", {}),
    ],
    "submit": [*NOBODY, *NO_DATA, *NO_CONDUCT, *WORKFLOW[1:], ("servicequotas:RequestServiceQuotaIncrease", "*", {})],
}


def calls(table: dict[str, list[Call]]) -> list[Any]:
    """Return the table's rows, each with a descriptive name."""
    return [
        pytest.param(
            caller, *call, id=f"{caller} {call[0]} {call[1].rpartition(':')[2]} {' '.join(map(str, call[2].values()))}"
        )
        for caller, rows in table.items()
        for call in rows
    ]


@pytest.mark.parametrize(("caller", "action", "resource", "context"), calls(MAY))
def test_who_may(
    held: Policies, bucket_policy: policies.Policy, caller: str, action: str, resource: str, context: policies.Context
) -> None:
    own = [bucket_policy] if resource.startswith(BUCKET) else []
    assert judge(held[caller], action, resource, {**context, **TLS}, resource_policies=own) is Verdict.ALLOWED


@pytest.mark.parametrize(("caller", "action", "resource", "context"), calls(MAY_NOT))
def test_who_may_not(held: Policies, caller: str, action: str, resource: str, context: policies.Context) -> None:
    assert judge(held[caller], action, resource, {**context, **TLS}) is not Verdict.ALLOWED


@pytest.mark.parametrize("caller", MAY)
def test_no_wildcard_in_an_action(held: Policies, caller: str) -> None:
    assert policies.wildcard_actions(held[caller]) == []


def test_people_s_policy_has_room_for_twenty_tags(held: Policies) -> None:
    # IAM counts no white space, and takes 6,144 characters: {"key",} for each of the user's own tags.
    [document] = held["submit"]
    assert len(json.dumps(document, separators=(",", ":"))) + 20 * (40 + len('"",')) <= 6144


@pytest.mark.parametrize("call", DATA)
def test_without_tls_the_bucket_refuses_everybody(held: Policies, bucket_policy: policies.Policy, call: Call) -> None:
    action, resource, context = call
    plain = {**context, "aws:SecureTransport": "false"}
    for caller in held:
        verdict = judge(held[caller], action, resource, plain, resource_policies=[bucket_policy], principal="anyone")
        assert verdict is Verdict.DENIED


@pytest.mark.parametrize("role", ["execution_role_arn", "job_role_arn", "head_role_arn"])
def test_only_tasks_of_this_account_take_a_role(deployed_stack: Deployed, aws: Aws, role: str) -> None:
    arn = deployed_stack.outputs[role]
    document = trust(aws, arn)

    def take(service: str, account: str) -> Verdict:
        source = f"arn:aws:ecs:us-east-1:{account}:task/cluster/0a1b"
        context = {"aws:SourceAccount": account, "aws:SourceArn": source}
        return judge([], "sts:AssumeRole", arn, context, resource_policies=[document], principal=service)

    assert take("ecs-tasks.amazonaws.com", ACCOUNT) is Verdict.ALLOWED
    assert take("ec2.amazonaws.com", ACCOUNT) is not Verdict.ALLOWED
    assert take("lambda.amazonaws.com", ACCOUNT) is not Verdict.ALLOWED
    if role != "execution_role_arn":
        assert take("ecs-tasks.amazonaws.com", "999999999999") is not Verdict.ALLOWED
