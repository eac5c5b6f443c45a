"""Checks before the first job: everything that is wrong in one list, and what can't be checked is no problem."""

import dataclasses
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from fake_batch import REGION, FakeBatch
from fake_jobs import TARGET
from snakemake_executor_plugin_aws_batch_fargate import preflight


class Everything:
    """A stack on which all is well, as AWS tells it; a test changes what it tells."""

    def __init__(self) -> None:
        self.batch = FakeBatch()
        self.errors: dict[str, str | Exception] = {}
        self.asked: list[str] = []
        self.region = REGION

    def client_of(self, service: str) -> Any:
        return SimpleNamespace(
            **{
                operation: self._call(operation)
                for operation in (
                    *("get_caller_identity", "describe_images", "get_role", "head_bucket", "describe_job_queues"),
                    *("describe_compute_environments", "describe_job_definitions"),
                )
            },
            get_paginator=lambda operation: SimpleNamespace(paginate=lambda **given: [self._call(operation)(**given)]),
        )

    def _call(self, operation: str) -> Callable[..., dict[str, Any]]:
        def call(**given: Any) -> dict[str, Any]:
            self.asked.append(operation)
            if isinstance(error := self.errors.get(operation), str):
                raise ClientError({"Error": {"Code": error, "Message": "made to fail"}}, operation)
            if error:
                raise error
            if operation.startswith("describe_job") or operation.startswith("describe_compute"):
                return self.batch.answer(operation.replace("_", ""), given)
            return {"BucketRegion": self.region}

        return call

    def check(self, region: str | None = REGION) -> preflight.Report:
        return preflight.check(self.client_of, TARGET, region, "s3://data/runs/main", self.client_of)


def test_nothing_wrong() -> None:
    report = Everything().check()
    assert report.problems == [] and report.unknown == []


def break_queue(site: Everything) -> None:
    site.batch.queues["spot"]["state"] = "DISABLED"


def lose_queue(site: Everything) -> None:
    del site.batch.queues["ondemand"]


def break_environment(site: Everything) -> None:
    site.batch.environments["spot"]["status"] = "INVALID"


def other_platform(site: Everything) -> None:
    site.batch.environments["spot"]["computeResources"] = {"type": "EC2"}


def inactive(site: Everything) -> None:
    site.batch.definitions["worker-50gib"]["status"] = "INACTIVE"


def small_disk(site: Everything) -> None:
    site.batch.define("worker-50gib", 21)


def no_roles(site: Everything) -> None:
    site.batch.define("worker-20gib", 20, jobRoleArn="")


def of_ec2(site: Everything) -> None:
    site.batch.definitions["worker-20gib"]["platformCapabilities"] = ["EC2"]


def elsewhere(site: Everything) -> None:
    site.region = "eu-central-1"


def fails(operation: str, code: str) -> Callable[[Everything], None]:
    return lambda site: site.errors.update({operation: code})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (break_queue, "Job queue spot is DISABLED and VALID"),
        (lose_queue, "There is no job queue ondemand"),
        (break_environment, "Compute environment spot of job queue spot is ENABLED and INVALID"),
        (other_platform, "compute environment spot, which is EC2, not Fargate"),
        (inactive, "Job definition worker-50gib has no active revision"),
        (small_disk, "Job definition worker-50gib has 21 GiB of disk; --aws-batch-fargate-job-definitions says 50"),
        (no_roles, "worker-20gib has no job role"),
        (of_ec2, "worker-20gib is not made for Fargate"),
        (elsewhere, "Bucket data is in eu-central-1 and the queues are in us-east-1"),
        (fails("head_bucket", "404"), "it does not exist"),
        (fails("head_bucket", "403"), "these credentials may not list it"),
        (fails("describe_images", "ImageNotFoundException"), "lab:worker-1 is not in its registry"),
        (fails("get_caller_identity", "ExpiredToken"), "AWS does not accept the credentials"),
        (fails("describe_job_queues", "ServerException"), "AWS refused to describe queue spot"),
    ],
)
def test_one_thing_wrong(wrong: Callable[[Everything], None], words: str) -> None:
    site = Everything()
    wrong(site)
    report = site.check()
    assert any(words in problem for problem in report.problems), report.problems
    assert words in report.text()


