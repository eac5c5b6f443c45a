"""Checks of streams: compressions by content, members, padding, damage, and files of other formats."""

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from backports import zstd
from fastq_files import COMPRESS, RECORD, TEXT, content, error_of, lines_of, write

from shared import bgzip
from terraflow_workflow.reads.fastq_stream import FOREIGN, FastqError, Format, Source, detect, show


@pytest.mark.parametrize("kind", COMPRESS)
def test_each_compression_is_recognised_by_content(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, COMPRESS[kind](TEXT), "misleading.bam")
    assert Source(path).format.value == kind
    assert content(path) == TEXT


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("part", [50, 333, 700])
def test_many_members(tmp_path: Path, kind: str, part: int) -> None:
    data = b"".join(COMPRESS[kind](TEXT[i : i + part]) for i in range(0, len(TEXT), part))
    assert content(write(tmp_path, data)) == TEXT
    assert b"\n".join(lines_of(tmp_path / "reads.txt")) + b"\n" == TEXT


def test_bgzip_with_and_without_end_marker(tmp_path: Path) -> None:
    data = bgzip(TEXT)
    whole, cut = Source(write(tmp_path, data, "a")), Source(write(tmp_path, data[:-28], "b"))
    plain = Source(write(tmp_path, gzip.compress(TEXT), "c"))
    assert content(whole.path) == content(cut.path) == TEXT
    assert [len(source.remarks()) for source in (whole, cut, plain)] == [0, 1, 0]
    assert "no BGZF end marker" in cut.remarks()[0]


def test_zstd_skippable_frames(tmp_path: Path) -> None:
    skip = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    half = len(TEXT) // 2
    data = skip + zstd.compress(TEXT[:half]) + skip + zstd.compress(TEXT[half:]) + skip
    assert content(write(tmp_path, data)) == TEXT


def test_xz_stream_padding(tmp_path: Path) -> None:
    half = len(TEXT) // 2
    first, second = lzma.compress(TEXT[:half]), lzma.compress(TEXT[half:])
    assert content(write(tmp_path, first + bytes(8) + second + bytes(4))) == TEXT
    assert "cut short" in error_of(tmp_path, first + bytes(3) + second)
    assert "xz stream" in error_of(tmp_path, first + second + bytes(5))


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("members", [1, 2])
def test_truncation_at_every_byte(tmp_path: Path, kind: str, members: int) -> None:
    text = TEXT[:200]
    ends = [len(text) * member // members for member in range(members + 1)]
    parts = [COMPRESS[kind](text[a:b]) for a, b in pairwise(ends)]
    data = b"".join(parts)
    # A file that ends with its first member is a whole one of its format; only its last record is cut.
    borders = {len(parts[0])} if members == 2 else set()
    for size in range(len(data)):
        path = write(tmp_path, data[:size])
        if size in borders:
            assert content(path) == text[: ends[1]]
            with pytest.raises(FastqError, match="in the middle of a record"):
                lines_of(path)
        else:
            with pytest.raises(FastqError):
                content(path)
    assert content(write(tmp_path, data)) == text


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("garbage", [b"x", b"\x1f", b"garbage after the end", TEXT])
def test_garbage_after_the_last_stream(tmp_path: Path, kind: str, garbage: bytes) -> None:
    whole = COMPRESS[kind](TEXT)
    # The first byte of another gzip member is a file cut short.
    cut = kind == "gzip" and garbage == b"\x1f"
    found = re.escape(f"from byte {len(whole) + 1} on; found {show(garbage)}")
    message = "the gzip stream ends too soon" if cut else rf"other data follow the {kind} stream {found}"
    with pytest.raises(FastqError, match=message):
        content(write(tmp_path, whole + garbage))


@pytest.mark.parametrize("kind", COMPRESS)
def test_zero_bytes_after_the_last_stream_are_padding(tmp_path: Path, kind: str) -> None:
    whole = COMPRESS[kind](TEXT)
    for zeros in (4, 512, 300_000):
        path = write(tmp_path, whole + bytes(zeros))
        assert content(path) == TEXT
        assert [remark[:10] for remark in Source(path).remarks()] == (["zero bytes"] if zeros > 28 else [])
        with pytest.raises(FastqError, match=f"from byte {len(whole) + zeros + 1:,} on; found 'x'"):
            content(write(tmp_path, whole + bytes(zeros) + b"x"))
    assert content(write(tmp_path, whole + bytes(512) + whole)) == TEXT * 2


def test_data_after_many_members_are_found_where_they_are(tmp_path: Path) -> None:
    blocks = bgzip(b"".join(RECORD % number for number in range(20_000)))
    with pytest.raises(FastqError, match=f"from byte {len(blocks) + 1:,} on; found 'x'"):
        content(write(tmp_path, blocks + b"x"))
    with pytest.raises(FastqError, match="the gzip stream is damaged"):
        content(write(tmp_path, blocks[:15_000] + bytes(50) + blocks[15_050:] + b"x"))


@pytest.mark.parametrize("kind", COMPRESS)
def test_any_flipped_data_byte_is_found(tmp_path: Path, kind: str) -> None:
    data = COMPRESS[kind](TEXT)
    # The header of gzip holds a time and flags without a checksum.
    for position in range(10 if kind == "gzip" else 6, len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x55
        try:
            found = content(write(tmp_path, bytes(damaged)))
        except FastqError:
            continue
        assert found == TEXT


def test_xz_that_asks_for_too_much_memory(tmp_path: Path) -> None:
    small = lzma.compress(TEXT, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}])
    # Byte 15 of the block header is the dictionary size (xz format 5.3.1); its CRC is made to fit again.
    header = bytearray(small[12 : 12 + (small[12] + 1) * 4])
    header[header.index(b"\x21\x01") + 2] = 39
    header[-4:] = zlib.crc32(header[:-4]).to_bytes(4, "little")
    data = small[:12] + bytes(header) + small[12 + len(header) :]
    message = error_of(tmp_path, data)
    assert "the xz stream was written with too large a window or dictionary" in message
    assert "expected a decoder of at most 256 MiB" in message
    assert "`xz -dc --memlimit=max`" in message


