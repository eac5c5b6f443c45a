"""Orders of a test to the server. docs/orders.md describes them to users who do not call them through `Aws`."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from strict_aws import credentials, events, faults, jobs, roles
from strict_aws.constants import ADMIN
from strict_aws.state import DEFAULTS, STATE

Environ = dict[str, Any]


def reset(_: dict[str, Any]) -> Any:
    """Stop all jobs, remove their containers, and forget everything."""
    from moto.moto_api._internal.models import moto_api_backend

    jobs.stop_all()
    moto_api_backend.reset()
    STATE.clear()
    return {}


def settings(values: dict[str, Any]) -> Any:
    """Change the given settings and return all of them."""
    STATE.change(values)
    with STATE.lock:
        return {name: STATE.setting(name) for name in DEFAULTS}


def add_fault(fault: dict[str, Any]) -> Any:
    """Add a fault, if one is given, and return all that wait."""
    if fault:
        faults.check(fault)
    with STATE.lock:
        if fault:
            STATE.faults.append(fault)
        return list(STATE.faults)


def forget_faults(_: dict[str, Any]) -> Any:
    """Remove all faults that wait."""
    with STATE.lock:
        STATE.faults.clear()
    return {}


def requests(options: dict[str, Any]) -> Any:
    """Return the log of requests, and empty it if `forget` is true."""
    with STATE.lock:
        seen = list(STATE.requests)
        if options.get("forget"):
            STATE.requests.clear()
        return seen


def deliveries(options: dict[str, Any]) -> Any:
    """Return the records of delivered events, and forget them if `forget` is true."""
    with STATE.lock:
        seen = list(STATE.deliveries)
        if options.get("forget"):
            STATE.deliveries.clear()
        return seen


def fire(values: dict[str, Any]) -> Any:
    """Let the schedule or rule `name` fire once."""
    return events.fire(values["name"])


def keys(values: dict[str, Any]) -> Any:
    """Return credentials of the role or managed policy whose ARN is `arn`."""
    return roles.keys_of(values["arn"])


def container_credentials(_: dict[str, Any], token: str) -> Any:
    """Return the credentials that a container gets for its role, by the token in their address."""
    return credentials.of_container(token)


ORDERS: dict[str, Callable[..., Any]] = {
    "reset": reset,
    "settings": settings,
    "faults": add_fault,
    "forget_faults": forget_faults,
    "requests": requests,
    "deliveries": deliveries,
    "fire": fire,
    "keys": keys,
    "credentials": container_credentials,
}


class Orders:
    """WSGI layer that carries out orders and passes everything else on."""

    def __init__(self, application: Callable[[Environ, Any], Iterable[bytes]]) -> None:
        """Put the layer on an application."""
        self.application = application

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer an order with JSON: its result, or status 400 and a message."""
        if not environ["PATH_INFO"].startswith(ADMIN):
            return self.application(environ, start_response)
        order, *rest = environ["PATH_INFO"].removeprefix(ADMIN).split("/", 1)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status = "200 OK"
        try:
            if order not in ORDERS:
                raise ValueError(f"there is no order {order!r}; there are {', '.join(ORDERS)}")
            answer = ORDERS[order](json.loads(body or b"{}"), *rest)
        except (AttributeError, LookupError, TypeError, ValueError) as problem:
            status, answer = "400 Bad Request", {"message": f"{order}: {problem}"}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer, default=str).encode()]
