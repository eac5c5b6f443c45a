"""What a run is expected to take, as a table for whoever is asked whether it may begin."""

from rich.console import Group, RenderableType
from rich.text import Text

from terraflow.costs.expected import Expected
from terraflow.launch.capacity import Capacity
from terraflow.runs import words

HEADS = ("RULE", "JOBS", "VCPU-HOURS", "SPOT", "ON DEMAND")


def shown(expected: Expected, capacity: Capacity, budget: float | None, spent: float) -> RenderableType:
    """Return the table of rules and the lines below it; `spent` is what earlier starts of the run have cost."""
    rows = [
        [row.rule, f"{row.jobs:,}", hours(row.vcpu_hours), words.dollars(row.spot), words.dollars(row.on_demand)]
        for row in expected.rows
    ]
    rows.append(["(head)", "1", hours(expected.hours), words.dollars(expected.head), words.dollars(expected.head)])
    sums = [f"{expected.jobs + 1:,}", hours(expected.vcpu_hours + expected.hours)]
    rows.append(["all", *sums, words.dollars(expected.spot), words.dollars(expected.on_demand)])
    if capacity.vcpus is None:
        limit = "; how many vCPUs may work at a time is not known"
    else:
        limit = f", with {capacity.vcpus:g} vCPUs at a time ({capacity.limit})"
    lines = [f"It takes about {duration(expected.hours)}{limit}."]
    if expected.high:
        lines.append(f"On Spot it may cost {words.dollars(expected.low)} to {words.dollars(expected.high)}.")
    if spent:
        lines.append(f"Earlier starts of this run have cost {words.dollars(spent)}.")
    if budget is not None:
        lines.append(f"The budget is {words.dollars(budget)}: no further job is submitted when it is used up.")
    lines += [f"Note: {note}" for note in expected.notes]
    return Group(words.table(HEADS, rows, right=HEADS[1:]), Text("\n".join(lines)))


def hours(number: float) -> str:
    """Return hours with two digits at least that tell something."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 1 else f"{number:.2f}"


def duration(number: float) -> str:
    """Return hours as people say them."""
    return words.duration(number * 3_600_000)
