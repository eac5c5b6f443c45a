"""Whether a storage provider's process needs the lock of a run, and that it changes nothing without it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import head
from snakemake_aws_common.lease import LostError
from snakemake_storage_plugin_s3_inventory import StorageProvider, StorageProviderSettings

PREFIX = "s3://data/runs/main"


class Lease:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.held: list[str] = []
        self.lost = False

    def check(self) -> None:
        if self.lost:
            raise LostError("another head works")


@pytest.fixture
def lease(monkeypatch: pytest.MonkeyPatch) -> Lease:
    """The lock of whoever asks; nothing answers beside it."""
    made = Lease()

    def hold(prefix: str, say: object, **_: object) -> Lease:
        made.held.append(prefix)
        return made

    monkeypatch.setattr(head, "hold", hold)
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return made


def provider(folder: Path, is_default: bool = True, **settings: Any) -> StorageProvider:
    logger: Any = SimpleNamespace(warning=print)
    return StorageProvider(
        folder, logger, settings=StorageProviderSettings(retries=0, **settings), is_default=is_default
    )


def workflow(**changed: Any) -> SimpleNamespace:
    """A head that is about to run jobs."""
    given = {"scheduler": object(), "is_main_process": True, "dryrun": False, "remote_exec": False, "prefix": PREFIX}
    given |= changed
    return SimpleNamespace(storage_settings=SimpleNamespace(default_storage_prefix=given.pop("prefix")), **given)


@pytest.mark.parametrize(
    ("flow", "settings", "begins", "writes"),
    [
        (workflow(), {}, True, True),
        # While a run is planned, or its outputs are deleted, only what is written counts.
        (workflow(scheduler=None), {}, False, True),
        (workflow(is_main_process=False), {}, False, False),
        (workflow(dryrun=True), {}, False, False),
        (workflow(prefix=None), {}, False, False),
        (workflow(prefix="gs://data"), {}, False, False),
        (workflow(), {"lock_seconds": 0}, False, False),
        (workflow(), {"is_default": False}, False, False),
        (None, {}, False, False),
    ],
)
def test_who_takes_the_lock(
    lease: Lease, tmp_path: Path, flow: Any, settings: dict[str, Any], begins: bool, writes: bool
) -> None:
    one = provider(tmp_path, **settings)
    one.session.state.workflow = flow
    one.session.lock.begin()
    assert lease.held == [PREFIX] * begins
    with pytest.raises(EndpointConnectionError):
        one.client.put_object(Bucket="data", Key="x", Body=b"")
    assert lease.held == [PREFIX] * writes


WRITES = {
    "put_object": {"Body": b""},
    "delete_object": {},
    "delete_objects": {"Delete": {"Objects": [{"Key": "x"}]}},
    "copy_object": {"CopySource": "data/y"},
    "create_multipart_upload": {},
    "upload_part": {"UploadId": "1", "PartNumber": 1, "Body": b""},
    "complete_multipart_upload": {"UploadId": "1"},
}


@pytest.mark.parametrize("operation", WRITES)
def test_who_lost_the_run_changes_nothing(lease: Lease, tmp_path: Path, operation: str) -> None:
    one = provider(tmp_path)
    one.session.state.workflow = workflow()
    lease.lost = True
    key = {} if operation == "delete_objects" else {"Key": "x"}
    with pytest.raises(LostError, match="another head works"):
        getattr(one.client, operation)(Bucket="data", **key, **WRITES[operation])
    for reads in ("head_object", "get_object"):
        with pytest.raises(EndpointConnectionError):
            getattr(one.client, reads)(Bucket="data", Key="x")


def test_a_result_is_not_stored_by_who_lost_the_run(lease: Lease, tmp_path: Path) -> None:
    """Neither is it tried again, nor taken for trouble that passes."""
    one = provider(tmp_path / "local")
    one.session.state.workflow = workflow()
    lease.lost = True
    result = one.object(f"{PREFIX}/results/all.txt")
    (tmp_path / "all.txt").write_text("made")
    result.set_local_path(tmp_path / "all.txt")
    with pytest.raises(WorkflowError, match="another head works"):
        result.store_object()
