"""`make deploy` and `make destroy` from a copy of the project, with Terraform, a Docker engine and a real registry.

The tests tell one story, in this order: they share the copy and its account.
"""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import needs
import pytest
import registry as loopback
from registry import Registry
from stacks import terraform_environment

from shared import ROOT
from strict_aws import Aws, running
from terraflow.image import TARGETS, content_tag

PASSWORD = "correct-horse-battery"
PROJECT = ("packages", "terraform", "profiles", "envs", "pyproject.toml", "uv.lock", ".dockerignore", "workflow")
LEFT = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars*", "*.tfplan", "backend.tf", "__pycache__")
# Calls that only look, as their names begin.
READING = ("Get", "List", "Describe", "Head", "Batch")
# CPU seconds of a deployment that changes nothing, Terraform's and those of its provider included.
QUICK = 30


@dataclass
class Site:
    """A copy of the project, and the account and registry that it is deployed to."""

    root: Path
    env: dict[str, str]
    aws: Aws
    registry: Registry

    def start(self, *arguments: str, **env: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "terraflow.cli", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **env: str) -> tuple[int, str]:
        """Exit code and all that was printed."""
        process = self.start(*arguments, **env)
        printed, _ = process.communicate(timeout=1200)
        assert "Traceback" not in printed, printed
        return process.returncode, printed

    def make_images(self) -> str:
        """Tiny images under the names that a build of the copy would give; their tag."""
        tag = content_tag(self.root)
        for target in TARGETS:
            with io.BytesIO() as layer:
                with tarfile.open(fileobj=layer, mode="w") as archive:
                    archive.addfile(tarfile.TarInfo(f"{target}-{tag}"))
                command = ["docker", "import", "-", f"terraflow:{target}-{tag}"]
                subprocess.run(command, input=layer.getvalue(), check=True, capture_output=True)
        return tag

    def images_in_use(self) -> set[str]:
        """Images of all active job definitions."""
        definitions = self.aws.client("batch").describe_job_definitions(status="ACTIVE")["jobDefinitions"]
        return {definition["containerProperties"]["image"] for definition in definitions}

    def writes(self) -> set[tuple[str, str]]:
        """Services and operations that changed something since this was last asked."""
        requests = self.aws.requests(forget=True)
        return {(r["service"], r["operation"]) for r in requests if not r["operation"].startswith(READING)}

    @property
    def stack_json(self) -> Path:
        return self.root / ".terraflow" / "stack.json"

    @property
    def link(self) -> Path:
        return Path(self.env["HOME"]) / ".config" / "snakemake" / "aws"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    needs.need_terraform()
    needs.need_docker()
    folder = tmp_path_factory.mktemp("site")
    root = folder / "project"
    root.mkdir()
    for name in PROJECT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=LEFT)
        else:
            shutil.copy(ROOT / name, root)
    # Content of its own: its stand-ins must not have the names of the checkout's real images.
    with (root / "envs" / "Dockerfile").open("a") as dockerfile:
        dockerfile.write(f"# {folder}\n")
    (root / "terraform" / "terraform.tfvars").write_text('stack = "lab"\nnetwork = "public"\nzones = 1\n')
    (folder / "home").mkdir()
    with running(folder / "aws.log") as aws, loopback.running(folder / "registry", PASSWORD) as registry:
        aws.set(registry=registry.host, registry_password=PASSWORD, containers=0, service_roles_at_once=False)
        env = {name: value for name, value in terraform_environment(aws).items() if name not in ("CI", "YES")}
        env |= {"PYTHONPATH": str(root / "packages/terraflow/src"), "HOME": str(folder / "home"), "COLUMNS": "200"}
        for name in ("XDG_CONFIG_HOME", "TERRAFLOW_STACK", "DOCKER_CONFIG"):
            env.pop(name, None)
        yield Site(root, env, aws, registry)
        command = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", f"{registry.host}/lab"]
        pushed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        tags = {name.rpartition("-")[2] for name in pushed}
        local = [f"terraflow:{target}-{tag}" for target in TARGETS for tag in tags]
        if pushed:
            subprocess.run(["docker", "rmi", *pushed, *local], capture_output=True, check=False)


