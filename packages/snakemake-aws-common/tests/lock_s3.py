"""An S3 with one object, conditional writes and a clock of its own, for tests of the lock."""

import io
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from snakemake_aws_common import lease

Fault = Exception | str | None


class S3:
    """One object, conditional writes, and a clock apart from the machine's."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0
        self.body: bytes | None = None
        self.etag, self.stored, self.writes = "", 0.0, 0
        self.calls: list[str] = []
        # Failures of an operation, each once: an error, "lost" for an answer that does not arrive, or "repeated" for a
        # request that botocore sends again for that reason.
        self.faults: dict[str, list[Fault]] = {}

    def _answer(self, **more: Any) -> dict[str, Any]:
        return {"ResponseMetadata": {"HTTPHeaders": {"date": formatdate(self.now, usegmt=True)}}, **more}

    def refuse(self, code: str, status: int = 400) -> ClientError:
        answer = self._answer(Error={"Code": code, "Message": "refused"})
        answer["ResponseMetadata"]["HTTPStatusCode"] = status
        return ClientError(answer, "PutObject")  # type: ignore[arg-type]

    def _begin(self, operation: str) -> str | None:
        self.calls.append(operation)
        faults = self.faults.get(operation, [])
        fault = faults.pop(0) if faults else None
        if isinstance(fault, Exception):
            raise fault
        return fault

    def _compare(self, asked: dict[str, Any]) -> None:
        if asked.get("IfNoneMatch") == "*" and self.body is not None:
            raise self.refuse("PreconditionFailed")
        if "IfMatch" in asked and self.body is None:
            raise self.refuse("NoSuchKey")
        if "IfMatch" in asked and asked["IfMatch"] != self.etag:
            raise self.refuse("PreconditionFailed")

    def get_object(self, **asked: Any) -> dict[str, Any]:
        self._begin("get")
        if self.body is None:
            raise self.refuse("NoSuchKey")
        if asked.get("IfNoneMatch") == self.etag:
            raise self.refuse("304", 304)
        modified = datetime.fromtimestamp(int(self.stored), UTC)
        return self._answer(Body=io.BytesIO(self.body), ETag=self.etag, LastModified=modified)

    def put_object(self, **asked: Any) -> dict[str, Any]:
        fault = self._begin("put")
        self._compare(asked)
        self.body, self.stored, self.writes = asked["Body"], self.now, self.writes + 1
        self.etag = f'"{hash(self.body)}"'
        if fault == "repeated":
            self._compare(asked)
        if fault == "lost":
            raise EndpointConnectionError(endpoint_url="https://s3")
        return self._answer(ETag=self.etag)

    def delete_object(self, **asked: Any) -> dict[str, Any]:
        self._begin("delete")
        self._compare(asked)
        self.body = None
        return self._answer()


def passes(s3: S3, monkeypatch: pytest.MonkeyPatch, then: Callable[[], object] = lambda: None) -> None:
    """Let each wait move S3's clock and call `then`."""

    def rest(seconds: float, _: threading.Event) -> bool:
        s3.now += seconds
        then()
        return False

    monkeypatch.setattr(lease, "sleep_unless_cancelled", rest)
