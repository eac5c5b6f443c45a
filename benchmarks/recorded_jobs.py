"""The jobs of a run that never was: samples with two lanes each, called together in windows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

GIB = 1 << 30
LEAST_JOBS = 16


@dataclass(eq=False)
class Job:
    """A job to be: its rules, its size, and the jobs that wait for it."""

    number: int
    process: str
    steps: Sequence[tuple[str, dict[str, str]]]
    cpus: float
    memory: int
    after: list["Job"] = field(default_factory=list)
    needs: int = 0
    fails: bool = False

    @property
    def wildcards(self) -> dict[str, str]:
        """Wildcards with one value in all its rules."""
        values: dict[str, set[str]] = {}
        for _, wildcards in self.steps:
            for name, value in wildcards.items():
                values.setdefault(name, set()).add(value)
        return {name: min(found) for name, found in values.items() if len(found) == 1}

    @property
    def is_group(self) -> bool:
        """Whether it has several rules."""
        return len(self.steps) > 1


def plan(jobs: int, rng: random.Random, failures: float = 0.0) -> list[Job]:
    """Return a run of so many jobs, 16 at least, of which a share fails for good."""
    samples = max(1, (max(jobs, LEAST_JOBS) - 12) // 5)
    windows = max(jobs, LEAST_JOBS) - 12 - 3 * samples
    made: list[Job] = []

    def add(process: str, steps: Sequence[tuple[str, dict[str, str]]], cpus: float, gib: float) -> Job:
        made.append(Job(len(made), process, steps, cpus, int(gib * GIB), fails=rng.random() < failures))
        return made[-1]

    def link(before: Sequence[Job], later: Sequence[Job]) -> None:
        for one in before:
            one.after += later
        for one in later:
            one.needs += len(before)

    first = [
        add(rule, [(rule, tags)], 1, 4)
        for rule, tags in (
            ("reference", {}),
            ("bwa_index", {}),
            ("windows", {"purpose": "calling"}),
            ("filters", {}),
            ("ploidy", {"callset": "all"}),
        )
    ]
    link(first[:1], first[1:3])
    alignments = []
    for sample in (f"s{number:05}" for number in range(1, samples + 1)):
        lanes = []
        for unit in ("L1", "L2"):
            tags = {"sample": sample, "unit": unit}
            steps = [("decompress", tags), ("fastqc", tags), ("bwa_mem", {**tags, "shard": "1"})]
            lanes.append(add("lane", steps, 4, 8))
        link(first[1:2], lanes)
        rules = ("sort_index", "samtools_stats", "slices")
        alignments.append(add("alignment", [(rule, {"sample": sample}) for rule in rules], 2, 4))
        link(lanes, alignments[-1:])
    # Every call needs every alignment: a job that takes no time stands between them.
    gate = Job(-1, "", (), 0, 0)
    link([*alignments, *first[2:]], [gate])
    calls = [
        add("bcftools_call", [("bcftools_call", {"callset": "all", "window": str(one + 1)})], 1, 4)
        for one in range(windows)
    ]
    link([gate], calls)
    variants = add("variants", [("variants", {"callset": "all"})], 2, 4)
    link(calls, [variants])
    tables = [add(rule, [(rule, {"callset": "all"})], 1, 2) for rule in ("bcftools_stats", "variant_table")]
    plots = [add(rule, [(rule, {})], 1, 2) for rule in ("calling_reads", "coverage_plot", "versions")]
    link([variants], tables)
    link([gate], plots)
    link([*tables, *plots], [add("multiqc", [("multiqc", {})], 1, 4)])
    return made
