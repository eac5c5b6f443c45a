#!/usr/bin/env python3
"""Kill the head of a run at six moments, have two heads race for one run, and write benchmarks/healing.md.

    tools/run.sh python benchmarks/healing.py [--races N] [--only kills|races]

Everything is as in the tests of the cloud: the strict AWS, the stack applied to it, and containers of the image of this
checkout, which is built if it is missing. Docker and Terraform have to be there.
"""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/cloud")]

import needs  # noqa: E402
from container_heads import ARGUMENTS, Site  # noqa: E402
from laboratory import Head  # noqa: E402
from stacks import deploy  # noqa: E402

from strict_aws import running  # noqa: E402
from terraflow.heads import about as abouts  # noqa: E402
from terraflow.image import content_tag  # noqa: E402
from watched import LOCK, MEMORY, Watched, codes_of  # noqa: E402

REPORT = Path(__file__).with_suffix(".md")
MARK = "<!-- figures -->\n"
# Seconds of a job's tool in runs that are killed, and in races: the second head has to come while they run.
WORK, RACE_WORK = 10, 6
JOBS, RACE_JOBS = 4, 1
# How often a moment is tried that was over before the kill came.
TRIES = 3
KILLED, FINE, HELD = 137, 0, abouts.EXIT_HELD


# Kills


@dataclass(frozen=True)
class AtKill:
    """The run when its head was just killed."""

    lock: bool
    submitted: int
    running: int
    ended: int
    state: str


@dataclass(frozen=True)
class Moment:
    """A moment at which the head is killed.

    A fault of AWS can hold the head there: it is set up once `beginning` is true, and removed after the kill.
    """

    words: str
    reached: Callable[[Watched], object]
    meant: Callable[[AtKill], bool]
    fault: Mapping[str, Any] = field(default_factory=dict)
    beginning: Callable[[Watched], object] = lambda watched: True


def struck(watched: Watched, operation: str, key: str = "*") -> bool:
    """Return whether a fault has struck a request, after the last job's end if it is one of S3."""
    requests = [one["time"] for one in watched.requests(operation, key) if one["fault"]]
    if operation == "SubmitJob":
        return bool(requests)
    ends = [job["stoppedAt"] / 1000 for job in watched.tasks("SUCCEEDED", "gather")]
    return any(time > end for time in requests for end in ends)


def refused(key: str) -> dict[str, Any]:
    """Return a fault: S3 does not take an object of this key."""
    return {"call": "error", "service": "s3", "operation": "PutObject", "key": f"runs/*/{key}", "times": 1000}


MOMENTS = (
    Moment(
        "before it has the lock",
        lambda run: run.requests("GetObject", "head/*.tar.xz"),
        lambda at: not at.lock and at.submitted == 0 and at.state == abouts.SUBMITTED,
    ),
    Moment(
        "with the lock, before the first submission",
        lambda run: run.requests("PutObject", LOCK),
        lambda at: at.lock and at.submitted == 0,
    ),
    # Batch takes two and throttles the rest.
    Moment(
        "while jobs are submitted",
        lambda run: struck(run, "SubmitJob") and len(run.site.tasks(run.run)) == 2,
        lambda at: at.lock and at.submitted == 2 and at.ended == 0,
        {
            **{"call": "error", "service": "batch", "operation": "SubmitJob", "skip": 2, "times": 1000},
            **{"status": 429, "code": "TooManyRequestsException"},
        },
    ),
    Moment(
        "while all jobs run",
        lambda run: len(run.tasks("RUNNING", "make")) == JOBS,
        lambda at: at.lock and at.running == JOBS,
    ),
    Moment(
        "after the last job, before its memory is stored",
        lambda run: struck(run, "PutObject", MEMORY),
        lambda at: at.ended == JOBS + 1 and at.state == abouts.RUNNING,
        refused(MEMORY),
        lambda run: run.tasks("RUNNING", "gather"),
    ),
    Moment(
        "after its memory is stored, before run.json says done",
        lambda run: struck(run, "PutObject", abouts.NAME),
        lambda at: at.ended == JOBS + 1 and at.state == abouts.RUNNING and not at.lock,
        refused(abouts.NAME),
        lambda run: run.tasks("RUNNING", "gather"),
    ),
)


@dataclass(frozen=True)
class Healed:
    """A run whose head was killed, or was left alone: seconds from its submission to its end, and without a head."""

    words: str
    codes: Sequence[int | None]
    seconds: float
    headless: float | None
    problems: Sequence[str]


