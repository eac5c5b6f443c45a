"""Conditional writes whose answers are lost, that meet others, and that S3 refuses."""

import pytest
from botocore.exceptions import ClientError

from lock_s3 import S3
from snakemake_aws_common import conditional


def put(s3: S3, body: bytes, **condition: str) -> str:
    return conditional.put(s3, "bucket", "key", body, **condition)


@pytest.mark.parametrize("first", [True, False])
def test_a_write_whose_answer_was_lost_is_one_s_own(first: bool) -> None:
    """S3 refuses the repetition: the object is there already."""
    s3 = S3()
    condition = {"IfNoneMatch": "*"} if first else {"IfMatch": put(s3, b"before", IfNoneMatch="*")}
    s3.faults["put"] = ["repeated"]
    assert put(s3, b"ours", **condition) == s3.etag
    assert s3.body == b"ours"


@pytest.mark.parametrize("body", [b"theirs", None])
def test_another_s_object_is_refused(body: bytes | None) -> None:
    s3 = S3()
    s3.body, s3.etag = body, "theirs"
    with pytest.raises(ClientError):
        put(s3, b"ours", IfMatch="before")
    assert s3.body == body


@pytest.mark.parametrize(("meetings", "stored"), [(conditional.TRIES - 1, b"ours"), (conditional.TRIES, None)])
def test_writes_that_meet_are_tried_again(monkeypatch: pytest.MonkeyPatch, meetings: int, stored: bytes | None) -> None:
    monkeypatch.setattr(conditional, "PAUSE", 0.0)
    s3 = S3()
    s3.faults["put"] = [s3.refuse("ConditionalRequestConflict", 409) for _ in range(meetings)]
    if stored:
        assert put(s3, b"ours", IfNoneMatch="*") == s3.etag
    else:
        with pytest.raises(ClientError, match="ConditionalRequestConflict"):
            put(s3, b"ours", IfNoneMatch="*")
    assert s3.body == stored


def test_a_deletion_that_meets_a_write_is_tried_again() -> None:
    s3 = S3()
    etag = put(s3, b"ours", IfNoneMatch="*")
    s3.faults["delete"] = [s3.refuse("OperationAborted", 409)]
    conditional.delete(s3, "bucket", "key", etag)
    assert s3.body is None
