"""Clients of the executor: their lock is explained if it can't be had, and their credentials are renewed."""

from types import SimpleNamespace

import botocore.session
import pytest
from botocore.exceptions import ClientError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import credentials
from snakemake_executor_plugin_aws_batch_fargate import client, lock, signals
from snakemake_executor_plugin_aws_batch_fargate.settings import ExecutorSettings

PREFIX = "s3://data/runs/main"


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket"])
def test_a_lock_that_can_t_be_read_is_explained(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "refused"}}, "GetObject")

    monkeypatch.setattr(client, "client_of", lambda *_: SimpleNamespace(get_object=refuse))
    monkeypatch.setattr(signals, "leave_at_sighup", lambda _: None)
    flow = SimpleNamespace(storage_settings=SimpleNamespace(default_storage_prefix=PREFIX), dag=[1])
    with pytest.raises(WorkflowError, match=rf"{PREFIX} can't be read or written: .*{code}.* s3:ListBucket"):
        lock.take(flow, ExecutorSettings(), "us-east-1", print)


def test_clients_of_the_executor_use_credentials_that_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = botocore.session.Session()
    session.set_credentials("SHARED", "secret")
    monkeypatch.setattr(credentials, "session", lambda: session)
    s3 = client.client_of("s3", "us-east-1")
    assert "SHARED" in s3.generate_presigned_url("get_object", Params={"Bucket": "data", "Key": "a"})
