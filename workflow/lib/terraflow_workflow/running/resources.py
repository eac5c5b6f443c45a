"""The resources that jobs ask for: memory, disk and time grow with the files behind a job and with each attempt."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snakemake.io import get_flag_value
from snakemake_interface_storage_plugins.exceptions import FileOrDirectoryNotFoundError

from terraflow_workflow.running.planning import signed

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards

ALL, NONE = slice(None), slice(0)


def size_of(file: str, missing_ok: bool = False) -> int:
    """Return the bytes of an input, wherever it lies. Raises FileNotFoundError, or the storage's error, without it."""
    stored = get_flag_value(file, "storage_object")
    try:
        return int(stored.size() if stored else os.stat(file).st_size)  # noqa: PTH116
    except (FileNotFoundError, FileOrDirectoryNotFoundError):
        if missing_ok:
            return 0
        raise


def megabytes(files: Sequence[str], part: slice = ALL, later: slice = NONE) -> float:
    """Return the size of (some of) the inputs in MiB; those of `later` may be missing.

    Snakemake's own size_files_mb starts an event loop for each job, which takes as long as all the rest of a dry run.
    """
    numbers = range(len(files))
    may_miss = numbers[later]
    # Those that may not come first: a plan looks for nothing else when they are missing.
    ordered = sorted(numbers[part], key=may_miss.__contains__)
    return sum(size_of(files[n], n in may_miss) for n in ordered) / 2**20


class LastSeen:
    """Sizes of files that may be deleted while they still matter."""

    def __init__(self) -> None:
        """Begin without any."""
        self._sizes: dict[str, int] = {}

    def megabytes(self, files: Sequence[str]) -> float | None:
        """Return the size of all `files` in MiB, each as it was last seen; None if one was never seen."""
        for file in files:
            try:
                self._sizes[str(file)] = size_of(file)
            except (FileNotFoundError, FileOrDirectoryNotFoundError):
                if str(file) not in self._sizes:
                    return None
        return sum(self._sizes[str(file)] for file in files) / 2**20


@dataclass(frozen=True)
class Requests:
    """Makes functions that Snakemake calls for a resource of a rule.

    `megabytes_of_reads` gives the size of the FASTQ files of a unit, or of all units of a sample (unit None), in MiB.
    It is known also where a job's inputs are not there yet, because they are made by another job of its group. It is
    None where FASTQ files that the run makes, and deletes after their last use, are not there.

    `start` begins the run, once: a workflow that uses this one as a module may have replaced the inputs that do.
    """

    megabytes_of_reads: Callable[[str, str | None], float | None]
    shards: int
    start: Callable[[], None]

    def growing(
        self,
        base: float,
        factor: float = 0.0,
        inputs: slice = ALL,
        reads: float = 0.0,
        later: slice = NONE,
        shrunk: float = 1.0,
    ) -> Callable[..., int]:
        """Return a resource in MiB that grows with `_size`, and doubles with each attempt."""

        @signed
        def resource(wildcards: "Wildcards", input: Sequence[str], attempt: int) -> int:
            self.start()
            size = self._size(wildcards, input, factor, inputs, reads, later, shrunk)
            return int((base + size) * 2 ** (attempt - 1))

        return resource

    def minutes(
        self, base: float, factor: float = 0.0, inputs: slice = ALL, reads: float = 0.0, shrunk: float = 1.0
    ) -> Callable[..., int]:
        """Return a runtime in minutes that grows with `_size`, and with each attempt."""

        @signed
        def resource(wildcards: "Wildcards", input: Sequence[str], attempt: int) -> int:
            self.start()
            return int((base + self._size(wildcards, input, factor, inputs, reads, shrunk=shrunk)) * attempt)

        return resource

    def _size(
        self,
        wildcards: "Wildcards",
        files: Sequence[str],
        factor: float,
        inputs: slice,
        reads: float,
        later: slice = NONE,
        shrunk: float = 1.0,
    ) -> float:
        """Return `factor` times the size of (some of) the inputs and `reads` times that of the FASTQ files, in MiB.

        `later` are such inputs whose maker has asked for what they take: they count as soon as they are there. If the
        size of the FASTQ files is unknown, it is taken for `shrunk` times that of the inputs that were made from them:
        `later`, or those before `inputs`. Without these, FileNotFoundError has Snakemake ask again when they are there.
        """
        size = factor * megabytes(files, inputs, later) if factor else 0.0
        if not reads:
            return size
        came = self.megabytes_of_reads(wildcards.sample, wildcards.get("unit"))
        if came is None:
            made = later if later != NONE else slice(inputs.start)
            return size + reads * shrunk * megabytes(files, made)
        return size + reads * came / (self.shards if wildcards.get("shard") else 1)
