"""How an order has ended, and whether another try makes sense."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from terraflow_airflow import runs
from terraflow_airflow.jobs import Job
from terraflow_airflow.runs import About

DONE = runs.DONE
# The sheet, the configuration or the price is wrong; nothing was started.
REFUSED = "refused"
# The clock asked, and nothing was due.
NOT_DUE = "not due"
# Nobody has written how it ended: its head or launcher was killed, another head has the run, or AWS is out of reach.
LOST = "lost"

# Exit codes of a head (terraflow.heads.about).
EXIT_STATES = {0: runs.DONE, 60: runs.FAILED, 61: runs.OVER_BUDGET, 62: runs.STOPPED}
EXIT_HELD, EXIT_UNUSABLE = 63, 64


@dataclass(frozen=True)
class Outcome:
    """How it ended: a state of a run, `REFUSED`, `NOT_DUE` or `LOST`; the head's job, and why, for the task's log."""

    state: str
    message: str = ""
    head_job: str = ""

    @property
    def is_worth_another_try(self) -> bool:
        """Whether the same order may end well: a run that has failed for a reason of its data would fail again."""
        return self.state == LOST

    def mapping(self) -> dict[str, str]:
        """Return it as a trigger's event carries it."""
        return asdict(self)


def from_mapping(given: Mapping[str, Any]) -> Outcome:
    """Return what `mapping` gave."""
    return Outcome(**{name: given[name] for name in Outcome.__dataclass_fields__ if name in given})


def of_head(job: Job | None, about: About | None, head: str) -> Outcome:
    """Return how a head has ended, which Batch may have forgotten (None), from run.json and from its exit code.

    run.json counts for the head that it names. A head that has not written how it ended is lost, and so is the try.
    """
    ours = about if about is not None and about.head_job == head else None
    reason = str((job or {}).get("statusReason") or "AWS Batch gives no reason")
    code = ((job or {}).get("container") or {}).get("exitCode")
    if code is None and ours is not None:
        code = ours.exit_code
    if code == EXIT_HELD:
        return Outcome(LOST, "Another head has the run; this one has left it to that one.", head)
    if code == EXIT_UNUSABLE:
        return Outcome(LOST, (ours.message if ours else "") or "The head's archive can't be used.", head)
    if ours is not None and ours.state in runs.ENDED:
        return Outcome(ours.state, ours.message, head)
    if job is not None and code in EXIT_STATES:
        return Outcome(EXIT_STATES[code], f"The head ended with exit code {code}: {reason}.", head)
    return Outcome(LOST, f"The head was lost before it could say how the run ended: {reason}.", head)
