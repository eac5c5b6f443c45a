"""How reads become likelihoods: options of `bcftools mpileup`, and the version of bcftools that knows them."""

import os
import re
import subprocess

CONSENSUS, CLASSIC = "consensus", "classic"
# Trust repeats a little more than by default: benchmarks/calling.md has what this was measured against.
OPTIONS = {CONSENSUS: " --indels-cns --seqq-offset 125", CLASSIC: ""}
OLDEST = (1, 21)
"""The first bcftools with these options."""
DEFAULT_GAPPED_READS = 2
"""What mpileup takes without an option."""
LARGEST = 2**31 - 1
"""The largest number of reads that mpileup can count to."""


class VersionError(Exception):
    """A bcftools that does not have the model that the configuration asks for."""


def mpileup_options(indels: str, min_gapped_reads: int) -> str:
    """Return the options of mpileup, each with a space before it; none where they are mpileup's defaults."""
    reads = "" if min_gapped_reads == DEFAULT_GAPPED_READS else f" -m {min_gapped_reads}"
    return OPTIONS[indels] + reads


def depth_limits(indels: str, max_depth: int, samples: int) -> str:
    """Return the options of mpileup for the most reads of a sample that it takes, and those that it skips indels at.

    It multiplies the latter by the number of samples, and calls no indel where all of them together have as many. With
    the same number in both, a sample with more reads than the limit has no indels: so it was in version 0.2, whose runs
    `classic` continues.
    """
    most = max_depth if indels == CLASSIC else LARGEST // samples
    return f"-d {max_depth} -L {most}"


def check_version(arguments: str) -> None:
    """Raise VersionError if the bcftools on PATH is too old for options of mpileup.

    The model never follows from the version: an older bcftools is refused, not used with what it has.
    """
    if OPTIONS[CONSENSUS].split()[0] not in arguments.split():
        return
    said = subprocess.run(["bcftools", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.match(r"bcftools (\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) >= OLDEST:
        return
    own = os.environ.get("TERRAFLOW_BCFTOOLS", "")
    which = f"TERRAFLOW_BCFTOOLS is {own}, bcftools {found[1]}.{found[2]}" if own else f"found {said.splitlines()[0]}"
    raise VersionError(
        f"calling.indels: {CONSENSUS} needs bcftools {OLDEST[0]}.{OLDEST[1]} or later, and {which}; unset "
        f"TERRAFLOW_BCFTOOLS, so that the project's own is used, or set calling.indels: {CLASSIC}, which finds "
        "other genotypes"
    )
