"""`python -m strict_aws PORT`: serves on loopback until it is told to stop, or until whoever started it is gone."""

import logging
import os
import signal
import sys
import threading
import time


def stop(*_: object) -> None:
    """Ends the server as its own end would, so that no container stays behind; once, as Ctrl-C comes to all at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


def stop_when_alone(parent: int) -> None:
    """A test run that was killed can't stop its server."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
# Before the imports, which take seconds.
threading.Thread(target=stop_when_alone, args=(os.getppid(),), daemon=True).start()
port = int(sys.argv[1])
# moto reads these while it is imported.
os.environ["MOTO_PORT"] = str(port)
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

from strict_aws.server import serve  # noqa: E402

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
logging.getLogger("werkzeug").setLevel(logging.WARNING)
serve(port)
