"""The estimate: tasks take what the model says, are priced like attempts, and wait for each other and for vCPUs."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from run_objects import STACK
from snakemake_aws_common.rehearsal import PlannedJob, PlannedTask, Rehearsal
from terraflow.costs import model as models
from terraflow.costs.compare import compare
from terraflow.costs.estimate import estimate
from terraflow.costs.model import Model, Parts, RuleModel
from terraflow.costs.schedule import Timed, seconds_until_done
from terraflow.costs.sizes import HUMAN, sizes_of

EXPECTED = {"spot": 2.0, "low": 1.0, "high": 4.0}
NOTHING = Parts(0, [(0, 0)], [(0, 0)])
STACK_X86 = dataclasses.replace(STACK, architecture="X86_64")
# A million reads take 100 s, a billion bases 10 s; nothing else takes any time.
PLAIN = Model(
    measured="here",
    rules={"align": RuleModel(Parts(0, [(0, 100)], [(0, 10)]), NOTHING), "wait": RuleModel(NOTHING, NOTHING)},
    other=RuleModel(NOTHING, NOTHING), uncertainty=2, busy=1, start_seconds=0, place_seconds=0, bytes_per_second=1e6,
    bytes_per_read={"": 350, ".gz": 100}, bytes_per_base={"": 1, ".gz": 0.25},
)  # fmt: skip


def job(rule: str = "align", threads: int = 1, given: dict[str, int] | None = None, **wildcards: str) -> PlannedJob:
    return PlannedJob(rule, wildcards, threads, 2000, 1000, 30, given or {})


def task(*jobs: int, needs: tuple[int, ...] = (), vcpus: float = 1, disk: int = 20) -> PlannedTask:
    return PlannedTask("task", jobs, needs, vcpus, 2048, disk)


def lanes(reads: float = 72e6, bases: float = 0, **config: Any) -> Rehearsal:
    """Return a plan with one job that aligns so many reads, with a reference of so many bases."""
    files = {"s3://data/raw/a_R1.fastq.gz": int(reads * 50), "s3://data/raw/a_R2.fq.gz": int(reads * 50)}
    one = job(given={**files, "s3://data/ref.fa": int(bases)}, sample="a", unit="L1")
    return Rehearsal((one,), (task(0),), config)


def test_one_task_by_hand() -> None:
    # Two hours and ten seconds on a vCPU with 2 GiB and, above 20, 30 GiB of disk; the head has a vCPU and 2 GiB.
    plan = lanes(72e6, 1e9)
    expected = estimate(dataclasses.replace(plan, tasks=(task(0, disk=50),)), STACK_X86, None, model=PLAIN)
    hours = 7210 / 3600
    billed = 7240 / 3600
    endpoints = 0.00001
    on_demand = billed * (0.04048 + 2 * 0.004445 + 30 * 0.000111) + endpoints
    spot = billed * (0.4 * (0.04048 + 2 * 0.004445) + 30 * 0.000111) + endpoints
    head = hours * (0.04048 + 2 * 0.004445) + endpoints
    assert expected.hours == pytest.approx(hours)
    assert expected.head == pytest.approx(head)
    assert (expected.spot, expected.on_demand) == pytest.approx((spot + head, on_demand + head))
    assert (expected.low, expected.high) == pytest.approx(((spot + head) / 2, (spot + head) * 2))
    (row,) = expected.rows
    assert (row.rule, row.jobs) == ("align", 1)
    assert (row.vcpu_hours, row.spot, row.on_demand) == pytest.approx((billed, spot, on_demand))


def test_a_task_is_billed_for_a_minute_at_least() -> None:
    expected = estimate(lanes(0), STACK_X86, None, model=PLAIN)
    assert expected.vcpu_hours == pytest.approx(1 / 60)


@pytest.mark.parametrize(
    ("vcpus", "jobs", "seconds"),
    [
        pytest.param(1, [job(sample="a", unit="L1")], 100, id="one vCPU"),
        pytest.param(4, [job(threads=4, sample="a", unit="L1")], 25, id="all vCPUs"),
        pytest.param(4, [job(threads=2, sample="a", unit="L1")], 50, id="its own threads"),
        pytest.param(2, [job(threads=1, sample="a", unit="L1")] * 2, 100, id="a group shares the vCPUs"),
        pytest.param(1, [job(sample="a", unit="L1")] * 2, 200, id="a group on one vCPU"),
    ],
)
def test_a_task_takes_as_long_as_its_threads_allow(vcpus: float, jobs: list[PlannedJob], seconds: float) -> None:
    files = dataclasses.replace(jobs[0], given={"a.fq.gz": 10**8, "r.fa": 0})
    planned = Rehearsal((files, *jobs[1:]), (task(*range(len(jobs)), vcpus=vcpus),), {})
    expected = estimate(planned, STACK_X86, None, model=PLAIN)
    assert expected.hours * 3600 == pytest.approx(seconds, rel=1e-6)


def test_a_group_is_split_over_its_rules() -> None:
    jobs = (job(given={"a.fq.gz": 10**9}, sample="a", unit="L1"), job("wait", sample="a", unit="L1"))
    expected = estimate(Rehearsal(jobs, (task(0, 1),), {}), STACK_X86, None, model=PLAIN)
    assert [(row.rule, row.jobs) for row in expected.rows] == [("align", 1), ("wait", 1)]
    assert expected.rows[1].spot == 0


@pytest.mark.parametrize(
    ("wildcards", "reads", "bases"),
    [
        ({}, 60e6, 1e9),
        ({"sample": "a"}, 30e6, 1e9),
        ({"sample": "a", "unit": "L2"}, 20e6, 1e9),
        ({"sample": "a", "unit": "L2", "shard": "1"}, 5e6, 1e9),
        ({"callset": "all", "window": "3"}, 6e6, 1e8),
        ({"callset": "b", "window": "3"}, 3e6, 1e8),
        ({"purpose": "calling"}, 60e6, 1e9),
    ],
)
def test_what_a_job_works_on(wildcards: dict[str, str], reads: float, bases: float) -> None:
    jobs = (
        job(given={"1.fq.gz": 10**9, "r.fa": 10**9}, sample="a", unit="L1"),
        job(given={"2.fastq.gz": 2 * 10**9}, sample="a", unit="L2"),
        job(given={"3.fastq": 30 * 35 * 10**7}, sample="b", unit="L1"),
    )
    plan = Rehearsal(jobs, (), {"reads": {"shards": 4}, "calling": {"windows": 10}})
    found = sizes_of(plan, PLAIN)
    assert (found.reads_of(wildcards), found.bases_of(wildcards)) == pytest.approx((reads, bases))
    assert found.notes == ()


@pytest.mark.parametrize(
    ("given", "bases"),
    [
        ({"s3://b/genome.fa": 10**9}, 1e9),
        ({"s3://b/genome.FASTA.gz": 10**9}, 4e9),
        ({"s3://b/genome.fa.gz": 10, "s3://b/genome.fa.gz.bwt": 12 * 10**8}, 1.2e9),
        ({"s3://b/a.bam": 10**9}, HUMAN),
    ],
)
def test_the_size_of_a_reference(given: dict[str, int], bases: float) -> None:
    found = sizes_of(Rehearsal((job(given=given),), (), {}), PLAIN)
    assert found.bases == pytest.approx(bases)
    assert bool(found.notes) == (bases == HUMAN)


def test_reads_that_nobody_knows_are_those_of_others() -> None:
    jobs = (job(given={"1.fq.gz": 10**9, "r.fa": 1}, sample="a", unit="L1"), job(sample="b", unit="L1"))
    found = sizes_of(Rehearsal(jobs, (), {}), PLAIN)
    assert found.reads_of({"sample": "b"}) == 10e6
    assert "reads of b L1 are not known, and taken to be as those of the others (10,000,000" in found.notes[0]
    (note,) = sizes_of(Rehearsal((job(given={"r.fa": 1}, sample="b"),), (), {}), PLAIN).notes
    assert "reads of b are not known, and counted as none" in note


@settings(deadline=None, max_examples=30)
@given(st.floats(1e4, 1e9), st.floats(1e4, 1e9), st.floats(1e4, 1e10), st.floats(1e4, 1e10))
def test_more_reads_and_more_bases_never_cost_less(reads: float, more: float, bases: float, longer: float) -> None:
    rules = tuple(models.load().rules)
    files = {"1.fq.gz": int(reads), "r.fa": int(bases)}
    jobs = tuple(job(rule, given=files, sample="a", unit="L1") for rule in rules)
    plan = Rehearsal(jobs, tuple(task(number) for number in range(len(jobs))), {})
    least = estimate(plan, STACK_X86, 4)
    for changed in ({"1.fq.gz": int(reads + more)}, {"r.fa": int(bases + longer)}):
        grown = tuple(dataclasses.replace(one, given={**files, **changed}) for one in jobs)
        most = estimate(dataclasses.replace(plan, jobs=grown), STACK_X86, 4)
        assert most.spot >= least.spot * (1 - 1e-9)
        assert most.hours >= least.hours * (1 - 1e-9)


def test_a_read_takes_longer_with_a_larger_reference() -> None:
    found = [models.at([(1e6, 10), (1e8, 30)], bases) for bases in (1e3, 1e6, 1e7, 1e8, 1e10)]
    assert found == pytest.approx([10, 10, 20, 30, 50])


@pytest.mark.parametrize(
    ("reads", "bases", "counted"), [(0, 1e6, 0), (1e6, 1.5e9, 142.7e6), (1e6, 1e6, 1e6), (100, 0, 0)]
)
def test_bases_that_reads_cover(reads: float, bases: float, counted: float) -> None:
    assert models.covered(reads, bases) == pytest.approx(counted, rel=1e-3)
    assert Parts(0, [(0, 0)], [(0, 1)], covered=True).of(reads, bases, bases) == pytest.approx(counted / 1e9, rel=1e-3)


def timed(seconds: float, vcpus: float = 1, *needs: int) -> Timed:
    return Timed(seconds, vcpus, needs)


@pytest.mark.parametrize(
    ("tasks", "vcpus", "seconds"),
    [
        pytest.param([], 4, 0, id="nothing"),
        pytest.param([timed(5), timed(7)], None, 7, id="side by side"),
        pytest.param([timed(5), timed(7)], 1, 12, id="one after the other"),
        pytest.param([timed(5), timed(7, 1, 0)], None, 12, id="one needs the other"),
        pytest.param([timed(9, 2), timed(4, 2), timed(4, 2)], 4, 9, id="two vCPUs each, four in all"),
        pytest.param([timed(5, 16)], 4, 5, id="larger than the limit"),
        pytest.param([timed(3), timed(4), timed(1, 1, 0, 1)], None, 5, id="waits for the longer one"),
    ],
)
def test_hours_until_done(tasks: list[Timed], vcpus: float | None, seconds: float) -> None:
    assert seconds_until_done(tasks, vcpus) == seconds


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.floats(0.1, 100), st.sampled_from([1, 2, 4]), st.lists(st.integers(0, 30), max_size=3)),
        min_size=1, max_size=30,
    )
)  # fmt: skip
def test_hours_lie_between_what_nothing_can_beat_and_one_after_the_other(
    drawn: list[tuple[float, float, list[int]]],
) -> None:
    tasks = [
        Timed(seconds, vcpus, sorted({need for need in needs if need < number}))
        for number, (seconds, vcpus, needs) in enumerate(drawn)
    ]
    ends: list[float] = []
    for one in tasks:
        ends.append(one.seconds + max((ends[need] for need in one.needs), default=0))
    found = seconds_until_done(tasks, 4)
    assert found >= max(max(ends), sum(one.seconds * one.vcpus for one in tasks) / 4) * (1 - 1e-9)
    assert found <= sum(one.seconds for one in tasks) * (1 + 1e-9)


def test_notes_say_what_is_not_measured_and_what_is_assumed() -> None:
    (first, *_) = lanes().jobs
    plan = Rehearsal((first, job("polish")), (task(0), task(1)), {})
    said = "\n".join(estimate(plan, STACK_X86, None, model=PLAIN).notes)
    assert "Not measured, and taken to be small: polish." in said
    assert "72.0 million reads" in said
    assert "measured here" in said
    assert "Spot is taken to cost 60% less" in said


def test_a_region_without_prices_is_reckoned_with_those_of_another_and_says_so() -> None:
    stack = dataclasses.replace(STACK_X86, region="mars-north-1")
    expected = estimate(lanes(), stack, None, model=PLAIN)
    assert expected.spot == pytest.approx(1.75 * estimate(lanes(), STACK_X86, None, model=PLAIN).spot)
    assert "no prices of mars-north-1: reckoned with those of us-east-1 times 1.75" in expected.notes[0]


@pytest.mark.parametrize(
    ("estimated", "cost", "words"),
    [
        (None, 1.234, "Cost: $1.23."),
        ({}, 1, "Cost: $1.00."),
        (EXPECTED, 2.5, "Cost: $2.50; expected were $2.00 ($1.00 to $4.00)."),
        (EXPECTED, 5, "Cost: $5.00; expected were $2.00 ($1.00 to $4.00): more than expected."),
        (EXPECTED, 0.5, "Cost: $0.50; expected were $2.00 ($1.00 to $4.00): less than expected."),
    ],
)
def test_cost_beside_the_estimate(estimated: dict[str, float] | None, cost: float, words: str) -> None:
    assert compare(estimated, cost) == words


def test_run_json_keeps_what_is_compared() -> None:
    expected = estimate(lanes(), STACK_X86, None, model=PLAIN)
    assert "less than expected" in compare(expected.mapping(), expected.low / 2)
