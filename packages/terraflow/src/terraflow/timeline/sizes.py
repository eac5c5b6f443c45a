"""Compares what the jobs of each rule asked for with what they used, and says what to ask for instead.

A rule that shares a container with others is measured by itself, and compared with what the container had.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import yaml

from snakemake_aws_common.record.attempt import Attempt, Step

MIB = 2**20
GIB = 2**30
# Disk that every task has, whatever it asks for.
LEAST_DISK = 20 * GIB
# Room above the highest use that was seen; a rule's temporary files are in no measurement of its disk.
MORE_MEMORY = 1.25
MORE_DISK = 2
# Something else is suggested when it is less than this part of what was asked, or more than what was asked.
WORTH_IT = 0.75
MEMORY_STEP = 256
DISK_STEP = 1000
OUT_OF_MEMORY = ("OutOfMemory", "OOM")


@dataclass(frozen=True)
class Size:
    """Highest request and highest use over all attempts of a rule; sizes are bytes, None was not measured."""

    rule: str
    jobs: int
    grouped: bool
    cpus: float
    memory: int
    disk: int
    # Cores that were busy on the average of a job's time.
    used_cpus: float | None
    used_memory: int | None
    # Fetched and stored: what lay on the disk at least.
    used_disk: int | None
    # Attempts that were ended since their memory was full, and the most memory that any of them had; in a group only
    # those in which the rule itself was ended.
    out_of_memory: int
    too_little: int

    @property
    def threads(self) -> int | None:
        """Threads to ask for instead, if others; none for a rule in a group, which shares the container's."""
        if self.grouped or not self.used_cpus:
            return None
        wanted = max(1, math.ceil(round(self.used_cpus, 1)))
        return wanted if wanted <= self.cpus * WORTH_IT else None

    @property
    def mem_mb(self) -> int | None:
        """Memory to ask for instead, in MiB as Snakemake and the executor take it, if other."""
        if not self.used_memory and not self.too_little:
            return None
        used = (self.used_memory or 0) * MORE_MEMORY
        wanted = _rounded(max(used, 2 * self.too_little) / MIB, MEMORY_STEP)
        asked = self.memory / MIB
        least = _least_memory(self.threads or self.cpus)
        return wanted if self.too_little or wanted > asked or max(wanted, least) <= asked * WORTH_IT else None

    @property
    def disk_mb(self) -> int | None:
        """Disk to ask for instead, in MB, if other."""
        if not self.used_disk:
            return None
        wanted = max(self.used_disk * MORE_DISK, self.used_disk + GIB)
        if wanted > self.disk or max(wanted, LEAST_DISK) <= self.disk * WORTH_IT:
            return _rounded(wanted / MIB, DISK_STEP)
        return None


def sizes(attempts: Iterable[Attempt]) -> list[Size]:
    """Return the sizes of all rules that a record has, by their names."""
    found: dict[str, list[tuple[Attempt, Step | None]]] = {}
    for attempt in attempts:
        for step in attempt.steps or (None,):
            found.setdefault(step.process if step else attempt.process, []).append((attempt, step))
    return [_size(rule, pairs) for rule, pairs in sorted(found.items())]


def snippet(found: Iterable[Size]) -> str:
    """Return the suggestions as a part of a Snakemake profile, in YAML; empty if there are none.

    Requests go on growing with each attempt at a job, as those of the workflow's rules do.
    """
    threads = {one.rule: one.threads for one in found if one.threads}
    resources = {
        one.rule: {
            name: f"{amount} * attempt"
            for name, amount in (("mem_mb", one.mem_mb), ("disk_mb", one.disk_mb))
            if amount is not None
        }
        for one in found
        if one.mem_mb is not None or one.disk_mb is not None
    }
    parts = {name: part for name, part in (("set-threads", threads), ("set-resources", resources)) if part}
    return yaml.safe_dump(parts, sort_keys=False) if parts else ""


def _size(rule: str, pairs: Sequence[tuple[Attempt, Step | None]]) -> Size:
    attempts = [attempt for attempt, _ in pairs]
    busy: list[float] = []
    memory: list[int] = []
    disk: list[int] = []
    for _, step in pairs:
        if step is None:
            continue
        if step.cpu_time is not None and step.realtime:
            busy.append(step.cpu_time / step.realtime)
        if step.peak_rss is not None:
            memory.append(step.peak_rss)
        if step.fetch_bytes is not None or step.store_bytes is not None:
            disk.append((step.fetch_bytes or 0) + (step.store_bytes or 0))
    full = {reason for reason in {one.reason for one in attempts} if any(word in reason for word in OUT_OF_MEMORY)}
    # The memory of a group is that of all its rules together: another one may have filled it.
    killed = [
        attempt.memory
        for attempt, step in pairs
        if attempt.reason in full and not (attempt.is_group and (step is None or step.exit in (0, None)))
    ]
    return Size(
        rule=rule,
        jobs=len(pairs),
        grouped=any(attempt.is_group for attempt in attempts),
        cpus=max(attempt.cpus for attempt in attempts),
        memory=max(attempt.memory for attempt in attempts),
        disk=max(attempt.disk for attempt in attempts),
        used_cpus=max(busy, default=None),
        used_memory=max(memory, default=None),
        used_disk=max(disk, default=None),
        out_of_memory=len(killed),
        too_little=max(killed, default=0),
    )


def _least_memory(cpus: float) -> float:
    """Return the least memory, in MiB, that Fargate gives with so many vCPUs.

    Source: AWS Batch API reference, ResourceRequirement.value.
    """
    return 512 if cpus <= 0.25 else 1024 if cpus <= 0.5 else min(2048 * cpus, 61440)


def _rounded(amount: float, step: int) -> int:
    return math.ceil(amount / step) * step
