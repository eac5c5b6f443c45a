"""What a test can make go wrong.

A fault is a dictionary; `times` (1) is how often it strikes, `skip` (0) how many that fit it lets pass first.

Calls: `call` is one of
  error     answers with `status` and `code` (503 SlowDown) instead of doing anything
  reset     does nothing and cuts the connection
  truncate  answers, but cuts the connection after half of the body
and fits by any of `service`, `operation`, `key` (a pattern such as "runs/*"), `caller` (access key).

Jobs: `job` is one of those in `aws/jobs.py`, and fits by `name`, a pattern for the job's name; `seconds` (0) after the
container has started it strikes, or as soon after that as a command line in the container has the words `process`.
"""

import json
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from strict_aws.state import STATE

Environ = dict[str, Any]


def take(kind: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """The first fault of a kind ("call" or "job") that fits and strikes now; it is used up once by that."""
    with STATE.lock:
        for fault in STATE.faults:
            if kind not in fault or not fits(fault):
                continue
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                continue
            fault["times"] = fault.get("times", 1) - 1
            if fault["times"] <= 0:
                STATE.faults.remove(fault)
            return fault
    return None


def fits_call(fault: dict[str, Any], record: dict[str, Any]) -> bool:
    """Whether a fault means this call."""
    return all(fnmatchcase(record[field], fault.get(field, "*")) for field in ("service", "operation", "key", "caller"))


def error(service: str, status: int, code: str, message: str) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of an error as the service would write it."""
    if service in ("s3", "iam", "sts", "ec2"):
        inner = f"<Code>{code}</Code><Message>{message}</Message>"
        wrapped = f"<Error>{inner}</Error>"
        if service in ("iam", "sts"):
            wrapped = f"<ErrorResponse>{wrapped}</ErrorResponse>"
        elif service == "ec2":
            wrapped = f"<Response><Errors>{wrapped}</Errors></Response>"
        return [("Content-Type", "application/xml")], wrapped.encode()
    body = json.dumps({"__type": code, "message": message}).encode()
    return [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)], body


class Faults:
    """WSGI layer that strikes."""

    def __init__(self, application: Callable[[Environ, Any], Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        record = environ["aws.record"]
        fault = take("call", lambda fault: fits_call(fault, record))
        if fault is None:
            return self.application(environ, start_response)
        record["fault"] = kind = fault["call"]
        _drain(environ)
        if kind == "error":
            status, code = int(fault.get("status", 503)), fault.get("code", "SlowDown")
            headers, body = error(record["service"], status, code, fault.get("message", "made to fail by a test"))
            start_response(f"{status} {code}", [*headers, ("Content-Length", str(len(body)))])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        if kind == "truncate":
            return _half(environ, self.application(environ, start_response))
        record["status"] = 0
        cut(environ)
        raise ConnectionAbortedError("cut by a test")


def _drain(environ: Environ) -> None:
    """Reads the body for those who come after, so that an early answer does not meet a client that still sends."""
    import io

    length = int(environ.get("CONTENT_LENGTH") or 0)
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))


def _half(environ: Environ, body: Iterable[bytes]) -> Iterator[bytes]:
    whole = b"".join(body)
    yield whole[: len(whole) // 2]
    cut(environ, politely=True)
    raise ConnectionAbortedError("cut by a test")


def cut(environ: Environ, *, politely: bool = False) -> None:
    """Ends the connection: with a reset, or as if all had been said."""
    connection = environ["werkzeug.socket"]
    if politely:
        connection.shutdown(socket.SHUT_RDWR)
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Files that the server has made of the socket would keep it open: they get one at whose other end nobody is.
    ours, theirs = socket.socketpair()
    with ours, theirs:
        os.dup2(ours.fileno(), connection.fileno())
