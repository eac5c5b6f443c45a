"""The checks in limited memory, and as a program."""

import gzip
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from fastq_files import COMPRESS, TEXT, error_of, write

from terraflow_workflow.reads import fastq

SCRIPT = Path(fastq.__file__)


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
