"""Names of mates: two files, and mates that take turns in one."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terraflow_workflow.reads import mates
from terraflow_workflow.reads.fastq import FastqFile, batches
from terraflow_workflow.reads.fastq_stream import FastqError
from terraflow_workflow.reads.mates import MateError, pair_headers


def write(folder: Path, data: bytes, name: str = "reads.txt") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def reads_of(folder: Path, data: bytes, *, may_interleave: bool = False) -> int:
    file = FastqFile(write(folder, data))
    return sum(len(lines[0]) // 4 for lines in batches([file], may_interleave=may_interleave))


def error_of(folder: Path, data: bytes) -> str:
    with pytest.raises(FastqError) as caught:
        reads_of(folder, data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("header1", "header2", "out1", "out2"),
    [
        ("@x", "@x", "@x", "@x"),
        ("@x/1", "@x/2", "@x/1", "@x/2"),
        ("@x/1", "@x", "@x/1", "@x"),
        ("@x 1:N:0:A", "@x 2:N:0:A", "@x 1:N:0:A", "@x 2:N:0:A"),
        ("@x 1:N:0:A", "@x 3:N:0:A", "@x 1:N:0:A", "@x 3:N:0:A"),
        ("@x\ta", "@x b", "@x\ta", "@x b"),
        ("@S.7.1 7 length=9", "@S.7.2 7 length=8", "@S.7 7 length=9", "@S.7 7 length=8"),
        ("@x_1", "@x_2", "@x", "@x"),
        ("@x.1", "@x.1", "@x.1", "@x.1"),
        ("@x.2", "@x.2", "@x.2", "@x.2"),
        ("@x:1", "@x:2", "@x", "@x"),
        ("@x:1 a", "@x:2\tb", "@x a", "@x\tb"),
        ("@x/1", "@x/3", "@x/1", "@x/3"),
        ("@x/1", "@x/4", "@x/1", "@x/4"),
        ("@x.1", "@x.3", "@x", "@x"),
        ("@x_R1", "@x_R2", "@x", "@x"),
        ("@x_R1", "@x_R3", "@x", "@x"),
        ("@x.r1", "@x.r2", "@x", "@x"),
        ("@x/R1", "@x/R2", "@x", "@x"),
        ("@x-1 1:N:0:A", "@x-2 2:N:0:A", "@x 1:N:0:A", "@x 2:N:0:A"),
        ("@s/7", "@s/7", "@s/7", "@s/7"),
        ("@s/7_1", "@s/7_2", "@s/7", "@s/7"),
    ],
)
def test_mates(header1: str, header2: str, out1: str, out2: str) -> None:
    assert pair_headers(header1.encode(), header2.encode()) == (out1.encode(), out2.encode())


@pytest.mark.parametrize(
    ("header1", "header2", "what"),
    [
        ("@x", "@y", "differ"), ("@x1", "@x2", "differ"), ("@x.1", "@y.2", "differ"),
        ("@x.11", "@x.12", "differ"), ("@_1", "@_2", "differ"), ("@x/1", "@y/2", "differ"), ("@x/3", "@x/4", "differ"),
        ("@x/2", "@x/1", "swapped"), ("@x.2", "@x.1", "swapped"), ("@x 2:N:0:A", "@x 1:N:0:A", "swapped"),
        ("@x/2", "@x", "swapped"), ("@x", "@x/1", "swapped"), ("@x/1", "@x/1", "mate 1"), ("@x/2", "@x/2", "mate 2"),
        ("@x 1:N:0:A", "@x 1:N:0:A", "mate 1"), ("@x 2:Y:0:", "@x 2:Y:0:", "mate 2"),
        ("@x/2 a/1", "@x/2 a/2", "mate 2"), ("@x 1:N:0:/1", "@x 1:N:0:/2", "mate 1"),
        ("@x/2\ta/1", "@x/2\ta/2", "mate 2"),
        ("@x.2", "@x.3", "differ"), ("@x:1", "@x.2", "differ"), ("@x_R1", "@x_2", "differ"), ("@x.1", "@x", "differ"),
        ("@x.1", "@x.5", "differ"), ("@x:11", "@x:12", "differ"), ("@x/1/1", "@x/1", "differ"),
        ("@x_R2", "@x_R1", "swapped"), ("@x/3", "@x/1", "swapped"), ("@x:2", "@x:1", "swapped"),
    ],
)  # fmt: skip
def test_no_mates(tmp_path: Path, header1: str, header2: str, what: str) -> None:
    with pytest.raises(MateError, match=what):
        pair_headers(header1.encode(), header2.encode())
    # The comparison in bulk must not hide what the comparison by pair finds, wherever the pair stands.
    for before, after in ((0, 3), (3, 0), (2, 2)):
        texts = [
            b"@a 1:N:0:A\nA\n+\n#\n" * before + header.encode() + b"\nA\n+\n#\n" + b"@b\nA\n+\n#\n" * after
            for header in (header1, header2)
        ]
        texts[1] = texts[1].replace(b"@a 1:", b"@a 2:")
        files = [FastqFile(write(tmp_path, text, f"{index}.fq")) for index, text in enumerate(texts)]
        with pytest.raises(FastqError, match=what) as caught:
            list(batches(files))
        assert f"0.fq: record {before + 1}, line {4 * before + 1}: " in str(caught.value)


@given(st.lists(st.text("ab/12. \t:", min_size=1, max_size=9), min_size=1, max_size=4), st.booleans())
@settings(max_examples=500, deadline=None)
def test_headers_alike_are_mates_that_stay_as_they_are(ends: list[str], slash: bool) -> None:
    headers1 = [f"@x{end}{'/1' * slash}".encode() for end in ends]
    headers2 = [f"@x{end}{'/2' * slash}".replace(" 1:", " 2:").encode() for end in ends]
    if mates._alike(headers1, headers2):
        pairs = list(zip(headers1, headers2, strict=True))
        assert [pair_headers(*pair) for pair in pairs] == pairs


def pairs_of(folder: Path, *names: str) -> int:
    files = [FastqFile(write(folder, named(*names), f"{mate}.fq")) for mate in (1, 2)]
    return sum(len(lines[0]) // 4 for lines in batches(files))


@pytest.mark.parametrize(
    "names", [["r"], ["r", "r2"], [f"r/{n}" for n in range(3, 40)], [*["r"] * 15, "x"], [f"r:{n} 7" for n in range(40)]]
)
def test_pairs_are_taken(tmp_path: Path, names: list[str]) -> None:
    assert pairs_of(tmp_path, *names) == len(names)


@pytest.mark.parametrize("name", ["r", "HWI:1:7 {n}:44", "read\t{n}"])
@pytest.mark.parametrize("pairs", [2, 16, 40])
def test_pairs_of_one_name_are_refused(tmp_path: Path, name: str, pairs: int) -> None:
    with pytest.raises(FastqError, match="several pairs have one name") as caught:
        pairs_of(tmp_path, *(name.format(n=n) for n in range(pairs)))
    assert str(caught.value).startswith(f"{tmp_path}/1.fq: record 2, line 5: ")


# Interleaved mates given as single reads


def named(*names: str) -> bytes:
    return "".join(f"@{name}\nACGT\n+\nIIII\n" for name in names).encode()


# Names of mates that take turns, and whether one pair is enough to see it: two single reads may be numbered, too.
@pytest.mark.parametrize(
    ("first", "second", "least"),
    [
        ("M0:{n}/1", "M0:{n}/2", 1),
        ("M0:{n} 1:N:0:ACGT", "M0:{n} 2:N:0:ACGT", 1),
        ("SRR1.{n} {n} length=4", "SRR1.{n} {n} length=4", 1),
        ("r{n}", "r{n}", 1),
        ("r{n}/2", "r{n}/1", 1),
        ("r{n}/1", "r{n}/3", 2),
        ("r{n} 1:N:0:ACGT", "r{n} 1:N:0:ACGT", 1),
        ("SRR1.{n}.1 {n} length=4", "SRR1.{n}.2 {n} length=4", 2),
        ("r{n}:1", "r{n}:2", 2),
        ("r{n}_1", "r{n}_2", 2),
        ("r{n}_R1", "r{n}_R2", 2),
        ("r{n}/R1", "r{n}/R2", 2),
        ("r{n}.1", "r{n}.3", 2),
        ("r{n}.2", "r{n}.1", 2),
    ],
)
@pytest.mark.parametrize("pairs", [1, 2, 3, 100])
def test_interleaved_mates_are_not_taken_for_single_reads(
    tmp_path: Path, first: str, second: str, least: int, pairs: int
) -> None:
    text = named(*(mate.format(n=n) for n in range(1, pairs + 1) for mate in (first, second)))
    assert reads_of(tmp_path, text, may_interleave=True) == 2 * pairs
    if pairs < least:
        assert reads_of(tmp_path, text) == 2 * pairs
        return
    message = error_of(tmp_path, text)
    assert "record 2, line 5: the mates of pairs seem to take turns in this file" in message
    assert f"{second.format(n=1)}" in message
    assert "list the two files as fq1 and fq2" in message
    assert "set `reads.interleaved: single`" in message
    # Half a pair at the end of the inspected reads changes nothing.
    assert "take turns" in error_of(tmp_path, text + named("orphan"))


@pytest.mark.parametrize("ends", [("/1", "/2"), (" 1:N:0:A", " 2:N:0:A"), ("", "")])
@pytest.mark.parametrize("alone", [{0}, {1}, {0, 3, 5}, {2, 3}, {0, 1, 2, 3, 4}])
def test_interleaved_mates_are_seen_among_reads_without_a_mate(
    tmp_path: Path, ends: tuple[str, str], alone: set[int]
) -> None:
    names = [f"r{n}{end}" for n in range(20) for end in ends[: 1 if n in alone else 2]]
    first = next(n for n in range(20) if n not in alone)
    message = error_of(tmp_path, named(*names))
    assert f"record {first + 2}, line {4 * first + 5}: the mates of pairs seem to take turns in this file" in message
    assert f"'@r{first}{ends[0]}' and '@r{first}{ends[1]}'" in message
    assert reads_of(tmp_path, named(*names), may_interleave=True) == len(names)


@pytest.mark.parametrize(
    "names",
    [
        ["r1"],
        [f"r{n}" for n in range(30) for _ in range(1 + (n in (3, 6)))],
        ["r/1", "r/2", "r/3", "r/4"],
        [f"r_{n}" for n in range(1, 20)],
        [f"r.{n}" for n in range(1, 20)],
        [f"SRR1.{n} {n} length=4" for n in range(1, 20)],
        [f"M0:{n} 1:N:0:ACGT" for n in range(1, 20)],
        [f"M0:{n}/2" for n in range(1, 20)],
        ["r", "r", "r", "r"],
        ["twice", "twice", "r1", "r2"],
        [f"HWI:1:1:5:{n}" for n in range(1, 20)],
        [f"m1/{n}/ccs" for n in range(1, 20)],
        [f"x_R{n}" for n in range(1, 20)],
        ["x.1", "x.2"],
        ["a.1", "b.2", "c.1", "d.2"],
    ],
    ids=lambda names: names[-1],
)
def test_single_reads_are_taken(tmp_path: Path, names: list[str]) -> None:
    assert reads_of(tmp_path, named(*names)) == len(names)
