"""An AWS, and the stack applied to it, for all tests of the cloud."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import needs
import pytest
from snakemake_heads import serving_heads
from stacks import Deployed, Stack, copy_of_stack, deploy

from fake_batch import FakeAws
from strict_aws import Aws


@pytest.fixture(scope="session")
def aws(strict_aws_server: Aws) -> Aws:
    """Return the AWS that the tests of a process share, with all their resources: give yours names of their own."""
    return strict_aws_server


@pytest.fixture(scope="session")
def server() -> Iterator[FakeAws]:
    """Return the fake AWS of heads whose jobs are processes; there is one for each test process."""
    with serving_heads() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove the faults that a test has set up, so that they don't reach the next one in the process."""
    yield
    if "aws" in request.fixturenames:
        request.getfixturevalue("aws").forget_faults()


@pytest.fixture
def empty_aws(fresh_strict_aws: Aws) -> Aws:
    """Return an empty AWS for one test."""
    return fresh_strict_aws


@pytest.fixture(scope="session")
def new_stack(tmp_path_factory: pytest.TempPathFactory, aws: Aws) -> Callable[[], Stack]:
    """Return a function that copies the stack, each time to a folder of its own."""

    def make() -> Stack:
        return copy_of_stack(tmp_path_factory.mktemp("stack") / "terraform", aws)

    return make


@pytest.fixture(scope="session")
def deployed_stack(tmp_path_factory: pytest.TempPathFactory, aws: Aws) -> Iterator[Deployed]:
    """Return the stack with its defaults, applied once for each test process. Don't change it."""
    needs.need_terraform()
    yield deploy(tmp_path_factory.mktemp("deployed"), aws)


@pytest.fixture(scope="session", autouse=True)
def _clean() -> Iterator[None]:
    yield
    needs.forget_terraform()


@pytest.fixture
def settings(aws: Aws) -> Callable[..., AbstractContextManager[None]]:
    """Return a context manager that changes settings of the shared AWS for the length of a `with`."""
    return aws.changed
