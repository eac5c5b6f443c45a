"""Objects that `terraflow destroy` deletes, and its view of a state: moto in this process, thousands of objects."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from terraflow import emptying
from terraflow.errors import UserError
from terraflow.remains import Remains, find

REGION = "eu-central-1"
BUCKET = "lab-123456789012-eu-central-1"


@pytest.fixture
def s3(account: None) -> Any:
    """A versioned bucket."""
    client = boto3.client("s3", region_name=REGION)
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


def test_thousands_of_versions_and_what_comes_meanwhile_are_deleted(s3: Any) -> None:
    for number in range(1300):
        s3.put_object(Bucket=BUCKET, Key=f"runs/main/{number:04}", Body=b"first")
    for number in range(600):
        s3.put_object(Bucket=BUCKET, Key=f"runs/main/{number:04}", Body=b"second")
        s3.delete_object(Bucket=BUCKET, Key=f"runs/main/{number:04}")
    odd = "raw/ä b&<c>%20+\n"
    s3.put_object(Bucket=BUCKET, Key=odd, Body=b"odd")
    s3.create_multipart_upload(Bucket=BUCKET, Key="raw/reads.fastq.gz")
    # A job that has not noticed yet: before all that was listed, and after the last page.
    late = iter(["a/first", "z/last"])

    def write(**_: Any) -> None:
        for key in late:
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"late")
            s3.create_multipart_upload(Bucket=BUCKET, Key=key)

    s3.meta.events.register("after-call.s3.DeleteObjects", write)
    assert emptying.empty_bucket(s3, BUCKET) == 1300 + 600 + 600 + 1 + 1 + 2 + 2
    s3.delete_bucket(Bucket=BUCKET)
    assert emptying.empty_bucket(s3, BUCKET) == 0


def test_with_a_prefix_all_else_stays(s3: Any) -> None:
    for key in ("workflow/current.json", "workflow/0a1b.tar.xz", "workflows", "runs/main/a"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    assert emptying.empty_bucket(s3, BUCKET, "workflow/") == 4
    kept = ["runs/main/a", "workflows"]
    assert [one["Key"] for one in s3.list_object_versions(Bucket=BUCKET)["Versions"]] == kept
    assert sorted(one["Key"] for one in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]) == kept


def answers(s3: Any, code: str, times: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """S3 says so of every object for a number of calls; the calls are counted."""
    delete, calls = s3.delete_objects, []

    def call(**request: Any) -> Any:
        calls.append(1)
        if len(calls) > times:
            return delete(**request)
        return {"Errors": [{"Key": one["Key"], "Code": code, "Message": "no"} for one in request["Delete"]["Objects"]]}

    monkeypatch.setattr(s3, "delete_objects", call)
    return calls


def test_what_passes_is_tried_again_and_what_lasts_is_told(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put_object(Bucket=BUCKET, Key="raw/a", Body=b"a")
    with monkeypatch.context() as patched:
        calls = answers(s3, "AccessDenied", 100, patched)
        with pytest.raises(UserError, match=r"s3://lab-\S+/raw/a can't be deleted \(AccessDenied"):
            emptying.empty_bucket(s3, BUCKET)
        assert len(calls) == 1
    with monkeypatch.context() as patched:
        answers(s3, "SlowDown", 100, patched)
        with pytest.raises(UserError, match="try again later"):
            emptying.empty_bucket(s3, BUCKET)
    answers(s3, "SlowDown", 3, monkeypatch)
    assert emptying.empty_bucket(s3, BUCKET) == 1


class Ecr:
    """A repository whose indexes hold the images that they list, as ECR's do; moto's do not."""

    def __init__(self, images: dict[str, list[str]], stuck: str = "") -> None:
        self.images, self.stuck = images, stuck

    def get_paginator(self, _: str) -> "Ecr":
        return self

    def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
        yield {"imageIds": [{"imageDigest": digest} for digest in self.images]}
        # An image with two tags is listed twice.
        yield {"imageIds": [{"imageDigest": digest, "imageTag": "again"} for digest in self.images]}

    def batch_delete_image(self, *, repositoryName: str, imageIds: list[dict[str, str]]) -> Any:
        assert repositoryName == "lab" and len(imageIds) <= 100
        done, failures = [], []
        for image in imageIds:
            digest = image["imageDigest"]
            if digest == self.stuck or any(digest in listed for listed in self.images.values()):
                failures.append({"imageId": image, "failureCode": emptying.REFERENCED, "failureReason": "listed"})
            else:
                del self.images[digest]
                done.append(image)
        return {"imageIds": done, "failures": failures}


def test_images_of_an_index_go_after_it() -> None:
    images: dict[str, list[str]] = {f"sha256:{number:03}": [] for number in range(250)}
    images |= {"sha256:outer": ["sha256:inner"], "sha256:inner": ["sha256:000", "sha256:001"]}
    ecr = Ecr(dict(sorted(images.items())))
    assert emptying.empty_repository(ecr, "lab") == 252  # type: ignore[arg-type]
    assert ecr.images == {}


def test_an_image_that_stays_is_told() -> None:
    ecr = Ecr({"sha256:000": [], "sha256:001": []}, stuck="sha256:001")
    with pytest.raises(UserError, match=r"1 images of repository lab .*ImageReferencedByManifestList.*sha256:001"):
        emptying.empty_repository(ecr, "lab")  # type: ignore[arg-type]


def test_images_that_come_back_are_told() -> None:
    class Pushed(Ecr):
        def batch_delete_image(self, **request: Any) -> Any:
            return {"imageIds": request["imageIds"], "failures": []}

    with pytest.raises(UserError, match="1 images of repository lab come back"):
        emptying.empty_repository(Pushed({"sha256:000": []}), "lab")  # type: ignore[arg-type]


def resource(kind: str, **values: Any) -> dict[str, Any]:
    """A resource as `terraform show -json` has it."""
    return {"mode": "managed", "type": kind, "values": values}


BUCKET_LEFT = resource(
    "aws_s3_bucket", arn=f"arn:aws:s3:::{BUCKET}", bucket=BUCKET, region=REGION, tags_all={"stack": "lab"}
)
QUEUE = resource("aws_batch_job_queue", arn=f"arn:aws:batch:{REGION}:123456789012:job-queue/lab-spot", name="lab-spot")
REPOSITORY = resource("aws_ecr_repository", arn=f"arn:aws:ecr:{REGION}:123456789012:repository/lab", name="lab")
ROLE = resource("aws_iam_role", arn="arn:aws:iam::123456789012:role/lab-job", tags_all={"stack": "lab"})
RULE = resource("aws_vpc_security_group_egress_rule", arn=None)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([], Remains(None, None, None, None, None, ())),
        ([RULE, BUCKET_LEFT], Remains(None, REGION, "lab", BUCKET, None, ())),
        ([ROLE, QUEUE], Remains("123456789012", REGION, "lab", None, None, ("lab-spot",))),
        (
            [RULE, BUCKET_LEFT, QUEUE, REPOSITORY, ROLE],
            Remains("123456789012", REGION, "lab", BUCKET, "lab", ("lab-spot",)),
        ),
        (
            [{"mode": "data", "type": "aws_s3_bucket", "values": {"bucket": "other"}}, ROLE],
            Remains("123456789012", None, "lab", None, None, ()),
        ),
    ],
)
def test_what_stands_is_read_from_the_state(resources: list[dict[str, Any]], expected: Remains) -> None:
    assert find(resources) == expected
