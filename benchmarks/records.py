#!/usr/bin/env python3
"""Make the record of a run that never was, of any size, for tests and measurements of what shows runs.

    tools/run.sh python benchmarks/records.py --attempts 50000 --bucket data --run big

A run of samples with two lanes each is simulated on a number of vCPUs: groups, lost Spot capacity, jobs that need more
memory, and jobs that fail for good, after which what depends on them never starts. The same seed gives the same run.
"""

import argparse
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import boto3

from recorded_jobs import Job, plan
from snakemake_aws_common import prices
from snakemake_aws_common.record import attempt as attempts
from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record import store
from snakemake_aws_common.record.attempt import Attempt, Step
from snakemake_aws_common.record.live import Failure, Live, LiveJob, RuleCount
from terraflow.heads import about as abouts
from terraflow.heads.about import About

GIB = 1 << 30
REGION = "us-east-1"
# 2026-03-01 12:00:00 UTC, in milliseconds.
START = 1_772_366_400_000
HEAD = "2026-03-01T12:00:00Z-0a1b2c"
# Batch makes so many attempts on Spot; the last one goes to the on-demand queue.
SPOT_ATTEMPTS = 3
INTERRUPTED = "Your Spot Task was interrupted."
EXITED = "Essential container in task exited"
OUT_OF_MEMORY = "OutOfMemoryError: container killed due to memory usage"
# Seconds of each rule's tool for a sample of 1 Gb, vCPUs that it uses, and GiB that it takes.
TOOLS = {
    "reference": (40, 1, 0.2),
    "bwa_index": (120, 1, 1.5),
    "windows": (5, 1, 0.1),
    "filters": (2, 1, 0.1),
    "ploidy": (2, 1, 0.1),
    "decompress": (90, 1, 0.3),
    "fastqc": (150, 1, 0.6),
    "bwa_mem": (600, 3, 3.0),
    "sort_index": (240, 2, 1.4),
    "samtools_stats": (60, 1, 0.2),
    "slices": (30, 1, 0.2),
    "bcftools_call": (400, 1, 0.9),
    "variants": (60, 2, 0.4),
    "bcftools_stats": (20, 1, 0.2),
    "variant_table": (20, 1, 0.3),
    "calling_reads": (5, 1, 0.1),
    "coverage_plot": (15, 1, 0.4),
    "versions": (3, 1, 0.1),
    "multiqc": (60, 1, 1.2),
}


@dataclass
class Made:
    """A simulated run: its attempts by their ends, and the jobs that never started."""

    name: str
    jobs: list[Job]
    attempts: list[Attempt]
    # Jobs by the native id of each of their attempts.
    job_of: dict[str, Job]


def simulate(
    name: str, jobs: int, seed: int = 1, vcpus: float = 1000, losses: float = 0.04, failures: float = 0
) -> Made:
    """Run so many jobs on so many vCPUs; `losses` is the share of attempts that lose their Spot capacity."""
    rng = random.Random(seed)
    made = Made(name, plan(jobs, rng, failures), [], {})
    order = itertools.count()
    # Ready jobs, and attempts under way, by time in milliseconds since the start.
    ready: list[tuple[int, int, Job, Attempt | None]] = [
        (rng.randint(1000, 4000), next(order), job, None) for job in made.jobs if not job.needs
    ]
    heapq.heapify(ready)
    running: list[tuple[int, int, Job, Attempt]] = []
    free, now = vcpus, 0
    while ready or running:
        if ready and ready[0][2].cpus <= free and (not running or max(now, ready[0][0]) <= running[0][0]):
            since, _, job, before = heapq.heappop(ready)
            now = max(now, since)
            one = _attempt(made, job, before, since, now, rng, losses)
            free -= job.cpus
            assert one.complete is not None
            heapq.heappush(running, (one.complete - START, next(order), job, one))
            continue
        now, _, job, one = heapq.heappop(running)
        free += job.cpus
        made.attempts.append(one)
        made.job_of[one.native_id] = job
        if one.status == attempts.COMPLETED:
            for later in _freed(job):
                heapq.heappush(ready, (now + rng.randint(500, 3000), next(order), later, None))
        elif not job.fails:
            if one.reason == OUT_OF_MEMORY:
                job.memory *= 2
            heapq.heappush(ready, (now + rng.randint(500, 3000), next(order), job, one))
    return made


def _freed(job: Job) -> Iterator[Job]:
    """Yield the jobs that nothing is left to wait for."""
    for later in job.after:
        later.needs -= 1
        if not later.needs:
            if later.number < 0:
                yield from _freed(later)
            else:
                yield later


