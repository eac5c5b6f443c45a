"""Fixtures for the tests of strict-aws: the Docker engine, an image for jobs, and small resources."""

import os
from collections.abc import Iterator
from typing import NoReturn

import docker
import pytest
from docker.errors import DockerException, ImageNotFound

IMAGE = "debian:trixie-slim"


def lack(what: str) -> NoReturn:
    """Skip the test, or fail it in CI, where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what.partition("\n")[0])


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """A Docker engine that has the image of the tests' jobs."""
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except DockerException as problem:
        lack(f"No Docker engine answers (is dockerd running?)\n{problem}")
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        try:
            client.images.pull(IMAGE)
        except DockerException as problem:
            lack(f"The engine has no {IMAGE} and can't pull it\n{problem}")
    yield client
    client.close()
