"""The reference is written out with only its lines and case changed, or refused with the wrong line's number."""

import bz2
import gzip
import io
import lzma
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shared import Run, bgzip
from terraflow_workflow.reference import fasta as reference
from terraflow_workflow.reference.fasta import (
    LINE,
    LONGEST,
    PIECE,
    REGION,
    ReferenceError,
    normalised,
    problems_of_bwa_index,
    warning_of_ambiguous,
)

# A name such as 0:1 is refused beside a contig 0, which has a test of its own.
names = st.text("abcXYZ019_.|:", min_size=1, max_size=6).filter(lambda name: not REGION.fullmatch(name.encode()))
bases = st.text("ACGTNacgtnRYKMSWBDHVU", min_size=1, max_size=350)
genomes = st.dictionaries(names, bases, min_size=1, max_size=4)


def written(text: bytes) -> bytes:
    return b"".join(normalised(io.BytesIO(text), "g.fa"))


def records(fasta: bytes) -> dict[str, str]:
    """Name and bases of each contig."""
    found: dict[str, str] = {}
    name = ""
    for line in fasta.decode().splitlines():
        if line.startswith(">"):
            name = line[1:].split()[0]
            found[name] = ""
        else:
            found[name] += line
    return found


def error_of(text: bytes) -> str:
    with pytest.raises(ReferenceError) as caught:
        written(text)
    return str(caught.value)


@given(genomes, st.data())
@hypothesis_settings(max_examples=60)
def test_bases_stay_the_same_bases_and_lines_are_of_one_length(genome: dict[str, str], data: st.DataObject) -> None:
    end = data.draw(st.sampled_from(["\n", "\r\n", " \n", "\n\n"]))
    width = data.draw(st.integers(1, 400))
    text = ""
    for name, sequence in genome.items():
        lines = [sequence[start : start + width] for start in range(0, len(sequence), width)]
        text += end.join([f">{name} what it is", *lines]) + end
    if data.draw(st.booleans()):
        text = text.rstrip()
    out = written(text.encode())
    assert records(out) == {name: sequence.upper() for name, sequence in genome.items()}
    assert out.endswith(b"\n")
    for block in out.decode().split(">")[1:]:
        header, *lines = block.splitlines()
        assert header.endswith(" what it is")
        assert all(len(line) == LINE for line in lines[:-1])
        assert 1 <= len(lines[-1]) <= LINE


@given(genomes)
@hypothesis_settings(max_examples=30)
def test_what_is_written_is_written_again_unchanged(genome: dict[str, str]) -> None:
    once = written("".join(f">{name}\n{sequence}\n" for name, sequence in genome.items()).encode())
    assert written(once) == once


def test_soft_masking_goes_and_names_keep_their_case() -> None:
    assert written(b">chrUn_a soft masked\nacgtnACGTNrykm\n>x\nu\n") == b">chrUn_a soft masked\nACGTNACGTNRYKM\n>x\nU\n"


def test_a_contig_on_one_line_is_read_in_pieces() -> None:
    sequence = b"ACGTTGCANN" * (PIECE // 4)
    out = list(normalised(io.BytesIO(b">a\n" + sequence + b"\n>b\nAC\n"), "g.fa"))
    assert max(map(len, out)) < 2.1 * PIECE
    text = b"".join(out)
    assert text.replace(b">a\n", b"").replace(b"\n>b\nAC\n", b"").replace(b"\n", b"") == sequence
    assert {len(line) for line in text.splitlines()[1:-3]} == {LINE}
    assert error_of(b">a\n" + sequence + b"\nAC-") == "g.fa, line 3, contig a: found b'-'; expected IUPAC codes"
    assert error_of(b">a\n" + b"A" * PIECE + b">b\nAC") == ("g.fa, line 2, contig a: found b'>'; expected IUPAC codes")
    assert error_of(b">a" + b" x" * PIECE).startswith("g.fa, line 1: found a header of ")


MAC = (
    "found a carriage return within the line; expected the line ends of Unix or Windows: "
    r"turn those of an old Mac into them with `tr '\r' '\n'`"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "g.fa: holds no contig; expected FASTA"),
        (b"\n\n", "g.fa: holds no contig; expected FASTA"),
        (b">a\nAC\n\n>a\nAC\n", "g.fa, line 4: the contig 'a' stands on line 1 already; expected each name once"),
        (b">a one\nAC\n>a two\nAC\n", "g.fa, line 3: the contig 'a' stands on line 1 already; expected each name once"),
        (b">a\n>b\nAC\n", "g.fa: the contig 'a' has no bases"),
        (b">a\nAC\n>b\n\n", "g.fa: the contig 'b' has no bases"),
        (b">a\r>b\rAC\r", f"g.fa, line 1: {MAC}"),
        (b">a\nAC\rGT\n", f"g.fa, line 2: {MAC}"),
        (b">a\nACGT\nAC*T\n", "g.fa, line 3, contig a: found b'*'; expected IUPAC codes"),
        (b">a\nAC GT\n", "g.fa, line 2, contig a: found b' '; expected IUPAC codes"),
        (b">p\nMKVLAAGIVG\n", "g.fa, line 2, contig p: found b'L'; expected IUPAC codes"),
        (b"ACGT\n", "g.fa, line 1: found b'ACGT'; expected FASTA, which starts with '>'"),
        (b"\n@r1\nACGT\n+\nIIII\n", "g.fa, line 2: found b'@r1'; expected FASTA, which starts with '>'"),
        (b"\xef\xbb\xbf>a\nAC\n", "g.fa, line 1: found b'\\xef\\xbb\\xbf>a'; expected FASTA, which starts with '>'"),
    ],
)
def test_what_is_no_reference_is_refused(text: bytes, message: str) -> None:
    assert error_of(text) == message


