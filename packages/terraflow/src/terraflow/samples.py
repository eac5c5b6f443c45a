"""Which sample a job works for, by its wildcards."""

from collections.abc import Container, Iterable, Mapping

# Wildcards that name a sample; a set of calls has the name of its sample if it is that of one.
SAMPLE, CALLSET = "sample", "callset"
# Row or group of the jobs that work for all samples.
SHARED = "shared"


def names_of(every: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the samples that the wildcards of a run's jobs name."""
    return {wildcards[SAMPLE] for wildcards in every if SAMPLE in wildcards}


def sample_of(wildcards: Mapping[str, str], samples: Container[str]) -> str | None:
    """Return the sample that a job works for, one of the run's; None if it works for all of them."""
    name = wildcards.get(SAMPLE)
    if name is None:
        name = wildcards.get(CALLSET)
    return name if name in samples else None


def group_of(sample: str | None) -> str:
    """Return the row or group that a sample's jobs are shown in; that of all samples is no sample's."""
    return SHARED if sample is None else sample if sample != SHARED else f"{SHARED} (a sample)"
