"""The decompressed bytes of one file: recognised by content, strict to the last byte.

gzip is read by python-isal. bzip2, xz and zstd are read through the decoders of their libraries and not through
their file objects, since BZ2File and LZMAFile take a file with garbage after its last stream for a whole one.
"""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Protocol

RAW_BYTES = 1 << 17
"""Compressed bytes read at a time."""

XZ_MEMORY = 256 << 20
"""Bytes an xz decoder may ask for; `xz -9` needs 65 MiB, a hostile header may ask for 4 GiB."""

ZSTD_WINDOW = 27
"""Logarithm of the bytes a zstd decoder may look back on: those of `zstd --long` and `--ultra -22`, 128 MiB."""

OUT_OF_MEMORY = ("Memory usage limit exceeded", "requires too much memory")
"""Messages of liblzma and libzstd about a stream that asks for more."""

START_BYTES = 512
"""Bytes looked at to tell FASTQ from other formats; tar has its mark at byte 257."""

SHOWN = 60
"""Characters of a faulty line shown in a message."""

BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends a BGZF file (SAMv1 specification, section 4.1.2)."""


class FastqError(Exception):
    """An input that cannot be used; the message is one line that says where, what and how to repair it."""


class Format(Enum):
    """The compressions read, by the name shown to the user."""

    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"
    PLAIN = "plain"


MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\x1f\x8b", Format.GZIP),
    (b"BZh", Format.BZIP2),
    (b"\xfd7zXZ\0", Format.XZ),
    (b"\x28\xb5\x2f\xfd", Format.ZSTD),
    *((bytes([low]) + b"\x2a\x4d\x18", Format.ZSTD) for low in range(0x50, 0x60)),
)
"""First bytes of each compression; the last sixteen are zstd's skippable frames, with which pzstd starts."""

MAGIC_BYTES = max(len(magic) for magic, _ in MAGIC)
LARGE = {
    Format.XZ: (f"a decoder of at most {XZ_MEMORY >> 20} MiB", "xz -dc --memlimit=max"),
    Format.ZSTD: (f"a window of at most {1 << ZSTD_WINDOW >> 20} MiB, as of `zstd --long`", "zstd -dc --long=31"),
}
"""The most that is read, and the program that decompresses streams beyond it."""