def test_a_contig_that_no_index_of_a_vcf_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LONGEST == 536_870_911
    monkeypatch.setattr(reference, "LONGEST", 1000)
    fits, long = b"ACGTA" * 200, b"ACGTA\n" * 201
    assert written(b">a\n" + fits).count(b"A") == 400
    for text in (b">3H\n" + long, b">a\n" + fits + b"\n>3H\n" + long + b">b\nAC\n"):
        message = error_of(text)
        assert message.startswith("g.fa: the contig '3H' has 1,005 bases; expected at most 1,000, which ")
        assert "split it into parts" in message


@pytest.mark.parametrize("name", [b"", b" a", b"a,b", b"a<b>", b"*", b"=a", b"#a", b'"a"', b"(a)", b"\xe9"])
def test_a_name_that_sam_or_vcf_dont_bear_is_refused(name: bytes) -> None:
    message = error_of(b">ok\nA\n>" + name + b"\nACGT\n")
    assert message.startswith("g.fa, line 3: found the contig name '")
    assert "expected one that SAM and VCF bear" in message


# Names that samtools and bcftools take for a part of the contig `chr1`, and names like them that they don't.
REGIONS = {
    "chr1:1-600": "'chr1'",
    "chr1:5": "'chr1'",
    "chr1:1-": "'chr1'",
    "a:1:7-9": "'a:1'",
    "chr2:1-600": "",
    "chr1:x": "",
    "chr1-5": "",
    "HLA*A*01:01": "",
    "gi|556503834|ref|NC_000913.3|": "",
}


@pytest.mark.parametrize(("name", "whole"), REGIONS.items())
def test_a_name_that_also_means_a_part_of_another_contig_is_refused(name: str, whole: str) -> None:
    fasta = f">{name}\nACGT\n>chr1\nACGT\n>a:1\nACGT\n".encode()
    if not whole:
        assert written(fasta) == fasta
        return
    message = error_of(fasta)
    assert message.startswith(f"g.fa, line 1: the contig name '{name}' also means a part of the contig {whole}; ")


def test_a_name_that_bwa_cant_read_is_refused() -> None:
    longest = b"n" * 8192
    assert written(b">" + longest + b"\nAC\n").startswith(b">" + longest + b"\n")
    assert error_of(b">n" + longest + b"\nAC\n").startswith("g.fa, line 1: found a contig name of 8,193 bytes, 'nnn")


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bgzip": bgzip,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("kind", COMPRESS)
def test_the_script_takes_any_compression_whatever_the_name_and_samtools_indexes_the_result(
    script: Run, tmp_path: Path, kind: str
) -> None:
    fasta, out = tmp_path / "g.anything", tmp_path / "genome.fa"
    fasta.write_bytes(COMPRESS[kind](b">b x\r\n" + b"acgtN" * 50 + b"\r\nAC\r\n\r\n>a\r\nAC\r\nGT"))
    run = script("reference.fasta", "--fasta", fasta, "--out", out)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    subprocess.run(["samtools", "faidx", out], check=True)
    assert out.with_name("genome.fa.fai").read_text() == "b\t252\t5\t100\t101\na\t4\t263\t4\t5\n"
    region = subprocess.run(["samtools", "faidx", out, "b:249-252"], capture_output=True, text=True, check=True)
    assert region.stdout == ">b:249-252\nTNAC\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b">a\n" + bytes(range(65, 68)) * 999, mtime=0)[:-9], "cut short"),
        (gzip.compress(b"@r\nA\n+\nI\n", mtime=0), "expected FASTA, which starts with '>'"),
        (gzip.compress(b"", mtime=0), "holds no contig; expected FASTA"),
        (b">a\nAC\n>a\nAC\n", "line 3: the contig 'a' stands on line 1 already"),
    ],
)
def test_the_script_leaves_nothing_of_a_bad_reference(script: Run, tmp_path: Path, data: bytes, message: str) -> None:
    fasta, out = tmp_path / "g.fa.gz", tmp_path / "genome.fa"
    fasta.write_bytes(data)
    run = script("reference.fasta", "--fasta", fasta, "--out", out)
    assert run.returncode == 1
    assert run.stderr.startswith(str(fasta))
    assert message in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert not out.exists()