def test_all_that_is_missing_is_told_in_one_list(site: Site, tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": site.env["PYTHONPATH"]}
    env |= {name: site.env[name] for name in ("AWS_EC2_METADATA_DISABLED", "AWS_CONFIG_FILE")}
    command = [sys.executable, "-m", "terraflow.cli", "deploy"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.findall(r"^  - (.*?)[:(]", done.stderr, re.MULTILINE) == [
        "Terraform is missing",
        "Docker is missing",
        "No region",
        "No AWS credentials",
    ]


def test_what_is_there_and_does_not_fit_is_told(site: Site, tmp_path: Path) -> None:
    site.aws.set(fargate_ondemand_vcpus=2)
    try:
        code, printed = site.run("deploy", TF_VAR_spot_max_vcpus="8", TF_VAR_architecture="ARM64")
    finally:
        site.aws.set(fargate_ondemand_vcpus=6)
    assert code == 1
    assert "architecture is ARM64, but this Docker engine builds images for amd64" in printed
    assert "quota of Fargate On-Demand vCPU resource count in us-east-1 is 2, and the largest job takes 4" in printed

    code, printed = site.run(
        "deploy", DOCKER_HOST="tcp://127.0.0.1:9", TF_VAR_spot_max_vcpus="0", AWS_ENDPOINT_URL="http://127.0.0.1:9"
    )
    assert code == 1
    assert "No Docker engine answers" in printed
    assert "spot_max_vcpus has to be a whole number from 1" in printed
    assert "No AWS credentials that work in us-east-1" in printed

    old = tmp_path / "terraform"
    old.write_text('#!/bin/sh\necho \'{"terraform_version": "1.5.7"}\'\n')
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    code, printed = site.run("deploy", PATH=f"{tmp_path}:{site.env['PATH']}")
    assert code == 1
    assert "Terraform is 1.5.7, needed is 1.9 or newer" in printed
    assert site.writes() == set()


def test_a_first_deployment_that_is_interrupted_and_fails_says_how_to_go_on(site: Site) -> None:
    site.make_images()
    site.aws.fault(call="error", service="iam", operation="CreateRole", status=403, code="AccessDenied")
    process = site.start("deploy", "--auto-approve")
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if "aws_ecr_repository.this: Creation complete" in line:
            # As a terminal does on Ctrl-C: to everything that runs in it.
            os.killpg(process.pid, signal.SIGINT)
            break
    rest, _ = process.communicate(timeout=600)
    assert process.returncode == 1, printed + rest
    assert "Terraform first ends what it has begun" in rest
    assert "aws_s3_bucket_lifecycle_configuration.data: Creation complete" in rest
    assert "AccessDenied" in rest and "`make deploy` goes on from there" in rest
    assert not site.stack_json.exists()
    assert not site.link.is_symlink()
    assert site.registry.uploads() == []


def service_roles(site: Site) -> dict[str, str]:
    """When AWS's own roles were made, by name."""
    roles = site.aws.client("iam").list_roles(PathPrefix="/aws-service-role/")["Roles"]
    return {role["RoleName"]: str(role["CreateDate"]) for role in roles}


def test_it_goes_on_and_everything_is_there(site: Site) -> None:
    tag, roles = content_tag(site.root), service_roles(site)
    assert roles.keys() == {"AWSServiceRoleForBatch", "AWSServiceRoleForECS"}
    site.writes()
    # As in an account whose roles are a few seconds old; environments stand by now, so another call says it.
    words = "Unable to assume the service linked role. Please verify that the ECS service linked role exists"
    fault = {"call": "error", "service": "batch", "operation": "RegisterJobDefinition"}
    site.aws.fault(**fault, status=400, code="ClientException", message=words)
    code, printed = site.run("deploy", "--auto-approve")
    assert code == 0, printed
    assert "AWS's own roles could not be used yet; once more" in printed
    # Those that stand are left alone.
    assert service_roles(site) == roles and ("iam", "CreateServiceLinkedRole") not in site.writes()
    kept: dict[str, Any] = json.loads(site.stack_json.read_text())
    assert kept["bucket"] == "lab-123456789012-us-east-1"
    assert kept["repository_url"] == f"{site.registry.host}/lab"
    assert site.images_in_use() == {f"{kept['repository_url']}:{target}-{tag}" for target in TARGETS}
    assert {path for path in site.registry.uploads() if "manifests" in path} == {
        f"/v2/lab/manifests/{target}-{tag}" for target in TARGETS
    }
    assert site.link.resolve() == site.root / "profiles" / "aws"
    for words in ("terraflow stage", "snakemake --profile aws", kept["log_group"], "Idle it costs nothing but"):
        assert words in printed
    s3 = site.aws.client("s3")
    workflow = json.loads(s3.get_object(Bucket=kept["bucket"], Key="workflow/current.json")["Body"].read())
    assert f"Published the workflow: {workflow['archive']}" in printed
    archive = s3.get_object(Bucket=kept["bucket"], Key=workflow["archive"])["Body"].read()
    assert hashlib.sha256(archive).hexdigest() == workflow["sha256"]
    assert "Note: spot_max_vcpus is 256, but the account's quota" in printed
    assert PASSWORD not in printed


def test_deployed_again_nothing_changes_and_quickly(site: Site) -> None:
    site.writes()
    uploads = len(site.registry.uploads())
    kept = site.stack_json.read_text()
    before = os.times()
    code, printed = site.run("deploy")
    after = os.times()
    assert code == 0, printed
    assert "No changes" in printed and "are there already" in printed and "The workflow is unchanged" in printed
    assert site.writes() == set()
    assert len(site.registry.uploads()) == uploads
    assert site.stack_json.read_text() == kept
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < QUICK


def test_without_a_terminal_or_a_word_nothing_is_changed(site: Site) -> None:
    code, printed = site.run("deploy", TF_VAR_log_retention_days="30")
    assert code == 1
    assert re.search(r"Plan: 0 to add, [1-9] to change, 0 to destroy", printed), printed
    assert "no terminal to ask on" in printed and "--auto-approve" in printed
    assert site.writes() == set()


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_credentials_of_another_account_are_refused(site: Site, command: str) -> None:
    code, printed = site.run(command, "--auto-approve", AWS_DEFAULT_REGION="eu-central-1")
    assert code == 1
    assert "is in account 123456789012, us-east-1; the credentials and settings are for" in printed
    assert site.writes() == set()


def test_definitions_change_only_when_their_images_are_there(site: Site) -> None:
    before = site.images_in_use()
    with (site.root / "packages/terraflow/src/terraflow/__init__.py").open("a") as file:
        file.write("# Another content.\n")
    tag = site.make_images()
    site.aws.set(registry_password="changed")
    try:
        code, printed = site.run("deploy", "--auto-approve")
    finally:
        site.aws.set(registry_password=PASSWORD)
    assert code == 1
    assert "refuses to say whether" in printed
    assert site.images_in_use() == before

    site.writes()
    code, printed = site.run("deploy", "--auto-approve")
    assert code == 0, printed
    assert site.images_in_use() == {f"{site.registry.host}/lab:{target}-{tag}" for target in TARGETS}
    # The stack's outputs are published with the workflow.
    definitions = {("batch", "RegisterJobDefinition"), ("batch", "DeregisterJobDefinition")}
    assert site.writes() == {*definitions, ("s3", "PutObject")}
    assert json.loads(site.stack_json.read_text())["image_tag"] == tag


def test_data_and_jobs_are_not_destroyed_by_accident(site: Site) -> None:
    kept = json.loads(site.stack_json.read_text())
    s3, batch = site.aws.client("s3"), site.aws.client("batch")
    for body in (b"first", b"second"):
        s3.put_object(Bucket=kept["bucket"], Key="raw/S1/L1/a.fastq.gz", Body=body)
    s3.delete_object(Bucket=kept["bucket"], Key="raw/S1/L1/a.fastq.gz")
    job = batch.submit_job(
        jobName="main-bwa_mem", jobQueue=kept["queues"]["spot"], jobDefinition=kept["job_definitions"]["20"]
    )["jobId"]
    code, printed = site.run("destroy", "--auto-approve")
    assert code == 1
    assert f"{job} main-bwa_mem" in printed and "aws batch terminate-job" in printed
    site.writes()
    code, printed = site.run("deploy", "--auto-approve", TF_VAR_vpc_cidr="10.43.0.0/16")
    assert code == 1 and site.writes() == set()
    assert re.search(r"1 jobs have not ended, and this would take away .*aws_", printed), printed
    assert f"{job} main-bwa_mem" in printed and "leave zones, network, existing_network" in printed
    batch.terminate_job(jobId=job, reason="test")
    for _ in range(600):
        if batch.describe_jobs(jobs=[job])["jobs"][0]["status"] == "FAILED":
            break
        time.sleep(0.1)

    site.writes()
    code, printed = site.run("destroy", "--auto-approve")
    assert code == 1
    assert "holds 3 objects and old versions" in printed and f"make destroy BUCKET={kept['bucket']}" in printed
    code, printed = site.run("destroy", "--auto-approve", "--delete-data", "another-bucket")
    assert code == 1 and f"The stack's bucket is {kept['bucket']}, not another-bucket" in printed
    code, printed = site.run("destroy", "--delete-data", kept["bucket"])
    assert code == 1 and "no terminal to ask on" in printed
    assert site.writes() == set()
    assert len(s3.list_object_versions(Bucket=kept["bucket"], Prefix="raw/")["Versions"]) == 2


def test_destroyed_by_name_nothing_is_left(site: Site) -> None:
    bucket = json.loads(site.stack_json.read_text())["bucket"]
    site.aws.fault(call="error", service="s3", operation="DeleteBucket", status=403, code="AccessDenied", times=9)
    code, printed = site.run("destroy", "--auto-approve", "--delete-data", bucket)
    site.aws.forget_faults()
    assert code == 1 and "AccessDenied" in printed and "`make destroy` goes on from there" in printed
    # Terraform has no outputs any more, and data have come meanwhile.
    s3 = site.aws.client("s3")
    s3.put_object(Bucket=bucket, Key="raw/late", Body=b"late")
    code, printed = site.run("destroy", "--auto-approve")
    assert code == 1 and "holds 1 objects and old versions" in printed, printed
    code, printed = site.run("destroy", "--auto-approve", "--delete-data", "another-bucket")
    assert code == 1 and f"The stack's bucket is {bucket}, not another-bucket" in printed
    assert s3.get_object(Bucket=bucket, Key="raw/late")["Body"].read() == b"late"

    code, printed = site.run("destroy", "--auto-approve", "--delete-data", bucket)
    assert code == 0, printed
    assert site.aws.client("s3").list_buckets()["Buckets"] == []
    assert site.aws.client("ecr").describe_repositories()["repositories"] == []
    assert site.aws.client("batch").describe_job_queues()["jobQueues"] == []
    assert not site.stack_json.exists() and not site.link.is_symlink()
    code, printed = site.run("destroy")
    assert code == 0 and "no stack" in printed
