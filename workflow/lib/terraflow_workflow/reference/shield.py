"""Prepare a reference for `bwa-mem2 index`: check that there is memory for it, and put a shield in front.

bwa-mem2 2.3 takes a seed that begins a few bases behind the start of the first contig for one at its first base, and so
places the read wrongly (its issue 262). Behind a contig of 120 bases that no read has, all reads align as with BWA. The
shield doesn't appear in alignments: `without_shield` in begin.sh takes it out of their header.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from terraflow_workflow.reference.aligners import BWA, BWA_MEM2, SHIELD

# The error reaches up to the first base whose place is among the eighth of all that the index holds, so that 120 bases
# are too few for one reference of ten million; `whole_index` would tell.
SHIELD_BASES = (
    "CGAGCATTAACGTTTCCGGGTATTACCACAACGGGGCAAGCCCAAGGCGTCGTCCTACTG"
    "CAACTCCAAGAGTTACATGAAAAGGAGAACCACACGCTGATACCCCAGCTCATTACCGTA"
)
# Limits of a container, by the version of control groups (cgroups(7)); without one, "max" or an enormous number.
LIMITS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory(root: Path = Path("/")) -> int:
    """Return the bytes of memory that this machine has, or of which its container may use some."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in LIMITS:
        try:
            found.append(int((root / path).read_text()))
        except (OSError, ValueError):
            continue
    return min(found)


def problem_of_room(bases: int, there: int) -> str:
    """Return why an index of so many bases can't be built in `there` bytes of memory; empty if it can."""
    if bases * BWA_MEM2.building_bytes <= there:
        return ""

    def gigabytes(number: float) -> str:
        return f"{number / 1e9:,.1f} GB"

    return (
        f"alignment.aligner: {BWA_MEM2.name} takes {gigabytes(bases * BWA_MEM2.building_bytes)} of memory to build its "
        f"index of {bases:,} bases, {BWA_MEM2.building_bytes:g} for each, and there are {gigabytes(there)}. Say "
        f"alignment.aligner: {BWA.name}, whose index takes {gigabytes(bases * BWA.building_bytes)} and whose alignments"
        " are the same; or build the index on a larger machine, and say reference.bwa_index: prebuilt here, where "
        f"aligning takes {gigabytes(bases * BWA_MEM2.memory_bytes)}."
    )


def main() -> None:
    """Run the command line of the rule `bwa_mem2_index`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fasta", required=True, type=Path, help="FASTA, plain: its bytes are its bases, nearly")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    if problem := problem_of_room(options.fasta.stat().st_size, memory()):
        sys.exit(problem)
    with options.fasta.open("rb") as source, options.out.open("wb") as target:
        target.write(f">{SHIELD}\n{SHIELD_BASES}\n".encode())
        shutil.copyfileobj(source, target, 1 << 20)


if __name__ == "__main__":
    main()
