"""Marks of what has been told: one message for one end, however often its event comes.

A mark is an object that only one call can create. It says whether the message has gone out: a call that failed between
the two is repeated by AWS after a minute, finds its mark unfinished, and sends.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

# S3's refusals of a conditional write.
REFUSED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
# Seconds after which an unfinished mark is nobody's: longer than the function may run, and shorter than AWS's pause.
HELD = 60


class HeldError(Exception):
    """Another call may still be at it; AWS repeats this one later."""


def once(s3: Any, bucket: str, key: str, send: Callable[[], None]) -> bool:  # noqa: ANN401
    """Call `send` unless that has been done under this key; return whether it was called.

    `s3` is a client. An exception of `send` is passed on, and leaves the mark unfinished. Raise HeldError if a mark of
    another call is unfinished: it may be at work, or have failed.
    """
    condition = {"IfNoneMatch": "*"}
    while True:
        try:
            etag = s3.put_object(Bucket=bucket, Key=key, Body=_body(sent=False), **condition)["ETag"]
            break
        except ClientError as error:
            if error.response["Error"]["Code"] not in REFUSED:
                raise
        answer = s3.get_object(Bucket=bucket, Key=key)
        age = (datetime.now(UTC) - answer["LastModified"]).total_seconds()
        if json.loads(answer["Body"].read())["sent"]:
            return False
        if age < HELD or "IfMatch" in condition:
            raise HeldError(key)
        condition = {"IfMatch": answer["ETag"]}
    send()
    s3.put_object(Bucket=bucket, Key=key, Body=_body(sent=True), IfMatch=etag)
    return True


def _body(sent: bool) -> bytes:
    # No two marks are equal: their ETags would be.
    return json.dumps({"sent": sent, "at": datetime.now(UTC).isoformat()}).encode()
