"""A run that a test stops, on a clock of its own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from run_objects import ABOUT, LIVE, STACK
from snakemake_aws_common.record import live as lives
from terraflow.heads import about as abouts
from terraflow.runs import find

BEGUN = replace(ABOUT, state=abouts.RUNNING, ended=None, exit_code=None)
WORKS = replace(LIVE, state=lives.RUNNING, ended=None)


class Time:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        """Begin now."""
        self.passed = 0.0
        self.at: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        """Return the seconds that have passed."""
        return self.passed

    def sleep(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        self.passed += seconds
        for due in [one for one in self.at if one[0] <= self.passed]:
            self.at.remove(due)
            due[1]()


def read(s3: Any) -> find.Run:
    """The run as it is now."""
    return find.find("cohort7", STACK, s3)
