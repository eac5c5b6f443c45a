"""ECR: the engine's images, a registry behind it, and indexes."""

import json

import docker

from strict_aws import Aws
from strict_helpers import IMAGE, code

MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"digest": "sha256:" + "1" * 64, "size": 1},
    "layers": [],
}
INDEX = "application/vnd.oci.image.index.v1+json"


def test_ecr_has_the_engine_s_images(strict_aws: Aws, engine: docker.DockerClient) -> None:

    ecr = strict_aws.client("ecr")
    uri = ecr.create_repository(repositoryName="tests-aws")["repository"]["repositoryUri"]
    assert uri == "123456789012.dkr.ecr.us-east-1.amazonaws.com/tests-aws"
    asked = {"repositoryName": "tests-aws", "imageIds": [{"imageTag": "worker-1"}]}
    assert code(ecr.describe_images, **asked) == "ImageNotFoundException"

    engine.images.get(IMAGE).tag(uri, "worker-1")
    try:
        [image] = ecr.describe_images(**asked)["imageDetails"]
        assert image["imageTags"] == ["worker-1"]
    finally:
        engine.images.remove(f"{uri}:worker-1")


def test_a_registry_can_stand_behind_ecr(strict_aws: Aws) -> None:
    strict_aws.client("ecr").create_repository(repositoryName="behind")
    strict_aws.set(registry="127.0.0.1:5000", registry_password="pass")
    ecr = strict_aws.client("ecr")
    [repository] = ecr.describe_repositories(repositoryNames=["behind"])["repositories"]
    assert repository["repositoryUri"] == "127.0.0.1:5000/behind"
    [login] = ecr.get_authorization_token()["authorizationData"]
    assert login["proxyEndpoint"] == "http://127.0.0.1:5000"


def test_images_of_an_index_are_deleted_after_it(strict_aws: Aws) -> None:
    ecr = strict_aws.client("ecr")
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