def test_ambiguous_bases_are_reported_and_accepted(script: Run, tmp_path: Path) -> None:
    fasta, out = tmp_path / "g.fa", tmp_path / "genome.fa"
    fasta.write_text(">a RYK\nACGTNNrR\n>b\nACGUN\n>c\nRYSWKMBDHV\n")
    run = script("reference.fasta", "--fasta", fasta, "--out", out)
    assert (run.returncode, run.stdout) == (0, "")
    warned = "12 ambiguous bases besides N, at which no variants are called: a 2, c 10"
    rna = "1 U are written as T: the alignments and variants of this run say T"
    assert run.stderr == f"warning: {fasta}: {rna}\nwarning: {fasta}: {warned}\n"
    assert out.read_text() == ">a RYK\nACGTNNRR\n>b\nACGTN\n>c\nRYSWKMBDHV\n"


def test_rna_is_written_as_dna(script: Run, tmp_path: Path) -> None:
    fasta, out = tmp_path / "g.fa", tmp_path / "genome.fa"
    fasta.write_text(">Uu keeps U\nACGUuu\n>b\nUUUU\n")
    run = script("reference.fasta", "--fasta", fasta, "--out", out)
    assert out.read_text() == ">Uu keeps U\nACGTTT\n>b\nTTTT\n"
    warned = "7 U are written as T: the alignments and variants of this run say T"
    assert (run.returncode, run.stderr) == (0, f"warning: {fasta}: {warned}\n")


def test_ambiguous_bases_of_many_contigs_are_reported_in_a_line() -> None:
    found = {"none": 0} | {f"c{number}": 1000 * number for number in range(1, 9)}
    assert warning_of_ambiguous(found, "g.fa").endswith(": c1 1,000, c2 2,000, c3 3,000 and 5 more contigs")
    assert warning_of_ambiguous(found, "g.fa").startswith("warning: g.fa: 36,000 ambiguous bases besides N, ")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Write a FASTA with BWA's index beside it, with the descriptions that headers can hold."""
    fasta = tmp_path / "g.fa"
    fasta.write_bytes(
        b">a one two\n" + b"ACGGT" * 20 + b"\n>b caf\xe9 \xc2\x85 x\n" + b"ACGTTNN" * 10 + b"\n>c\nACGT\n"
    )
    subprocess.run(["bwa", "index", fasta], check=True, capture_output=True)
    return fasta


def test_the_index_of_the_same_contigs_is_taken(index: Path, script: Run, tmp_path: Path) -> None:
    ann = Path(f"{index}.ann")
    assert problems_of_bwa_index(ann, {"a": 100, "b": 70, "c": 4}) == []
    run = script("reference.fasta", "--fasta", index, "--ann", ann, "--out", tmp_path / "out.fa")
    assert (run.returncode, run.stderr) == (0, "")


CONTIGS = {"a": 100, "b": 70, "c": 4}


def test_the_contig_that_an_index_of_bwa_mem2_has_in_front_is_a_difference_for_bwa_only(
    index: Path, script: Run, tmp_path: Path
) -> None:
    ann, out = Path(f"{index}.ann"), tmp_path / "out.fa"
    head, contigs = ann.read_bytes().split(b"\n", 1)
    ann.write_bytes(head + b"\n0 terraflow-shield (null)\n0 120 0\n" + contigs)
    amb = Path(f"{index}.amb")
    first, *runs = amb.read_text().splitlines()
    moved = [f"{int(start) + 120} {rest}" for start, rest in (run.split(" ", 1) for run in runs)]
    amb.write_text("\n".join([first, *moved, ""]))

    assert problems_of_bwa_index(ann, CONTIGS, shielded=True) == []
    assert script("reference.fasta", "--fasta", index, "--ann", ann, "--shielded", "--out", out).returncode == 0
    # bwa, whose index has other files besides, would place all reads 120 bases off.
    problem = f"{ann}: has a contig 'terraflow-shield', which the FASTA has not"
    assert problems_of_bwa_index(ann, CONTIGS) == [problem]
    run = script("reference.fasta", "--fasta", index, "--ann", ann, "--out", out)
    assert (run.returncode, run.stderr) == (1, f"{problem}\nBuild the index anew with bwa_index: build.\n")


