"""Faults: what a test makes go wrong in calls and jobs. docs/faults.md describes the words to users.

A fault is a dictionary. `call` or `job` is its kind; the first fault of the kind that fits a call or job strikes.
"""

import io
import json
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from strict_aws.state import STATE

Environ = dict[str, Any]

# The words of each kind, and the fields that a fault of the kind may have.
WORDS = {
    "call": ("error", "reset", "truncate"),
    "job": (
        *("pull", "network", "interface", "capacity"),
        *("reclaim", "out_of_memory", "lose", "lose_running", "unending"),
    ),
}
# Patterns that a call's record has to fit.
CALL_PATTERNS = ("service", "operation", "bucket", "key", "caller")
FIELDS = {
    "call": ("call", "times", "skip", *CALL_PATTERNS, "status", "code", "message"),
    "job": ("job", "times", "skip", "name", "seconds", "process", "code"),
}


def check(fault: dict[str, Any]) -> None:
    """Raise ValueError for a fault that could never strike: without a kind, with an unknown word or field."""
    kinds = WORDS.keys() & fault.keys()
    if len(kinds) != 1:
        raise ValueError(f"a fault has either 'call' or 'job', not {', '.join(map(repr, fault)) or 'nothing'}")
    [kind] = kinds
    if fault[kind] not in WORDS[kind]:
        raise ValueError(f"there is no fault {kind}={fault[kind]!r}; there are {', '.join(WORDS[kind])}")
    if unknown := fault.keys() - set(FIELDS[kind]):
        known = ", ".join(FIELDS[kind])
        raise ValueError(f"a fault of a {kind} has no {', '.join(map(repr, sorted(unknown)))}; its fields are {known}")


def take(kind: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """Return the first fault of a kind ("call" or "job") that fits and strikes now, and count that it has struck.

    The fault is skipped while its `skip` is above zero, and is removed once it has struck `times` times.
    """
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


def take_for_job(name: str, *words: str) -> dict[str, Any] | None:
    """Return the fault, one of these words, that strikes a job of this name now."""
    return take("job", lambda fault: fault["job"] in words and fnmatchcase(name, fault.get("name", "*")))


def _fits_call(fault: dict[str, Any], record: dict[str, Any]) -> bool:
    return all(fnmatchcase(record[field], fault.get(field, "*")) for field in CALL_PATTERNS)


def error(service: str, status: int, code: str, message: str) -> tuple[list[tuple[str, str]], bytes]:
    """Return headers and body of an error in the service's own format."""
    if service in ("s3", "iam", "sns", "sts", "ec2"):
        inner = f"<Code>{code}</Code><Message>{message}</Message>"
        wrapped = f"<Error>{inner}</Error>"
        if service in ("iam", "sns", "sts"):
            wrapped = f"<ErrorResponse>{wrapped}</ErrorResponse>"
        elif service == "ec2":
            wrapped = f"<Response><Errors>{wrapped}</Errors></Response>"
        return [("Content-Type", "application/xml")], wrapped.encode()
    body = json.dumps({"__type": code, "message": message}).encode()
    return [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)], body


class Faults:
    """WSGI layer in which faults of calls strike."""

    def __init__(self, application: Callable[[Environ, Any], Iterable[bytes]]) -> None:
        """Put the layer on an application."""
        self.application = application

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Pass a call on, or answer it as a fault demands."""
        record = environ["aws.record"]
        fault = take("call", lambda fault: _fits_call(fault, record))
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
    """Read the whole body, for later layers too: a client that still sends would not hear an early answer."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))


def _half(environ: Environ, body: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the first half of a body and cut the connection."""
    whole = b"".join(body)
    yield whole[: len(whole) // 2]
    cut(environ, politely=True)
    raise ConnectionAbortedError("cut by a test")


def cut(environ: Environ, *, politely: bool = False) -> None:
    """End the connection: with a reset, or politely, as after a complete answer."""
    connection = environ["werkzeug.socket"]
    if politely:
        connection.shutdown(socket.SHUT_RDWR)
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The server has made files of the socket, which keep it open: they get another one, whose other end is closed.
    ours, theirs = socket.socketpair()
    with ours, theirs:
        os.dup2(ours.fileno(), connection.fileno())
