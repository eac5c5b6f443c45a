"""FASTQ records in bulk: chunks of whole records, checked, and put right where nothing is lost by it.

Run as `python fastq.py FILE`, it writes the records of FILE (gzip, bzip2, xz, zstd or plain, recognised by content) to
stdout, as every tool reads them; a bad FILE is one message on stderr and exit code 1.

The checks work on thousands of lines at once with methods of bytes, at about a third of the cost of one Python
statement per read; only a chunk found faulty is put right, and gone through record by record if it still is.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from terraflow_workflow.reads.fastq_stream import FastqError, Source, fault, place
from terraflow_workflow.reads.mates import interleaved, of_one_name, pair_lines, read_name

CHUNK = 1 << 17
"""Decompressed bytes read at a time; the lines of two such chunks stay in a processor's cache."""

MAX_LINE = 2_500_000
"""Characters in a line, so that a record has at most 10 million: the bound on memory."""

MAX_NAME = 254
"""Characters in a read name (SAMv1 specification, section 1.4)."""

SEQUENCE_CODES = b"ACGTRYSWKMBDHVNacgtryswkmbdhvn"
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

TO_BASES = bytes.maketrans(b".Uu", b"NTt")
"""Old Illumina software writes '.' for N; FastQC takes 'A....' for colours and hangs. BWA reads U as N."""

COLOURS = b"0123456"
"""The characters that SOLiD reads hold after their first base (FastQC's own rule, FastQFile.checkColorspace)."""

PHRED64_LOWEST = 59
"""Lowest quality character of Solexa and Phred+64 files (Cock et al. 2010, doi:10.1093/nar/gkp1137)."""

PHRED64_BEST = range(97, 106)
"""Best qualities of lanes in Phred+64: Q33 to Q41, 'a' to 'i'. As Phred+33 they are Q64 to Q72: above what sequencers
write (Element: less than Q64), and below the best of duplex consensus reads (fgbio: Q90, '{')."""

PHRED64_DOUBTFUL = range(80, 97)
"""Best qualities that both encodings have: Q47 to Q63 as Phred+33, or Q16 to Q32, of a bad lane, as Phred+64."""

FASTQC_PHRED64_LOWEST = 64
"""Lowest quality character from which on FastQC takes all for Phred+64 (its PhredEncoding)."""

_first = itemgetter(slice(0, 1))
_first_two = itemgetter(slice(0, 2))


