"""The stack as `make deploy` has published it, and what stands in its way."""

from typing import Any

import pytest

from cloud import BUCKET, CONFIG, Cloud
from terraflow_airflow import stack as stacks
from terraflow_airflow.aws import Account
from terraflow_airflow.errors import OrderError
from terraflow_airflow.stack import Stack

READ = Stack(
    bucket=BUCKET,
    region="us-east-1",
    name="lab",
    head_queue="lab-head",
    queues=("lab-ondemand", "lab-spot"),
    launcher="lab-launcher",
    log_group="/terraflow/lab",
    tags={"project": "terraflow", "stack": "lab"},
    budget=20,
    config=CONFIG,
)


def test_the_bucket_s_name_is_enough(cloud: Cloud) -> None:
    assert stacks.read(cloud.s3, BUCKET) == READ
    cloud.publish(None, inbox_budget=None)
    bare = stacks.read(cloud.s3, BUCKET)
    assert (bare.budget, bare.config) == (None, None)


def test_airflow_s_own_limit_counts_before_the_inbox_s(cloud: Cloud) -> None:
    for airflow, budget in (({"budget": 50}, 50), ({"budget": None}, 20), (None, 20)):
        cloud.publish(airflow=airflow)
        assert stacks.read(cloud.s3, BUCKET).budget == budget


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"launcher_job_definition": None}, "Stack lab has no launchers"),
        ({"queues": {"spot": "lab-spot"}}, "head_jobs = true"),
        ({"tags": None}, "is not what `make deploy` writes (TypeError"),
    ],
)
def test_a_stack_that_starts_no_runs_is_refused(cloud: Cloud, outputs: dict[str, Any], words: str) -> None:
    cloud.publish(**outputs)
    with pytest.raises(OrderError) as error:
        stacks.read(cloud.s3, BUCKET)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("key", "body", "words"),
    [
        ("workflow/current.json", None, "current.json is missing: `make deploy` publishes"),
        ("workflow/current.json", b"{", "current.json is not what `make deploy` writes"),
        ("workflow/current.json", b"[]", "current.json is not what"),
        ("workflow/current.json", b'{"archive": "workflow/0b.tar.xz"}', "0b.tar.xz is not what"),
        ("workflow/0a.tar.xz", b"no archive", "0a.tar.xz is not what"),
    ],
)
def test_what_is_damaged_is_named(cloud: Cloud, key: str, body: bytes | None, words: str) -> None:
    if body is None:
        cloud.s3.delete_object(Bucket=BUCKET, Key=key)
    else:
        cloud.put(key, body)
    with pytest.raises(OrderError) as error:
        stacks.read(cloud.s3, BUCKET)
    assert words in str(error.value)


def test_clients_are_those_of_airflow_s_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = '{"conn_type": "aws", "login": "key", "password": "word", "extra": {"region_name": "eu-west-3", '
    monkeypatch.setenv("AIRFLOW_CONN_LAB", connection + '"endpoint_url": "http://127.0.0.1:1"}}')
    lab, elsewhere = Account("lab"), Account("lab", "eu-north-1")
    for client in (lab.s3, lab.batch, lab.logs):
        assert (client.meta.region_name, client.meta.endpoint_url) == ("eu-west-3", "http://127.0.0.1:1")
        assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 8}
    assert elsewhere.batch.meta.region_name == "eu-north-1"
