"""Programs that the benchmark calls, and the error that ends it."""

from __future__ import annotations

import subprocess


class AccuracyError(Exception):
    """The benchmark cannot go on; the text says why."""


def run_tool(command: list[str], text: str = "") -> str:
    """Return the output of a command; raise AccuracyError when it is missing or fails."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise AccuracyError(f"{command[0]} is not on PATH") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise AccuracyError(f"{' '.join(command)} failed: {reason}") from None
    return done.stdout
