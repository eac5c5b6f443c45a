"""The stack with Terraform's AWS provider: applied, applied again, with another image, beside another, destroyed."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stacks import Deployed, Stack, as_arguments

from strict_aws import Aws
from terraflow.news import package

# All that is off by default is on.
SECOND = {
    "stack": "second",
    "network": "public",
    "inbox_budget": 20,
    "schedule": "rate(1 day)",
    "notify_email": "lab@example.org",
}


@dataclass
class Coming:
    """A stack that is being applied, with what Terraform says in a file: a pipe would fill up and stop it."""

    stack: Stack
    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="module")
def second(new_stack: Callable[[], Stack]) -> Iterator[Coming]:
    """Another stack in the same account, on its way while the first is applied."""
    stack = new_stack()
    package.build(stack.folder / package.NAME)
    log = stack.folder.parent / "apply.log"
    command = ["terraform", f"-chdir={stack.folder}", "apply", "-auto-approve", "-no-color", *as_arguments(SECOND)]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=stack.env, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield Coming(stack, process, log)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def first(second: Coming, deployed_stack: Deployed) -> Deployed:
    """Return the stack of all tests, applied at the same time as the second one."""
    return deployed_stack


def actions(plan: dict[str, Any]) -> dict[str, set[str]]:
    """Return the actions of a plan by type of resource."""
    done: dict[str, set[str]] = {}
    for change in plan["resource_changes"]:
        if change["change"]["actions"] not in (["no-op"], ["read"]):
            done.setdefault(change["type"], set()).update(change["change"]["actions"])
    return done


def test_what_was_applied_is_what_is_planned(first: Deployed) -> None:
    done = first.stack.terraform("plan", "-detailed-exitcode", "-no-color", *as_arguments({}), check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_applied_again_nothing_changes(first: Deployed) -> None:
    done = first.stack.terraform("apply", "-auto-approve", "-no-color", *as_arguments({}))
    assert "0 added, 0 changed, 0 destroyed" in done.stdout
    assert first.stack.outputs == first.outputs


def test_another_image_changes_job_definitions_only(first: Deployed) -> None:
    plan = first.stack.plan(image_tag="0a1b2c3d4e5f")
    assert actions(plan).keys() == {"aws_batch_job_definition"}
    definitions = [c["change"] for c in plan["resource_changes"] if c["type"] == "aws_batch_job_definition"]
    images = {json.loads(change["after"]["container_properties"])["image"] for change in definitions}
    assert images == {f"{first.outputs['repository_url']}:{kind}-0a1b2c3d4e5f" for kind in ("worker", "report")}
    outputs = {name for name, change in plan["output_changes"].items() if change["actions"] != ["no-op"]}
    assert outputs == {"image_tag", "images"}


def test_every_job_definition_is_active_and_every_queue_open(first: Deployed, aws: Aws) -> None:
    batch, outputs = aws.client("batch"), first.outputs
    names = [*outputs["job_definitions"].values(), outputs["report_job_definition"], outputs["head_job_definition"]]
    for name in names:
        found = batch.describe_job_definitions(jobDefinitionName=name, status="ACTIVE")["jobDefinitions"]
        assert [definition["platformCapabilities"] for definition in found] == [["FARGATE"]]
    queues = batch.describe_job_queues(jobQueues=list(outputs["queues"].values()))["jobQueues"]
    assert [(queue["state"], queue["status"]) for queue in queues] == [("ENABLED", "VALID")] * 3
    limits = [{(one["reason"], one["maxTimeSeconds"]) for one in queue["jobStateTimeLimitActions"]} for queue in queues]
    stuck = ("COMPUTE_ENVIRONMENT_MAX_RESOURCE", "JOB_RESOURCE_REQUIREMENT")
    assert limits == [{(f"MISCONFIGURATION:{reason}", 1800) for reason in stuck}] * 3
    kinds = {
        environment["computeEnvironmentArn"]: environment["computeResources"]["type"]
        for environment in batch.describe_compute_environments()["computeEnvironments"]
    }
    by_name = {queue["jobQueueName"]: queue["computeEnvironmentOrder"][0]["computeEnvironment"] for queue in queues}
    assert {kind: kinds[by_name[name]] for kind, name in outputs["queues"].items()} == {
        "spot": "FARGATE_SPOT",
        "ondemand": "FARGATE",
        "head": "FARGATE",
    }


def test_the_bucket_is_as_it_should_be(first: Deployed, aws: Aws) -> None:
    s3, bucket = aws.client("s3"), first.outputs["bucket"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    [owner] = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert owner["ObjectOwnership"] == "BucketOwnerEnforced"
    rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    assert rules["aborted-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    expiring = rules["intermediates"]["Filter"]["And"]
    assert (expiring["Prefix"], expiring["Tags"]) == (
        "runs/",
        [{"Key": "terraflow:lifetime", "Value": "intermediate"}],
    )
    kept = {name: rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") for name, rule in rules.items()}
    assert kept == {"aborted-uploads": None, "old-versions": 30, "intermediates": 1}


def in_account(aws: Aws, stack: str) -> dict[str, list[str]]:
    """Return the account's resources with a stack's name or tag, by kind; kinds without any are left out."""
    batch, ec2, iam = aws.client("batch"), aws.client("ec2"), aws.client("iam")
    tagged = [{"Name": "tag:stack", "Values": [stack]}]
    names = {
        "bucket": [bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]],
        "repository": [r["repositoryName"] for r in aws.client("ecr").describe_repositories()["repositories"]],
        "queue": [queue["jobQueueName"] for queue in batch.describe_job_queues()["jobQueues"]],
        "compute environment": [
            environment["computeEnvironmentName"]
            for environment in batch.describe_compute_environments()["computeEnvironments"]
        ],
        "job definition": [
            definition["jobDefinitionName"]
            for definition in batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
        ],
        "role": [role["RoleName"] for role in iam.list_roles()["Roles"]],
        "policy": [policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]],
        "log group": [
            group["logGroupName"].removeprefix("/terraflow/").removesuffix("/news")
            for group in aws.client("logs").describe_log_groups()["logGroups"]
        ],
    }
    names |= {
        "rule": [rule["Name"] for rule in aws.client("events").list_rules()["Rules"]],
        "schedule": [schedule["Name"] for schedule in aws.client("scheduler").list_schedules()["Schedules"]],
        "function": [function["FunctionName"] for function in aws.client("lambda").list_functions()["Functions"]],
        "topic": [topic["TopicArn"].rpartition(":")[2] for topic in aws.client("sns").list_topics()["Topics"]],
    }
    found = {
        kind: sorted(name for name in given if name == stack or name.startswith(f"{stack}-"))
        for kind, given in names.items()
    }
    found["network"] = [
        *[vpc["VpcId"] for vpc in ec2.describe_vpcs(Filters=tagged)["Vpcs"]],
        *[subnet["SubnetId"] for subnet in ec2.describe_subnets(Filters=tagged)["Subnets"]],
        *[group["GroupId"] for group in ec2.describe_security_groups(Filters=tagged)["SecurityGroups"]],
        *[table["RouteTableId"] for table in ec2.describe_route_tables(Filters=tagged)["RouteTables"]],
        *[
            gateway["InternetGatewayId"]
            for gateway in ec2.describe_internet_gateways(Filters=tagged)["InternetGateways"]
        ],
        *[
            endpoint["VpcEndpointId"]
            for endpoint in ec2.describe_vpc_endpoints(Filters=tagged)["VpcEndpoints"]
            if endpoint["State"] != "deleted"
        ],
    ]
    return {kind: given for kind, given in found.items() if given}


@pytest.fixture(scope="module")
def whole(second: Coming) -> Stack:
    """Return the second stack when it is there."""
    assert second.process.wait(900) == 0, second.log.read_text()
    return second.stack


def test_a_stack_that_starts_runs_by_itself_has_no_drift(whole: Stack) -> None:
    done = whole.terraform("plan", "-detailed-exitcode", "-no-color", *as_arguments(SECOND), check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_sheet_the_clock_and_a_head_s_end_start_launchers(whole: Stack, aws: Aws) -> None:
    outputs, batch, s3 = whole.outputs, aws.client("batch"), aws.client("s3")
    with aws.changed(containers=0):
        aws.deliveries(forget=True)
        for key in ("raw/cohort/a_R1.fastq.gz", "raw/cohort/samples.tsv", "raw/cohort/inbox.json"):
            s3.put_object(Bucket=outputs["bucket"], Key=key, Body=b"")
        launch, news = aws.deliveries(forget=True)
        assert (launch["rule"], launch["error"], news["rule"], news["error"]) == (
            "second-launch-upload",
            "",
            "second-news-sheets",
            "",
        )
        clock, again = (aws.fire(f"second-launch-{name}")["job"] for name in ("clock", "again"))
        aws.fire("second-news-waits")
        head = batch.submit_job(
            jobName="cohort-head", jobQueue=outputs["queues"]["head"], jobDefinition=outputs["head_job_definition"]
        )["jobId"]
        for job in (launch["job"], head):
            batch.terminate_job(jobId=job, reason="seen")
        ended = {("second-launch-end", head), ("second-news-end", head), ("second-news-end", launch["job"])}
        found: list[dict[str, Any]] = []
        for _ in range(600):
            found = [one for one in aws.deliveries() if one["event"]["detail-type"] == "Batch Job State Change"]
            if len(found) >= len(ended):
                break
            time.sleep(0.1)
        assert {(one["rule"], one["event"]["detail"]["jobId"]) for one in found} == ended
        assert [one["error"] for one in aws.deliveries()] == [""] * len(aws.deliveries())
        after = next(one["job"] for one in found if one["rule"] == "second-launch-end")
        jobs = batch.describe_jobs(jobs=[launch["job"], clock, again, after])["jobs"]
        by = ["upload", "clock", "upload", "upload"]
        assert [job["container"]["command"] for job in jobs] == [
            ["terraflow", "inbox", "--bucket", outputs["bucket"], "--budget", "20", "--by", one] for one in by
        ]
        assert {job["jobQueue"].rpartition("/")[2] for job in jobs} == {"second-head"}
        for job in (clock, again, after):
            batch.terminate_job(jobId=job, reason="seen")
    for version in s3.list_object_versions(Bucket=outputs["bucket"]).get("Versions", ()):
        s3.delete_object(Bucket=outputs["bucket"], Key=version["Key"], VersionId=version["VersionId"])


def test_two_stacks_stand_side_by_side_and_one_goes_alone(first: Deployed, whole: Stack, aws: Aws) -> None:
    stack = whole
    before, others = in_account(aws, "terraflow"), in_account(aws, "second")
    assert len(before) == 9
    assert others.keys() - before.keys() == {"rule", "schedule", "function", "topic"}
    assert before.keys() <= others.keys()

    # Data are not lost by accident: the bucket and its objects stay, all other resources go.
    s3, bucket = aws.client("s3"), stack.outputs["bucket"]
    version = s3.put_object(Bucket=bucket, Key="raw/reads.fastq.gz", Body=b"reads")["VersionId"]
    destroy = ["destroy", "-auto-approve", "-no-color", *as_arguments(SECOND)]
    refused = stack.terraform(*destroy, check=False)
    assert refused.returncode == 1
    assert "BucketNotEmpty" in refused.stderr
    assert s3.get_object(Bucket=bucket, Key="raw/reads.fastq.gz")["Body"].read() == b"reads"
    s3.delete_object(Bucket=bucket, Key="raw/reads.fastq.gz", VersionId=version)
    stack.terraform(*destroy)
    assert in_account(aws, "second") == {}
    assert in_account(aws, "terraflow") == before
