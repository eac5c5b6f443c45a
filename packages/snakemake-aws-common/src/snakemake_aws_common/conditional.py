"""Conditional writes to S3: of two writers that expect the same state, S3 refuses one."""

import time
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

# A client of S3.
Client: TypeAlias = Any
# S3 answers 409 when writes meet; the same write is tried again.
CONFLICTS = ("ConditionalRequestConflict", "OperationAborted", "409")
# S3 refuses a conditional write by these: the object is another one than expected, or is gone.
REFUSED = ("PreconditionFailed", "412", "NoSuchKey", "404")
MISSING = ("NoSuchKey", "404")
TRIES = 20
PAUSE = 0.2


def put(client: Client, bucket: str, key: str, body: bytes, **condition: str) -> str:
    """Store JSON under `IfMatch` or `IfNoneMatch`, and return its ETag. Raise ClientError if S3 refuses the condition.

    boto3 repeats a request whose answer was lost, and is refused for the object that it has stored itself: an object
    with this content counts as stored. Hence no two writers may write the same.
    """
    for left in reversed(range(TRIES)):
        try:
            answer = client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json", **condition)
            return str(answer["ETag"])
        except ClientError as error:
            if left and error_code(error) in CONFLICTS:
                time.sleep(PAUSE)
                continue
            if error_code(error) in REFUSED and (etag := _etag_of(client, bucket, key, body)) is not None:
                return etag
            raise
    raise AssertionError("the last try returns or raises")


def delete(client: Client, bucket: str, key: str, etag: str) -> None:
    """Delete an object if it still has this ETag. Raise ClientError if S3 refuses."""
    for left in reversed(range(TRIES)):
        try:
            client.delete_object(Bucket=bucket, Key=key, IfMatch=etag)
            return
        except ClientError as error:
            if not left or error_code(error) not in CONFLICTS:
                raise
            time.sleep(PAUSE)


def _etag_of(client: Client, bucket: str, key: str, body: bytes) -> str | None:
    """Return the ETag of the object if it has this content."""
    try:
        answer = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in MISSING:
            return None
        raise
    return str(answer["ETag"]) if answer["Body"].read() == body else None


def error_code(error: ClientError) -> str:
    """Return S3's name for an error, or its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))
