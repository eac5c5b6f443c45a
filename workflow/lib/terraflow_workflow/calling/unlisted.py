"""Names the samples whose reads show alleles that a line doesn't have: INFO/UNLISTED.

Of each place, `bcftools call` keeps the three alleles that explain the reads of all samples best, and the reference's,
mpileup three insertions or deletions. Samples that are called together may have more; one with another allele gets the
genotype that fits best of those that are written, while its reads are counted in DP and in no AD.
"""

from collections.abc import Iterable, Iterator

TAG = b"UNLISTED"
HEADER = (
    b'##INFO=<ID=UNLISTED,Number=.,Type=String,Description="Samples in which more than a fifth of the reads show '
    b'alleles that are not written here, as where all together have more than can be: their genotypes may be wrong">\n'
)
# Of a sample's reads, and reads: errors make a few.
SHARE, READS = 0.2, 2


def unlisted(line: bytes, samples: list[bytes]) -> list[bytes]:
    """Return the samples for which a line of a VCF lacks an allele; none where it has one alternative allele only."""
    if b"," not in line.split(b"\t", 5)[4]:
        return []
    columns = line.rstrip(b"\r\n").split(b"\t")
    keys = columns[8].split(b":")
    return [sample for sample, text in zip(samples, columns[9:], strict=True) if _lacks(keys, text)]


def _lacks(keys: list[bytes], text: bytes) -> bool:
    values = dict(zip(keys, text.split(b":"), strict=False))
    depth, counts = values.get(b"DP", b"."), values.get(b"AD", b".").split(b",")
    if b"." in (depth, *counts):
        return False
    others = int(depth) - sum(map(int, counts))
    return others >= READS and others > SHARE * int(depth)


def name_unlisted(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a VCF with INFO/UNLISTED where it applies."""
    samples: list[bytes] = []
    for line in lines:
        if line.startswith(b"#CHROM"):
            samples = line.rstrip(b"\r\n").split(b"\t")[9:]
            yield HEADER
        elif not line.startswith(b"#") and (found := unlisted(line, samples)):
            columns = line.split(b"\t", 8)
            text = TAG + b"=" + b",".join(found)
            columns[7] = text if columns[7] == b"." else columns[7] + b";" + text
            line = b"\t".join(columns)
        yield line
