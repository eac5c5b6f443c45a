"""Checks of streams, records and mates' names."""

import bz2
import gzip
import io
import lzma
import re
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import dnaio
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import bgzip
from terraflow_workflow.reads import fastq
from terraflow_workflow.reads.fastq import FastqFile, batches
from terraflow_workflow.reads.fastq_stream import FOREIGN, FastqError, Format, Source, detect, show

SCRIPT = Path(fastq.__file__)
RECORD = b"@r%d\nACGTN\n+\nIIF#5\n"
TEXT = b"".join(RECORD % number for number in range(1, 41))


def zstd_checked(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd_checked,
}


def write(folder: Path, data: bytes, name: str = "reads.txt") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def lines_of(path: Path, chunk: int = 1 << 17) -> list[bytes]:
    return [line for lines in batches([FastqFile(path, chunk)]) for line in lines[0]]


def error_of(folder: Path, data: bytes, chunk: int = 1 << 17) -> str:
    with pytest.raises(FastqError) as caught:
        lines_of(write(folder, data), chunk)
    message = str(caught.value)
    assert message.startswith(str(folder / "reads.txt"))
    assert "what to do: " in message
    assert "\n" not in message
    return message


def content(path: Path) -> bytes:
    source = Source(path)
    return b"".join(iter(lambda: source.read(1000), b""))


# Streams


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
    # Where the first member ends, the file is a whole one of its format: only its records tell.
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


# Records


@pytest.mark.parametrize("chunk", [1, 7, 600, 1 << 17])
def test_windows_line_ends_and_no_last_line_end(tmp_path: Path, chunk: int) -> None:
    expected = TEXT.splitlines()
    for data in (TEXT, TEXT[:-1], TEXT + b"\n\n\n"):
        assert lines_of(write(tmp_path, data), chunk) == expected
        assert lines_of(write(tmp_path, data.replace(b"\n", b"\r\n")), chunk) == expected
    assert lines_of(write(tmp_path, TEXT.replace(b"\n", b"\r\n")[:-1]), chunk) == expected