def test_an_image_of_another_region_is_not_looked_for_here() -> None:
    site = Everything()
    for name, disk in (("worker-20gib", 20), ("worker-50gib", 50)):
        image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/lab:worker-1"
        site.batch.define(name, disk, image=image)
    site.errors["describe_images"] = "RepositoryNotFoundException"
    assert site.check().problems == [] and "describe_images" not in site.asked


def test_a_queue_without_a_name() -> None:
    report = preflight.check(
        Everything().client_of, dataclasses.replace(TARGET, queue=""), REGION, None, Everything().client_of
    )
    assert "No job queue is named" in report.text()


def test_roles_that_do_not_exist() -> None:
    site = Everything()
    site.errors["get_role"] = "NoSuchEntity"
    assert sum("of a job definition does not exist" in problem for problem in site.check().problems) == 2


@pytest.mark.parametrize("operation", ["describe_images", "get_role"])
def test_what_may_not_be_looked_at_is_no_problem(operation: str) -> None:
    site = Everything()
    site.errors[operation] = "AccessDeniedException"
    report = site.check()
    assert report.problems == [] and len(report.unknown) >= 1


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://there"),
        ConnectTimeoutError(endpoint_url="https://there"),
        ReadTimeoutError(endpoint_url="https://there"),
        ConnectionClosedError(endpoint_url="https://there"),
    ],
)
def test_services_out_of_reach(error: Exception) -> None:
    site = Everything()
    site.errors = dict.fromkeys(["get_caller_identity", "describe_images", "get_role"], error)
    report = site.check()
    assert report.problems == []
    assert [note.partition(f": {error}")[0].rpartition(" ")[2] for note in report.unknown] == ["STS", "ECR", "IAM"]
    assert site.asked.count("get_role") == 1
    assert "head_bucket" in site.asked


def test_batch_and_the_bucket_out_of_reach() -> None:
    site = Everything()
    error = EndpointConnectionError(endpoint_url="https://there")
    site.errors = dict.fromkeys(["describe_job_queues", "describe_job_definitions", "head_bucket"], error)
    batch, bucket = site.check().problems
    assert "does not reach AWS Batch (asked about queue spot)" in batch
    assert "does not reach S3 (asked about bucket data)" in bucket


def test_a_service_out_of_reach_costs_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener's queue is full: connecting gets no answer, as in a network without a way out."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            knocking = waiting.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(listener.getsockname())
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{listener.getsockname()[1]}")
        start = time.monotonic()
        site = Everything()
        report = preflight.check(site.client_of, dataclasses.replace(TARGET, definitions={}), REGION, None)
    assert report.problems == [] and "STS" in report.unknown[0]
    # Ten tries of ten seconds, as for what has to succeed, would take more than 100.
    assert time.monotonic() - start < 50


def test_no_region() -> None:
    assert "No AWS region is set" in Everything().check(region=None).text()


def test_the_hint_of_the_settings_follows_what_the_stack_lacks() -> None:
    site = Everything()
    lose_queue(site)
    site.errors["head_bucket"] = "403"
    _, other, problem, hint = site.check().text("terraform apply repairs it.").splitlines()
    assert other.startswith("  - Bucket data of --default-storage-prefix can't be used: these credentials may not list")
    assert problem.startswith("  - There is no job queue ondemand") and hint == "terraform apply repairs it."
    assert site.check().text().splitlines()[-1] == preflight.NEXT_STEP


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("get_caller_identity", "ExpiredToken"),
        ("head_bucket", "403"),
        ("head_bucket", "301"),
        ("describe_job_queues", EndpointConnectionError(endpoint_url="https://there")),
    ],
)
def test_no_stack_mends_credentials_settings_and_networks(operation: str, error: str | Exception) -> None:
    site = Everything()
    site.errors[operation] = error
    (_, problem), text = site.check().text().splitlines(), site.check().text("terraform apply repairs it.")
    assert problem.startswith("  - ") and "terraform apply" not in text
    assert "terraform apply" not in Everything().check(region=None).text("terraform apply repairs it.")


@pytest.mark.parametrize(
    ("operation", "error"), [("head_bucket", "404"), ("describe_images", "ImageNotFoundException")]
)
def test_the_stack_makes_bucket_and_images(operation: str, error: str) -> None:
    site = Everything()
    site.errors[operation] = error
    assert site.check().text("terraform apply repairs it.").endswith("\nterraform apply repairs it.")
