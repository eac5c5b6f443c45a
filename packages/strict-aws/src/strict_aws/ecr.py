"""ECR: its images are those of a real registry on the loopback address, or of the Docker engine under ECR's names.

On AWS, DescribeImages describes what was pushed. moto knows only the images of PutImage, and deletes images that an
index lists.
"""

import base64
import contextlib
import datetime
import hashlib
import json
import threading
import urllib.error
import urllib.request
from typing import Any

import docker
from moto.core.responses import ActionResult
from moto.ecr.exceptions import ImageAlreadyExistsException
from moto.ecr.models import ECRBackend, Repository
from moto.ecr.responses import ECRResponse

from strict_aws.state import STATE

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

# Two calls at once would both put an image that moto does not know, and the second would be refused.
_FETCHING = threading.RLock()


def token() -> str:
    """Return the token for `docker login`: user AWS and the password that the registry takes."""
    return base64.b64encode(f"AWS:{STATE.setting('registry_password')}".encode()).decode()


def _ask_registry(path: str, method: str = "GET") -> bytes:
    headers = {"Authorization": f"Basic {token()}", "Accept": MANIFEST}
    request = urllib.request.Request(f"http://{STATE.setting('registry')}/v2/{path}", headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return bytes(response.read())


def _in_registry(name: str) -> dict[str, str]:
    """Return manifests by tag, as the registry has them."""
    try:
        tags = json.loads(_ask_registry(f"{name}/tags/list"))["tags"] or []
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return {}
        raise
    return {tag: _ask_registry(f"{name}/manifests/{tag}").decode() for tag in tags}


def _in_engine(uri: str) -> dict[str, str]:
    """Return made-up manifests by tag for the engine's images of this name."""
    found = {}
    with contextlib.suppress(docker.errors.DockerException):
        for image in docker.from_env().images.list(name=uri):
            config = {"digest": image.id, "size": image.attrs["Size"], "mediaType": "application/json"}
            manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
            for reference in image.tags:
                if reference.startswith(uri + ":"):
                    found[reference.rpartition(":")[2]] = json.dumps(manifest)
    return found


def fetch(backend: ECRBackend, name: str) -> None:
    """Put images that were pushed or tagged, and that moto does not know, into a repository of moto's."""
    repository = backend.repositories.get(name)
    if repository is None:
        return
    with _FETCHING:
        known = {tag for image in repository.images for tag in image.image_tags}
        images = _in_registry(name) if STATE.setting("registry") else _in_engine(repository.uri)
        for tag, manifest in images.items():
            if tag not in known:
                with contextlib.suppress(ImageAlreadyExistsException):
                    backend.put_image(name, manifest, tag)


def _delete_in_registry(backend: ECRBackend, name: str, ids: list[dict[str, str]]) -> None:
    """Delete images in the registry, by the tags that moto knows them by."""
    digests = {image.get("imageDigest") for image in ids}
    for image in backend.repositories[name].images if name in backend.repositories else []:
        tags = image.image_tags if image.get_image_digest() in digests else []
        for tag in {*tags, *(one["imageTag"] for one in ids if one.get("imageTag") in image.image_tags)}:
            with contextlib.suppress(urllib.error.HTTPError):
                digest = hashlib.sha256(_ask_registry(f"{name}/manifests/{tag}")).hexdigest()
                _ask_registry(f"{name}/manifests/sha256:{digest}", "DELETE")


def _held(backend: ECRBackend, name: str) -> set[str]:
    """Return the digests of images that an index in the repository lists: they can't be deleted before it."""
    images = backend.repositories[name].images if name in backend.repositories else []
    return {entry["digest"] for image in images for entry in json.loads(image.image_manifest).get("manifests", [])}


def patch() -> None:
    """Make addresses, login and images of repositories those of the registry or engine."""

    def uri(self: Repository) -> str:
        host = STATE.setting("registry") or f"{self.registry_id}.dkr.ecr.{self.region_name}.amazonaws.com"
        return f"{host}/{self.name}"

    def get_authorization_token(self: ECRResponse) -> ActionResult:
        host = STATE.setting("registry")
        default = f"https://{self.current_account}.dkr.ecr.{self.region}.amazonaws.com"
        # AWS's tokens are valid for twelve hours; moto's ended in 2015.
        expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=12)
        data = {
            "authorizationToken": token(),
            "expiresAt": expires,
            "proxyEndpoint": f"http://{host}" if host else default,
        }
        return ActionResult({"authorizationData": [data]})

    def fetching(name: str) -> None:
        original = getattr(ECRBackend, name)

        def call(self: ECRBackend, repository_name: str, *rest: Any, **options: Any) -> Any:
            fetch(self, repository_name)
            return original(self, repository_name, *rest, **options)

        setattr(ECRBackend, name, call)

    delete = ECRBackend.batch_delete_image

    def batch_delete_image(
        self: ECRBackend, repository_name: str, registry_id: str | None = None, image_ids: Any = None
    ) -> dict[str, Any]:
        free, failures = [], []
        for image in image_ids or []:
            held = image.get("imageDigest") in _held(self, repository_name)
            if held:
                reason = "Requested image referenced by manifest list"
                failures.append(
                    {"imageId": image, "failureCode": "ImageReferencedByManifestList", "failureReason": reason}
                )
            else:
                free.append(image)
        if STATE.setting("registry"):
            _delete_in_registry(self, repository_name, free)
        done = delete(self, repository_name, registry_id, free) if free else {"imageIds": [], "failures": []}
        return done | {"failures": done["failures"] + failures}

    ECRBackend.batch_delete_image = batch_delete_image  # type: ignore[method-assign]
    Repository.uri = property(uri, lambda self, value: None)  # type: ignore[assignment]
    ECRResponse.get_authorization_token = get_authorization_token  # type: ignore[method-assign]
    for name in ("describe_images", "list_images", "batch_get_image"):
        fetching(name)
