"""The AWS for tests itself: what it counts, what it can be made to do wrong, what it refuses. Jobs: test_jobs.py."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from socket import gethostname
from typing import Any

import docker
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ResponseStreamingError

from strict_aws import LABEL, Aws, running

ONCE = Config(retries={"total_max_attempts": 1})
ROLE = "arn:aws:iam::123456789012:role/execution"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """An AWS with a bucket."""
    with running(tmp_path_factory.mktemp("own") / "server.log") as server:
        server.client("s3").create_bucket(Bucket="data")
        yield server


def code(call: Callable[..., Any], **request: Any) -> str:
    """The error's code of a call that fails."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Code"])


def test_requests_are_told_with_their_bytes(own: Aws) -> None:
    s3 = own.client("s3")
    own.requests(forget=True)
    s3.put_object(Bucket="data", Key="runs/a/ä b.txt", Body=b"x" * 1000)
    assert s3.get_object(Bucket="data", Key="runs/a/ä b.txt")["Body"].read() == b"x" * 1000
    s3.list_objects_v2(Bucket="data", Prefix="runs/")
    s3.delete_object(Bucket="data", Key="runs/a/ä b.txt")
    own.client("batch").describe_jobs(jobs=["a"])
    own.client("iam").list_roles()
    own.client("ecr").get_authorization_token()
    seen = [(r["service"], r["operation"], r["bucket"], r["key"], r["status"]) for r in own.requests()]
    assert seen == [
        ("s3", "PutObject", "data", "runs/a/ä b.txt", 200),
        ("s3", "GetObject", "data", "runs/a/ä b.txt", 200),
        ("s3", "ListObjectsV2", "data", "runs/", 200),
        ("s3", "DeleteObject", "data", "runs/a/ä b.txt", 204),
        ("batch", "DescribeJobs", "", "", 200),
        ("iam", "ListRoles", "", "", 200),
        ("ecr", "GetAuthorizationToken", "", "", 200),
    ]
    put, got, *_ = own.requests(forget=True)
    assert (put["received"], got["received"], got["sent"]) == (1000, 0, 1000)
    assert own.requests() == []


def test_calls_fail_on_order(own: Aws) -> None:
    s3, batch = own.client("s3", config=ONCE), own.client("batch", config=ONCE)
    s3.put_object(Bucket="data", Key="runs/a", Body=b"a")
    own.fault(call="error", service="s3", operation="GetObject", key="runs/*", status=503, code="SlowDown", skip=1)
    own.fault(call="error", service="batch", status=429, code="TooManyRequestsException", times=2)
    assert s3.get_object(Bucket="data", Key="runs/a")["Body"].read() == b"a"
    assert code(s3.get_object, Bucket="data", Key="runs/a") == "SlowDown"
    assert s3.get_object(Bucket="data", Key="runs/a")["Body"].read() == b"a"
    for _ in range(2):
        assert code(batch.describe_jobs, jobs=["a"]) == "TooManyRequestsException"
    batch.describe_jobs(jobs=["a"])
    assert own.faults() == []


def test_connections_are_reset_on_order(own: Aws) -> None:
    """The client sees a connection that breaks, not an answer; nothing was done."""
    s3, batch = own.client("s3", config=ONCE), own.client("batch", config=ONCE)
    s3.put_object(Bucket="data", Key="runs/long", Body=b"x" * 100_000)
    long = {"Bucket": "data", "Key": "runs/long"}
    calls: dict[str, Callable[[], Any]] = {
        "GetObject": lambda: s3.get_object(**long),
        "HeadObject": lambda: s3.head_object(**long),
        "PutObject": lambda: s3.put_object(**long, Body=b"y" * 3_000_000),
        "DescribeJobs": lambda: batch.describe_jobs(jobs=["a"]),
    }
    own.requests(forget=True)
    for operation, call in calls.items():
        own.fault(call="reset", operation=operation)
        with pytest.raises(ConnectionClosedError):
            call()
        call_seen = own.requests(forget=True)[-1]
        assert (call_seen["operation"], call_seen["status"], call_seen["fault"]) == (operation, 0, "reset")
    assert s3.get_object(**long)["Body"].read() == b"x" * 100_000
    assert "Traceback" not in own.log.read_text()


