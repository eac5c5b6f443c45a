"""How many reads and bases the planned jobs of a run work on, by the sizes of the files that nobody makes."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from snakemake_aws_common.rehearsal import PlannedJob, Rehearsal
from terraflow.costs.model import Model

# Bytes for each base of a reference in these files of bwa's index and of bwa-mem2's.
INDEX = {".bwt": 1, ".0123": 2}
FASTA = (".fa", ".fasta", ".fna")
FASTQ = (".fq", ".fastq")
HUMAN = 3.1e9


@dataclass(frozen=True)
class Sizes:
    """Reads of each unit of each sample, bases of the reference, and what of them is a guess."""

    reads: Mapping[tuple[str, str], float]
    bases: float
    shards: int
    windows: int
    aligner: str = "bwa"
    notes: tuple[str, ...] = ()

    def reads_of(self, wildcards: Mapping[str, str]) -> float:
        """Return the reads that a job works on, by its wildcards: all of them, or a sample's, a unit's, or a share."""
        sample = wildcards.get("sample", wildcards.get("callset", ""))
        unit = sample, wildcards.get("unit", "")
        found = self.reads.get(unit, self._samples.get(sample, self._all))
        return found / self._shares(wildcards)

    @cached_property
    def _samples(self) -> dict[str, float]:
        sums: dict[str, float] = defaultdict(float)
        for (sample, _), reads in self.reads.items():
            sums[sample] += reads
        return dict(sums)

    @cached_property
    def _all(self) -> float:
        return math.fsum(self.reads.values())

    def bases_of(self, wildcards: Mapping[str, str]) -> float:
        """Return the bases of the reference that a job works on: all of them, or those of a window."""
        return self.bases / (self.windows if "window" in wildcards else 1)

    def _shares(self, wildcards: Mapping[str, str]) -> int:
        return (self.shards if "shard" in wildcards else 1) * (self.windows if "window" in wildcards else 1)


def sizes_of(rehearsal: Rehearsal, model: Model) -> Sizes:
    """Return the sizes of a planned run. A unit whose files are not known counts as the mean of the others."""
    units = {
        (job.wildcards["sample"], job.wildcards["unit"])
        for job in rehearsal.jobs
        if {"sample", "unit"} <= set(job.wildcards)
    }
    samples = {job.wildcards["sample"] for job in rehearsal.jobs if "sample" in job.wildcards}
    # A sample of which no unit is left to align has reads nevertheless.
    units |= {(sample, "") for sample in samples - {sample for sample, _ in units}}
    known = _reads(rehearsal.jobs, model)
    notes = []
    mean = math.fsum(known.values()) / len(known) if known else 0.0
    if unknown := sorted(units - set(known)):
        names = ", ".join(" ".join(filter(None, unit)) for unit in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        notes.append(
            f"Sizes of the reads of {names}{more} are not known"
            + (f", and taken to be as those of the others ({mean:,.0f} reads)." if known else ", and counted as none.")
        )
    bases = known_bases(rehearsal.jobs, model)
    if bases is None:
        notes.append("The size of the reference is not known, and taken to be that of a human.")
    return Sizes(
        reads={unit: known.get(unit, mean) for unit in units | set(known)},
        bases=HUMAN if bases is None else bases,
        shards=_number(rehearsal, ("reads", "shards"), "shard"),
        windows=_number(rehearsal, ("calling", "windows"), "window"),
        aligner=aligner_of(rehearsal),
        notes=tuple(notes),
    )


def fastq_bytes(jobs: Iterable[PlannedJob]) -> dict[tuple[str, str], float]:
    """Return the bytes of the FASTQ files of each unit that has some that nobody makes."""
    return {unit: math.fsum(found.values()) for unit, found in _fastqs(jobs).items() if found}


def _reads(jobs: Iterable[PlannedJob], model: Model) -> dict[tuple[str, str], float]:
    return {
        unit: math.fsum(size / bytes_of_one(path, model.bytes_per_read) for path, size in found.items())
        for unit, found in _fastqs(jobs).items()
        if found
    }


def _fastqs(jobs: Iterable[PlannedJob]) -> dict[tuple[str, str], dict[str, int]]:
    files: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for job in jobs:
        if {"sample", "unit"} <= set(job.wildcards):
            fastqs = {path: size for path, size in job.given.items() if _has(path, FASTQ)}
            files[job.wildcards["sample"], job.wildcards["unit"]].update(fastqs)
    return files


def known_bases(jobs: Iterable[PlannedJob], model: Model) -> float | None:
    """Return the bases of the reference, by the size of its files; None if that is not known."""
    given = {path: size for job in jobs for path, size in job.given.items()}
    for path, size in given.items():
        if bytes_per_base := INDEX.get(PurePosixPath(path).suffix):
            return size / bytes_per_base
    found = [size / bytes_of_one(path, model.bytes_per_base) for path, size in given.items() if _has(path, FASTA)]
    return max(found, default=None)


def _has(path: str, endings: Iterable[str]) -> bool:
    return not set(endings).isdisjoint(PurePosixPath(path.lower()).suffixes)


def bytes_of_one(path: str, sizes: Mapping[str, float]) -> float:
    """Return the bytes of a read or a base in a file, by its ending."""
    ending = PurePosixPath(path.lower()).suffix
    return sizes.get(ending, sizes[""])


def aligner_of(rehearsal: Rehearsal) -> str:
    """Return the aligner of a planned run; one that an earlier version planned has bwa."""
    section = rehearsal.config.get("alignment")
    return str(section.get("aligner", "bwa")) if isinstance(section, Mapping) else "bwa"


def _number(rehearsal: Rehearsal, keys: tuple[str, str], wildcard: str) -> int:
    """Return how many shards or windows there are: by the configuration, else by the jobs."""
    section = rehearsal.config.get(keys[0])
    number = section.get(keys[1]) if isinstance(section, dict) else None
    if isinstance(number, int) and number > 0:
        return number
    return max(1, len({job.wildcards[wildcard] for job in rehearsal.jobs if wildcard in job.wildcards}))
