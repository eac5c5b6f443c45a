"""Writes ambiguity codes as bases, in a FASTA or in the alleles of a VCF.

A VCF holds no codes but N: any other is written as the first base, by the alphabet, that it stands for (VCF 4.3,
1.6.1). mpileup copies the codes of a reference into indels; the tools behind it take them for N, for a base, or for a
mistake, each version differently. When FASTA and VCF hold bases only, all read the same.
"""

import sys
from collections.abc import Callable

BASES = bytes.maketrans(b"RYSWKMBDHVryswkmbdhv", b"ACCAGACAAAaccagacaaa")


def concrete_bases(line: bytes) -> bytes:
    """Return a line of a FASTA with bases for ambiguity codes."""
    return line if line.startswith(b">") else line.translate(BASES)


def concrete_alleles(line: bytes) -> bytes:
    """Return a line of a VCF with bases for ambiguity codes; symbolic alleles and other columns stay."""
    if line.startswith(b"#"):
        return line
    contig, position, name, reference, alternatives, rest = line.split(b"\t", 5)
    alleles = (allele if b"<" in allele else allele.translate(BASES) for allele in alternatives.split(b","))
    return b"\t".join((contig, position, name, reference.translate(BASES), b",".join(alleles), rest))


KINDS: dict[str, Callable[[bytes], bytes]] = {"fasta": concrete_bases, "vcf": concrete_alleles}


def main() -> None:
    """Read a FASTA or VCF on stdin and write it to stdout; the argument is `fasta` or `vcf`."""
    sys.stdout.buffer.writelines(map(KINDS[sys.argv[1]], sys.stdin.buffer))


if __name__ == "__main__":
    main()