def test_answers_are_cut_short_on_order(own: Aws) -> None:
    s3 = own.client("s3", config=ONCE)
    s3.put_object(Bucket="data", Key="runs/long", Body=b"x" * 100_000)
    own.fault(call="truncate", operation="GetObject")
    with pytest.raises(ResponseStreamingError, match="IncompleteRead\\(50000 bytes read"):
        s3.get_object(Bucket="data", Key="runs/long")["Body"].read()
    assert len(s3.get_object(Bucket="data", Key="runs/long")["Body"].read()) == 100_000


def test_the_quotas_are_fargate_s(own: Aws) -> None:
    quotas = own.client("service-quotas")
    default = quotas.get_aws_default_service_quota(ServiceCode="fargate", QuotaCode="L-3032A538")
    assert default["Quota"]["Value"] == 6
    asked = {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"}
    assert code(quotas.get_service_quota, **asked) == "NoSuchResourceException"
    own.set(fargate_spot_vcpus=400, quotas_changed=["fargate_spot_vcpus"])
    assert quotas.get_service_quota(ServiceCode="fargate", QuotaCode="L-36FBB829")["Quota"]["Value"] == 400
    assert code(quotas.get_service_quota, ServiceCode="fargate", QuotaCode="L-0") == "NoSuchResourceException"


def test_the_registry_has_the_engine_s_images(own: Aws, engine: docker.DockerClient) -> None:

    ecr = own.client("ecr")
    uri = ecr.create_repository(repositoryName="tests-aws")["repository"]["repositoryUri"]
    assert uri == "123456789012.dkr.ecr.us-east-1.amazonaws.com/tests-aws"
    asked = {"repositoryName": "tests-aws", "imageIds": [{"imageTag": "worker-1"}]}
    assert code(ecr.describe_images, **asked) == "ImageNotFoundException"

    engine.images.get("debian:trixie-slim").tag(uri, "worker-1")
    try:
        [image] = ecr.describe_images(**asked)["imageDetails"]
        assert image["imageTags"] == ["worker-1"]
    finally:
        engine.images.remove(f"{uri}:worker-1")


def test_a_killed_test_run_leaves_no_server_container_or_volume(tmp_path: Path, engine: docker.DockerClient) -> None:
    """Nor does a killed server, once the next one has started; what another host's server runs is not touched."""

    before = {volume.name for volume in engine.volumes.list()}
    code = "import pathlib, sys, time; from strict_aws import running\n"
    code += "with running(pathlib.Path(sys.argv[1])) as aws:\n print(aws.endpoint, flush=True)\n time.sleep(600)"
    command = [sys.executable, "-c", code, str(tmp_path / "server.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout and "http" in tests.stdout.readline()
        [server] = psutil.Process(tests.pid).children()
        made = [
            engine.containers.run(
                *("debian:trixie-slim", ["sleep", "600"]),
                detach=True,
                labels={LABEL: owner},
                volumes=["/work"],
            )
            for owner in (f"{gethostname()}:{server.pid}", f"{gethostname()}:{2**22 + 1}", f"elsewhere:{2**22 + 1}")
        ]
        volumes = {volume.name for volume in engine.volumes.list()} - before
        tests.kill()
    try:
        psutil.wait_procs([server], 20)
        assert not server.is_running()
        with running(tmp_path / "next.log"):
            left = {one.id for one in engine.containers.list(all=True, filters={"label": LABEL})}
        assert [one.id in left for one in made] == [False, False, True]
        assert len(volumes & {volume.name for volume in engine.volumes.list()}) <= len(volumes) - 2
    finally:
        for one in made:
            with suppress(docker.errors.NotFound):
                one.remove(force=True, v=True)


def test_a_registry_can_stand_behind_it(own: Aws) -> None:
    own.client("ecr").create_repository(repositoryName="behind")
    own.set(registry="127.0.0.1:5000", registry_password="pass")
    ecr = own.client("ecr")
    [repository] = ecr.describe_repositories(repositoryNames=["behind"])["repositories"]
    assert repository["repositoryUri"] == "127.0.0.1:5000/behind"
    [login] = ecr.get_authorization_token()["authorizationData"]
    assert login["proxyEndpoint"] == "http://127.0.0.1:5000"
    own.set(registry=None)


def test_a_lifecycle_comes_back_as_it_was_put(own: Aws) -> None:
    s3 = own.client("s3")
    rule = {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {"And": {"Prefix": "runs/", "Tags": [{"Key": "a", "Value": "b"}]}},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30, "NewerNoncurrentVersions": 2},
    }
    s3.put_bucket_lifecycle_configuration(Bucket="data", LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket="data")["Rules"] == [rule]
    s3.delete_bucket_lifecycle(Bucket="data")
    assert code(s3.get_bucket_lifecycle_configuration, Bucket="data") == "NoSuchLifecycleConfiguration"


def test_a_checksum_of_parts_is_marked_as_one(own: Aws) -> None:
    s3, name = own.client("s3"), {"Bucket": "data", "Key": "parts"}
    upload = name | {"UploadId": s3.create_multipart_upload(**name, ChecksumAlgorithm="CRC32")["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"123456789", ChecksumAlgorithm="CRC32")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": "y/Q5Jg=="}]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    asked = s3.head_object(**name, ChecksumMode="ENABLED")["ChecksumCRC32"]
    assert asked.endswith("==-1") and asked != "y/Q5Jg==-1"
    assert s3.get_object(**name, ChecksumMode="ENABLED")["ChecksumCRC32"] == asked
    assert "ChecksumCRC32" not in s3.head_object(**name)


MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"digest": "sha256:" + "1" * 64, "size": 1},
    "layers": [],
}
INDEX = "application/vnd.oci.image.index.v1+json"
CONTAINER = {
    "image": "worker",
    "executionRoleArn": ROLE,
    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}],
}
DEFINITION = {
    "jobDefinitionName": "worker",
    "type": "container",
    "platformCapabilities": ["FARGATE"],
    "containerProperties": CONTAINER,
}