@pytest.mark.parametrize("window", [27, 28, 31])
def test_zstd_with_a_long_window(tmp_path: Path, window: int) -> None:
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: window})
    data = compressor.compress(TEXT) + compressor.flush()
    if window == 27:
        assert content(write(tmp_path, data)) == TEXT
        return
    message = error_of(tmp_path, data)
    assert "the zstd stream was written with too large a window or dictionary" in message
    assert "expected a window of at most 128 MiB" in message
    assert "`zstd -dc --long=31`" in message


def test_empty_missing_folder_and_unreadable(tmp_path: Path) -> None:
    for data in (b"", gzip.compress(b""), zstd.compress(b""), bz2.compress(b""), lzma.compress(b"")):
        assert "no reads" in error_of(tmp_path, data)
    for path, reason in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(FastqError, match=reason):
            Source(path)


@pytest.mark.parametrize(
    ("magic", "what", "fix", "outer"),
    [
        (*row, outer)
        for row in FOREIGN
        for outer in (bytes, gzip.compress)
        if outer is not bytes or detect(row[0]) is Format.PLAIN
    ],
)
def test_other_formats_are_named(
    tmp_path: Path, magic: bytes, what: str, fix: str, outer: Callable[[bytes], bytes]
) -> None:
    message = error_of(tmp_path, outer(magic + b"\0" * 20))
    assert what in message
    assert fix in message


def test_tar_and_unknown(tmp_path: Path) -> None:
    assert "tar archive" in error_of(tmp_path, b"@name".ljust(257, b"\0") + b"ustar")
    message = error_of(tmp_path, b"r1\nACGT\n+\nIIII\n")
    assert "record 1, line 1: not FASTQ; found 'r1" in message


def test_show_is_cut() -> None:
    assert show(b"a\tb\xff") == r"'a\tb\xff'"
    assert show(b"x" * 61) == "'" + "x" * 59 + "...'"
    assert len(show(b"\xff" * 100)) < 70
