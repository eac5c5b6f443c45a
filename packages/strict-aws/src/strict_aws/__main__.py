"""The command `strict-aws`, also `python -m strict_aws`: serves until it is stopped."""

import argparse
import logging
import os
import shlex
import signal
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version

from strict_aws.client import CLEARED, variables

EXAMPLE = """\
for example, in one terminal:
  strict-aws --port 5000
and in another, after the lines that it prints:
  aws s3 mb s3://data
  aws batch describe-job-queues
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="strict-aws",
        description="Serve a strict AWS on 127.0.0.1 until Ctrl-C, and print the variables that lead programs to it. "
        "Batch jobs run in containers of the Docker engine.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=5000, help="port to serve on (default: %(default)s)")
    parser.add_argument(
        "--parent", type=int, metavar="PID", help="stop when this process, which started the server, has ended"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('strict-aws')}")
    return parser.parse_args(arguments)


def stop(*_: object) -> None:
    """End the server in its own way, so that no container stays behind.

    Later signals are ignored: Ctrl-C in a terminal comes to several processes, and from some of them again.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


def stop_without(parent: int) -> None:
    """Stop the server once its parent is another process: a test run that was killed can't stop its server."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def exports(port: int) -> str:
    """Return the shell commands that lead programs to the server on this port."""
    lines = [f"unset {' '.join(CLEARED)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables(port).items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    asked = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if asked.parent:
        threading.Thread(target=stop_without, args=(asked.parent,), daemon=True).start()
    # moto reads these when it is imported.
    os.environ["MOTO_PORT"] = str(asked.port)
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    from strict_aws.server import serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    serve(asked.port, lambda: print(exports(asked.port), flush=True))


if __name__ == "__main__":
    main()
