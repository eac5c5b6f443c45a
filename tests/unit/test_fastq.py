"""Checks of records, and of two files that belong together."""

import io
import re
from pathlib import Path

import dnaio
import pytest
from fastq_files import TEXT, error_of, lines_of, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terraflow_workflow.reads import fastq
from terraflow_workflow.reads.fastq import FastqFile, batches
from terraflow_workflow.reads.fastq_stream import FastqError, show


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


# --- two files ------------------------------------------------------------------------------------


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
