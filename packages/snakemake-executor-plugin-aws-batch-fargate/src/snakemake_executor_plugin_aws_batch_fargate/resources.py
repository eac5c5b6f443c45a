"""Requests of a job, from the threads and resources of its rule, and the Fargate shape that holds it."""

import math
from collections.abc import Callable, Collection

from snakemake.common.tbdstring import TBDString
from snakemake_interface_common.exceptions import WorkflowError

from . import names, shapes
from .untyped import Job, JobFile

UNITS_PER_VCPU = 1024
ANYTHING = shapes.Least()


def megabytes(path: JobFile) -> float:
    """Return the size of a file in a storage; all other files (the workflow's own) are small and count nothing."""
    return float(path.storage_object.size()) / 2**20 if names.is_stored(path) else 0


def shape_of(
    job: Job,
    disks: Collection[int],
    least: shapes.Least = ANYTHING,
    size: Callable[[JobFile], float] = megabytes,
) -> shapes.Shape:
    """Return the shape that holds a job or a group, from `threads`, `mem_mb` and `disk_mb`.

    `disks` are the sizes (GiB) of the job definitions to choose from; `least` is what an earlier attempt ran out of;
    `size` gives the megabytes of an input of a group.
    A megabyte is taken as a MiB, so that a job gets no less than asked in either reading. `batch_cpu_units` (1,024 to
    a vCPU) takes the place of threads, for jobs that need less than one vCPU.
    Raises WorkflowError, naming the rule, what it asked for, and the limit, when no shape holds it.
    """
    units = number(job, "batch_cpu_units", 0)
    vcpus = units / UNITS_PER_VCPU if units else max(1, int(job.threads))
    memory = max(number(job, "mem_mb", 0), number(job, "mem_mib", 0), least.memory_mib)
    disk = (disk_of_group(job, size) if job.is_group() else _disk(job)) / 1024
    if job.attempt > 1:
        # A request for disk grows with attempts, whatever ran out: that there is no more disk is no reason to fail.
        disk = min(disk, max(disks) - shapes.IMAGE_GIB)
    disk = max(disk, least.disk_gib)
    try:
        return shapes.fit(vcpus, memory, disk, disks)
    except shapes.ShapeError as error:
        again = f" (this is attempt {job.attempt}; resources may grow with attempts)" if job.attempt > 1 else ""
        raise WorkflowError(
            f"{names.describe(job)} is larger than Fargate allows{again}: {error}. It asked for {vcpus:g} vCPU, "
            f"{memory} MiB of memory and {disk:.1f} GiB of disk. Lower threads, mem_mb or disk_mb of the rule "
            "(in its resources, or with set-threads and set-resources in a profile), or cut its work into more jobs"
            + (f", or take rules out of the group {names.rule_of(job)}." if job.is_group() else ".")
            + _own_words(job)
        ) from error


def _own_words(job: Job) -> str:
    """Return what a rule says of itself, which may be why it is large and what to do; nothing for a group."""
    text = None if job.is_group() else getattr(job.rule, "docstring", None)
    return f" The rule: {' '.join(text.split())}" if text else ""


def disk_of_group(group: Job, size: Callable[[JobFile], float] = megabytes) -> float:
    """Return the megabytes of all that the jobs of a group read and write: it stays until the last of them has ended.

    Snakemake would take the largest of those that run at a time. A file that several jobs read lies there only once,
    and is part of the disk_mb of each.
    """
    members = names.members(group)
    own = {names.key(path) for member in members for path in member.output}
    read: dict[str, float] = {}
    written = 0.0
    for member in members:
        inputs = {names.key(path): size(path) for path in member.input if names.key(path) not in own}
        written += max(0, _disk(member) - sum(inputs.values()))
        read |= inputs
    return written + sum(read.values())


def number(job: Job, name: str, default: int) -> int:
    """Return a resource, rounded up. Raises WorkflowError, naming rule and resource, if it is not a number."""
    value = job.resources.get(name, default)
    # Not known before inputs are there that another job of its group makes; Snakemake leaves it out, too.
    if value is None or isinstance(value, TBDString):
        return default
    try:
        return math.ceil(float(value))
    except (TypeError, ValueError, OverflowError):
        raise WorkflowError(f"{names.describe(job)} has {name}={value!r}, which is not a number.") from None


def _disk(job: Job) -> int:
    return max(number(job, "disk_mb", 0), number(job, "disk_mib", 0))