TO_FASTQ = "give the FASTQ of this lane"
FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b">", "a FASTA file", "give the FASTQ: FASTA has no qualities, and variant calling needs them"),
    (b"BAM\1", "a BAM file", "turn it into FASTQ with `samtools collate -O` and `samtools fastq`"),
    (b"CRAM", "a CRAM file", "turn it into FASTQ with `samtools collate -O` and `samtools fastq`"),
    *(
        (tag, "a SAM file", "turn it into FASTQ with `samtools collate -O` and `samtools fastq`")
        for tag in (b"@HD\t", b"@SQ\t", b"@RG\t", b"@PG\t", b"@CO\t")
    ),
    (b"PK\3\4", "a zip archive", "unpack it with `unzip` and give the FASTQ inside"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and give the FASTQ inside"),
    (b"\x1f\x9d", "a file of `compress` (.Z)", "unpack it with `gzip -d` and give the FASTQ inside"),
    (b"\x5d\0\0", "a file of the old `lzma` (.lzma)", "unpack it with `xz -d` and give the FASTQ inside"),
    (b"LZIP", "an lzip file", "unpack it with `lzip -d` and give the FASTQ inside"),
    (b"\x04\x22\x4d\x18", "an lz4 file", "unpack it with `lz4 -d` and give the FASTQ inside"),
    (b"NCBI.sra", "an SRA archive", "turn it into FASTQ with `fasterq-dump --split-files`"),
    (b"<", "a web page or XML", "download the file again: this is often a server's error page"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with `git lfs pull`"),
    (b"\xef\xbb\xbf", "a text file with a byte-order mark", "save it as plain ASCII, as the sequencer wrote it"),
    *((magic, f"{kind.value} data inside the first compression", "unpack it once") for magic, kind in MAGIC),
)
"""First decompressed bytes of what is often given in place of FASTQ: (bytes, what it is, what to do)."""


def place(record: int, line: int) -> str:
    """Return the words for a place in a file, both numbers counted from 1."""
    return f"record {record:,}, line {line:,}"


def show(found: bytes) -> str:
    """Return `found` as it is shown in a message: ASCII, cut at 60 characters."""
    text = repr(found[: SHOWN + 1])[1:]
    return text if len(text) <= SHOWN + 2 else text[:SHOWN] + "...'"


def fault(path: Path, what: str, expected: str, fix: str, *, found: bytes | None = None, place: str = "") -> FastqError:
    """Return the error for `path`; `place` is the record and line where they are known."""
    where = f"{path}: {place}: " if place else f"{path}: "
    seen = "" if found is None else f"; found {show(found)}"
    return FastqError(f"{where}{what}{seen}; expected {expected}; what to do: {fix}")


class DataFollowError(Exception):
    """Bytes that are no stream follow the last one; the arguments are their offset in the file and their beginning."""


class Decoder(Protocol):
    """The methods that the decoders of bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool:
        """Return whether the stream's end has been reached."""

    @property
    def needs_input(self) -> bool:
        """Return whether more compressed bytes are needed for more output."""

    @property
    def unused_data(self) -> bytes:
        """Return the compressed bytes after the stream's end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` more bytes."""


class Readable(Protocol):
    """A stream of decompressed bytes."""

    def read(self, size: int, /) -> bytes:
        """Return 1 to `size` bytes, or none at the end."""


class Streams:
    """Concatenated streams or frames of `kind`, where each must be whole and nothing but zero bytes may follow."""

    def __init__(self, file: BinaryIO, kind: Format, new_decoder: Callable[[], Decoder], padding: int = 1) -> None:
        """Read `file`; zero bytes in multiples of `padding` may follow a stream."""
        self._file = file
        self._kind = kind
        self._new_decoder = new_decoder
        self._decoder = new_decoder()
        self._padding = padding

    def read(self, size: int, /) -> bytes:
        """Return 1 to `size` bytes, or none at the end; EOFError if the last stream is cut short."""
        while True:
            if self._decoder.eof:
                raw = self._after_stream()
                if not raw:
                    return b""
                self._decoder = self._new_decoder()
            elif self._decoder.needs_input:
                raw = self._file.read(RAW_BYTES)
                if not raw:
                    raise EOFError
            else:
                raw = b""
            data = self._decoder.decompress(raw, size)
            if data:
                return data

    def _after_stream(self) -> bytes:
        """Return what follows the stream and its padding.

        EOFError for padding of a wrong length, DataFollowError for what is no stream.
        """
        raw = self._decoder.unused_data or self._file.read(RAW_BYTES)
        zeros = 0
        while raw:
            rest = raw.lstrip(b"\0")
            zeros += len(raw) - len(rest)
            if rest:
                break
            raw = self._file.read(RAW_BYTES)
        if zeros % self._padding:
            raise EOFError
        raw = raw.lstrip(b"\0")
        if len(raw) < MAGIC_BYTES:
            raw += self._file.read(RAW_BYTES)
        if not may_start(self._kind, raw):
            raise DataFollowError(self._file.tell() - len(raw), raw)
        return raw


def may_start(kind: Format, head: bytes) -> bool:
    """Tell whether `head`, however short, is the beginning of a stream of `kind`, or nothing."""
    magics = (magic for magic, other in MAGIC if other is kind)
    return any(head.startswith(magic[: len(head)]) for magic in magics)


def find_data_after_gzip(path: Path) -> tuple[int, bytes] | None:
    """Return the offset of what follows the whole members of a gzip file and is none, and its first bytes."""
    from isal import isal_zlib

    offset = 0
    with path.open("rb") as file:
        while True:
            decoder = isal_zlib.decompressobj(31)
            raw = b""
            while not decoder.eof:
                raw = decoder.unconsumed_tail or file.read(RAW_BYTES)
                try:
                    decoder.decompress(raw, 1 << 20)
                except isal_zlib.error:  # type: ignore[misc]
                    return None
                if not raw:
                    return None
            file.seek(-len(decoder.unused_data), os.SEEK_CUR)
            head = b"\0"
            while head and not head.strip(b"\0"):
                offset = file.tell()
                head = file.read(RAW_BYTES)
            offset += len(head) - len(head.lstrip(b"\0"))
            head = head.lstrip(b"\0")
            if not head:
                return None
            if not may_start(Format.GZIP, head):
                return offset, head
            file.seek(offset)


def detect(head: bytes) -> Format:
    """Return the compression of a file that starts with `head` (six bytes or more, if the file has them)."""
    return next((kind for magic, kind in MAGIC if head.startswith(magic)), Format.PLAIN)


def decoded(file: BinaryIO, kind: Format) -> tuple[Readable, tuple[type[Exception], ...]]:
    """Return the decompressed stream of `file`, and the exceptions a damaged stream raises."""
    # The libraries are loaded when needed: together their imports take as long as 50,000 reads.
    if kind is Format.GZIP:
        from isal import igzip, isal_zlib

        gzip_file: Readable = igzip.IGzipFile(fileobj=file, mode="rb")  # type: ignore[no-untyped-call]
        # The stubs of isal declare the exception's class as an instance.
        return gzip_file, (gzip.BadGzipFile, isal_zlib.error)  # type: ignore[return-value]
    if kind is Format.BZIP2:
        return Streams(file, kind, bz2.BZ2Decompressor), (OSError,)
    if kind is Format.XZ:

        def new_xz() -> Decoder:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

        return Streams(file, kind, new_xz, padding=4), (lzma.LZMAError,)
    if kind is Format.ZSTD:
        from backports import zstd

        limit: dict[int, int] = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW}

        def new_zstd() -> Decoder:
            return zstd.ZstdDecompressor(options=limit)

        return Streams(file, kind, new_zstd), (zstd.ZstdError,)
    return file, ()


