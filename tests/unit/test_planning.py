"""Plans are cheap: functions carry their signatures, and Python seldom looks for garbage."""

import gc
import inspect

import pytest

from terraflow_workflow.running.planning import COLLECT_AFTER, collect_seldom, signed
from terraflow_workflow.running.resources import Requests


def test_a_function_carries_its_own_signature() -> None:
    def plain(wildcards: object, input: object, attempt: int = 1) -> None: ...

    worked_out = inspect.signature(plain)
    function = signed(plain)

    assert function is plain
    assert inspect.signature(function) == worked_out
    assert inspect.signature(function) is inspect.signature(function)


def test_resources_ask_for_what_snakemake_gives_by_name() -> None:
    ask = Requests(lambda sample, unit: 0, 1, lambda: None)
    for resource in (ask.growing(1), ask.minutes(1)):
        assert list(inspect.signature(resource).parameters) == ["wildcards", "input", "attempt"]
        assert inspect.signature(resource) is inspect.signature(resource)


@pytest.mark.parametrize(("before", "after"), [(700, COLLECT_AFTER), (10 * COLLECT_AFTER, 10 * COLLECT_AFTER)])
def test_a_limit_is_only_raised(before: int, after: int) -> None:
    original = gc.get_threshold()
    try:
        gc.set_threshold(before, 10, 7)
        collect_seldom()
        assert gc.get_threshold() == (after, 10, 7)
    finally:
        gc.set_threshold(*original)
