"""The log of requests: one record for each call. docs/requests.md describes it to users."""

import io
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import LimitedStream

from strict_aws.state import STATE

Environ = dict[str, Any]
# Names in the credential scope that differ from botocore's.
SERVICES = {"servicequotas": "service-quotas"}


def describe(environ: Environ) -> dict[str, Any]:
    """Return the record of a call, from its headers, path and query."""
    scope, caller = _credential(environ)
    service = SERVICES.get(scope, scope)
    record: dict[str, Any] = {"time": time.time(), "service": service, "operation": "", "bucket": "", "key": ""}
    record |= {"status": 0, "received": _length(environ), "sent": 0, "caller": caller, "fault": ""}
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        record["operation"] = target.rpartition(".")[2]
        return record
    request = Request(environ)
    try:
        model = get_service_model(service)
        if determine_request_protocol(model, request.content_type) in ("query", "ec2"):
            record["operation"] = _query_action(environ)
            return record
        operation, _ = get_service_router(service).match(request)
        record["operation"] = operation.name
    except (HTTPException, NotImplementedError, KeyError, ValueError):
        record["operation"] = environ["REQUEST_METHOD"]
    if service == "s3":
        bucket, _, key = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").lstrip("/").partition("/")
        record |= {"bucket": bucket, "key": key or unquote(request.args.get("prefix", ""))}
    return record


def _credential(environ: Environ) -> tuple[str, str]:
    """Return service and access key from `Credential=KEY/DATE/REGION/SERVICE/aws4_request`; S3 without a signature."""
    _, found, credential = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")
    parts = credential.partition(",")[0].split("/")
    return (parts[3], parts[0]) if found and len(parts) >= 5 else ("s3", "")


def _length(environ: Environ) -> int:
    return int(environ.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH") or environ.get("CONTENT_LENGTH") or 0)


def _query_action(environ: Environ) -> str:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    fields = dict(part.split("=", 1) for part in body.decode().split("&") if "=" in part)
    return str(fields.get("Action", ""))


class Log:
    """WSGI layer that writes the log; the layers under it find the record in the environment as `aws.record`."""

    def __init__(self, application: Callable[[Environ, Any], Iterable[bytes]]) -> None:
        """Put the layer on an application."""
        self.application = application

    def __call__(self, environ: Environ, start_response: Any) -> Iterator[bytes]:
        """Record a call and pass it on; answer status 500 if the server fails."""
        record = environ["aws.record"] = describe(environ)
        if length := int(environ.get("CONTENT_LENGTH") or 0):
            environ["wsgi.input"] = LimitedStream(environ["wsgi.input"], length)
        sent = environ["wsgi.input"]
        # Before the answer: a caller that has it may ask for the log at once.
        with STATE.lock:
            STATE.requests.append(record)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            record["status"] = int(status.split(" ", 1)[0])
            return start_response(status, headers, *rest)

        try:
            body = self.application(environ, start)
        except ConnectionAbortedError:
            raise
        except Exception:
            logging.getLogger("strict_aws").exception("%s %s", record["service"], record["operation"])
            # What is left of the body is read first: a client that still sends would wait for ever.
            if isinstance(sent, LimitedStream):
                sent.exhaust()
            start("500 InternalError", [("Content-Length", "0")])
            body = []
        try:
            for part in body:
                record["sent"] += len(part)
                yield part
        finally:
            if close := getattr(body, "close", None):
                close()