@pytest.fixture(scope="module")
def queues(own: Aws) -> Aws:
    """An AWS with an on-demand queue, one that is closed, and a definition."""
    ec2, batch = own.client("ec2"), own.client("batch")
    subnet = ec2.describe_subnets()["Subnets"][0]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])["SecurityGroups"]
    network = {"subnets": [subnet["SubnetId"]], "securityGroupIds": [groups[0]["GroupId"]]}
    resources = {"type": "FARGATE", "maxvCpus": 4, **network}
    batch.create_compute_environment(computeEnvironmentName="ondemand", type="MANAGED", computeResources=resources)
    order = [{"order": 1, "computeEnvironment": "ondemand"}]
    for name, state in (("open", "ENABLED"), ("closed", "DISABLED")):
        batch.create_job_queue(jobQueueName=name, priority=1, state=state, computeEnvironmentOrder=order)
    batch.register_job_definition(**DEFINITION)
    return own


def test_images_of_an_index_go_after_it(own: Aws) -> None:
    ecr = own.client("ecr")
    ecr.create_repository(repositoryName="indexed")
    child = ecr.put_image(repositoryName="indexed", imageManifest=json.dumps(MANIFEST), imageTag="child")["image"]
    children = [{"digest": child["imageId"]["imageDigest"]}]
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
    ecr.put_image(repositoryName="indexed", imageManifest=json.dumps(listed), imageTag="worker")
    ids = [{"imageDigest": child["imageId"]["imageDigest"]}]
    [failure] = ecr.batch_delete_image(repositoryName="indexed", imageIds=ids)["failures"]
    assert failure["failureCode"] == "ImageReferencedByManifestList"
    assert ecr.batch_delete_image(repositoryName="indexed", imageIds=[{"imageTag": "worker"}])["failures"] == []
    assert ecr.batch_delete_image(repositoryName="indexed", imageIds=ids)["failures"] == []
    ecr.delete_repository(repositoryName="indexed")


def test_a_first_environment_may_fail_for_want_of_roles(fresh_strict_aws: Aws) -> None:
    fresh_strict_aws.set(service_roles_at_once=False)
    ec2, batch = fresh_strict_aws.client("ec2"), fresh_strict_aws.client("batch")
    subnet = ec2.describe_subnets()["Subnets"][0]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])["SecurityGroups"]
    network = {"subnets": [subnet["SubnetId"]], "securityGroupIds": [groups[0]["GroupId"]]}
    request = {"type": "MANAGED", "computeResources": {"type": "FARGATE", "maxvCpus": 4, **network}}
    with pytest.raises(batch.exceptions.ClientException, match="Unable to assume the service linked role"):
        batch.create_compute_environment(computeEnvironmentName="first", **request)
    batch.create_compute_environment(computeEnvironmentName="second", **request)


