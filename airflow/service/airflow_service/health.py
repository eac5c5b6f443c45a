"""Say whether all parts of Airflow are alive: each writes a heartbeat into the database, and the page tells of them.

python -m airflow_service.health                 exit code 1 names what is not healthy
python -m airflow_service.health --wait SECONDS  wait for the page, which the other parts need
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

ADDRESS = f"http://127.0.0.1:{os.environ.get('AIRFLOW__API__PORT', '8080')}/api/v2/monitor/health"
PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def unhealthy(answer: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Return the state of each part that is not healthy, or never was."""
    states = {part: answer.get(part, {}).get("status") for part in PARTS}
    return {part: state for part, state in states.items() if state != "healthy"}


def ask(address: str = ADDRESS) -> Mapping[str, Mapping[str, object]]:
    """Return what the page says. Raise OSError or ValueError when it does not answer."""
    with urllib.request.urlopen(address, timeout=15) as answer:
        found = json.load(answer)
    if not isinstance(found, dict):
        raise ValueError(f"{address} answers with something else")
    return found


def wait(seconds: float, address: str = ADDRESS) -> bool:
    """Wait until the page answers; say whether it does."""
    end = time.monotonic() + seconds
    while True:
        try:
            ask(address)
        except (OSError, ValueError):
            if time.monotonic() > end:
                return False
            time.sleep(2)
        else:
            return True


def main() -> int:
    """Return the exit code of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wait", type=float, metavar="SECONDS")
    options = parser.parse_args()
    if options.wait is not None:
        if wait(options.wait):
            return 0
        print(f"Airflow's page does not answer within {options.wait:g} s", file=sys.stderr)
        return 1
    try:
        bad = unhealthy(ask())
    except (OSError, ValueError) as error:
        print(f"Airflow's page does not answer: {error}", file=sys.stderr)
        return 1
    for part, state in bad.items():
        print(f"{part}: {state}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
