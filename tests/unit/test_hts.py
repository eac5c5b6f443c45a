"""samtools and bcftools of pysam behave as programs do: in pipes, when they fail, and when they are ended."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shared import ROOT
from terraflow_workflow import hts

BIN = ROOT / "workflow" / "scripts" / "bin"
SAM = b"@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:c\tLN:100\nr1\t0\tc\t5\t60\t4M\t*\t0\t0\tACGT\tIIII\n"
VCF = (
    b"##fileformat=VCFv4.2\n##contig=<ID=c,length=100>\n"
    b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nc\t5\t.\tA\tC\t9\t.\t.\n"
)

Shell = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run a line of bash in a folder with in.sam, in.vcf and much.sam."""
    (tmp_path / "in.sam").write_bytes(SAM)
    (tmp_path / "in.vcf").write_bytes(VCF)
    header, record = SAM[: SAM.index(b"r1")], SAM[SAM.index(b"r1") :]
    (tmp_path / "much.sam").write_bytes(header + record * 20_000)

    def run(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=os.environ | environment, capture_output=True, check=False
        )

    return run


@pytest.mark.parametrize(
    ("line", "code", "out", "err"),
    [
        ("samtools --version-only", 0, f"{hts.RELEASE} (pysam)+htslib-{hts.RELEASE}\n", None),
        ("bcftools --version-only", 0, f"{hts.RELEASE} (pysam)+htslib-{hts.RELEASE}\n", None),
        ("samtools", 1, "", "Usage:   samtools <command> [options]"),
        ("bcftools", 1, "", "Usage:   bcftools "),
        ("samtools help", 0, "Usage:   samtools <command> [options]", None),
        ("samtools nonsense", 1, "", "unrecognized command 'nonsense'"),
        ("samtools view --nonsense >/dev/null", 1, "", "unrecognised option '--nonsense'"),
        ("bcftools view --nonsense", 1, "", "unrecognized option"),
        ("samtools view none.bam", 1, "", 'failed to open "none.bam" for reading: No such file or directory'),
        ("bcftools view none.bcf", 255, "", "none.bcf: No such file or directory"),
        ("bcftools +fixploidy in.vcf", 1, "", "this one has no plugins"),
        ("bcftools plugin -l", 1, "", "this one has no plugins"),
        ("samtools view -c in.sam", 0, "1\n", None),
        ("samtools view -c <in.sam", 0, "1\n", None),
        ("cat in.sam | samtools view -u - | samtools view -c -", 0, "1\n", None),
        ("samtools view --no-PG -b in.sam | samtools view --no-PG -h -", 0, SAM.decode(), None),
        ("bcftools view -H in.vcf", 0, "c\t5\t.\tA\tC\t9\t.\t.\n", None),
        ("bcftools view -Ob in.vcf | bcftools query -f '%POS %ALT\\n' -", 0, "5 C\n", None),
        (
            "samtools view -b in.sam | head -c -28 >b.bam; samtools quickcheck -v b.bam",
            16,
            "b.bam\n",
            "missing EOF block",
        ),
        ("printf '>c\\nACGTACGT\\n' >g.fa; samtools calmd --no-PG in.sam g.fa | grep -c MD:Z", 0, "1\n", ""),
    ],
)
def test_output_messages_and_exit_codes(shell: Shell, line: str, code: int, out: str, err: str | None) -> None:
    done = shell(f"set -o pipefail; {line}")
    assert done.returncode == code, done.stderr
    assert done.stdout.decode() == out if not out.startswith("Usage") else out in done.stdout.decode()
    # Where no message is expected, there must be none.
    assert err in done.stderr.decode() if err is not None else done.stderr == b""


@pytest.mark.parametrize(
    "line",
    [
        "samtools view much.sam >/dev/full",
        "samtools view -b much.sam >/dev/full",
        "samtools view -c in.sam >/dev/full",
        "samtools stats in.sam >/dev/full",
        "samtools --version >/dev/full",
        "bcftools view in.vcf >/dev/full",
        "bcftools query -f '%POS\\n' in.vcf >/dev/full",
        "bcftools stats in.vcf >/dev/full",
    ],
)
def test_a_full_disk_fails(shell: Shell, line: str) -> None:
    done = shell(line)
    assert done.returncode not in (0, None)
    assert b"Traceback" not in done.stderr


