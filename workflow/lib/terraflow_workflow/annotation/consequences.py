"""Makes a table of coding changes from genotypes with the consequences that `bcftools csq` gave them.

A haplotype is known where a genotype is homozygous, haploid or phased: there the consequence takes other variants of
the same haplotype into account (tag BCSQ). An unphased heterozygous variant is judged by itself (tag LCSQ).
"""

import re
import sys
from collections.abc import Iterable, Iterator

COLUMNS = [
    "contig",
    "position",
    "reference",
    "alternative",
    "filter",
    "sample",
    "genotype",
    "consequence",
    "gene",
    "transcript",
    "protein",
    "dna",
]
NOT_CODING = {"3_prime_utr", "5_prime_utr", "intron", "intergenic", "non_coding"}


def rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """Return rows of COLUMNS, one for each sample, variant and transcript.

    Each line holds contig, position, REF, ALT, FILTER, sample, GT, the translated FORMAT/BCSQ (both haplotypes, with a
    tab between them when there are two) and INFO/LCSQ, with tabs between them.
    """
    for line in lines:
        site, sample, genotype, found = _split(line)
        if not any(allele not in "0." for allele in re.split(r"[/|]", genotype)):
            continue
        for text in found:
            consequence, gene, transcript, protein, dna = _fields(text)
            if consequence and not set(consequence.split("&")) <= NOT_CODING:
                yield [*site, sample, genotype, consequence, gene, transcript, protein, dna]


def _split(line: str) -> tuple[list[str], str, str, list[str]]:
    fields = line.rstrip("\n").split("\t")
    site, sample, genotype, haplotypes, local = fields[:5], fields[5], fields[6], fields[7:-1], fields[-1]
    alleles = re.split(r"[/|]", genotype)
    known = "|" in genotype or len(set(alleles)) == 1
    texts = haplotypes if known else [local]
    return site, sample, genotype, sorted({part for text in texts for part in text.split(",") if part != "."})


def _fields(text: str) -> tuple[str, str, str, str, str]:
    """Return consequence, gene, transcript, change of protein and DNA; `@POS` of csq refers to another record."""
    if text.startswith("@"):
        return f"part of the change at {text[1:]}", "", "", "", ""
    parts = [*text.split("|"), "", "", "", "", "", ""]
    return parts[0], parts[1], parts[2], parts[5], parts[6]


def main() -> None:
    """Run the command line of the rule `consequences`: lines on stdin, table on stdout."""
    print(*COLUMNS, sep="\t")
    for row in rows(sys.stdin):
        print(*row, sep="\t")


if __name__ == "__main__":
    main()
