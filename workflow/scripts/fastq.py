"""FASTQ records in bulk: chunks of whole records, checked, and the names of mates compared.

Run as `python fastq.py FILE`, it writes the decompressed bytes of FILE (gzip, bzip2, xz, zstd or plain, recognised
by content) to stdout; a damaged FILE is one message on stderr and exit code 1.

The checks work on thousands of lines at once with methods of bytes, at about a third of the cost of one Python
statement per read; only a chunk found faulty is gone through record by record, to say what is wrong where.
"""

import os
import re
import sys
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from fastq_stream import FastqError, Source, fault, show

CHUNK = 1 << 17
"""Decompressed bytes read at a time; the lines of two such chunks stay in a processor's cache."""

MAX_LINE = 2_500_000
"""Characters in a line, so that a record has at most 10 million: the bound on memory."""

MAX_NAME = 254
"""Characters in a read name (SAMv1 specification, section 1.4)."""

SEQUENCE_CODES = b"ACGTRYSWKMBDHVNacgtryswkmbdhvn."
QUALITY_CODES = bytes(range(33, 127))
HEADER_CODES = bytes(range(32, 127)) + b"\t\n"


def _mask(legal: bytes, illegal: int) -> bytes:
    """Return a translation table: legal characters to 1, line ends to themselves, the rest to `illegal`."""
    return bytes(10 if code == 10 else 1 if code in legal else illegal for code in range(256))


# Two illegal codes that differ: the masks of sequences and qualities are then equal only where lines are equally
# long and all characters are legal.
SEQUENCE_MASK = _mask(SEQUENCE_CODES, 2)
QUALITY_MASK = _mask(QUALITY_CODES, 3)
HEADER_MASK = _mask(HEADER_CODES, 0x80)

PHRED64_LOWEST = 59
"""Lowest quality character of Solexa and Phred+64 files (Cock et al. 2010, doi:10.1093/nar/gkp1137)."""

CASAVA = re.compile(rb"\S+\s([1-9]):[YN]:[0-9]")
"""A header with Casava's comment, where the first number is the mate's."""

_first_two = itemgetter(slice(0, 2))


def place(record: int, line: int) -> str:
    """Return the words for a place in a file, both numbers counted from 1."""
    return f"record {record:,}, line {line:,}"