def test_a_reader_that_has_gone_ends_it_by_sigpipe(shell: Shell) -> None:
    done = shell("samtools view much.sam | head -n 1; echo ${PIPESTATUS[0]}")
    assert done.stdout.splitlines()[1:] == [b"141"]
    assert done.stderr == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_at_once(number: signal.Signals, tmp_path: Path) -> None:
    """While it waits in vain for the other end of a pipe."""
    os.mkfifo(tmp_path / "pipe")
    process = subprocess.Popen(
        [BIN / "samtools", "view", tmp_path / "pipe"], preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    # Opening this end waits until the program has opened the other one.
    with (tmp_path / "pipe").open("wb"):
        process.send_signal(number)
        assert process.wait(timeout=60) == -number


def test_an_ignored_interrupt_stays_ignored(shell: Shell) -> None:
    done = shell("trap '' INT; (echo; cat in.sam) | tail -n +2 | samtools view -c - & wait $!; echo $?")
    assert done.stdout.split() == [b"1", b"0"]


def test_headers_name_the_command_as_it_was_given(shell: Shell) -> None:
    done = shell("samtools view -h in.sam -o - | grep @PG; bcftools view in.vcf -o - | grep '^##bcftools'")
    program, version, command = done.stdout.decode().splitlines()
    assert program.split("\t")[1:3] == ["ID:samtools", "PN:samtools"]
    assert program.endswith("\tCL:samtools view -h -o - in.sam")
    assert version.startswith(f"##bcftools_viewVersion={hts.RELEASE} (pysam)+htslib-{hts.RELEASE}")
    assert command.startswith("##bcftools_viewCommand=view -o - in.vcf; Date=")


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_any_bytes_may_stand_in_a_file_name(shell: Shell, locale: str) -> None:
    line = r"""name=$(printf 'a b\xff\xe9\n*".sam'); cp in.sam "./$name"; samtools view -c "$name" """
    done = shell(line, LC_ALL=locale)
    assert (done.returncode, done.stdout) == (0, b"1\n"), done.stderr


def test_output_and_index_have_the_names_that_were_asked_for(shell: Shell, tmp_path: Path) -> None:
    write = "samtools view -@ 2 -b --write-index -o 'x y.bam##idx##z.bai' in.sam"
    done = shell(f"{write} && samtools view -c -X 'x y.bam' z.bai c")
    assert (done.returncode, done.stdout) == (0, b"1\n"), done.stderr
    assert (tmp_path / "z.bai").exists()


def test_inputs_may_be_named_by_a_list(shell: Shell) -> None:
    merge = "samtools merge -u -b list -o - | samtools view -c -"
    done = shell(f"cp in.sam b.sam; printf '%s\\n' in.sam b.sam >list; {merge}")
    assert (done.returncode, done.stdout) == (0, b"2\n"), done.stderr


@pytest.mark.parametrize("program", hts.PROGRAMS)
def test_a_program_of_the_users_own_is_taken_only_when_named(shell: Shell, tmp_path: Path, program: str) -> None:
    own = tmp_path / "my own" / program
    own.parent.mkdir()
    own.write_text('#!/bin/sh\necho own "$@"\n')
    own.chmod(0o755)
    path = f"{BIN}:{own.parent}:{os.environ['PATH']}"
    assert shell(f"{program} --version-only", PATH=path).stdout.decode().startswith(hts.RELEASE)
    asked = {hts.variable(program): str(own)}
    assert shell(f"{program} 'a  b' c", PATH=path, **asked).stdout == b"own a  b c\n"


@pytest.mark.parametrize("program", hts.PROGRAMS)
def test_a_python_without_pysam_says_what_to_do(shell: Shell, tmp_path: Path, program: str) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    done = shell(f"{program} view in.sam", TERRAFLOW_PYTHON=str(bare))
    assert (done.returncode, done.stdout) == (127, b"")
    assert b"has no pysam" in done.stderr
    assert b"`make setup`" in done.stderr
    assert hts.variable(program).encode() in done.stderr


def test_another_release_is_refused(shell: Shell, tmp_path: Path) -> None:
    shutil.copytree(BIN, tmp_path / "scripts" / "bin")
    package = tmp_path / "lib" / "terraflow_workflow"
    package.mkdir(parents=True)
    text = Path(hts.__file__).read_text()
    (package / "hts.py").write_text(text.replace(f'RELEASE = "{hts.RELEASE}"', 'RELEASE = "9.9"'))
    done = shell("scripts/bin/samtools view in.sam")
    assert (done.returncode, done.stdout) == (127, b"")
    assert f"carries samtools {hts.RELEASE}, wanted is 9.9" in done.stderr.decode()
