"""The server: orders of tests first, then the log, faults and permissions, and then moto with its patches."""

from collections.abc import Callable

from moto.backends import list_of_moto_modules  # noqa: F401  (loads moto's index before the patches)
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from strict_aws import batch, compute, container, ecr, events, functions, jobs, network, quotas, s3
from strict_aws.faults import Faults
from strict_aws.log import Log
from strict_aws.orders import Orders
from strict_aws.roles import Roles


class Handler(MotoRequestHandler):
    """Handler that answers without TCP's own delay for small packets."""

    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Write nothing: `log.py` keeps a record of each call."""


def serve(port: int, ready: Callable[[], object] = lambda: None) -> None:
    """Serve until the process is told to stop, calling `ready` once when calls are taken.

    Leaves no container behind, and removes those of earlier servers of this host that were killed.
    """
    for patched in (s3, ecr, quotas, network, compute, batch, events, functions):
        patched.patch()
    application = Orders(Log(Faults(Roles(DomainDispatcherApplication(create_backend_app)))))
    container.remove_orphans()
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler)
    try:
        ready()
        server.serve_forever()
    finally:
        jobs.stop_all()
