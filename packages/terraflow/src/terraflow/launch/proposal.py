"""Which aligner a run should have, and into how many shards it should cut a lane, by the sizes of reads and reference.

The aligner is the one with which building the index and aligning all lanes is expected to cost less on Spot. A lane is
cut only if it is too large for one task: each shard's task fetches the whole index again, and shards in one task gain
nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from snakemake_aws_common.prices import GIB, Prices, price_of
from terraflow.costs.model import Model
from terraflow_workflow.reference.aligners import ALIGNERS, BWA, BWA_MEM2, Aligner

MIB = 2**20
HOUR = 3600.0
# Less than this share saved is less than is known.
WORTH = 0.05
# GiB of memory that a task of Fargate can have, by vCPUs (AWS Batch API reference); a vCPU comes with 2 at least.
MEMORY = {1: 8, 2: 16, 4: 30, 8: 60, 16: 120, 32: 244}
LEAST_MEMORY = 2
# vCPUs of a lane's task: `cores` of profiles/aws.
CORES = 4
# GiB of a task's disk, without the image.
DISK = 199
# A lane's FASTQ files, decompressed, with what is made of them in one task (docs/operations.md), by reads.compression.
ROOM = {"none": 9.2, "zstd": 5.7}
# Hours for which a task may work on a lane on Spot capacity, and on a shard of a lane that is cut.
LONGEST, CUT = 12.0, 4.0
# Rules whose jobs for a lane share a task.
LANE = ("decompress", "fastqc", "bwa_mem")
NO_BWA_MEM2 = "bwa-mem2 is not in the images for ARM64"


@dataclass(frozen=True)
class Lane:
    """A lane by the number of its reads, and the bytes of its FASTQ files."""

    reads: float
    size: float


@dataclass(frozen=True)
class Proposal:
    """Values of `alignment.aligner` and `reads.shards`, and by these keys why."""

    aligner: str
    shards: int
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """What a stack charges and what a job takes there; `vcpus` are those that it may have at a time (None: any)."""

    model: Model
    prices: Prices
    architecture: str
    vcpus: float | None = None


def propose(lanes: Sequence[Lane], bases: float, site: Site, compression: str = "none") -> Proposal:
    """Return aligner and shards for a run that builds its index; `bases` are those of the reference."""
    costs = {name: cost(aligner, lanes, bases, site) for name, aligner in ALIGNERS.items()}
    aligner, reason = _cheaper(costs, bases, site)
    shards, cut = _shards(lanes, bases, aligner, site, compression)
    return Proposal(aligner.name, shards, {"aligner": reason, "shards": cut})


def cost(aligner: Aligner, lanes: Sequence[Lane], bases: float, site: Site) -> float | None:
    """Return US dollars on Spot for the index and for all lanes; None if no task may have the memory."""
    index = "bwa_index" if aligner is BWA else "bwa_mem2_index"
    of_lane = 3000 + 1.2 * aligner.index_bytes * bases / MIB
    tasks = [_task((index,), aligner, 0, bases, site, memory_of_index(aligner, bases), 1)]
    tasks += [_task(LANE, aligner, lane.reads, bases, site, of_lane, CORES) for lane in lanes]
    return None if None in tasks else math.fsum(one for one in tasks if one is not None)


def memory_of_index(aligner: Aligner, bases: float) -> float:
    """Return the MiB of memory that the rule asks for that builds an index (rules/reference.smk)."""
    return 500 + aligner.building_bytes * bases / MIB


def vcpus_for(memory: float, least: int = 1) -> int | None:
    """Return the vCPUs of the smallest task with so many MiB of memory; None if there is none."""
    return next((vcpus for vcpus, most in MEMORY.items() if vcpus >= least and memory <= most * 1024), None)


def _task(
    rules: Sequence[str], aligner: Aligner, reads: float, bases: float, site: Site, memory: float, threads: int
) -> float | None:
    """Return the price of a task of these rules; None if it may not have so many MiB of memory."""
    vcpus = vcpus_for(memory, threads)
    if vcpus is None or (site.vcpus is not None and vcpus > max(site.vcpus, CORES)):
        return None
    return price_of(
        _seconds(rules, aligner, reads, bases, site, threads) + site.prices.pull_seconds,
        site.prices,
        cpus=vcpus,
        memory=max(math.ceil(memory / 1024), LEAST_MEMORY * vcpus) * GIB,
        disk=0,
        spot=True,
        architecture=site.architecture,
    ).total


def _seconds(rules: Sequence[str], aligner: Aligner, reads: float, bases: float, site: Site, threads: int) -> float:
    """Return how long a task of these rules works, with so many threads in all."""
    model = site.model
    parts = [model.rule(rule, aligner.name) for rule in rules]
    cpu = math.fsum(part.cpu.of(reads, bases, bases) for part in parts)
    moved = math.fsum(part.bytes.of(reads, bases, bases) for part in parts)
    busy = model.busy if threads > 1 else 1.0
    return model.start_seconds + moved / model.bytes_per_second + cpu / threads / busy


def _cheaper(costs: Mapping[str, float | None], bases: float, site: Site) -> tuple[Aligner, str]:
    """Return the aligner that costs less, and why it is proposed."""
    bwa, other = costs[BWA.name], costs[BWA_MEM2.name]
    size = f"a reference of {bases / 1e6:,.0f} Mb"
    if site.architecture != "X86_64":
        return BWA, f"{NO_BWA_MEM2}, which the stack has"
    if bwa is None or other is None:
        vcpus = f" with {site.vcpus:g} vCPUs at a time" if site.vcpus else ""
        return BWA, f"no task has the memory that bwa-mem2 takes to build the index of {size}{vcpus}"
    saved = 1 - other / bwa
    if saved < WORTH:
        return BWA, f"bwa-mem2 is expected to cost no less with these reads and {size}"
    return BWA_MEM2, (
        f"with these reads and {size}, lanes and index are expected to cost {saved:.0%} less than with bwa; alignments "
        "are the same"
    )


def _shards(lanes: Sequence[Lane], bases: float, aligner: Aligner, site: Site, compression: str) -> tuple[int, str]:
    """Return the number of shards for the largest lane, and what to know where it is not 1."""
    if not lanes:
        return 1, ""
    largest = max(lanes, key=lambda lane: lane.size)
    index = aligner.index_bytes * bases
    room = (ROOM[compression] * largest.size + index) / GIB
    hours = _seconds(LANE, aligner, largest.reads, bases, site, CORES) / HOUR
    if room <= DISK and hours <= LONGEST:
        return 1, ""
    # In tasks of their own, shards need room for themselves, what is sorted, and the output (rules/bwa_mem.smk).
    alone = _seconds(("decompress", "bwa_mem"), aligner, largest.reads, bases, site, CORES) / HOUR
    shards = max(
        2,
        math.ceil(alone / CUT),
        math.ceil(ROOM[compression] * largest.size / (DISK * GIB - 1.2 * index)),
    )
    return min(shards, 1000), (
        f"the largest lane, {largest.size / 1e9:,.0f} GB of FASTQ, takes {room:,.0f} GiB of disk and {hours:,.0f} "
        f"hours in one task. Its {shards} shards get tasks of their own, each with {index / 1e9:,.1f} GB of index,"
        " when `bwa_mem=lane` is taken out of the groups in profiles/aws/config.yaml"
    )