def conduct(site: Site, run: str, moment: Moment | None) -> Healed | None:
    """Conduct one run and kill its head; return None if the moment was over before the kill came."""
    watched = Watched(site, run)
    job = site.submit(run, WORK, JOBS)
    killed = kill(watched, job, moment) if moment else None
    head = site.ended(job)
    if moment and killed is None:
        return None
    taken = [one["time"] for one in watched.requests("PutObject", LOCK) if killed and one["time"] > killed]
    problems = watched.problems(JOBS + 1) + watched.problems_of_about(job)
    codes = codes_of(head)
    if codes != [*([KILLED] if moment else []), FINE]:
        problems.append(f"exit codes {codes}\n{site.said(head)}")
    # Its memory is whole: once more started, it has nothing to do.
    again = site.ended(site.submit(run, WORK, JOBS))
    if codes_of(again) != [FINE] or len(site.tasks(run)) != JOBS + 1:
        jobs = [one["jobName"] for one in site.tasks(run)]
        problems.append(f"started once more: exit codes {codes_of(again)}, jobs {jobs}\n{site.said(again)}")
    seconds = (head["stoppedAt"] - head["createdAt"]) / 1000
    headless = min(taken) - killed if killed and taken else None
    return Healed(moment.words if moment else "not at all", codes, seconds, headless, problems)


def kill(watched: Watched, job: str, moment: Moment) -> float | None:
    """Kill a head at a moment; return when that was, or None if the moment was over."""
    site = watched.site
    watched.until(lambda: moment.beginning(watched), f"what comes before {moment.words!r}")
    if moment.fault:
        site.aws.fault(**moment.fault)
    try:
        watched.until(lambda: moment.reached(watched), repr(moment.words))
        container = f"{watched.run}-head-{job[:8]}-1"
        done = subprocess.run(["docker", "kill", container], capture_output=True, text=True, check=False)
        killed = time.time()
        tasks = [one for one in site.tasks(watched.run) if one["createdAt"] / 1000 < killed]
        lock = LOCK in site.keys(f"runs/{watched.run}/")
        ended = sum(one["status"] == "SUCCEEDED" for one in tasks)
        going = sum(one["status"] == "RUNNING" for one in tasks)
        at = AtKill(lock, len(tasks), going, ended, site.about(watched.run).state)
    finally:
        site.aws.forget_faults()
    if done.returncode or not moment.meant(at):
        print(f"  {moment.words}: too late, {at} {done.stderr.strip()}", flush=True)
        return None
    return killed


def kills(site: Site) -> list[Healed]:
    """Return how a run ends whose head is left alone, and how those end whose heads are killed."""
    found: list[Healed] = []
    for number, moment in enumerate((None, *MOMENTS)):
        for attempt in range(TRIES):
            healed = conduct(site, f"kill{number}{'abc'[attempt]}", moment)
            if healed is not None:
                break
        else:
            raise RuntimeError(f"{moment and moment.words}: missed {TRIES} times")
        found.append(healed)
        print(f"  {healed}", flush=True)
    return found


# Races


@dataclass(frozen=True)
class Outcome:
    """How a head ended: its exit codes, what it said, and the code by which it says that another one works."""

    name: str
    codes: Sequence[int | None]
    held: int
    said: str
    # Empty for one that is no job.
    job: str = ""


@dataclass(frozen=True)
class Race:
    """Two heads of one run: which one conducted it, and how close it was.

    `apart` are the seconds between their first looks at the lock; `refused` is whether both wrote it, and S3 took one.
    """

    mixed: bool
    winner: str
    apart: float
    refused: bool
    problems: Sequence[str]


