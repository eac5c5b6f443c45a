"""Names of mates: which headers belong together, and how both are written so that every later tool sees one name."""

import re
from pathlib import Path

from terraflow_workflow.reads.fastq_stream import FastqError, fault, place, show

CASAVA = re.compile(rb"\S+\s([1-9]):[YN]:[0-9]")
"""A header with Casava's comment, where the first number is the mate's."""

ENDING = re.compile(rb"(.+)([/:._-][Rr]?)([1-4])", re.DOTALL)
"""A name that ends in a mate's number: x/1, x:1, x.1 (`fastq-dump -I`), x_1, x_R1. The second mate may be number 3 or
4 where reads of indices lie between them."""


def read_name(header: bytes) -> bytes:
    """Return the read's name: what stands between '@' and the first white space."""
    return header.split(None, 1)[0][1:]


class MateError(ValueError):
    """Two headers that do not belong to mates; the arguments are what, expected and what to do."""


def pair_headers(header1: bytes, header2: bytes) -> tuple[bytes, bytes]:
    """Return the headers to write for two mates; MateError if they are none.

    Names that differ in a mate's number lose that ending, unless it is '/' and a digit: `bwa mem -p` pairs by name and
    strips only those.
    """
    name1, name2 = read_name(header1), read_name(header2)
    stem, number1, number2 = _compare(header1, header2)
    if stem is None:
        fix = "give R1 and R2 of one lane, neither filtered nor sorted without the other"
        raise MateError("the names of the mates differ", "the same name in R1 and R2", fix)
    if number1 == number2 and number1 is not None:
        fix = "give the R1 file first and its R2 file second"
        raise MateError(f"both reads say they are mate {number1}", "mate 1 in R1 and mate 2 in R2", fix)
    if number1 not in (None, 1) or number2 == 1:
        fix = "swap the two files: R1 first, R2 second"
        raise MateError("R1 and R2 are swapped", "mate 1 in R1 and mate 2 in R2", fix)
    if name1 != name2 and b"/" not in (name1[-2:-1], name2[-2:-1]):
        header1, header2 = (
            b"@" + stem + header[len(name) + 1 :] for header, name in ((header1, name1), (header2, name2))
        )
    return header1, header2


def _compare(header1: bytes, header2: bytes) -> tuple[bytes | None, int | None, int | None]:
    """Return the name that two mates share, or None, and which mate each says it is."""
    name1, name2 = read_name(header1), read_name(header2)
    end1, end2 = ENDING.fullmatch(name1), ENDING.fullmatch(name2)
    if end1 and end2 and end1[1] == end2[1] and end1[2] == end2[2] and end1[3] != end2[3]:
        numbers = int(end1[3]), int(end2[3])
        return (end1[1], *numbers) if 1 in numbers else (None, None, None)
    stem = _without_slash(name1)
    if stem != _without_slash(name2):
        return None, None, None
    return stem, _mate_number(name1, header1), _mate_number(name2, header2)


def _without_slash(name: bytes) -> bytes:
    """Return a name without '/1' or '/2' at its end."""
    return name[:-2] if len(name) > 2 and name[-2:] in (b"/1", b"/2") else name


def _mate_number(name: bytes, header: bytes) -> int | None:
    """Return which mate a header says it is, by '/1' or '/2' or by Casava's comment."""
    if _without_slash(name) != name:
        return int(name[-1:])
    casava = CASAVA.match(header)
    return int(casava[1]) if casava else None


def _alike(headers1: list[bytes], headers2: list[bytes]) -> bool:
    """Tell whether all headers are alike but for Casava's mate number, or for '/1' and '/2' at their ends.

    That is enough for mates; otherwise each pair needs a look of its own, which costs over half as much as the rest.
    """
    text1, text2 = (b"\n".join([*headers, b""]) for headers in (headers1, headers2))
    if b"/" not in text1:
        return b" 1:" not in text2 and text1 == text2.replace(b" 2:", b" 1:")
    return (
        text1.count(b"/") == text1.count(b"/1\n") == len(headers1)
        and b" " not in text1
        and b"\t" not in text1
        and text1.replace(b"/1\n", b"/2\n") == text2
    )


