"""Starts a run, in this order, on a laptop and in the cloud alike:

1. refuse a name whose head is under way;
2. pack what a head needs, and refuse what it would not find;
3. plan the run from that archive, with the workflow's own checks and the executor's;
4. estimate what it takes, and refuse what is expected to cost more than the budget;
5. ask whoever wants the run;
6. store the archive, and submit the head.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from snakemake_aws_common import memory
from snakemake_aws_common.rehearsal import Rehearsal
from terraflow.costs.estimate import estimate
from terraflow.costs.expected import Expected
from terraflow.costs.region import prices_for
from terraflow.errors import UserError
from terraflow.heads import archive, submit
from terraflow.heads.about import About
from terraflow.heads.archive import Packed
from terraflow.launch import capacity as capacities
from terraflow.launch.capacity import Capacity
from terraflow.launch.inputs import count_samples, refuse_missing
from terraflow.launch.other_values import other_values, refuse_aligner, refuse_index
from terraflow.launch.rehearse import NOTHING, RefusedError, rehearse
from terraflow.launch.request import Request
from terraflow.runs import find, words
from terraflow.stack import Stack

BUDGET = "--aws-batch-fargate-budget"


class OverBudgetError(UserError):
    """The run is expected to cost more than its budget."""


@dataclass(frozen=True)
class Prepared:
    """A run that could begin: its archive, the jobs to do, and what they take. `spent` is what it has cost before."""

    request: Request
    packed: Packed
    rehearsal: Rehearsal
    capacity: Capacity
    expected: Expected
    spent: float = 0.0


@dataclass(frozen=True)
class Launched:
    """What became of a request: the id of the head's job, and None if there is nothing to do."""

    prepared: Prepared | None
    head_job: str | None


def launch(request: Request, stack: Stack, approve: Callable[[Prepared], None] = lambda _: None) -> Launched:
    """Start a run, unless nothing is to be done. `approve` may raise UserError, and is called before anything is sent.

    Raise UserError with what is wrong, in the workflow's own words; `submit.UnderWayError` if the run has a head;
    MissingError if files are not there; OverBudgetError if it is expected to cost more than its budget.
    """
    submit.refuse_under_way(stack, request.name)
    prepared = prepare(request, stack)
    if prepared is None:
        return Launched(None, None)
    approve(prepared)
    key = submit.store(stack, request.name, prepared.packed)
    about = About(
        run=request.name,
        who=request.who,
        started_by=request.started_by,
        submitted=0,
        sheet=request.sheet,
        sheet_etag=request.sheet_etag,
        samples=count_samples(request.directory, _config(request)),
        workflow_version=version("terraflow"),
        budget=request.budget,
        estimate=_in_all(prepared),
    )
    return Launched(prepared, submit.submit(stack, about, key, jobs=len(prepared.rehearsal.jobs)))


def prepare(request: Request, stack: Stack) -> Prepared | None:
    """Check and estimate a run; return None if all that it makes is there. Nothing is written to the account."""
    # A file that can't be used is told before the run is planned.
    prices_for(stack.region, request.prices, stack.architecture)
    packed = archive.build(
        request.name,
        stack,
        request.project,
        request.directory,
        request.configfiles,
        (*request.arguments, *([BUDGET, f"{request.budget:g}"] if request.budget is not None else [])),
        request.snakefile,
        with_records=not find.has_object(find.client("s3", stack), stack.bucket, request.name, memory.NAME),
        prices=request.prices,
    )
    name = request.name if request.is_named else None
    try:
        rehearsal = rehearse(packed, name)
    except RefusedError as error:
        if not error.is_about_files:
            raise
        # Snakemake names the files of the first job; those of a job that is done may be gone.
        refuse_missing(request.directory, _config(request), find.client("s3", stack))
        # All are there: the last may have come while the run was planned.
        rehearsal = rehearse(packed, name)
    if not rehearsal.jobs:
        return None
    refuse_aligner(rehearsal, stack)
    capacity = capacities.of_spot(stack)
    refuse_index(rehearsal, capacity)
    expected = estimate(rehearsal, stack, capacity.vcpus, prices_file=request.prices)
    notes = other_values(rehearsal, stack, capacity.vcpus, request.prices)
    expected = replace(expected, notes=(*expected.notes, *notes))
    prepared = Prepared(request, packed, rehearsal, capacity, expected, _spent(request.name, stack))
    refuse_over_budget(prepared)
    return prepared


def refuse_over_budget(prepared: Prepared) -> None:
    """Raise OverBudgetError if what was spent and what is expected exceed the budget."""
    budget, spent, expected = prepared.request.budget, prepared.spent, prepared.expected.spot
    if budget is None or spent + expected <= budget:
        return
    before = f" after the {words.dollars(spent)} that earlier starts have cost" if spent else ""
    raise OverBudgetError(
        f"Run {prepared.request.name} is expected to cost {words.dollars(expected)}{before}, and its budget is "
        f"{words.dollars(budget)}. {NOTHING} Give it a larger one, or fewer samples."
    )


def _in_all(prepared: Prepared) -> Mapping[str, Any]:
    """Return what all starts of the run are expected to cost, for run.json: what is spent counts for the whole run."""
    found = prepared.expected.mapping()
    sums = {name: found[name] + prepared.spent for name in ("spot", "on_demand", "low", "high")}
    return {**found, **sums, "earlier": prepared.spent}


def _config(request: Request) -> dict[str, Any]:
    # Imported late: the launcher in the cloud has what it needs from the workflow that it has fetched.
    from terraflow.heads.named import config_of

    configfiles = [request.directory / path for path in request.configfiles]
    return config_of(request.directory, configfiles, request.arguments)


def _spent(name: str, stack: Stack) -> float:
    """Return what earlier starts of the run have cost, in US dollars."""
    run = find.read(find.client("s3", stack), stack.bucket, name)
    return run.live.spent or 0.0 if run.live else 0.0
