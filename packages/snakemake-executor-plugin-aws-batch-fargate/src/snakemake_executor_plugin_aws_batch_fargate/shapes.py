"""The sizes of vCPU, memory and disk that a Fargate task can have, and the smallest that holds a job."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

# vCPU: MiB. Source: AWS Batch API reference, ResourceRequirement.value.
MEMORY_MIB: dict[float, tuple[int, ...]] = {
    0.25: (512, 1024, 2048),
    0.5: tuple(range(1024, 4096 + 1, 1024)),
    1: tuple(range(2048, 8192 + 1, 1024)),
    2: tuple(range(4096, 16384 + 1, 1024)),
    4: tuple(range(8192, 30720 + 1, 1024)),
    8: tuple(range(16384, 61440 + 1, 4096)),
    16: tuple(range(32768, 122880 + 1, 8192)),
    32: (61440, 122880, 249856),
}

# GiB of the task's disk that hold the image's layers: the job can't use them.
IMAGE_GIB = 1


class ShapeError(ValueError):
    """No Fargate task, or no job definition, is large enough."""


@dataclass(frozen=True)
class Shape:
    """The size of a task: vCPUs, memory in MiB, and the disk of its job definition in GiB."""

    vcpus: float
    memory_mib: int
    disk_gib: int

    @property
    def requirements(self) -> list[dict[str, str]]:
        """Return the `resourceRequirements` of a submission."""
        return [
            {"type": "VCPU", "value": f"{self.vcpus:g}"},
            {"type": "MEMORY", "value": str(self.memory_mib)},
        ]


@dataclass(frozen=True)
class Least:
    """The least memory and disk that a job must get, since an earlier attempt with less ran out of it."""

    memory_mib: int = 0
    disk_gib: int = 0


def more(shape: Shape, least: Least, *, memory: bool = False, disk: bool = False) -> Least:
    """Return the least for the attempt after one of this shape: twice the memory, or a larger disk.

    A rule's request may have doubled, and still be less than the smallest shape that there was.
    """
    if memory:
        largest = MEMORY_MIB[max(MEMORY_MIB)][-1]
        return replace(least, memory_mib=max(least.memory_mib, min(2 * shape.memory_mib, largest)))
    # `fit` adds the image's part, which makes it the next size.
    return replace(least, disk_gib=max(least.disk_gib, shape.disk_gib)) if disk else least


def fit(vcpus: float, memory_mib: int, disk_gib: float, disks: Iterable[int]) -> Shape:
    """Return the smallest Fargate shape that holds a job.

    Rounds every figure up, never down: a job gets at least what its rule asked for. `disk_gib` is the disk that the job
    itself needs; `disks` are the sizes for which there are definitions.
    Raises ShapeError, naming what was asked and Fargate's limit, when nothing holds it.
    Source: AWS Batch API reference, ResourceRequirement (vCPU and MiB), EphemeralStorage (GiB).
    """
    disk = _disk(disk_gib, disks)
    for size, memories in MEMORY_MIB.items():
        if size < vcpus:
            continue
        for memory in memories:
            if memory >= memory_mib:
                return Shape(size, memory, disk)
    largest = max(MEMORY_MIB)
    if vcpus > largest:
        raise ShapeError(f"{vcpus:g} vCPUs were asked for, and a Fargate task has at most {largest}")
    raise ShapeError(
        f"{memory_mib} MiB of memory were asked for, and a Fargate task has at most {MEMORY_MIB[largest][-1]} MiB"
    )


def _disk(disk_gib: float, disks: Iterable[int]) -> int:
    sizes = sorted(disks)
    for size in sizes:
        if size >= disk_gib + IMAGE_GIB:
            return size
    there = ", ".join(map(str, sizes)) or "none"
    raise ShapeError(
        f"{math.ceil(disk_gib)} GiB of disk were asked for, and {IMAGE_GIB} GiB holds the image; "
        f"the job definitions have {there} GiB (a Fargate task can have up to 200)"
    )