def race(site: Site, number: int) -> Race:
    """Have two heads race: two containers, or a container and Snakemake on this machine, as people start it."""
    run, mixed = f"race{number:02}", bool(number % 2)
    watched = Watched(site, run)
    laptop = snakemake(site, run) if mixed else None
    if mixed:
        # Snakemake looks for the lock after it has planned the run: now one is faster, now the other.
        time.sleep(number // 2 % 5 * 0.2)
    jobs = [site.submit(run, RACE_WORK, RACE_JOBS)]
    if not mixed:
        jobs.append(submit_again(site, jobs[0]))
    outcomes = []
    for n, job in enumerate(jobs, 1):
        ended = site.ended(job)
        outcomes.append(Outcome(f"container {n}", codes_of(ended), HELD, site.said(ended), job))
    if laptop is not None:
        said = laptop.end(expected=None)
        outcomes.append(Outcome("snakemake", [laptop.process.returncode], 1, said))
    problems = watched.problems(RACE_JOBS + 1)
    won = [one for one in outcomes if one.codes == [FINE]]
    lost = [one for one in outcomes if one.codes == [one.held] and "Another head works on" in one.said]
    if len(won) != 1 or len(lost) != 1:
        problems += [f"{one.name} ended with {one.codes}\n{one.said}" for one in outcomes]
    elif won[0].job:
        problems += watched.problems_of_about(won[0].job)
    apart, clash = closeness(watched)
    return Race(mixed, ", ".join(one.name for one in won) or "none", apart, clash, problems)


def snakemake(site: Site, run: str) -> Head:
    """Start a run on this machine."""
    config = ("--config", f"seconds={RACE_WORK}", f"jobs={RACE_JOBS}")
    site.command = ["snakemake", "--profile", "aws", *ARGUMENTS, *config]
    return site.start(run=run)


def submit_again(site: Site, job: str) -> str:
    """Submit a head's job once more, past all that `terraflow run` does against that, and return its id."""
    first = site.head(job)
    resources = [{"type": one["type"], "value": one["value"]} for one in first["container"]["resourceRequirements"]]
    answer = site.as_people["batch"].submit_job(
        jobName=first["jobName"],
        jobQueue=site.stack.queues["head"],
        jobDefinition=str(site.stack.head_job_definition),
        containerOverrides={"command": first["container"]["command"], "resourceRequirements": resources},
        tags=first["tags"],
        propagateTags=True,
    )
    return str(answer["jobId"])


def closeness(watched: Watched) -> tuple[float, bool]:
    """Return the seconds between the first looks of both heads at the lock, and whether S3 refused one's write."""
    # Whoever starts a head looks as well, with keys of its own, and so does this program.
    others = {watched.site.people["AccessKeyId"], watched.site.aws.env["AWS_ACCESS_KEY_ID"]}
    looks: dict[str, float] = {}
    for one in watched.requests("GetObject", LOCK):
        if one["caller"] not in others:
            looks.setdefault(one["caller"], one["time"])
    times = sorted(looks.values())
    refused = any(one["status"] in (409, 412) for one in watched.requests("PutObject", LOCK))
    return (times[1] - times[0] if len(times) > 1 else math.nan), refused


# The report


def row(*cells: object) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def table_of_kills(found: Sequence[Healed]) -> Iterator[str]:
    """Yield the lines of the table of kills; the first run was left alone."""
    yield row("the head was killed", "its exit codes", "without a head", "lost", "jobs, record, lock, run.json, memory")
    yield row("---", "---", "---:", "---:", "---")
    for one in found:
        headless = "" if one.headless is None else f"{one.headless:.1f} s"
        lost = one.seconds - found[0].seconds
        cost = f"{lost:.0f} s" if one is not found[0] else f"(takes {one.seconds:.0f} s)"
        yield row(one.words, ", ".join(map(str, one.codes)), headless, cost, judged(one.problems))


def table_of_races(found: Sequence[Race]) -> Iterator[str]:
    """Yield the lines of the table of races."""
    yield row(
        "heads",
        "races",
        "conducted by",
        "looks at the lock apart",
        "both wrote it",
        "the other's end, jobs, record, lock",
    )
    yield row("---", "---:", "---", "---:", "---:", "---")
    for mixed, words in ((False, "two containers"), (True, "a container, and `snakemake` on a machine")):
        if races := [one for one in found if one.mixed == mixed]:
            winners = Counter(one.winner for one in races)
            won = ", ".join(f"{name}: {times}" for name, times in sorted(winners.items()))
            apart = [one.apart for one in races]
            close = f"{min(apart):.2f} to {max(apart):.2f} s, median {statistics.median(apart):.2f} s"
            problems = [problem for one in races for problem in one.problems]
            yield row(words, len(races), won, close, sum(one.refused for one in races), judged(problems))


def judged(problems: Sequence[str]) -> str:
    """Return a cell: fine, or the first lines of what is wrong."""
    return "as they should be" if not problems else "; ".join(one.partition("\n")[0] for one in problems)


@contextmanager
def a_site() -> Iterator[Site]:
    """Deploy the stack to an AWS of its own, as the tests of the cloud do."""
    needs.need_docker()
    needs.need_terraform()
    with tempfile.TemporaryDirectory(prefix="healing-") as name, running(Path(name) / "strict-aws.log") as aws:
        folder = Path(name) / "project"
        folder.mkdir()
        # Images of a name that no test has.
        deployed = deploy(Path(name) / "deployed", aws, image_tag=content_tag(ROOT))
        aws.set(stop_seconds=30, containers=6, fargate_spot_vcpus=8, fargate_ondemand_vcpus=8)
        site = Site(aws, deployed, folder)
        try:
            yield site
        finally:
            site.close()
            subprocess.run(["docker", "rmi", *site.outputs["images"].values()], capture_output=True, check=False)
            needs.forget_terraform()


def main() -> None:
    """Kill and race, print the tables, and write them into the report; the exit code is 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=20, help="races for the lock (default: 20)")
    parser.add_argument("--only", choices=("kills", "races"), help="do a part, and leave the report as it is")
    options = parser.parse_args()
    tables, problems = [], []
    with a_site() as site:
        if options.only != "races":
            killed = kills(site)
            tables.append("\n".join(table_of_kills(killed)))
            problems += [problem for one in killed for problem in one.problems]
        if options.only != "kills":
            races = []
            for number in range(options.races):
                races.append(race(site, number))
                print(f"  {races[-1]}", flush=True)
            tables.append("\n".join(table_of_races(races)))
            problems += [problem for one in races for problem in one.problems]
    figures = "\n\n".join(tables) + "\n"
    print(figures)
    if options.only is None:
        before, mark, _ = REPORT.read_text().partition(MARK)
        REPORT.write_text(f"{before}{mark}\n{figures}")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
