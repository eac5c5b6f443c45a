"""How long a run will take: from the work that is left, and how fast work was done of late."""

from dataclasses import replace

import pytest

from run_objects import ATTEMPT, LIVE, MINUTE, START
from snakemake_aws_common.record import attempt as attempts
from snakemake_aws_common.record.attempt import Attempt, Step
from snakemake_aws_common.record.live import RuleCount
from terraflow.runs import forecast

NOW = START + 100 * MINUTE


def ended(rule: str, minutes: int, begin: int = START, cpus: float = 1, **more: object) -> Attempt:
    """A job that took so many minutes."""
    step = Step(rule, {}, exit=0, realtime=minutes * MINUTE)
    times = {"start": begin, "complete": begin + minutes * MINUTE}
    return replace(ATTEMPT, process=rule, cpus=cpus, steps=(step,), **times | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "past", "minutes"),
    [
        # Nothing is known yet, and nothing is left.
        ({"a": RuleCount(2, waiting=2)}, [], None),
        ({"a": RuleCount(2, done=2)}, [ended("a", 10)], 0),
        # Ten minutes of work in 100 minutes; 20 are left. What runs is half done.
        ({"a": RuleCount(3, waiting=2, done=1)}, [ended("a", 10)], 200),
        ({"a": RuleCount(3, waiting=1, running=1, done=1)}, [ended("a", 10)], 150),
        # Large jobs count by their vCPUs, and a rule of which nothing is known as the mean of others.
        ({"a": RuleCount(2, waiting=1), "b": RuleCount(2, waiting=1)}, [ended("a", 10), ended("b", 10, cpus=4)], 100),
        ({"a": RuleCount(1, done=1), "new": RuleCount(1, waiting=1)}, [ended("a", 10), ended("b", 30)], 50),
        # Only the last attempts are known: the speed is theirs.
        ({"a": RuleCount(9, waiting=1)}, [ended("a", 10, START + 90 * MINUTE)], 10),
        # What an earlier head has done says how long jobs take, and nothing about the speed.
        ({"a": RuleCount(9, waiting=1)}, [ended("a", 10), ended("a", 30, START - 60 * MINUTE)], 200),
        # Attempts that failed are no work that was done.
        ({"a": RuleCount(9, waiting=1)}, [ended("a", 10), ended("a", 30, status=attempts.FAILED)], 100),
        # Where the worker measured nothing, the attempt's time is shared by its rules.
        ({"a": RuleCount(9, waiting=1)}, [replace(ended("a", 10), steps=(Step("a"), Step("b")))], 50),
        ({"a": RuleCount(9, waiting=1)}, [replace(ended("a", 10), steps=())], 100),
    ],
)
def test_minutes_left(rules: dict[str, RuleCount], past: list[Attempt], minutes: int | None) -> None:
    found = forecast.milliseconds_left(replace(LIVE, rules=rules), past, NOW)
    assert found == (None if minutes is None else minutes * MINUTE)
