"""Makes a table of coding changes from genotypes with the consequences that `bcftools csq` gave them.

A haplotype is known where a genotype is homozygous, haploid or phased: there the consequence takes other variants of
the same haplotype into account (tag BCSQ). An unphased heterozygous variant is judged by itself (tag LCSQ), and so is
one that overlaps another variant of the same haplotype, for whose transcript csq writes no BCSQ then.
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


BITS = 30
"""Of each number in FORMAT/BCSQ and FORMAT/LCSQ; bcftools csq leaves out the others."""


def rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """Return rows of COLUMNS, one for each sample, allele that it carries and transcript.

    Each line holds contig, position, REF, ALT, FILTER, sample, GT, INFO/BCSQ, FORMAT/BCSQ, INFO/LCSQ and FORMAT/LCSQ,
    with tabs between them.
    """
    for line in lines:
        contig, position, reference, alternatives, filters, sample, genotype, *found = line.rstrip("\n").split("\t")
        alleles = re.split(r"[/|]", genotype)
        if set(alleles) <= {"0", "."}:
            continue
        known = "|" in genotype or len(set(alleles)) == 1
        alts = alternatives.split(",")
        carried = _carried(alts, alleles, *found[:2]) if known else set()
        # Text with '@' names no transcript: it stands for all of the change.
        if not any(text.startswith("@") for _, text in carried):
            named = {(alternative, _fields(text)[2]) for alternative, text in carried}
            by_itself = _carried(alts, alleles, *found[2:])
            carried |= {one for one in by_itself if (one[0], _fields(one[1])[2]) not in named}
        for alternative, text in sorted(carried):
            consequence, gene, transcript, protein, dna = _fields(text)
            if consequence and not set(consequence.split("&")) <= NOT_CODING:
                site = [contig, position, reference, alternative, filters, sample, genotype]
                yield [*site, consequence, gene, transcript, protein, dna]


def _carried(alternatives: list[str], alleles: list[str], texts: str, numbers: str) -> set[tuple[str, str]]:
    """Return the alleles of a genotype that change something, each with one of its consequences."""
    return {
        (alternatives[int(alleles[haplotype]) - 1], text)
        for text, haplotype in _of_haplotypes(texts, numbers)
        if haplotype < len(alleles) and alleles[haplotype] not in ("0", ".")
    }


def _of_haplotypes(texts: str, numbers: str) -> Iterator[tuple[str, int]]:
    """Yield consequences of a site, each with the haplotype (0 or 1) that has it.

    Bits of the numbers, from the lowest, stand for the first consequence in the first and in the second haplotype, the
    second consequence, and so on.
    """
    if texts == "." or numbers == ".":
        return
    consequences = texts.split(",")
    for index, number in enumerate(numbers.split(",")):
        for bit in range(BITS if number != "." else 0):
            if int(number) >> bit & 1:
                place, haplotype = divmod(index * BITS + bit, 2)
                yield consequences[place], haplotype


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
