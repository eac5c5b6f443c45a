"""Ambiguity codes become the first base, by the alphabet, that they stand for; nothing else changes."""

import pytest

from shared import Run
from terraflow_workflow.calling.concrete import concrete_alleles, concrete_bases

# Each code with the bases that it stands for: SAM specification, 4.2.3.
CODES = {
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
}


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_its_first_base(code: str) -> None:
    base = min(CODES[code])
    assert concrete_bases(f"N{code}{code.lower()}n\n".encode()) == f"N{base}{base.lower()}n\n".encode()


LINES = [
    ("##contig=<ID=RYK>\n", "##contig=<ID=RYK>\n"),
    ("chrRY\t5\tRYK\tACR\tA\t9\tPASS\tDB\tGT:SK\t0/1:R\n", "chrRY\t5\tRYK\tACA\tA\t9\tPASS\tDB\tGT:SK\t0/1:R\n"),
    ("c\t5\t.\tA\tAYG,AN,*\t9\t.\tRY=R\n", "c\t5\t.\tA\tACG,AN,*\t9\t.\tRY=R\n"),
    ("c\t5\t.\tNR\tN,<DUP:R>,<*>\t9\t.\t.\n", "c\t5\t.\tNA\tN,<DUP:R>,<*>\t9\t.\t.\n"),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_alleles_alone_change_in_a_vcf(line: str, expected: str) -> None:
    assert concrete_alleles(line.encode()).decode() == expected


def test_the_script_takes_either_format(script: Run) -> None:
    assert script("calling.concrete", "fasta", stdin=">RYK r\nACRN\n").stdout == ">RYK r\nACAN\n"
    assert script("calling.concrete", "vcf", stdin="".join(line for line, _ in LINES)).stdout == "".join(
        e for _, e in LINES
    )
