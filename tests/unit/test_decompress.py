"""The shards and counts that decompress.py makes, and how it fails."""

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import bgzip
from terraflow_workflow.reads import decompress, fastq
from terraflow_workflow.reads.fastq_stream import FastqError


def zstd_checked(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd_checked,
}
EXPAND: dict[str, Callable[[bytes], bytes]] = {
    ".fastq": bytes,
    ".fastq.gz": gzip.decompress,
    ".fastq.zst": zstd.decompress,
}


def reads(count: int, mate: int = 1, length: int = 5) -> list[bytes]:
    return [
        b"@r%d %d:N:0:A\n%b\n+\n%b\n" % (k, mate, b"ACGTN"[k % 5 :][:1] * length, b"#" * length) for k in range(count)
    ]


def run(folder: Path, texts: list[bytes], shards: int = 3, suffix: str = ".fastq") -> list[Path]:
    inputs = [folder / f"in{index}" for index in range(len(texts))]
    for path, text in zip(inputs, texts, strict=True):
        path.write_bytes(text)
    outputs = [folder / "out" / f"{index}{suffix}" for index in range(shards)]
    outputs[0].parent.mkdir(exist_ok=True)
    decompress.run(inputs, folder / "out" / "counts.json", outputs)
    return outputs


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


@pytest.mark.parametrize("suffix", EXPAND)
@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("kind", COMPRESS)
def test_pairs_are_dealt_in_turn(tmp_path: Path, suffix: str, shards: int, kind: str) -> None:
    first, second = reads(10), reads(10, 2)
    outputs = run(tmp_path, [COMPRESS[kind](b"".join(part)) for part in (first, second)], shards, suffix)
    pairs = [a + b for a, b in zip(first, second, strict=True)]
    for index, path in enumerate(outputs):
        assert EXPAND[suffix](path.read_bytes()) == b"".join(pairs[index::shards])
    assert left(tmp_path) == sorted(["counts.json", *(path.name for path in outputs)])
    assert json.loads((tmp_path / "out" / "counts.json").read_text()) == {
        "reads": 20,
        "pairs": 10,
        "shards": [20] if shards == 1 else [8, 6, 6],
        "files": {str(tmp_path / f"in{index}"): {"reads": 10, "bases": 50} for index in (0, 1)},
    }


def test_single_end(tmp_path: Path) -> None:
    data = reads(3) + reads(1)  # the last name is not new, and equal names beside each other are no pair
    outputs = run(tmp_path, [b"".join([data[0], *data])], 2)
    expected = [data[0], *data]
    assert [path.read_bytes() for path in outputs] == [b"".join(expected[0::2]), b"".join(expected[1::2])]
    counts = json.loads((tmp_path / "out" / "counts.json").read_text())
    assert (counts["reads"], counts["pairs"], counts["shards"]) == (5, None, [3, 2])


@pytest.mark.parametrize("suffix", EXPAND)
def test_fewer_pairs_than_shards(tmp_path: Path, suffix: str) -> None:
    outputs = run(tmp_path, [reads(1)[0], reads(1, 2)[0]], 3, suffix)
    contents = [EXPAND[suffix](path.read_bytes()) for path in outputs]
    assert contents == [reads(1)[0] + reads(1, 2)[0], b"", b""]
    if suffix != ".fastq":
        assert all(path.stat().st_size for path in outputs)