class FastqFile:
    """One FASTQ file as a queue of lines; FastqError for each fault of stream or records.

    `reads` and `bases` count the records taken and checked so far.
    """

    def __init__(self, path: Path, chunk: int = CHUNK) -> None:
        """Open `path`, to be read `chunk` bytes at a time."""
        self.path = path
        self.source = Source(path)
        self.reads = 0
        self.bases = 0
        self.ended = False
        self._chunk = chunk
        self._lines: list[bytes] = []
        self._tail = b""
        self._blank_lines = False
        self._qualities = b""

    @property
    def waiting(self) -> int:
        """The number of whole records ready to be taken."""
        return len(self._lines) // 4

    def fill(self) -> None:
        """Read one more chunk into the queue, or note the end."""
        data = self.source.read(self._chunk)
        text = self._tail + data
        if not data:
            self.ended = True
            text = text.removesuffix(b"\r") + b"\n" if text else b""
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        lines = text.split(b"\n")
        self._tail = lines.pop()
        # Only the first line can have begun before this chunk.
        if len(self._tail) > MAX_LINE or (lines and len(lines[0]) > MAX_LINE):
            raise self._too_long(lines)
        self._queue(lines)

    def take(self, count: int) -> list[bytes]:
        """Return the lines of the next `count` records, checked."""
        lines = self._lines[: 4 * count]
        del self._lines[: 4 * count]
        self._check(lines)
        self.reads += count
        return lines

    def finish(self) -> None:
        """Check what only shows at the end of the file: a cut record, no reads, qualities of Phred+64."""
        if self._lines:
            self._explain(self._lines)
            fix = "the file is cut short: copy it again and compare its size or checksum with the sender's"
            where = place(self.reads + 1, 4 * self.reads + len(self._lines))
            what = f"the file ends in the middle of a record, after {len(self._lines)} of its 4 lines"
            raise fault(self.path, what, "whole records", fix, found=self._lines[-1], place=where)
        lowest, highest = min(self._qualities), max(self._qualities)
        if lowest >= PHRED64_LOWEST and 80 <= highest <= 105:
            what = f"qualities of Phred+64: all between {chr(lowest)!r} and {chr(highest)!r}"
            fix = "convert the file, e.g. with `seqkit convert --from Illumina-1.5+`"
            raise fault(self.path, what, "Phred+33, as Illumina writes since 2011", fix)

    def header(self) -> bytes:
        """Return the header of the next record, which must be waiting."""
        return self._lines[0]

    def _queue(self, lines: list[bytes]) -> None:
        """Append lines; blank ones at the end are held back, for they may be the end of the file."""
        end = len(lines)
        while end and not lines[end - 1]:
            end -= 1
        if end:
            if self._blank_lines:
                self._lines.append(b"")
            self._lines += lines[:end] if end < len(lines) else lines
            self._blank_lines = False
        self._blank_lines = self._blank_lines or end < len(lines)

    def _check(self, lines: list[bytes]) -> None:
        """Check whole records in bulk."""
        headers, sequences, pluses, qualities = (lines[part::4] for part in range(4))
        sequence_text = b"\n".join(sequences)
        quality_text = b"\n".join(qualities)
        sound = (
            sequence_text.translate(SEQUENCE_MASK) == quality_text.translate(QUALITY_MASK)
            and b"" not in sequences
            and (pluses.count(b"+") == len(pluses) or all(map(_fits_plus, headers, pluses)))
            and all(start[:1] == b"@" and start[1:].strip() for start in set(map(_first_two, headers)))
            and b"\n".join(headers).translate(HEADER_MASK).isascii()
            and (max(map(len, headers)) <= MAX_NAME or all(len(read_name(h)) <= MAX_NAME for h in headers))
        )
        if not sound:
            self._explain(lines)
            raise AssertionError("the bulk check and the check by record disagree")
        self.bases += len(sequence_text) - len(sequences) + 1
        # One quality below those of Phred+64 settles it; until then, each new character is noted.
        if not self._qualities or min(self._qualities) >= PHRED64_LOWEST:
            new = quality_text.translate(None, self._qualities + b"\n")
            self._qualities += bytes(sorted(set(new)))

    def _explain(self, lines: list[bytes]) -> None:
        """Raise the FastqError of the first fault in `lines`, if there is one."""
        for start in range(0, len(lines), 4):
            problem = record_fault(lines[start : start + 4])
            if problem:
                part, what, expected, fix = problem
                where = place(self.reads + start // 4 + 1, 4 * self.reads + start + part + 1)
                raise fault(self.path, what, expected, fix, found=lines[start + part], place=where)

    def _too_long(self, lines: list[bytes]) -> FastqError:
        """Return the error for a line that breaks the bound on memory."""
        before = 4 * self.reads + len(self._lines)
        lines = [*lines, self._tail]
        index = next(index for index, line in enumerate(lines) if len(line) > MAX_LINE)
        line = before + index + 1
        what = f"a line of more than {MAX_LINE:,} characters"
        fix = "give short reads as FASTQ with four lines a record and the line ends of Unix or Windows"
        where = place((line + 3) // 4, line)
        return fault(self.path, what, "the lines of short reads", fix, found=lines[index], place=where)


def _fits_plus(header: bytes, plus: bytes) -> bool:
    """Tell whether a third line is '+' alone or '+' and the header again."""
    return plus == b"+" or (plus[:1] == b"+" and plus[1:] == header[1:])


def record_fault(record: list[bytes]) -> tuple[int, str, str, str] | None:
    """Return the first fault of a record of 1 to 4 lines: (index of the line, what, expected, what to do)."""
    again = "copy or download the file again; if it stays, ask who made it to repair it"
    header, sequence, plus, quality = [*record, None, None, None][:4]
    assert header is not None
    four = "records must have four lines each, with no wrapped or blank lines; " + again
    if header[:1] != b"@":
        return 0, "blank line" if not header else "the header does not start with '@'", "'@' and a read name", four
    if not header[1:2].strip():
        return 0, "the read has no name", "'@' and a read name", again
    if not header.translate(HEADER_MASK).isascii():
        return 0, "a control or non-ASCII character in the header", "printable ASCII", again
    if len(read_name(header)) > MAX_NAME:
        return 0, "the read name is too long", f"at most {MAX_NAME} characters, the limit of SAM", "shorten the names"
    if sequence is None:
        return None
    if not sequence:
        return 1, "empty sequence", "at least one base", "drop empty reads, e.g. with `fastp --length_required 1`"
    illegal = sequence.translate(None, SEQUENCE_CODES)
    if illegal:
        what = f"illegal character {show_code(illegal)} in the sequence, column {sequence.index(illegal[:1]) + 1:,}"
        return 1, what, "IUPAC DNA codes ACGTRYSWKMBDHVN or '.'", again
    if plus is None:
        return None
    if not _fits_plus(header, plus):
        return 2, "the third line is not '+'", "'+' alone or '+' and the header again", four
    if quality is None:
        return None
    illegal = quality.translate(None, QUALITY_CODES)
    if illegal:
        what = f"illegal character {show_code(illegal)} in the qualities, column {quality.index(illegal[:1]) + 1:,}"
        return 3, what, "characters '!' (33) to '~' (126)", again
    if len(quality) != len(sequence):
        what = f"{len(quality):,} qualities for {len(sequence):,} bases"
        return 3, what, "one quality per base", again
    return None


def show_code(text: bytes) -> str:
    """Return the first character of `text` for a message."""
    return repr(text[:1])[1:]


def read_name(header: bytes) -> bytes:
    """Return the read's name: what stands between '@' and the first white space."""
    return header.split(None, 1)[0][1:]


class MateError(ValueError):
    """Two headers that do not belong to mates; the arguments are what, expected and what to do."""


def pair_headers(header1: bytes, header2: bytes) -> tuple[bytes, bytes]:
    """Return the headers to write for two mates; MateError if they are none.

    Names that differ in a last '.1' and '.2' or '_1' and '_2' (`fastq-dump -I`) lose that ending, since `bwa mem -p`
    pairs by name and strips only '/' and a digit.
    """
    name1, name2 = read_name(header1), read_name(header2)
    number1, number2 = _mate_number(name1, header1), _mate_number(name2, header2)
    stem1, stem2 = _without_slash(name1), _without_slash(name2)
    if stem1 != stem2 and len(name1) > 2 and name1[:-1] == name2[:-1] and name1[-2:-1] in b"._":
        number1, number2 = _digit(name1), _digit(name2)
        if {number1, number2} == {1, 2}:
            stem1 = stem2 = name1[:-2]
            header1, header2 = (b"@" + stem1 + header[len(name1) + 1 :] for header in (header1, header2))
    if stem1 != stem2:
        fix = "give R1 and R2 of one lane, neither filtered nor sorted without the other"
        raise MateError("the names of the mates differ", "the same name in R1 and R2", fix)
    if number1 == number2 and number1 is not None:
        fix = "give the R1 file first and its R2 file second"
        raise MateError(f"both reads say they are mate {number1}", "mate 1 in R1 and mate 2 in R2", fix)
    if number1 == 2 or number2 == 1:
        fix = "swap the two files: R1 first, R2 second"
        raise MateError("R1 and R2 are swapped", "mate 1 in R1 and mate 2 in R2", fix)
    return header1, header2


def _digit(name: bytes) -> int | None:
    """Return the digit 1 or 2 at the end of a name."""
    return {b"1": 1, b"2": 2}.get(name[-1:])


def _without_slash(name: bytes) -> bytes:
    """Return a name without '/1' or '/2' at its end."""
    return name[:-2] if len(name) > 2 and name[-2:] in (b"/1", b"/2") else name


def _mate_number(name: bytes, header: bytes) -> int | None:
    """Return which mate a header says it is, by '/1' or '/2' or by Casava's comment."""
    if _without_slash(name) != name:
        return _digit(name)
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


def pair_lines(files: list[FastqFile], lines: list[list[bytes]]) -> None:
    """Compare the names of mates just taken, and put the headers to write in place; FastqError if they differ."""
    headers1, headers2 = lines[0][0::4], lines[1][0::4]
    if _alike(headers1, headers2):
        return
    first = files[0].reads - len(headers1) + 1
    for index, (header1, header2) in enumerate(zip(headers1, headers2, strict=True)):
        try:
            lines[0][4 * index], lines[1][4 * index] = pair_headers(header1, header2)
        except MateError as error:
            what, expected, fix = error.args
            what = f"{what}: {show_pair(header1, header2)} in {files[1].path}"
            where = place(first + index, 4 * (first + index) - 3)
            raise fault(files[0].path, what, expected, fix, place=where) from error


def refuse_interleaved(file: FastqFile, headers: list[bytes]) -> None:
    """FastqError if the first reads of a single file come in twos of one name, as those of interleaved mates do.

    All that are looked at have to, since single reads may be numbered '/1', '/2', '/3', and to differ from each other.
    """
    names = [_without_slash(read_name(header)) for header in headers]
    pairs = list(zip(names[::2], names[1::2], strict=False))
    if pairs and len({first for first, _ in pairs}) == len(pairs) and all(first == second for first, second in pairs):
        what = f"the mates of pairs seem to take turns in this file: {show_pair(*headers[:2])}"
        fix = "split it, e.g. with `seqtk seq -1` and `seqtk seq -2`, and list the two files as fq1 and fq2"
        raise fault(file.path, what, "single reads, each with a name of its own", fix, place=place(2, 5))


def show_pair(header1: bytes, header2: bytes) -> str:
    """Return two headers for a message."""
    return f"{show(header1)} and {show(header2)}"


def batches(files: list[FastqFile]) -> Iterator[list[list[bytes]]]:
    """Yield the lines of equally many records of each file, checked, until all files end together."""
    while True:
        for _ in files:
            shortest = min(files, key=lambda file: file.waiting)
            if not shortest.ended:
                shortest.fill()
        count = min(file.waiting for file in files)
        if count:
            first = not files[0].reads
            lines = [file.take(count) for file in files]
            if len(files) == 2:
                pair_lines(files, lines)
            elif first:
                refuse_interleaved(files[0], lines[0][0:64:4])
            yield lines
        elif any(file.ended and not file.waiting for file in files):
            break
    _finish(files)


def _finish(files: list[FastqFile]) -> None:
    """Check the ends of all files, when at least one has ended."""
    ended = [file for file in files if file.ended and not file.waiting]
    for file in ended:
        file.finish()
    for file in files:
        if file in ended:
            continue
        while not file.waiting and not file.ended:
            file.fill()
        if file.waiting:
            what = f"more reads than {ended[0].path}, which ends after {ended[0].reads:,}"
            fix = "one of the files is cut short or filtered: give both as the sequencer wrote them"
            where = place(file.reads + 1, 4 * file.reads + 1)
            raise fault(file.path, what, "equally many reads", fix, found=file.header(), place=where)
        file.finish()


def main(arguments: list[str]) -> int:
    """Write the decompressed bytes of the one file given to stdout; return the exit code."""
    if len(arguments) != 1:
        print("usage: fastq.py FILE", file=sys.stderr)
        return 2
    try:
        source = Source(Path(arguments[0]))
        while data := source.read(CHUNK):
            sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except FastqError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: stdout: cannot be written: {error.strerror}; what to do: see its reader", file=sys.stderr)
        # What is left in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