def _attempt(
    made: Made, job: Job, before: Attempt | None, since: int, now: int, rng: random.Random, losses: float
) -> Attempt:
    """Return the attempt after `before` of a job that is ready at `since` and has room at `now`.

    Batch itself repeats a job that lost its Spot capacity, as another attempt of the same id.
    """
    again = before is not None and before.reason == INTERRUPTED and before.attempt < SPOT_ATTEMPTS
    spot = before is None or (before.spot and (again or before.reason != INTERRUPTED))
    starting, pull = now + rng.randint(500, 2000), rng.randint(15_000, 45_000)
    start = starting + pull
    steps, at = [], start + 3500
    for rule, wildcards in job.steps:
        steps.append(_step(rule, wildcards, at, rng))
        assert steps[-1].complete is not None
        at = steps[-1].complete - START + 500
    # A worker stores what its rules have made when the last of them has ended.
    at += sum(step.store_time or 0 for step in steps)
    status, complete, reason = attempts.COMPLETED, at, EXITED
    code: int | None = 0
    draw = rng.random()
    if job.fails:
        status, code = attempts.FAILED, 1
        steps = [*steps[:-1], _ended(steps[-1], 1)]
    elif spot and draw < losses:
        status, code, reason = attempts.FAILED, None, INTERRUPTED
        complete = rng.randint(start + 1000, at)
        steps = [step for step in steps if step.complete is not None and step.complete - START <= complete]
    elif draw > 0.995 and before is None:
        status, code, reason = attempts.FAILED, 137, OUT_OF_MEMORY
        steps = [*steps[:-1], _ended(steps[-1], 137)]
    hashed = before.hash if before else f"{rng.getrandbits(48):012x}-{rng.getrandbits(24):06x}"
    native_id = f"{rng.getrandbits(32):08x}-0000-4000-8000-{job.number:012x}"
    return Attempt(
        native_id=before.native_id if before and again else native_id,
        attempt=before.attempt + 1 if before and again else 1,
        name="-".join([made.name, job.process, *job.wildcards.values(), hashed])[:128],
        process=job.process,
        wildcards=job.wildcards,
        is_group=job.is_group,
        hash=hashed,
        status=status,
        exit=code,
        reason=reason,
        queue="terraflow-spot" if spot else "terraflow-ondemand",
        spot=spot,
        definition="terraflow-worker-20gib:1",
        log_stream=f"worker-20gib/default/{rng.getrandbits(128):032x}",
        cpus=job.cpus,
        memory=job.memory,
        disk=20 * GIB,
        submit=before.submit if before and again else START + since,
        runnable=START + since + 1500,
        starting=START + max(starting, since + 1500),
        start=START + start,
        complete=START + complete,
        head=HEAD,
        steps=tuple(steps),
    )


def _step(rule: str, wildcards: dict[str, str], at: int, rng: random.Random) -> Step:
    """Return the measurements of a rule that begins at `at`, in milliseconds since the start."""
    seconds, cpus, gib = TOOLS[rule]
    size = rng.lognormvariate(0, 0.3)
    real, fetched, stored = int(1000 * seconds * size), int(size * 2e8), int(size * 1e8)
    fetch, put = fetched // 100_000, stored // 80_000
    return Step(
        process=rule,
        wildcards=wildcards,
        exit=0,
        start=START + at + fetch,
        complete=START + at + fetch + real,
        realtime=real,
        cpu_time=int(real * cpus * rng.uniform(0.7, 0.98)),
        peak_rss=int(gib * GIB * rng.uniform(0.8, 1.1)),
        fetch_bytes=fetched,
        fetch_time=fetch,
        store_bytes=stored,
        store_time=put,
    )


def _ended(step: Step, code: int) -> Step:
    return replace(step, exit=code, store_bytes=None, store_time=None)