class FastqFile:
    """One FASTQ file as a queue of lines; FastqError for each fault of stream or records.

    `reads` and `bases` count the records taken and checked so far, `put_right` what was changed in them.
    """

    def __init__(self, path: Path, chunk: int = CHUNK, *, guess_encoding: bool = True) -> None:
        """Open `path`, to be read `chunk` bytes at a time; refuse qualities that look like Phred+64, if asked to."""
        self.path = path
        self.source = Source(path)
        self.reads = 0
        self.bases = 0
        self.ended = False
        self.put_right: Counter[str] = Counter()
        self._guess_encoding = guess_encoding
        self._chunk = chunk
        self._lines: list[bytes] = []
        self._tail = b""
        self._blank_lines = False
        self._qualities = b""

    @property
    def waiting(self) -> int:
        """Return the number of whole records ready to be taken."""
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
        lines = self._checked(lines)
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
        if self._guess_encoding and self._best_in(PHRED64_BEST):
            what = f"qualities of Phred+64: all between {self._range()}"
            fix = (
                "convert the file, e.g. with `seqkit convert --from Illumina-1.5+`; if it is Phred+33, "
                "set `reads.quality_encoding: phred33`"
            )
            raise fault(self.path, what, "Phred+33, as Illumina writes since 2011", fix)

    def remarks(self) -> list[str]:
        """Return what a user should know of a file that was read to its end without fault."""
        found = [f"{count:,} times {what}" for what, count in self.put_right.items() if count]
        if self._guess_encoding and self._best_in(PHRED64_DOUBTFUL):
            found.append(
                f"all qualities are between {self._range()} and are taken for Phred+33; "
                "if they are Phred+64, convert the file, e.g. with `seqkit convert --from Illumina-1.5+`"
            )
        return [f"{self.path}: {remark}" for remark in found + self.source.remarks()]

    def fastqc_mistakes_encoding(self) -> bool:
        """Tell whether FastQC takes the qualities, once all are read, for Phred+64."""
        return min(self._qualities) >= FASTQC_PHRED64_LOWEST

    def _best_in(self, expected: range) -> bool:
        """Tell whether no quality is below those of Phred+64, and the best is one of `expected`."""
        return min(self._qualities) >= PHRED64_LOWEST and max(self._qualities) in expected

    def _range(self) -> str:
        """Return the words for the lowest and highest quality."""
        return f"{chr(min(self._qualities))!r} and {chr(max(self._qualities))!r}"

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

    def _checked(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines of whole records, put right where need be; FastqError for the first fault."""
        if not _sound(lines):
            given, lines = lines, self._put_right(lines)
            if not _sound(lines):
                self._explain(given)
                raise AssertionError("the bulk check and the check by record disagree")
        self.bases += sum(map(len, lines[1::4]))
        # One quality below those of Phred+64 settles it; until then, each new character is noted.
        if not self._qualities or min(self._qualities) >= PHRED64_LOWEST:
            new = b"\n".join(lines[3::4]).translate(None, self._qualities + b"\n")
            self._qualities += bytes(sorted(set(new)))
        return lines

    def _put_right(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines of records with what later tools read differently put right, and count that."""
        headers, sequences = lines[0::4], b"\n".join(lines[1::4])
        self.put_right["'.' for a base, read as N"] += sequences.count(b".")
        self.put_right["U for a base, read as T"] += sequences.count(b"U") + sequences.count(b"u")
        self.put_right["'@' before a read name, left out"] += sum(header[:2] == b"@@" for header in headers)
        lines = lines.copy()
        lines[0::4] = [b"@" + header.lstrip(b"@") if header[:2] == b"@@" else header for header in headers]
        if len(lines) > 1:
            lines[1::4] = sequences.translate(TO_BASES).split(b"\n")
        return lines

    def _explain(self, given: list[bytes]) -> None:
        """Raise the FastqError of the first fault in the lines of records, if there is one."""
        lines = self._put_right(given)
        for start in range(0, len(lines), 4):
            problem = record_fault(lines[start : start + 4])
            if problem:
                part, what, expected, fix = problem
                where = place(self.reads + start // 4 + 1, 4 * self.reads + start + part + 1)
                raise fault(self.path, what, expected, fix, found=given[start + part], place=where)

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


def _is_nameless(header: bytes) -> bool:
    """Return whether the name, without the mate's number that bwa cuts off, is what SAM writes for none: '*'."""
    return header[:2] == b"@*" and read_name(header).removesuffix(b"/1").removesuffix(b"/2") == b"*"


def _sound(lines: list[bytes]) -> bool:
    """Check whole records in bulk: whether every later tool reads them as they are meant."""
    headers, sequences, pluses, qualities = (lines[part::4] for part in range(4))
    starts = set(map(_first_two, headers))
    return (
        b"\n".join(sequences).translate(SEQUENCE_MASK) == b"\n".join(qualities).translate(QUALITY_MASK)
        and b"" not in sequences
        and (pluses.count(b"+") == len(pluses) or set(map(_first, pluses)) == {b"+"})
        # A name that starts with '@' is a line of the header in SAM.
        and all(start[:1] == b"@" and start[1:].strip(b"@ \t\r") for start in starts)
        and (b"@*" not in starts or not any(map(_is_nameless, headers)))
        and b"\n".join(headers).translate(HEADER_MASK).isascii()
        and (max(map(len, headers)) <= MAX_NAME or all(len(read_name(h)) <= MAX_NAME for h in headers))
    )


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
    if _is_nameless(header):
        return 0, "the read is called '*', which means no name in SAM", "'@' and a read name", "give the reads names"
    if b"\r" in header:
        fix = r"if these are the line ends of old Macs, convert the file with `tr '\r' '\n'`"
        return 0, "a carriage return inside the line", "the line ends of Unix or Windows", fix
    if not header.translate(HEADER_MASK).isascii():
        return 0, "a control or non-ASCII character in the header", "printable ASCII", again
    if len(read_name(header)) > MAX_NAME:
        return 0, "the read name is too long", f"at most {MAX_NAME} characters, the limit of SAM", "shorten the names"
    if sequence is None:
        return None
    if not sequence:
        return 1, "empty sequence", "at least one base", "drop empty reads, e.g. with `fastp --length_required 1`"
    illegal = sequence.translate(None, SEQUENCE_CODES)
    if illegal and illegal[0] in COLOURS and not sequence[1:].strip(COLOURS + b"N"):
        fix = "use an aligner for colours: BWA-MEM can't align them, and they don't become bases without loss"
        return 1, "a read in colour space (SOLiD): one base and digits", "bases", fix
    if illegal:
        what = f"illegal character {show_code(illegal)} in the sequence, column {sequence.index(illegal[:1]) + 1:,}"
        return 1, what, "IUPAC DNA codes ACGTRYSWKMBDHVN, '.' or U", again
    if plus is None:
        return None
    if plus[:1] != b"+":
        return 2, "the third line is not '+'", "'+', alone or with any text", four
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


def batches(files: list[FastqFile], *, may_interleave: bool = False) -> Iterator[list[list[bytes]]]:
    """Yield the lines of equally many records of each file, checked, until all files end together.

    A single file in which mates seem to take turns is refused, unless it `may_interleave`.
    """
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
                pair_lines([file.path for file in files], files[0].reads - count + 1, lines)
                if first and (error := of_one_name(files[0].path, lines[0][0:64:4])):
                    raise error
            elif first and not may_interleave and (error := interleaved(files[0].path, lines[0][0:64:4])):
                raise error
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
    """Write the records of the one file given to stdout; return the exit code."""
    if len(arguments) != 1:
        print("usage: fastq.py FILE", file=sys.stderr)
        return 2
    try:
        file = FastqFile(Path(arguments[0]), guess_encoding=False)
        for (lines,) in batches([file], may_interleave=True):
            lines[2::4] = [b"+"] * (len(lines) // 4)
            lines.append(b"")
            sys.stdout.buffer.write(b"\n".join(lines))
        sys.stdout.buffer.flush()
    except FastqError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: stdout: cannot be written: {error.strerror}; what to do: see its reader", file=sys.stderr)
        # Bytes that are left in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if file.fastqc_mistakes_encoding():
        what = "FastQC takes such high qualities for Phred+64, and draws them 31 too low"
        print(f"warning: {file.path}: {what}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
