"""Find the mitochondrial contig that `calling.mitochondrion` asks for."""

import argparse
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from terraflow_workflow.reference.contigs import read_contigs

OFF, AUTO = "off", "auto"
KEY = "calling.mitochondrion"
# As UCSC, Ensembl, NCBI and their users call it, in lower case; NC_012920.1 and J01415.2 are the human one (rCRS), the
# others those of mouse, rat, fly, worm and yeast.
NAMES = frozenset(
    (
        *("chrm", "chrmt", "m", "mt", "chrmito", "mito", "mtdna", "mitochondrion", "mitochondrion_genome"),
        *("nc_012920.1", "j01415.2", "nc_005089.1", "nc_001665.2", "nc_024511.2", "nc_001328.1", "nc_001224.1"),
    )
)
# Shorter ones are no mitochondria, and have no two ends that the reads of one fragment could tell apart.
SHORTEST = 1000
# What else is called M is shorter, such as influenza's segment with 1,027 bases; no mitochondrion known is.
SHORTEST_M = 5000
# hg19's chrM, which is not the rCRS that all databases count by: NC_001807 of 1994, with two bases more.
LENGTH_OF_HG19 = 16571


class ContigError(Exception):
    """A reference without the contig that the configuration names, or with several that `auto` could mean."""


def setting(value: str | bool) -> str:
    """Return the value of the key as text: YAML reads `off`, without quotes, as false."""
    return OFF if value is False else str(value)


def is_named_so(name: str, length: int) -> bool:
    """Return whether a contig of this length in bases has a name of mitochondria."""
    return name.lower() in NAMES and (name.lower() != "m" or length >= SHORTEST_M)


def find(asked: str, contigs: dict[str, int]) -> str | None:
    """Return the mitochondrial contig; None where `asked` is `off`, or `auto` and no contig has such a name.

    `contigs` maps names to lengths in bases. Raises ContigError.
    """
    if asked == OFF:
        return None
    known = f"{', '.join(list(contigs)[:10])}{' …' if len(contigs) > 10 else ''}"
    if asked == AUTO:
        found = [name for name, length in contigs.items() if is_named_so(name, length)]
        if len(found) > 1:
            raise ContigError(
                f"{KEY}: found auto, and {len(found)} contigs of the reference have a mitochondrion's name: "
                f"{', '.join(found)}; write the name of the one to call"
            )
        asked = found[0] if found else ""
    elif asked not in contigs:
        named = [name for name, length in contigs.items() if is_named_so(name, length)]
        close = named or difflib.get_close_matches(asked, contigs, n=1, cutoff=0.8)
        hint = f"did you mean {close[0]}?" if close else f"it has {known}"
        raise ContigError(f"{KEY}: the reference has no contig {asked!r}; {hint}")
    if asked and contigs[asked] < SHORTEST:
        raise ContigError(
            f"{KEY}: {asked} has {contigs[asked]} bases; expected a whole mitochondrion, {SHORTEST} bases at least"
        )
    return asked or None


def messages(asked: str, found: str | None, contigs: dict[str, int]) -> Iterator[str]:
    """Return which contig is called, and what a user should know of it."""
    if not found:
        yield (
            f"warning: {KEY} is {asked}, and no contig of the reference has a mitochondrion's name: none is "
            "called for allele fractions. If there is one, write its name."
        )
        return
    yield f"{found} is called for allele fractions ({KEY}: {asked}; {contigs[found]} bases)"
    if contigs[found] == LENGTH_OF_HG19:
        yield (
            f"warning: {found} has {LENGTH_OF_HG19} bases, as hg19's chrM (NC_001807) has. If it is that one, its "
            "places are up to two off those of the rCRS (NC_012920, 16569 bases), which MITOMAP, gnomAD and ClinVar "
            "count by: use a reference with the rCRS, such as GRCh38 or hs37d5, for them"
        )


def main() -> None:
    """Run the command line of the rule `mitochondrial_contig`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fai", required=True, help="index of the reference")
    parser.add_argument("--asked", required=True, help="value of calling.mitochondrion")
    parser.add_argument("--out", required=True, type=Path, help="BED of the mitochondrion; empty if there is none")
    options = parser.parse_args()
    contigs = read_contigs(options.fai)
    try:
        found = find(options.asked, contigs)
    except ContigError as error:
        sys.exit(str(error))
    print(*messages(options.asked, found, contigs), sep="\n", file=sys.stderr)
    options.out.write_text(f"{found}\t0\t{contigs[found]}\n" if found else "")


if __name__ == "__main__":
    main()
