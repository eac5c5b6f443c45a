"""Writes haploid genotypes of a VCF twice (1 as 1/1, . as ./.): standard input to standard output.

`bcftools stats -s -` tells kinds of variants apart in diploid genotypes only.
"""

import re
import sys
from collections.abc import Iterable, Iterator

# Columns before the samples, FORMAT being the last.
FIXED = 9
HAPLOID = re.compile(rb"\t(\d+|\.)(?=[:\t\r\n]|\Z)")


def doubled(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Return the lines of a VCF. Genotypes come first in a sample's column, if at all (VCF 4.2, 1.4.2)."""
    for line in lines:
        columns = [] if line.startswith(b"#") else line.split(b"\t", FIXED)
        if len(columns) > FIXED and columns[FIXED - 1].split(b":", 1)[0] == b"GT":
            samples = HAPLOID.sub(rb"\t\1/\1", b"\t" + columns[FIXED])
            yield b"\t".join(columns[:FIXED]) + samples
        else:
            yield line


if __name__ == "__main__":
    sys.stdout.buffer.writelines(doubled(sys.stdin.buffer))