def test_batch_makes_its_own_service_role(queues: Aws) -> None:
    [environment] = queues.client("batch").describe_compute_environments()["computeEnvironments"]
    assert environment["serviceRole"].endswith("role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch")


def test_a_definition_is_refused_with_all_that_is_wrong(queues: Aws) -> None:
    batch, request = queues.client("batch"), copy.deepcopy(DEFINITION)
    request["containerProperties"] |= {"privileged": True, "executionRoleArn": ""}  # type: ignore[operator]
    with pytest.raises(batch.exceptions.ClientException) as caught:
        batch.register_job_definition(**request)
    message = caught.value.response["Error"]["Message"]
    assert "privileged is not for Fargate" in message
    assert "no executionRoleArn" in message


def test_environments_and_queues_are_refused(queues: Aws) -> None:
    batch = queues.client("batch")
    resources = {"type": "FARGATE", "maxvCpus": 4, "subnets": [], "securityGroupIds": ["sg-1"]}
    environment = {"computeEnvironmentName": "x", "type": "MANAGED", "computeResources": resources}
    assert code(batch.create_compute_environment, **environment) == "ClientException"
    order = [{"order": 1, "computeEnvironment": "ondemand"}] * 4
    queue = {"jobQueueName": "x", "priority": 1, "computeEnvironmentOrder": order}
    assert code(batch.create_job_queue, **queue) == "ClientException"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"jobQueue": "closed"}, "closed is DISABLED"),
        ({"jobQueue": "missing"}, "missing not found"),
        ({"jobDefinition": "missing"}, "missing does not exist"),
        ({"jobDefinition": "worker:9"}, "worker:9 does not exist"),
        ({"timeout": {"attemptDurationSeconds": 1}}, "timeout of 1 s"),
        ({"containerOverrides": {"command": ["x" * 31000]}}, "at most 30720"),
    ],
)
def test_a_submission_is_refused(queues: Aws, changed: dict[str, Any], said: str) -> None:
    batch = queues.client("batch")
    with pytest.raises(batch.exceptions.ClientException) as caught:
        batch.submit_job(**{"jobName": "job", "jobQueue": "open", "jobDefinition": "worker"} | changed)
    assert said in caught.value.response["Error"]["Message"]


def test_the_newest_active_revision_is_meant(queues: Aws) -> None:
    batch = queues.client("batch")
    for _ in range(2):
        batch.register_job_definition(**{**DEFINITION, "jobDefinitionName": "twice"})
    batch.deregister_job_definition(jobDefinition="twice:2")
    queues.set(containers=0)
    submitted = batch.submit_job(jobName="job", jobQueue="open", jobDefinition="twice")
    [job] = batch.describe_jobs(jobs=[submitted["jobId"]])["jobs"]
    assert job["jobDefinition"].endswith("job-definition/twice:1")
    batch.terminate_job(jobId=submitted["jobId"], reason="seen")
    batch.deregister_job_definition(jobDefinition="twice:1")
    request = {"jobName": "job", "jobQueue": "open", "jobDefinition": "twice"}
    with pytest.raises(batch.exceptions.ClientException, match="twice is INACTIVE"):
        batch.submit_job(**request)


def test_a_policy_holds_whoever_has_its_keys(own: Aws) -> None:
    statement = {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::data/raw/*"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = own.client("iam").create_policy(PolicyName="stage", PolicyDocument=document)["Policy"]["Arn"]
    env = own.env_of(arn)
    names = {"AccessKeyId": "ACCESS_KEY_ID", "SecretAccessKey": "SECRET_ACCESS_KEY", "Token": "SESSION_TOKEN"}
    s3 = own.client("s3", keys={key: env[f"AWS_{name}"] for key, name in names.items()})
    s3.put_object(Bucket="data", Key="raw/a", Body=b"a")
    assert code(s3.put_object, Bucket="data", Key="runs/a", Body=b"a") == "AccessDenied"
    assert code(s3.delete_bucket, Bucket="data") == "AccessDenied"


def test_reset_forgets_everything(fresh_strict_aws: Aws) -> None:
    fresh_strict_aws.client("s3").create_bucket(Bucket="data")
    fresh_strict_aws.set(containers=1)
    fresh_strict_aws.fault(call="reset", service="batch")
    fresh_strict_aws.reset()
    assert fresh_strict_aws.client("s3").list_buckets()["Buckets"] == []
    assert fresh_strict_aws.settings()["containers"] == 4
    assert fresh_strict_aws.faults() == []
