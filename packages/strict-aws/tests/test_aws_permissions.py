"""Permissions: calls with the credentials of a role or policy."""

import json
import urllib.request

import pytest

from strict_aws import ACCOUNT, Aws
from strict_helpers import Run, code, log_of, status


def test_keys_of_a_policy_have_its_permissions_alone(strict_aws: Aws, data: str) -> None:
    statement = {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::data/raw/*"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = strict_aws.client("iam").create_policy(PolicyName="stage", PolicyDocument=document)["Policy"]["Arn"]
    s3 = strict_aws.client("s3", keys=strict_aws.keys_of(arn))
    s3.put_object(Bucket="data", Key="raw/a", Body=b"a")
    assert code(s3.put_object, Bucket="data", Key="runs/a", Body=b"a") == "AccessDenied"
    assert code(s3.delete_bucket, Bucket="data") == "AccessDenied"
    env = strict_aws.env_of(arn)
    assert env["AWS_SESSION_TOKEN"] and env["AWS_ACCESS_KEY_ID"] != strict_aws.env["AWS_ACCESS_KEY_ID"]


@pytest.mark.parametrize("arn", [f"arn:aws:iam::{ACCOUNT}:role/missing", f"arn:aws:iam::{ACCOUNT}:policy/missing"])
def test_keys_of_a_missing_role_or_policy_are_refused(strict_aws: Aws, arn: str) -> None:
    with pytest.raises(ValueError, match=r"there is no role or managed policy .*missing"):
        strict_aws.keys_of(arn)


def tagged(effect: str, *actions: str) -> dict[str, object]:
    """Return a statement about jobs, definitions and queues."""
    return {"Effect": effect, "Action": list(actions), "Resource": "*"}


@pytest.mark.parametrize(
    ("statements", "tags", "expected"),
    [
        ([tagged("Allow", "batch:SubmitJob")], {}, 200),
        ([tagged("Allow", "batch:SubmitJob")], {"team": "data"}, 403),
        ([tagged("Allow", "batch:SubmitJob", "batch:TagResource")], {"team": "data"}, 200),
        ([tagged("Allow", "batch:DescribeJobs")], {}, 403),
    ],
)
def test_a_tagged_submission_needs_a_second_permission(
    strict_aws: Aws, queues: None, statements: list[object], tags: dict[str, str], expected: int
) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    name = f"submit-{len(document)}-{len(tags)}"
    arn = strict_aws.client("iam").create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
    batch = strict_aws.client("batch", keys=strict_aws.keys_of(arn))
    strict_aws.set(containers=0)
    request = {"jobName": name, "jobQueue": "spot", "jobDefinition": "sh", "tags": tags}
    assert status(batch.submit_job, **request) == expected
    [call] = [one for one in strict_aws.requests() if one["operation"] == "SubmitJob"]
    assert (call["status"], call["caller"] != strict_aws.env["AWS_ACCESS_KEY_ID"]) == (expected, True)
    owner = strict_aws.client("batch")
    found = owner.list_jobs(jobQueue="spot", filters=[{"name": "JOB_NAME", "values": [name]}])["jobSummaryList"]
    for job in found:
        owner.terminate_job(jobId=job["jobId"], reason="seen")
    assert len(found) == (expected == 200)


def test_the_role_s_credentials_are_the_container_s(strict_aws: Aws, run: Run) -> None:
    job = run("echo $AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_ACCESS_KEY_ID")
    [address] = log_of(strict_aws, job)
    given = json.load(urllib.request.urlopen(address.split()[0]))
    assert given["AccessKeyId"].startswith("ASIA")
    assert given["RoleArn"].endswith(":role/job")


def test_a_job_has_the_permissions_of_its_role(strict_aws: Aws, data: str, run: Run) -> None:
    s3, iam = strict_aws.client("s3"), strict_aws.client("iam")
    s3.put_object(Bucket="data", Key="runs/a", Body=b"a")
    [address] = log_of(strict_aws, run("echo $AWS_CONTAINER_CREDENTIALS_FULL_URI"))
    keys = json.load(urllib.request.urlopen(address.split()[0]))
    inside = strict_aws.client("s3", keys=keys)
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/runs/*"}
    listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::data"}

    def permit(*statements: dict[str, str]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName="job", PolicyName="data", PolicyDocument=document)

    assert status(inside.get_object, Bucket="data", Key="runs/a") == 403
    permit(read)
    assert status(inside.get_object, Bucket="data", Key="runs/a") == 200
    assert status(inside.head_object, Bucket="data", Key="raw/a") == 403
    assert status(inside.put_object, Bucket="data", Key="runs/b", Body=b"b" * 1000) == 403
    # S3 answers 404 only to those who may list the bucket.
    assert status(inside.head_object, Bucket="data", Key="runs/missing") == 403
    permit(read, listing)
    assert status(inside.head_object, Bucket="data", Key="runs/missing") == 404
    strict_aws.set(enforce_roles=False)
    assert status(inside.put_object, Bucket="data", Key="runs/b", Body=b"b") == 200


def test_a_secret_is_read_by_those_who_may_read_it(strict_aws: Aws) -> None:
    owner = strict_aws.client("secretsmanager")
    own, other = (owner.create_secret(Name=name, SecretString=name)["ARN"] for name in ("own", "other"))
    statement = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": own}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = strict_aws.client("iam").create_policy(PolicyName="secret", PolicyDocument=document)["Policy"]["Arn"]
    reader = strict_aws.client("secretsmanager", keys=strict_aws.keys_of(arn))
    assert reader.get_secret_value(SecretId=own)["SecretString"] == "own"
    assert code(reader.get_secret_value, SecretId=other) == "AccessDeniedException"
    assert code(reader.put_secret_value, SecretId=own, SecretString="x") == "AccessDeniedException"
