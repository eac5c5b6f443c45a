"""Which data a run is of, and when its default name is refused."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_aws_batch_fargate.claim import claim, data_of, is_other
from snakemake_executor_plugin_aws_batch_fargate.settings import ExecutorSettings

REFERENCE = {"index": ["hg38"], "csq": ["genes"]}


@pytest.mark.parametrize(
    ("earlier", "ours", "other"),
    [
        ({}, {"reads": ["a"]}, False),
        ({"reads": ["a1", "a2"]}, {"reads": ["a1", "a2"]}, False),
        # Samples come and go.
        ({"reads": ["a1", "a2"]}, {"reads": ["a1", "a2", "b1", "b2"]}, False),
        ({"reads": ["a1", "a2", "b1", "b2"]}, {"reads": ["b1", "b2"]}, False),
        # One reference, and all else of another project; down to single files.
        ({"reads": ["a1", "a2"], **REFERENCE}, {"reads": ["b1", "b2"], **REFERENCE}, True),
        ({"reads": ["a"], **REFERENCE}, {"reads": ["b"], **REFERENCE}, True),
        ({"reads": ["a"]}, {"reads": ["b"]}, True),
        # Another reference for the same reads.
        ({"reads": ["a1", "a2"], "index": ["hg19"]}, {"reads": ["a1", "a2"], "index": ["hg38"]}, False),
        # A start that asks for the reference only, and one whose rules have other names.
        ({"reads": ["a"], **REFERENCE}, REFERENCE, False),
        ({"reads": ["a"]}, {"unpack": ["a"]}, False),
    ],
)
def test_whose_data_they_are(earlier: dict[str, list[str]], ours: dict[str, list[str]], other: bool) -> None:
    assert is_other(earlier, ours) is other


@dataclass(frozen=True)
class Rule:
    name: str


@dataclass(eq=False)
class Job:
    rule: Rule
    input: list[str]


class File(str):
    """A file in a storage."""

    is_storage = True

    @property
    def storage_object(self) -> SimpleNamespace:
        return SimpleNamespace(query=str(self))


class S3:
    """Objects by key."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": ""}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: object) -> None:
        self.objects[Key] = Body


def flow(reads: Sequence[str], prefix: str = "s3://data/runs/main") -> SimpleNamespace:
    """A workflow that reads files, a script that lies in no storage, and what it makes itself."""
    read = Job(Rule("read"), [*map(File, reads), "scripts/read.py"])
    gather = Job(Rule("gather"), [File("s3://data/made")])
    return SimpleNamespace(
        dag=SimpleNamespace(jobs=[read, gather], dependencies={read: {}, gather: {read: {File("s3://data/made")}}}),
        storage_settings=SimpleNamespace(default_storage_prefix=prefix),
    )


def test_only_what_nobody_makes_is_data() -> None:
    assert data_of(flow(["s3://raw/a"])) == {"read": {"s3://raw/a"}}


def test_the_default_name_is_refused_and_others_are_not() -> None:
    s3, given = S3(), ExecutorSettings(run_hint="NAME=x", any_data_hint="NAME=main")
    claim(flow(["s3://raw/a"]), s3, given)
    (kept,) = s3.objects.items()
    assert kept[0] == "runs/main/.run-data.json"
    with pytest.raises(
        WorkflowError, match=r"which read s3://raw/a .*reads s3://raw/b\. .*NAME=x\. .*say so: NAME=main"
    ):
        claim(flow(["s3://raw/b"]), s3, given)
    assert dict([kept]) == s3.objects
    claim(flow(["s3://raw/b"]), s3, ExecutorSettings(run_name="cohort7"))
    assert json.loads(s3.objects["runs/main/.run-data.json"])["examples"] == ["s3://raw/b"]


def test_data_that_were_dropped_still_count() -> None:
    """A sample was taken off the sheet, then all others: each start has something in common with those before."""
    s3, given = S3(), ExecutorSettings()
    for reads in (["a", "b"], ["b", "c"], ["c"], ["a"]):
        claim(flow(reads), s3, given)


@pytest.mark.parametrize("damaged", [b"", b"[]", b'{"data": 3}', b"no json"])
def test_a_record_that_is_none_refuses_nobody(damaged: bytes) -> None:
    s3 = S3()
    s3.objects["runs/main/.run-data.json"] = damaged
    claim(flow(["a"]), s3, ExecutorSettings())
    assert json.loads(s3.objects["runs/main/.run-data.json"])["data"]["read"]