def pair_lines(paths: list[Path], first: int, lines: list[list[bytes]]) -> None:
    """Compare the names of mates, and put the headers to write in place; FastqError if they differ.

    `lines` are those of equally many records of both files, of which the first has the number `first`.
    """
    headers1, headers2 = lines[0][0::4], lines[1][0::4]
    if _alike(headers1, headers2):
        return
    for index, (header1, header2) in enumerate(zip(headers1, headers2, strict=True)):
        try:
            lines[0][4 * index], lines[1][4 * index] = pair_headers(header1, header2)
        except MateError as error:
            what, expected, fix = error.args
            what = f"{what}: {show_pair(header1, header2)} in {paths[1]}"
            where = place(first + index, 4 * (first + index) - 3)
            raise fault(paths[0], what, expected, fix, place=where) from error


def of_one_name(path: Path, headers: list[bytes]) -> FastqError | None:
    """Return the error for pairs of which all that are looked at have one name: later tools tell pairs apart by it.

    `samtools fixmate` would take reads of several pairs for mates, and calling would count overlapping mates twice.
    """
    names = {_without_slash(read_name(header)) for header in headers}
    if len(headers) < 2 or len(names) > 1:
        return None
    what = f"several pairs have one name: {show_pair(*headers[:2])}"
    fix = "give each pair its own name; it ends at the first space, so write another character there if need be"
    return fault(path, what, "a name of its own for each pair", fix, place=place(2, 5))


def interleaved(path: Path, headers: list[bytes]) -> FastqError | None:
    """Return the error for a single file whose first reads come in twos, as those of interleaved mates do.

    All that are looked at have to, since single reads may be numbered '/1', '/2', '/3', and to differ from each other.
    Two reads alone that end in '.1' and '.2', say, may just as well be numbered. Where reads without a mate stand
    between the pairs, as `samtools fastq` writes them, some neighbours of one name are enough.
    """
    in_twos = _all_in_twos(headers)
    first = 0 if in_twos else _first_of_some(headers)
    if first is None:
        return None
    what = f"the mates of pairs seem to take turns in this file: {show_pair(*headers[first : first + 2])}"
    alone = (
        "reads without a mate stand between them: write these into a file of their own, e.g. with `samtools fastq -s` "
        "from a BAM file, or leave them out with `seqtk dropse`; "
    )
    fix = (
        f"{'' if in_twos else alone}"
        "split it, e.g. with `seqtk seq -1` and `seqtk seq -2`, and list the two files as fq1 and fq2; "
        "if the reads are single ones, set `reads.interleaved: single`"
    )
    where = place(first + 2, 4 * first + 5)
    return fault(path, what, "single reads, each with a name of its own", fix, place=where)


def _all_in_twos(headers: list[bytes]) -> bool:
    """Tell whether reads are mates of their neighbours from the first to the last one, or to the one before it."""
    pairs = list(zip(headers[::2], headers[1::2], strict=False))
    stems = [_compare(*pair)[0] for pair in pairs]
    if not pairs or None in stems or len(set(stems)) < len(pairs):
        return False
    return len(pairs) > 1 or len({_without_slash(read_name(header)) for header in pairs[0]}) == 1


def _first_of_some(headers: list[bytes]) -> int | None:
    """Return where the first of three or more pairs of neighbours begins that have one name, '/1' and '/2' left out."""
    names = [_without_slash(read_name(header)) for header in headers]
    found = {names[at]: at for at in reversed(range(len(names) - 1)) if names[at] == names[at + 1]}
    return min(found.values()) if len(found) >= 3 else None


def show_pair(header1: bytes, header2: bytes) -> str:
    """Return two headers for a message."""
    return f"{show(header1)} and {show(header2)}"