class Source:
    """The decompressed bytes of one file; each fault of file or stream is a FastqError."""

    def __init__(self, path: Path) -> None:
        """Open `path` and recognise its compression."""
        self.path = path
        self._started = False
        try:
            self._file = path.open("rb")
            head = self._file.read(32)
            self._file.seek(0)
        except OSError as error:
            raise self._unreadable(error) from error
        self.format = detect(head)
        # The gzip header of a BGZF block has a subfield "BC" (SAMv1 specification, section 4.1).
        self._bgzf = self.format is Format.GZIP and head[12:14] == b"BC"
        self._stream, self._damage = decoded(self._file, self.format)

    def read(self, size: int) -> bytes:
        """Return some `size` bytes, the first time at least 512, or none at the end of a stream that is whole."""
        try:
            data = self._stream.read(size)
            if not self._started:
                data = self._start(data)
        except DataFollowError as error:
            raise self._followed(*error.args) from error
        except EOFError as error:
            raise self._damaged("ends too soon: it is cut short") from error
        except self._damage as error:
            # A failing disk is an OSError with a number, and so is never taken for a damaged bzip2 stream.
            if isinstance(error, OSError) and error.errno is not None:
                raise self._unreadable(error) from error
            if any(words in str(error) for words in OUT_OF_MEMORY):
                raise self._too_large() from error
            raise self._damaged(f"is damaged ({error})") from error
        except OSError as error:
            raise self._unreadable(error) from error
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def remarks(self) -> list[str]:
        """Return what a user should know of the end of a file that is whole.

        bgzip always writes its end marker and bcl2fastq never does, so its lack is no fault by itself.
        """
        with self.path.open("rb") as file:
            file.seek(-min(1 << 20, self.path.stat().st_size), os.SEEK_END)
            tail = file.read()
        content = tail.rstrip(b"\0")
        found = []
        # A stream itself may end in a few zero bytes.
        if self.format is not Format.PLAIN and len(tail) - len(content) > len(BGZF_END):
            found.append("zero bytes follow the last stream, as tapes and disks pad files: they are left out")
        if self._bgzf and not content.endswith(BGZF_END.rstrip(b"\0")):
            found.append("no BGZF end marker: bcl2fastq writes none; if bgzip made it, the file may be cut short")
        return found

    def _start(self, data: bytes) -> bytes:
        """Return `data` and enough after it to tell FASTQ; FastqError says what the file is if it is none."""
        self._started = True
        more = data
        while more and len(data) < START_BYTES:
            more = self._stream.read(START_BYTES)
            data += more
        self._check_start(data)
        return data

    def _check_start(self, data: bytes) -> None:
        """Refuse a file whose first bytes are not FASTQ's."""
        expected = "FASTQ"
        if not data:
            fix = "see whether the demultiplexing or the download of this lane failed"
            raise fault(self.path, "no reads: the file is empty", "at least one read", fix)
        for magic, what, fix in FOREIGN:
            if data.startswith(magic):
                raise fault(self.path, f"this is {what}", expected, fix, found=data)
        if data[257:262] == b"ustar":
            fix = "unpack it with `tar -x` and give the FASTQ inside"
            raise fault(self.path, "this is a tar archive", expected, fix, found=data)
        if not data.startswith(b"@"):
            expected = "a FASTQ record, which starts with '@'"
            raise fault(self.path, "not FASTQ", expected, TO_FASTQ, found=data, place="record 1, line 1")

    def _followed(self, offset: int, found: bytes) -> FastqError:
        kind = self.format.value
        fix = f"see what was appended: `head -c {offset} FILE` gives the file without it; or copy the file again"
        what = f"other data follow the {kind} stream from byte {offset + 1:,} on"
        return fault(self.path, what, f"nothing after the last {kind} stream", fix, found=found)

    def _too_large(self) -> FastqError:
        expected, unpack = LARGE[self.format]
        fix = f"decompress the file with `{unpack}`, and compress it with a smaller one"
        what = f"the {self.format.value} stream was written with too large a window or dictionary to be read here"
        return fault(self.path, what, expected, fix)

    def _damaged(self, what: str) -> FastqError:
        if self.format is Format.GZIP and (after := find_data_after_gzip(self.path)):
            return self._followed(*after)
        fix = "copy or download the file again and compare its checksum with the sender's"
        return fault(self.path, f"the {self.format.value} stream {what}", f"a whole {self.format.value} file", fix)

    def _unreadable(self, error: OSError) -> FastqError:
        fix = "check the path, its permissions and the disk"
        return fault(self.path, f"cannot be read: {error.strerror or error}", "a readable file", fix)