def test_the_contig_of_bwa_mem2_behind_others_is_a_difference(index: Path) -> None:
    ann = Path(f"{index}.ann")
    ann.write_bytes(ann.read_bytes() + b"0 terraflow-shield (null)\n174 120 0\n")

    (problem,) = problems_of_bwa_index(ann, CONTIGS, shielded=True)
    assert problem.startswith(f"{ann}: has a contig 'terraflow-shield'")


def test_an_index_that_is_masked_otherwise_is_refused(index: Path, script: Run, tmp_path: Path) -> None:
    """Contigs are alike, and no read would align to what is N in the index only."""
    amb, out = Path(f"{index}.amb"), tmp_path / "out.fa"
    fasta = tmp_path / "other.fa"
    options = ("--fasta", fasta, "--ann", f"{index}.ann", "--out", out)
    fasta.write_bytes(index.read_bytes().replace(b"ACGTTNN", b"acgttnN"))
    assert script("reference.fasta", *options).returncode == 0
    fasta.write_bytes(index.read_bytes().replace(b"ACGTTNN", b"ACGTTAA").replace(b">c\nACGT", b">c\nARNN"))
    run = script("reference.fasta", *options)
    assert (run.returncode, run.stderr) == (
        1,
        f"{amb}: contig 'b' has 20 bases that are N or codes for several, in the FASTA 0\n"
        f"{amb}: contig 'c' has 0 bases that are N or codes for several, in the FASTA 3\n"
        "Build the index anew with bwa_index: build.\n",
    )
    assert not out.exists()
    amb.write_text("174 3 1\n200 2 N\n")
    assert script("reference.fasta", *options).stderr.startswith(f"{amb}: is not a file that `bwa index` wrote\n")
    amb.unlink()
    assert script("reference.fasta", *options).returncode == 0


def test_an_index_may_have_no_contig_in_front(index: Path) -> None:
    assert problems_of_bwa_index(Path(f"{index}.ann"), CONTIGS, shielded=True) == []


def test_the_index_of_an_rna_is_refused(index: Path, script: Run, tmp_path: Path) -> None:
    rna = tmp_path / "rna.fa"
    rna.write_bytes(index.read_bytes().replace(b"ACGGT", b"ACGGU"))
    run = script("reference.fasta", "--fasta", rna, "--ann", f"{index}.ann", "--out", tmp_path / "out.fa")
    assert run.returncode == 1
    assert run.stderr == (
        f"{index}.ann: was made from a FASTA with 20 U, which BWA took for N\n"
        "Build the index anew with bwa_index: build.\n"
    )
    assert not (tmp_path / "out.fa").exists()


def test_differences_between_contigs_and_index_are_reported(index: Path) -> None:
    ann = Path(f"{index}.ann")
    assert problems_of_bwa_index(ann, {"a": 101, "b": 70, "d": 4}) == [
        f"{ann}: has no contig 'd', which the FASTA has",
        f"{ann}: has a contig 'c', which the FASTA has not",
        f"{ann}: contig 'a' has 100 bases, in the FASTA 101",
    ]
    assert problems_of_bwa_index(ann, {"b": 70, "a": 100, "c": 4}) == [
        f"{ann}: the contigs stand in another order than in the FASTA"
    ]


def test_the_index_of_another_reference_is_refused(index: Path, script: Run, tmp_path: Path) -> None:
    ann, out = Path(f"{index}.ann"), tmp_path / "out.fa"
    other = tmp_path / "other.fa"
    other.write_text(">a\nACGT\n>b\nA\n>c\nAC\n")
    run = script("reference.fasta", "--fasta", other, "--ann", ann, "--out", out)
    assert run.returncode == 1
    assert run.stderr == (
        f"{ann}: contig 'a' has 100 bases, in the FASTA 4\n"
        f"{ann}: contig 'b' has 70 bases, in the FASTA 1\n"
        f"{ann}: contig 'c' has 4 bases, in the FASTA 2\n"
        "Build the index anew with bwa_index: build.\n"
    )
    assert not out.exists()


@pytest.mark.parametrize("text", ["", "not an index\nat all\n", "104 3 11\n0 a\n", "104 3 11\n0 a\nx y z\n"])
def test_a_file_that_is_no_index_is_reported(tmp_path: Path, text: str) -> None:
    ann = tmp_path / "g.fa.ann"
    ann.write_text(text)
    found = problems_of_bwa_index(ann, {"a": 4})
    assert len(found) == 1
    assert found[0] in (
        f"{ann}: is not a file that `bwa index` wrote",
        f"{ann}: has no contig 'a', which the FASTA has",
    )