def test_names_are_written_so_that_bwa_pairs_them(tmp_path: Path) -> None:
    texts = [b"@S.7.%d 7 length=1\r\nA\r\n+S.7.%d 7 length=1\r\n#" % (mate, mate) for mate in (1, 2)]
    outputs = run(tmp_path, texts, 1)
    assert outputs[0].read_bytes() == b"@S.7 7 length=1\nA\n+\n#\n" * 2


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=60),
    st.integers(1, 5),
    st.integers(1, 300),
    st.integers(1, 500),
    st.sampled_from(sorted(COMPRESS)),
    st.sampled_from(sorted(EXPAND)),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shards_depend_on_the_reads_alone(
    tmp_path: Path,
    lengths: list[tuple[int, int]],
    shards: int,
    chunk: int,
    block: int,
    kind: str,
    suffix: str,
) -> None:
    mates = [
        [b"@r%d\n%b\n+\n%b\n" % (k, b"A" * n, b"#" * n) for k, n in enumerate(ns)] for ns in zip(*lengths, strict=True)
    ]
    pairs = [a + b for a, b in zip(*mates, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decompress, "BLOCK", block)
        expected = [path.read_bytes() for path in run(tmp_path, [b"".join(part) for part in mates], shards, suffix)]
        patch.setattr(fastq.FastqFile.__init__, "__defaults__", (chunk,))
        outputs = run(tmp_path, [COMPRESS[kind](b"".join(part)) for part in mates], shards, suffix)
    assert [path.read_bytes() for path in outputs] == expected
    assert [EXPAND[suffix](data) for data in expected] == [b"".join(pairs[index::shards]) for index in range(shards)]


@pytest.mark.parametrize("suffix", EXPAND)
def test_many_blocks_and_the_same_bytes_every_time(tmp_path: Path, suffix: str) -> None:
    texts = [b"".join(reads(3000, mate, 150)) for mate in (1, 2)]
    first = [path.read_bytes() for path in run(tmp_path, texts, 2, suffix)]
    time.sleep(1.1)  # a gzip header has whole seconds
    assert first == [path.read_bytes() for path in run(tmp_path, texts, 2, suffix)]
    assert sum(len(EXPAND[suffix](data)) for data in first) == sum(map(len, texts)) > 4 * decompress.BLOCK


def program(arguments: list[object], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", decompress.__name__, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def arguments(folder: Path, texts: list[bytes], out: Path | None = None, suffix: str = ".fastq") -> list[object]:
    given: list[object] = []
    for index, text in enumerate(texts):
        path = folder / f"in{index}"
        path.write_bytes(text)
        given += [f"--fq{index + 1}", path]
    out = out or folder / "out"
    out.mkdir(exist_ok=True)
    return [*given, "--counts", out / "counts.json", "--shards", out / f"a{suffix}", out / f"b{suffix}"]


def fails(given: list[object], expected: str) -> None:
    done = program(given)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr


@pytest.mark.parametrize("suffix", EXPAND)
def test_program(tmp_path: Path, suffix: str) -> None:
    done = program(arguments(tmp_path, [b"".join(reads(4)), b"".join(reads(4, 2))], suffix=suffix))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert left(tmp_path) == [f"a{suffix}", f"b{suffix}", "counts.json"]


@pytest.mark.parametrize("mate", [0, 1])
def test_a_late_fault_is_found(tmp_path: Path, mate: int) -> None:
    texts = [b"".join(reads(5000, mate)) for mate in (1, 2)]
    texts[mate] = texts[mate][:-1] + b"#\n"
    fails(arguments(tmp_path, texts), f"in{mate}: record 5,000, line 20,000: 6 qualities for 5 bases; found '######'")


def test_faults_of_files_and_paths(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(reads(50)))
    fails(arguments(tmp_path, [whole[:-1]]), "in0: the gzip stream ends too soon")
    fails(arguments(tmp_path, [b""]), "in0: no reads")
    given = arguments(tmp_path, [whole])
    fails([*given, "--fq1", tmp_path / "none"], "none: cannot be read: No such file")
    fails([*given, "--fq1", tmp_path], "cannot be read: Is a directory")
    fails([*given, "--fq2", tmp_path / "in0"], "R1 and R2 are the same file")
    fails([*given, "--counts", tmp_path / "out" / "a.fastq"], "named twice")
    fails([*given, "--counts", tmp_path / "none" / "c.json"], "cannot be written: No such file")
    fails([*given, "--counts", tmp_path / "in0"], "both input and output")
    assert (tmp_path / "in0").read_bytes() == whole
    assert program([*given, "--shards", "x.txt"]).returncode == 2


def test_a_bgzf_file_without_its_end_is_warned_of(tmp_path: Path) -> None:
    text = b"".join(reads(50))
    data = bgzip(text)
    assert program(arguments(tmp_path, [data])).stderr == ""
    done = program(arguments(tmp_path, [data[:-28]]))
    assert done.returncode == 0
    assert done.stderr.startswith("warning: ")
    assert "no BGZF end marker" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("count", [700, 20_000])
def test_a_full_disk(tmp_path: Path, small_disk: Path, count: int) -> None:
    # A small number of reads fits in the writer's memory, and fails when a shard is closed.
    given = arguments(tmp_path, [b"".join(reads(count, length=200))], small_disk)
    fails(given, "No space left on device (")


def test_a_full_device_without_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(self: Path, mode: str = "r", *options: object) -> object:
        return opened(Path("/dev/full") if self.name == "1.fastq" else self, mode, *options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(FastqError, match=r"1\.fastq: cannot be written: No space left on device"):
        run(tmp_path, [b"".join(reads(50_000))])
