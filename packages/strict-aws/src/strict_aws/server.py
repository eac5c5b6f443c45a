"""The server: a test's orders first, then the log, faults, permissions, and then moto."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from moto.backends import list_of_moto_modules  # noqa: F401  (loads moto's index before the patches)
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from strict_aws import batch, compute, container, ecr, jobs, network, quotas, roles, s3
from strict_aws.faults import Faults
from strict_aws.log import Log
from strict_aws.state import ADMIN, DEFAULTS, STATE

Environ = dict[str, Any]


def reset(_: dict[str, Any]) -> Any:
    """Everything forgotten; jobs that run are stopped and their containers removed."""
    from moto.moto_api._internal.models import moto_api_backend

    jobs.stop_all()
    moto_api_backend.reset()
    STATE.clear()
    return {}


def settings(values: dict[str, Any]) -> Any:
    """Settings changed, and all of them as they are then."""
    if unknown := values.keys() - DEFAULTS.keys():
        raise KeyError(f"no such setting: {', '.join(sorted(unknown))}")
    with STATE.lock:
        STATE.settings.update(values)
        return {name: STATE.setting(name) for name in DEFAULTS}


def faults(fault: dict[str, Any]) -> Any:
    """A fault added if one is given, and all that wait."""
    with STATE.lock:
        if fault:
            STATE.faults.append(fault)
        return STATE.faults


def forget_faults(_: dict[str, Any]) -> Any:
    """No fault waits any more."""
    with STATE.lock:
        STATE.faults.clear()
    return {}


def requests(options: dict[str, Any]) -> Any:
    """The log, forgotten afterwards if asked to."""
    with STATE.lock:
        seen = list(STATE.requests)
        if options.get("forget"):
            STATE.requests.clear()
        return seen


def credentials(_: dict[str, Any], role: str) -> Any:
    """What a container's credential provider gets for its role."""
    return jobs.role_credentials(role)


def lend(values: dict[str, Any]) -> Any:
    """Keys that act as a role, or with a policy, named by its ARN."""
    return roles.lend(values["arn"])


ORDERS: dict[str, Callable[..., Any]] = {
    "reset": reset,
    "settings": settings,
    "faults": faults,
    "forget_faults": forget_faults,
    "requests": requests,
    "credentials": credentials,
    "lend": lend,
}


class Orders:
    """WSGI layer for a test's orders; everything else goes on."""

    def __init__(self, application: Callable[[Environ, Any], Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith(ADMIN):
            return self.application(environ, start_response)
        order, *rest = environ["PATH_INFO"].removeprefix(ADMIN).split("/", 1)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, answer = "200 OK", None
        try:
            answer = ORDERS[order](json.loads(body or b"{}"), *rest)
        except (KeyError, TypeError, ValueError) as problem:
            status, answer = "400 Bad Request", {"message": str(problem)}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer, default=str).encode()]


class Handler(MotoRequestHandler):
    """Answers at once: without TCP's own delay for small packets, and without a line in the log for each call."""

    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Silent: `log.py` has it."""


def serve(port: int) -> None:
    """Serves until the process is told to stop; leaves no container behind, nor those of servers that were killed."""
    for patched in (s3, ecr, quotas, network, compute, batch):
        patched.patch()
    application = Orders(Log(Faults(roles.Roles(DomainDispatcherApplication(create_backend_app)))))
    container.remove_orphans()
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler)
    try:
        server.serve_forever()
    finally:
        jobs.stop_all()
