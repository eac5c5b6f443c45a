"""Directories go and come back whole, and nothing lands outside them."""

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from storage_lab import Stores
from strict_aws import Aws


def test_a_directory_goes_and_comes_back_whole(stores: Stores, aws: Aws, bucket: str) -> None:
    writer = stores()
    made = writer("runs/main/folder")
    files = {"a": b"1", "b c/d": b"22", "b c/.snakemake_timestamp": b""}
    for name, data in files.items():
        path = made.local_path() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (made.local_path() / "none").mkdir()
    writer.store("runs/main/folder.txt", b"beside")
    asyncio.run(made.managed_store())

    reader = stores()
    found = reader("runs/main/folder")
    assert found.exists()
    assert found.is_dir()
    assert found.size() == 3
    assert found.mtime() > 0
    asyncio.run(found.managed_retrieve())
    copies = {str(p.relative_to(found.local_path())): p for p in found.local_path().rglob("*")}
    assert {name: path.read_bytes() for name, path in copies.items() if path.is_file()} == files
    assert copies["none"].is_dir()

    found.remove()
    assert not found.exists()
    keys = [entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["runs/main/folder.txt"]


def test_a_folder_that_cannot_be_read_fails_its_directory(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    made = stores()("runs/main/folder")
    (made.local_path() / "closed").mkdir(parents=True)
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(WorkflowError, match=r"folder/closed\): Permission denied"):
        asyncio.run(made.managed_store())


@pytest.mark.parametrize("inside", ["a//b", "./c", "a/./c"])
def test_objects_that_would_share_a_place_on_a_disk_are_refused(
    aws: Aws, stores: Stores, bucket: str, inside: str
) -> None:
    for key in (f"runs/main/folder/{inside}", "runs/main/folder/x"):
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
    with pytest.raises(WorkflowError, match="would not lie in the folder"):
        asyncio.run(stores()("runs/main/folder").managed_retrieve())


def test_what_links_in_a_directory_lead_to_comes_along(stores: Stores, aws: Aws, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b").write_bytes(b"b")
    made = stores()("runs/main/folder")
    made.local_path().mkdir(parents=True)
    (made.local_path() / "a").write_bytes(b"a")
    (made.local_path() / "file").symlink_to("a")
    (made.local_path() / "inside").symlink_to(tmp_path / "elsewhere")
    asyncio.run(made.managed_store())
    keys = [entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == [f"runs/main/folder/{name}" for name in ("a", "file", "inside/b")]


@pytest.mark.parametrize("inside", ["/etc/evil", "../../evil", "a/../../evil"])
def test_no_key_leads_out_of_a_directory(aws: Aws, stores: Stores, bucket: str, tmp_path: Path, inside: str) -> None:
    name = f"{tmp_path}/evil" if inside.startswith("/") else inside
    aws.client("s3").put_object(Bucket=bucket, Key=f"runs/main/folder/{name}", Body=b"x")
    with pytest.raises(WorkflowError, match="would not lie in the folder"):
        asyncio.run(stores()("runs/main/folder").managed_retrieve())
    assert list(tmp_path.rglob("evil")) == []


def test_an_empty_directory_exists(stores: Stores) -> None:
    writer = stores()
    made = writer("runs/main/folder")
    made.local_path().mkdir(parents=True)
    asyncio.run(made.managed_store())
    found = stores()("runs/main/folder")
    assert found.is_dir()
    asyncio.run(found.managed_retrieve())
    assert list(found.local_path().iterdir()) == []
