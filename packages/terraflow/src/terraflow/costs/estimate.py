"""The estimate of a run: what its planned jobs are expected to take, in vCPU-hours, hours and US dollars.

A task, which is a job or a group, runs as long as its rules' CPU seconds take on its vCPUs, and as its bytes take to be
fetched and stored; it is priced like an attempt in the record. The model (model.json) says what was measured.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from snakemake_aws_common.prices import GIB, LEAST_SECONDS, Cost, Prices, price_of
from snakemake_aws_common.rehearsal import PlannedJob, PlannedTask, Rehearsal
from terraflow.costs import model as models
from terraflow.costs import sizes as sizes_module
from terraflow.costs.expected import Expected, RuleRow
from terraflow.costs.model import Model
from terraflow.costs.region import prices_for
from terraflow.costs.schedule import Timed, seconds_until_done
from terraflow.costs.sizes import Sizes
from terraflow.heads.submit import memory_for
from terraflow.stack import Stack

MIB = 2**20
HOUR = 3600.0


@dataclass(frozen=True)
class Task:
    """A planned task: seconds that it runs and that AWS bills, price on Spot and on demand, weights of its rules."""

    planned: PlannedTask
    seconds: float
    billed: float
    spot: Cost
    on_demand: Cost
    weights: tuple[tuple[str, float], ...]


def estimate(
    rehearsal: Rehearsal,
    stack: Stack,
    vcpus: float | None,
    *,
    prices_file: Path | None = None,
    model: Model | None = None,
    sizes: Sizes | None = None,
) -> Expected:
    """Return what a planned run is expected to take, if so many vCPUs may work at a time (None: no limit).

    `sizes` are reads and bases, if they are known better than by the sizes of files. Raise UserError for a file of
    prices that can't be used.
    """
    model = model or models.load()
    sizes = sizes or sizes_module.sizes_of(rehearsal, model)
    prices, notes = prices_for(stack.region, prices_file, stack.architecture)
    tasks = [_task(task, rehearsal.jobs, sizes, model, prices, stack.architecture) for task in rehearsal.tasks]
    timed = [Timed(task.seconds + model.place_seconds, task.planned.vcpus, task.planned.needs) for task in tasks]
    hours = seconds_until_done(timed, vcpus) / HOUR
    head = price_of(
        max(LEAST_SECONDS, hours * HOUR + model.place_seconds) if tasks else 0,
        prices,
        cpus=1,
        memory=memory_for(len(rehearsal.jobs)) * MIB,
        disk=0,
        spot=False,
        architecture=stack.architecture,
    ).total
    rows = _rows(tasks)
    spot = sum(row.spot for row in rows) + head
    return Expected(
        rows=rows,
        hours=hours,
        head=head,
        spot=spot,
        on_demand=sum(row.on_demand for row in rows) + head,
        low=spot / model.uncertainty,
        high=spot * model.uncertainty,
        notes=(*notes, *sizes.notes, *_unmeasured(rehearsal.jobs, model), *_assumptions(sizes, model, prices)),
    )


def task_seconds(
    task: PlannedTask, jobs: Iterable[PlannedJob], sizes: Sizes, model: Model
) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Return how long a task runs, and for each of its jobs the rule and its weight.

    Its jobs share its vCPUs, some of which idle at times; none is done sooner than its own threads allow.
    """
    cpus, whole, longest, weights = max(task.vcpus, 0.25), 0.0, 0.0, []
    busy = model.busy if cpus > 1 else 1.0
    moved = 0.0
    for job in jobs:
        rule = model.rule(job.rule, sizes.aligner)
        given = sizes.reads_of(job.wildcards), sizes.bases_of(job.wildcards), sizes.bases
        seconds, size = rule.cpu.of(*given), rule.bytes.of(*given) / model.bytes_per_second
        whole += seconds
        moved += size
        longest = max(longest, seconds / max(1.0, min(job.threads, cpus)))
        weights.append((job.rule, seconds + size))
    return model.start_seconds + moved + max(whole / cpus / busy, longest), tuple(weights)


def _task(
    task: PlannedTask, jobs: tuple[PlannedJob, ...], sizes: Sizes, model: Model, prices: Prices, architecture: str
) -> Task:
    seconds, weights = task_seconds(task, [jobs[number] for number in task.jobs], sizes, model)
    billed = max(LEAST_SECONDS, seconds + prices.pull_seconds)
    spot, on_demand = (
        price_of(
            billed,
            prices,
            cpus=task.vcpus,
            memory=task.memory_mib * MIB,
            disk=task.disk_gib * GIB,
            spot=on_spot,
            architecture=architecture,
        )
        for on_spot in (True, False)
    )
    return Task(task, seconds, billed, spot, on_demand, weights)


def _rows(tasks: Iterable[Task]) -> tuple[RuleRow, ...]:
    """Return the sums by rule, the most expensive first."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    jobs: Counter[str] = Counter()
    for task in tasks:
        whole = sum(weight for _, weight in task.weights)
        hours = task.planned.vcpus * task.billed / HOUR
        for rule, weight in task.weights:
            jobs[rule] += 1
            share = weight / whole if whole else 1 / len(task.weights)
            for number, part in enumerate((hours, task.spot.total, task.on_demand.total)):
                sums[rule][number] += part * share
    rows = (RuleRow(rule, jobs[rule], *parts) for rule, parts in sums.items())
    return tuple(sorted(rows, key=lambda row: (-row.spot, row.rule)))


def _unmeasured(jobs: Iterable[PlannedJob], model: Model) -> list[str]:
    unknown = sorted({job.rule for job in jobs} - set(model.rules))
    return [f"Not measured, and taken to be small: {', '.join(unknown)}."] if unknown else []


def _assumptions(sizes: Sizes, model: Model, prices: Prices) -> list[str]:
    millions = sum(sizes.reads.values()) / 1e6
    return [
        f"{millions:,.1f} million reads by the sizes of their files, {sizes.bases / 1e6:,.0f} Mb of reference; rules "
        f"as measured {model.measured}. The true cost may be {model.uncertainty:g} times as much or as little.",
        f"Spot is taken to cost {prices.spot_discount:.0%} less. Left out: work that lost Spot capacity has to repeat, "
        "public addresses, storage, requests, logs.",
    ]
