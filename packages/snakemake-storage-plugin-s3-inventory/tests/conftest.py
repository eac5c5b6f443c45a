"""An AWS for all tests of a process, and storage providers on a bucket of each test's own."""

import gc
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from snakemake_storage_plugin_s3_inventory import transfer
from storage_lab import Store, Stores
from strict_aws import Aws

NUMBERS = itertools.count()

# The time of one example depends more on the machine than on the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def aws(strict_aws_server: Aws) -> Aws:
    """Return the AWS that the tests of a process share, with all their resources: give yours names of their own."""
    return strict_aws_server


@pytest.fixture(autouse=True)
def _no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove the faults that a test has set up, so that they don't reach the next one in the process."""
    yield
    if "aws" in request.fixturenames:
        request.getfixturevalue("aws").forget_faults()


@pytest.fixture(autouse=True)
def _collects_garbage_as_ever() -> Iterator[None]:
    """Collect garbage after each test: providers spare their run that work, and hundreds would leave gigabytes."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()


@pytest.fixture
def bucket(aws: Aws) -> str:
    """Create a bucket for the test and return its name."""
    name = f"storage-{os.getpid()}-{next(NUMBERS)}"
    aws.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def stores(aws: Aws, tmp_path: Path, bucket: str) -> Stores:
    """Return a function that makes stores on one bucket."""
    return lambda **settings: Store(aws, tmp_path / f"local{next(NUMBERS)}", bucket, **settings)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Store objects in parts of 5 MiB, S3's smallest, so that an object of many parts needs no gigabytes."""
    size = 5 << 20
    monkeypatch.setattr(transfer.Transfer.__init__, "__defaults__", (size, size))
    return size


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat transfers without a pause."""
    monkeypatch.setattr(transfer, "PAUSE", 0)
