"""What a run has left: the place of its results, what its jobs have cost, its report, for XCom and for people."""

from collections.abc import Mapping
from typing import Any

from terraflow_airflow.aws import TROUBLE
from terraflow_airflow.links import REPORT, TIMELINE
from terraflow_airflow.outcome import Outcome
from terraflow_airflow.runs import Run

# Keys that are XComs of their own, too.
KEYS = ("results", "cost", "report")
NO_WORDS = "Nobody has said why; the log of its head may tell."


def of_run(s3: Any, bucket: str, name: str, ended: Outcome) -> dict[str, Any]:  # noqa: ANN401
    """Return what a run has left.

    `cost` is US dollars of all jobs but heads, None if it is not known; `report` and `timeline` are None if they are
    not there, and so is all that S3 does not say: how the run has ended does not depend on it.
    """
    run = Run(s3, bucket, name)
    place = f"s3://{bucket}/runs/{name}"
    found: dict[str, Any] = {
        "run": name,
        "state": ended.state,
        "head_job": ended.head_job,
        "results": f"{place}/results/",
        "cost": None,
        "samples": None,
        "report": None,
        "timeline": None,
    }
    try:
        live, about = run.live(), run.about()
        found["cost"] = live.spent if live else None
        found["samples"] = about.samples if about else None
        for key, path in {"report": REPORT, "timeline": TIMELINE}.items():
            found[key] = f"{place}/{path}" if run.is_there(path) else None
    except TROUBLE:
        pass
    return found


def text(left: Mapping[str, Any]) -> str:
    """Return what `of_run` gave, as a report for people."""
    lines = [f"Run {left['run']}: {left['state']}"]
    if left["samples"] is not None:
        lines.append(f"Samples:  {left['samples']:,}")
    if left["cost"] is not None:
        lines.append(f"Cost:     ${left['cost']:,.2f} for its jobs")
    lines.append(f"Results:  {left['results']}")
    lines += [f"{key.capitalize() + ':':<9} {left[key]}" for key in ("report", "timeline") if left[key]]
    lines.append(f"Fetch it: terraflow fetch {left['run']}")
    return "\n".join(lines)
