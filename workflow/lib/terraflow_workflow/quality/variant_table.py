"""Counts the variants of each sample by kind, from `bcftools stats`, and the sites that each filter marks."""

import argparse
from collections.abc import Iterable
from pathlib import Path

COLUMNS = (
    "sample",
    "SNPs",
    "insertions",
    "deletions",
    "heterozygous",
    "homozygous",
    "haploid",
    "missing",
    "Ts/Tv",
    "mean depth",
)


def rows_of_samples(stats: Iterable[str], diploid: Iterable[str]) -> list[list[str]]:
    """Return one row of COLUMNS for each sample, of sites that pass all filters.

    `bcftools stats -s -` tells kinds apart in diploid genotypes only: `diploid` is what it says when haploid ones are
    written twice (1 as 1/1), `stats` what it says of the calls as they are. A multi-allelic site that was split counts
    once for each of its alleles that the sample carries.
    """
    haploid = {sample: int(psc["nHapAlt"]) for sample, psc in _by_sample(stats)["PSC"].items()}
    values = _by_sample(diploid)
    return [_row(sample, psc, values["PSI"][sample], haploid[sample]) for sample, psc in values["PSC"].items()]


def _by_sample(stats: Iterable[str]) -> dict[str, dict[str, dict[str, str]]]:
    """Return the lines PSC and PSI by sample and by the names in their headers, which have changed between versions."""
    names: dict[str, list[str]] = {}
    values: dict[str, dict[str, dict[str, str]]] = {"PSC": {}, "PSI": {}}
    for line in stats:
        fields = line.rstrip("\n").split("\t")
        kind = fields[0].removeprefix("# ")
        if kind not in values:
            continue
        if line.startswith("#"):
            names[kind] = [name.split("]", 1)[-1] for name in fields]
        else:
            row = dict(zip(names[kind], fields, strict=True))
            values[kind][row["sample"]] = row
    return values


def rows_of_filters(counts: Iterable[str]) -> list[list[str]]:
    """Return (filter, sites) from the output of `uniq -c`, most sites first."""
    rows = [(text, int(number)) for number, text in (line.split(maxsplit=1) for line in counts)]
    return [[text.strip(), str(number)] for text, number in sorted(rows, key=lambda row: (-row[1], row[0]))]


def _row(sample: str, psc: dict[str, str], psi: dict[str, str], haploid: int) -> list[str]:
    transitions, transversions = int(psc["nTransitions"]), int(psc["nTransversions"])
    insertions = int(psi["nInsHets"]) + int(psi["nInsAltHoms"])
    deletions = int(psi["nDelHets"]) + int(psi["nDelAltHoms"])
    return [
        sample,
        str(transitions + transversions),
        str(insertions),
        str(deletions),
        str(int(psc["nHets"]) + int(psi["nInsHets"]) + int(psi["nDelHets"])),
        str(int(psc["nNonRefHom"]) + int(psi["nInsAltHoms"]) + int(psi["nDelAltHoms"]) - haploid),
        str(haploid),
        psc["nMissing"],
        f"{transitions / transversions:.2f}" if transversions else "-",
        psc["average depth"],
    ]


def main() -> None:
    """Run the command line of the rule `variant_table`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stats", required=True, type=Path, help="output of bcftools stats -s -")
    parser.add_argument("--diploid", required=True, type=Path, help="the same, haploid genotypes written twice")
    parser.add_argument("--filters", required=True, type=Path, help="FILTER of each site, counted by uniq -c")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    with options.stats.open() as stats, options.diploid.open() as diploid, options.filters.open() as filters:
        samples = [list(COLUMNS), *rows_of_samples(stats, diploid)]
        marked = rows_of_filters(filters)
    lines = ["\t".join(row) for row in samples]
    lines += ["\t".join([f"sites with FILTER {text}", number, *[""] * (len(COLUMNS) - 2)]) for text, number in marked]
    options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
