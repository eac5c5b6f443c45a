"""Finds the images that a registry lacks, and pushes them."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from botocore.exceptions import BotoCoreError, ClientError
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from terraflow.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_ecr.client import ECRClient

# The kinds of manifests that a tag may name. Without them a registry answers in an old form or not at all.
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SECONDS = 30
# The settings of a Docker configuration that say how to reach the engine. The others are credentials of registries.
ENGINE_SETTINGS = ("currentContext", "proxies", "HttpHeaders")


@dataclass(frozen=True)
class Authorisation:
    """User and password for a registry, good for twelve hours. Its text does not show the password."""

    user: str
    password: str = field(repr=False)


def authorisation(ecr: "ECRClient") -> Authorisation:
    """Return ECR's authorisation for Docker clients. Raise UserError when it gives none."""
    try:
        data = ecr.get_authorization_token()["authorizationData"][0]
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"ECR gives no authorisation to push images: {error}") from None
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return Authorisation(user, password)


def repository(ecr: "ECRClient", name: str) -> str | None:
    """Return the address of a repository, without a tag; None if there is none of this name."""
    try:
        return ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryUri"]
    except ecr.exceptions.RepositoryNotFoundException:
        return None


def missing(repository_url: str, tags: Iterable[str], by: Authorisation) -> list[str]:
    """Ask the registry which of the tags its repository lacks. Raise UserError when it does not answer."""
    host, _, name = repository_url.partition("/")
    scheme = "http" if host.rpartition(":")[0] in LOOPBACK else "https"
    lacking = []
    with requests.Session() as session:
        # No proxy and no credentials of a .netrc for a registry on this machine.
        session.trust_env = scheme == "https"
        session.auth = (by.user, by.password)
        session.headers["Accept"] = ", ".join(MANIFESTS)
        retry = Retry(3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
        session.mount(f"{scheme}://", HTTPAdapter(max_retries=retry))
        for tag in tags:
            try:
                answer = session.head(f"{scheme}://{host}/v2/{name}/manifests/{tag}", timeout=SECONDS)
            except requests.RequestException as error:
                raise UserError(
                    f"Registry {host} does not answer ({error}). Is it up, and is there a way to it?"
                ) from None
            if answer.status_code == requests.codes.not_found:
                lacking.append(tag)
            elif answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
                raise UserError(
                    f"Registry {host} refuses to say whether {name}:{tag} is there ({answer.status_code}): the AWS "
                    "credentials need ecr:GetAuthorizationToken, ecr:BatchGetImage and the actions of a push."
                )
            elif answer.status_code != requests.codes.ok:
                raise UserError(
                    f"Registry {host} answers {answer.status_code} {answer.reason} for {name}:{tag}. Try again later."
                )
    return lacking


def push(image: str, repository_url: str, tag: str, by: Authorisation) -> None:
    """Push a local image; Docker's output goes to the terminal. Raise UserError if the registry lacks it afterwards."""
    name = f"{repository_url}:{tag}"
    _docker(dict(os.environ), "tag", image, name)
    with _logged_in(repository_url.partition("/")[0], by) as env:
        done = subprocess.run(["docker", "push", name], env=env, check=False)
    # Someone else may have pushed the same content meanwhile: then the tag is there, and can't be written again.
    if missing(repository_url, [tag], by):
        raise UserError(
            f"docker push of {name} ended with exit code {done.returncode}, and the image is not there; its reason is "
            "above. What was sent stays: try again."
        )


@contextmanager
def _logged_in(host: str, by: Authorisation) -> Iterator[Mapping[str, str]]:
    """Yield the environment of a Docker client that is logged in, with a configuration that is removed afterwards.

    The user's own configuration is not touched: no password stays in it or in a keychain.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    with tempfile.TemporaryDirectory(prefix="terraflow-docker-") as folder:
        # A configuration that names no registry would make Docker use the machine's keychain.
        settings: dict[str, Any] = {"auths": {host: {}}}
        try:
            read = json.loads((own / "config.json").read_text())
            settings |= {key: read[key] for key in ENGINE_SETTINGS if key in read}
        except (OSError, ValueError, TypeError):
            pass
        (Path(folder) / "config.json").write_text(json.dumps(settings))
        if (own / "contexts").is_dir():
            shutil.copytree(own / "contexts", Path(folder) / "contexts")
        env = {**os.environ, "DOCKER_CONFIG": folder}
        _docker(env, "login", "--username", by.user, "--password-stdin", host, stdin=by.password)
        yield env


def _docker(env: Mapping[str, str], *arguments: str, stdin: str = "") -> None:
    done = subprocess.run(["docker", *arguments], env=env, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip()
        raise UserError(f"docker {arguments[0]} failed: {words.replace(stdin, '***') if stdin else words}")
