"""`python -m aws PORT`: serves on loopback until it is told to stop, or until whoever started it is gone."""

import logging
import os
import signal
import sys
import threading
import time

port = int(sys.argv[1])
# moto reads these while it is imported.
os.environ["MOTO_PORT"] = str(port)
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

from aws.server import serve  # noqa: E402


def stop(*_: object) -> None:
    """Ends the server as its own end would, so that no container stays behind."""
    raise SystemExit(0)


def stop_when_alone(parent: int) -> None:
    """A test run that was killed can't stop its server."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


threading.Thread(target=stop_when_alone, args=(os.getppid(),), daemon=True).start()
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
logging.getLogger("werkzeug").setLevel(logging.WARNING)
serve(port)
