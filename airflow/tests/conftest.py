"""Airflow in a folder of its own, without a database, and a stack that its hooks reach."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before Airflow is imported.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{Path(_HOME.name, 'airflow.db')}"
os.environ["AIRFLOW_VAR_TERRAFLOW_BUCKET"] = "lab-data"
for _name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
    os.environ.pop(_name, None)
os.environ |= {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_DEFAULT_REGION": "us-east-1"}
os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = '{"conn_type": "aws", "extra": {"region_name": "us-east-1"}}'

import pytest  # noqa: E402
from moto import mock_aws  # noqa: E402

from cloud import Cloud  # noqa: E402
from terraflow_airflow.aws import Account  # noqa: E402


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A published stack, which every account of Airflow reaches. Clients are made once: that takes most of the time."""
    with mock_aws():
        made = Cloud()
        made.publish()
        monkeypatch.setattr(Account, "s3", property(lambda _: made.s3))
        monkeypatch.setattr(Account, "logs", property(lambda _: made.logs))
        monkeypatch.setattr(Account, "batch", property(lambda _: made.batch))
        yield made
