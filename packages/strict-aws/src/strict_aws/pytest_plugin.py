"""Fixtures for tests that need an AWS.

pytest loads this module in every run of an environment, so that nothing it imports may take long.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strict_aws import Aws, running


@pytest.fixture(scope="session")
def strict_aws_settings() -> dict[str, Any]:
    """Return the settings that servers start with: the defaults, unless a conftest.py overrides this."""
    return {}


@pytest.fixture(scope="session")
def strict_aws_server(tmp_path_factory: pytest.TempPathFactory, strict_aws_settings: dict[str, Any]) -> Iterator[Aws]:
    """Return the server that all tests of a process share, for fixtures that outlive a test.

    Whatever is made in it stays: give resources names of their own.
    """
    with running(tmp_path_factory.mktemp("strict-aws") / "server.log") as aws:
        aws.set(**strict_aws_settings)
        yield aws


@pytest.fixture
def strict_aws(strict_aws_server: Aws) -> Iterator[Aws]:
    """Return the shared server with an empty log of requests; undo faults and settings after the test."""
    before = strict_aws_server.settings()
    strict_aws_server.requests(forget=True)
    yield strict_aws_server
    strict_aws_server.forget_faults()
    strict_aws_server.set(**before)


@pytest.fixture(scope="session")
def one_botocore_loader() -> Iterator[None]:
    """Read botocore's descriptions of services once a process.

    Each boto3 session reads them anew, about 0.2 CPU seconds for its first client: code that makes many sessions is
    tested twice as fast.
    """
    # Imported late: see above.
    from botocore.loaders import create_loader

    loader = create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        yield


@pytest.fixture
def fresh_strict_aws(tmp_path: Path, strict_aws_settings: dict[str, Any]) -> Iterator[Aws]:
    """Return a server with nothing in it, for one test alone. It takes about three seconds to start."""
    with running(tmp_path / "strict-aws.log") as aws:
        aws.set(**strict_aws_settings)
        yield aws
