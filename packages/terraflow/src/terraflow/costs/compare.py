"""The estimate beside the cost, in a sentence for the end of a run, its news and `terraflow cost`."""

from collections.abc import Mapping
from typing import Any


def compare(estimate: Mapping[str, Any] | None, cost: float) -> str:
    """Return what a run has cost beside what was expected; `estimate` is what `terraflow.costs.estimate` gave."""
    spent = f"Cost: ${cost:,.2f}"
    if not estimate or not isinstance(estimate.get("spot"), int | float):
        return f"{spent}."
    low, high = (float(estimate.get(name, estimate["spot"])) for name in ("low", "high"))
    expected = f"expected were ${estimate['spot']:,.2f} (${low:,.2f} to ${high:,.2f})"
    if cost > high:
        return f"{spent}; {expected}: more than expected."
    return f"{spent}; {expected}{': less than expected' if cost < low else ''}."
