"""Samples whose reads show an allele that a line doesn't have are named; all else stays as it is."""

import subprocess
from pathlib import Path

import pytest

from terraflow_workflow.calling.records import prepared
from terraflow_workflow.calling.unlisted import HEADER, name_unlisted

HEAD = b"##fileformat=VCFv4.2\n"
TAGS = b"""##contig=<ID=c,length=20>
##INFO=<ID=DP,Number=1,Type=Integer,Description="">
##FORMAT=<ID=GT,Number=1,Type=String,Description="">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="">
"""
COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tA\tB\n"
# ALT, FORMAT, the columns of A and B, who is named.
CASES: dict[str, tuple[str, str, str, str]] = {
    "all reads show alleles of the line": ("G,A", "GT:DP:AD", "0/1:30:15,15,0 0/2:30:14,0,16", ""),
    "half of the reads don't": ("G,A", "GT:DP:AD", "0/1:30:15,15,0 0/1:30:0,16,0", "B"),
    "in all samples": ("G,A", "GT:AD:DP", "0/0:9,0,0:20 0/1:0,16,0:30", "A,B"),
    "no read does": ("G,A", "GT:AD:DP", "0/0:0,0,0:20 0/1:15,15,0:30", "A"),
    "a few errors": ("G,A", "GT:AD:DP", "0/1:40,40,0:100 1/2:0,1,1:3", ""),
    "of no reads": ("G,A", "GT:AD:DP", "./.:0,0,0:0 ./.:.:.", ""),
    "without depths": ("G,A", "GT", "0/1 0/2", ""),
    "one allele, so that there was room for more": ("G", "GT:AD:DP", "0/1:15,15:30 0/0:9,0:30", ""),
}


def line(alternatives: str, keys: str, samples: str, info: str = "DP=60") -> bytes:
    first, second = samples.split()
    return f"c\t9\t.\tT\t{alternatives}\t50\t.\t{info}\t{keys}\t{first}\t{second}\n".encode()


@pytest.mark.parametrize("name", CASES)
def test_samples_with_another_allele_are_named(name: str) -> None:
    alternatives, keys, samples, named = CASES[name]
    for info, before in (("DP=60", "DP=60;"), (".", "")):
        given = line(alternatives, keys, samples, info)
        expected = line(alternatives, keys, samples, f"{before}UNLISTED={named}") if named else given
        assert list(name_unlisted([HEAD, COLUMNS, given])) == [HEAD, HEADER, COLUMNS, expected]


def test_each_line_of_a_site_names_them(tmp_path: Path) -> None:
    given = line("G,A", "GT:AD:DP", "0/1:15,15,0:30 0/1:0,16,0:30")
    vcf = tmp_path / "calls.vcf"
    vcf.write_bytes(b"".join(prepared([HEAD, TAGS, COLUMNS, given], "split")))
    split = subprocess.run(["bcftools", "norm", "-m", "-any", vcf], capture_output=True, text=True, check=True).stdout
    lines = [text.split("\t") for text in split.splitlines() if not text.startswith("#")]
    assert [(columns[4], columns[7]) for columns in lines] == [("G", "DP=60;UNLISTED=B"), ("A", "DP=60;UNLISTED=B")]