FAULTS: dict[str, tuple[int, bytes, str]] = {
    "at": (0, b"r\n", "does not start with '@'"),
    "blank header": (0, b"\n", "blank line"),
    "no name": (0, b"@\n", "no name"),
    "space for a name": (0, b"@ x\n", "no name"),
    "control": (0, b"@r\x00\n", "control or non-ASCII"),
    "accent": (0, b"@r\xe9\n", "control or non-ASCII"),
    "long name": (0, b"@" + b"r" * 255 + b"\n", "too long"),
    "empty sequence": (1, b"\n", "empty sequence"),
    "illegal base": (1, b"ACGTX\n", "illegal character 'X' in the sequence, column 5"),
    "dash": (1, b"AC-TA\n", "illegal character '-'"),
    "space in sequence": (1, b"AC TA\n", "illegal character ' '"),
    "lone return": (1, b"AC\rTA\n", r"illegal character '\r'"),
    "plus": (2, b"-\n", "third line is not '+'"),
    "blank plus": (2, b"\n", "third line is not '+'"),
    "space in qualities": (3, b"II II\n", "illegal character ' ' in the qualities, column 3"),
    "delete": (3, b"III\x7fI\n", r"illegal character '\x7f'"),
    "high": (3, b"IIII\x80\n", r"illegal character '\x80'"),
    "short": (3, b"IIII\n", "4 qualities for 5 bases"),
    "long": (3, b"IIIIII\n", "6 qualities for 5 bases"),
    "no quality": (3, b"\n", "0 qualities for 5 bases"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("record", [2, 20, 40])
@pytest.mark.parametrize("chunk", [64, 1 << 17])
def test_each_fault_is_placed(tmp_path: Path, fault: str, record: int, chunk: int) -> None:
    part, bad, expected = FAULTS[fault]
    lines = TEXT.splitlines(keepends=True)
    line = 4 * (record - 1) + part
    lines[line] = bad
    message = error_of(tmp_path, b"".join(lines), chunk)
    if fault == "no quality" and record == 40:
        # A blank line at the end of the file is no line.
        assert "in the middle of a record, after 3 of its 4 lines" in message
        return
    assert expected in message
    assert f": record {record}, line {line + 1}: " in message
    assert f"found {show(bad[:-1])}; expected " in message


def test_faults_that_cover_each_other(tmp_path: Path) -> None:
    assert "record 2, line 6: empty sequence" in error_of(tmp_path, b"@r\nA\n+\n#\n@s\n\n+\n\n" + TEXT)
    assert "line 2: illegal character 'X'" in error_of(tmp_path, b"@r\nAX\n+\n# \n" + TEXT)
    # The lengths of two records are wrong, and those of all sequences and all qualities are equal.
    assert "line 4: 1 qualities for 2 bases" in error_of(tmp_path, b"@r\nAA\n+\n#\n@s\nA\n+\n##\n")


@pytest.mark.parametrize("record", [1, 20, 40])
@pytest.mark.parametrize("part", [1, 2, 3])
def test_a_cut_record(tmp_path: Path, record: int, part: int) -> None:
    lines = TEXT.splitlines(keepends=True)[: 4 * (record - 1) + part]
    message = error_of(tmp_path, b"".join(lines))
    assert f"record {record}, line {len(lines)}: the file ends in the middle of a record" in message
    assert f"after {part} of its 4 lines" in message


def test_a_cut_quality_line(tmp_path: Path) -> None:
    assert "record 40, line 160: 3 qualities for 5 bases" in error_of(tmp_path, TEXT[:-3])


@pytest.mark.parametrize("chunk", [1, 64, 1 << 17])
def test_blank_lines_in_the_middle(tmp_path: Path, chunk: int) -> None:
    message = error_of(tmp_path, TEXT + b"\n\n\n" + TEXT, chunk)
    assert "record 41, line 161: blank line" in message


def test_repeated_header_and_all_codes(tmp_path: Path) -> None:
    codes, qualities = fastq.SEQUENCE_CODES, fastq.QUALITY_CODES
    data = b"@r x\n" + codes + b"\n+r x\n" + qualities[: len(codes)] + b"\n" + TEXT
    assert lines_of(write(tmp_path, data))[1] == codes
    for text in (b"other", b"r", b" ", b"\xff\0", b"+"):
        assert lines_of(write(tmp_path, TEXT.replace(b"\n+\n", b"\n+" + text + b"\n")))[1::4] == [b"ACGTN"] * 40
    data = b"@r\n" + b"A" * len(qualities) + b"\n+\n" + qualities + b"\n"
    assert lines_of(write(tmp_path, data))[3] == qualities


@pytest.mark.parametrize("code", range(256))
def test_each_illegal_code_alone(tmp_path: Path, code: int) -> None:
    if code in b"\n\r":
        return
    for legal, template in (
        (fastq.SEQUENCE_CODES, b"@r\nA%bA\n+\nIII\n"),
        (fastq.QUALITY_CODES, b"@r\nAAA\n+\nI%b#\n"),
    ):
        path = write(tmp_path, template % bytes([code]))
        if code in legal or (legal is fastq.SEQUENCE_CODES and code in b".Uu"):
            lines_of(path)
        else:
            with pytest.raises(FastqError, match="illegal character"):
                lines_of(path)


def test_counts_of_reads_and_bases(tmp_path: Path) -> None:
    file = FastqFile(write(tmp_path, b"@a\nA\n+\nI\n@b\nACG\n+\n#II\n"), 8)
    assert sum(len(lines[0]) for lines in batches([file])) == 8
    assert (file.reads, file.bases) == (2, 4)


@pytest.mark.parametrize(
    ("qualities", "answer"),
    [
        (b"hB", "refused"), (b"ii", "refused"), (b"@h", "refused"), (b";a", "refused"), (b"Th", "refused"),
        (b";P", "remark"), (b"IMPSU", "remark"), (b"?]", "remark"), (b"B`", "remark"),
        (b":P", ""), (b";O", ""), (b"hj", ""), (b"II", ""), (b"#P", ""), (b"#h", ""), (b"I~", ""),
        (b"?{", ""), (b"FF", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("chunk", [3, 1000])
def test_phred64(tmp_path: Path, qualities: bytes, answer: str, chunk: int) -> None:
    data = b"".join(b"@r\nA\n+\n%c\n" % code for code in qualities * 3)
    if answer == "refused":
        message = error_of(tmp_path, data, chunk)
        assert "qualities of Phred+64" in message
        assert "set `reads.quality_encoding: phred33`" in message
    for guess in (True, False):
        if guess and answer == "refused":
            continue
        file = FastqFile(write(tmp_path, data), chunk, guess_encoding=guess)
        assert sum(len(lines[0]) for lines in batches([file])) == 12 * len(qualities)
        assert ["taken for Phred+33" in remark for remark in file.remarks()] == [True] * (guess and answer == "remark")


@given(
    st.lists(
        st.tuples(
            st.text("abc/:._12", min_size=1, max_size=8),
            st.text("ACGTN", min_size=1, max_size=30),
        ),
        min_size=1,
        max_size=20,
        # Single reads: mates of one name would be taken for pairs.
        unique_by=lambda read: re.sub(r"[/:._][12]$", "", read[0]),
    ),
    st.integers(1, 200),
    st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_dnaio(tmp_path: Path, reads: list[tuple[str, str]], chunk: int, windows: bool) -> None:
    records = [dnaio.SequenceRecord(name, bases, "#" * len(bases)) for name, bases in reads]
    data = b"".join(record.fastq_bytes() for record in records)
    path = write(tmp_path, data.replace(b"\n", b"\r\n") if windows else data)
    assert b"\n".join(lines_of(path, chunk)) + b"\n" == data
    with dnaio.open(io.BytesIO(data)) as reader:
        assert list(reader) == records


@given(st.binary(max_size=12), st.integers(0, len(TEXT)))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_accepted_dnaio_reads_alike(tmp_path: Path, noise: bytes, position: int) -> None:
    data = TEXT[:position] + noise + TEXT[position:]
    try:
        lines = lines_of(write(tmp_path, data))
    except FastqError:
        return
    # dnaio refuses other text after '+'.
    given = data.rstrip(b"\r\n").split(b"\n")
    given[2::4] = [b"+"] * len(given[2::4])
    with dnaio.open(io.BytesIO(b"\n".join([*given, b""])), fileformat="fastq") as reader:
        found = [record.sequence.encode() for record in reader]
    assert [bases.translate(fastq.TO_BASES) for bases in found] == lines[1::4]


# Two files


@pytest.mark.parametrize("chunk", [1, 50, 1 << 17])
@pytest.mark.parametrize("longer", [0, 1])
def test_unequal_numbers(tmp_path: Path, chunk: int, longer: int) -> None:
    texts = [TEXT, TEXT]
    texts[1 - longer] = TEXT[: TEXT.index(b"@r40\n")]
    files = [FastqFile(write(tmp_path, text, f"{index}.fq"), chunk) for index, text in enumerate(texts)]
    with pytest.raises(
        FastqError, match=rf"{longer}\.fq: record 40, line 157: more reads than .*ends after 39; found '@r40'"
    ):
        list(batches(files))


def test_the_cut_file_is_named_and_not_its_mate(tmp_path: Path) -> None:
    files = [FastqFile(write(tmp_path, text, f"{i}.fq")) for i, text in enumerate((TEXT, TEXT[:-12]))]
    with pytest.raises(FastqError, match=r"1\.fq: record 40, line 158: the file ends in the middle"):
        list(batches(files))


# Memory, and the program


def limited(arguments: list[str], megabytes: int, **options: object) -> subprocess.CompletedProcess[bytes]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, *arguments], preexec_fn=limit, capture_output=True, check=False, **options
    )


@pytest.mark.parametrize("start", [b"@", b"@r\n", b"@r\nA\n+\n"])
def test_a_line_without_end_is_refused_in_bounded_memory(tmp_path: Path, start: bytes) -> None:
    path = write(tmp_path, gzip.compress(start) + gzip.compress(bytes(10 << 20)) * 60)
    code = (
        "import sys; from pathlib import Path; import fastq; list(fastq.batches([fastq.FastqFile(Path(sys.argv[1]))]))"
    )
    run = limited(["-c", code, str(path)], 300, cwd=SCRIPT.parent)
    assert b"a line of more than 2,500,000 characters" in run.stderr
    line = start.count(b"\n") + 1
    assert f"record 1, line {line}: ".encode() in run.stderr


def test_endless_blank_lines_take_no_memory(tmp_path: Path) -> None:
    blank = gzip.compress(b"\n" * (10 << 20)) * 3
    code = (
        "import sys; from pathlib import Path; import fastq;"
        "print(sum(len(l[0]) for l in fastq.batches([fastq.FastqFile(Path(sys.argv[1]))])))"
    )
    run = limited(["-c", code, str(write(tmp_path, gzip.compress(TEXT) + blank))], 200, cwd=SCRIPT.parent)
    assert run.stdout == b"160\n"
    assert "record 41, line 161: blank line" in error_of(tmp_path, gzip.compress(TEXT) + blank + gzip.compress(TEXT))


def program(path: Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    return limited([str(SCRIPT), str(path)], 1000, **options)


@pytest.mark.parametrize("kind", COMPRESS)
def test_program_writes_the_bytes(tmp_path: Path, kind: str) -> None:
    data = (TEXT * 300).replace(b"\n", b"\r\n")
    run = program(write(tmp_path, COMPRESS[kind](data)))
    assert (run.returncode, run.stdout, run.stderr) == (0, TEXT * 300, b"")


@pytest.mark.parametrize("kind", COMPRESS)
def test_program_refuses_a_cut_stream(tmp_path: Path, kind: str) -> None:
    run = program(write(tmp_path, COMPRESS[kind](TEXT)[:-3]))
    assert run.returncode == 1
    assert run.stderr.startswith(b"error: ")
    assert run.stderr.count(b"\n") == 1
    assert b"ends too soon" in run.stderr


def test_program_usage_and_full_disk(tmp_path: Path) -> None:
    assert limited([str(SCRIPT)], 1000).returncode == 2
    path = write(tmp_path, TEXT)
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run([sys.executable, SCRIPT, path], stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 1
    assert run.stderr.count(b"\n") == 1
    assert b"No space left" in run.stderr
