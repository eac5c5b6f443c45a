"""Sites with several alternative alleles: one line for each allele, or one line for the site; the header says which."""

from collections.abc import Iterable, Iterator

SPLIT, JOINED = "split", "joined"
TAG = "MULTIALLELIC"
"""INFO of each line that was split off: CHROM|POS|REF|ALT of the whole site, and which of its alleles is the line's."""

STAGES = {SPLIT: f" | bcftools norm -Ou -m -any --old-rec-tag {TAG} -", JOINED: ""}
NOTES = {
    SPLIT: (
        f"split: a site with several alternative alleles is one line for each of them, all with INFO/{TAG}. In these "
        "lines, 1 in GT is the allele of the line, and 0 any other one, not only the reference: 1/0 in one line and "
        "0/1 in another one of the same site are one genotype 1/2, without the reference. PL compares the allele of "
        "the line with the reference alone. calling.multiallelic: joined keeps such sites in one line"
    ),
    JOINED: (
        "joined: a site with several alternative alleles is one line. Its FILTER is for the site: expressions with "
        "AD[*:1-] look at all alleles, and those with AD[*:1] at the first one"
    ),
}


def with_note(lines: Iterable[bytes], form: str) -> Iterator[bytes]:
    """Yield the lines of a VCF with a header line that says how to read sites with several alternative alleles."""
    for line in lines:
        if line.startswith(b"#CHROM"):
            yield f"##multiallelic={NOTES[form]}\n".encode()
        yield line