def as_seen(made: Made, at: int | None = None, who: str = "ada") -> tuple[About, Live, list[Attempt]]:
    """Return what S3 holds of the run at a time, in milliseconds since 1970; by default when it has ended."""
    last = max(one.complete or 0 for one in made.attempts) + 5000
    now = last if at is None else at
    over, rates = now >= last, prices.load(REGION)
    past = [one for one in made.attempts if (one.complete or 0) <= now]
    # Between two attempts of one id, Batch has the job in RUNNABLE.
    ended = {(one.native_id, one.attempt) for one in past}
    going = [
        one
        for one in made.attempts
        if one.submit <= now < (one.complete or 0) and (one.attempt == 1 or (one.native_id, one.attempt - 1) in ended)
    ]
    done = {made.job_of[one.native_id].number for one in past if one.status == attempts.COMPLETED}
    runs = {made.job_of[one.native_id].number for one in going if (one.starting or 0) <= now}
    waits = {made.job_of[one.native_id].number for one in going} - runs
    lost = [one for one in past if made.job_of[one.native_id].fails]
    failed = {made.job_of[one.native_id].number for one in lost} - done - runs - waits
    counts: dict[str, Counter[str]] = {}
    for job in made.jobs:
        kind = next(
            (k for k, of in (("done", done), ("running", runs), ("failed", failed)) if job.number in of), "waiting"
        )
        for rule, _ in job.steps:
            counts.setdefault(rule, Counter()).update([kind, "total"])
    texts = {made.job_of[one.native_id].number: one for one in lost}
    state = lives.RUNNING if not over else lives.FAILED if failed else lives.DONE
    live = Live(
        run=made.name,
        head=HEAD,
        who=who,
        state=state,
        started=START,
        updated=now,
        ended=now if over else None,
        rules={rule: RuleCount(**count) for rule, count in counts.items()},
        jobs=tuple(_going(one, made.job_of[one.native_id], now) for one in going),
        failures=tuple(
            Failure(one.native_id, one.process, one.wildcards, f"Rule {one.process} ({one.tag}) failed on AWS Batch.")
            for number, one in sorted(texts.items())
            if number in failed
        ),
        spent=prices.total(prices.cost_of(one, rates, now) for one in [*past, *going]).total,
    )
    about = About(
        run=made.name,
        who=who,
        started_by="terraflow run",
        submitted=START - 90_000,
        state=state,
        head_job="0a1b2c3d-0000-4000-8000-000000000000",
        started=START,
        ended=live.ended,
        exit_code=abouts.EXIT_CODES[state] if over else None,
    )
    return about, live, past


def _going(one: Attempt, job: Job, now: int) -> LiveJob:
    """Return an attempt that has not ended as a head sees it."""
    moments = {"RUNNING": one.start, "STARTING": one.starting, "RUNNABLE": one.runnable, "SUBMITTED": one.submit}
    seen = ((status, since) for status, since in moments.items() if since is not None and since <= now)
    status, since = next(seen)
    return LiveJob(
        native_id=one.native_id,
        process=one.process,
        wildcards=one.wildcards,
        is_group=one.is_group,
        status=status,
        since=since,
        reason="",
        queue=one.queue,
        spot=one.spot,
        cpus=one.cpus,
        memory=one.memory,
        disk=one.disk,
        submit=one.submit,
        steps=tuple(job.steps),
    )


def put(s3: Any, bucket: str, about: About, live: Live, past: Sequence[Attempt]) -> None:  # noqa: ANN401
    """Store what a launcher and a head write of a run."""
    prefix = f"runs/{about.run}"
    s3.put_object(Bucket=bucket, Key=f"{prefix}/{abouts.NAME}", Body=abouts.to_json(about))
    s3.put_object(Bucket=bucket, Key=f"{prefix}/{store.LIVE}", Body=lives.to_json(live))
    for number, first in enumerate(range(0, len(past), store.PART), start=1):
        body = store.pack(past[first : first + store.PART])
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{store.part_name(live.head, number)}", Body=body)


def at_work(attempts_wanted: int, name: str, seed: int = 1) -> tuple[About, Live, list[Attempt]]:
    """Return what S3 holds of a run at work, whose record has this many attempts."""
    made = simulate(name, attempts_wanted + 50, seed, failures=0.0)
    return as_seen(made, made.attempts[attempts_wanted - 1].complete)


def main() -> None:
    """Store a run at work in a bucket; AWS_ENDPOINT_URL names another S3 than AWS's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=50_000, help="attempts in the record (default: 50000)")
    parser.add_argument("--seed", type=int, default=1, help="(default: 1)")
    parser.add_argument("--run", default="big", help="name of the run (default: big)")
    parser.add_argument("--bucket", required=True, help="where to store it")
    options = parser.parse_args()
    about, live, past = at_work(options.attempts, options.run, options.seed)
    put(boto3.client("s3"), options.bucket, about, live, past)
    print(f"s3://{options.bucket}/runs/{options.run}: {len(past)} attempts, {len(live.jobs)} jobs at work")


if __name__ == "__main__":
    main()
