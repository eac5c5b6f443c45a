"""How reads are understood, and the form in which they reach the aligner: a table of spellings that people use."""

import json
from pathlib import Path

import pytest

from terraflow_workflow.reads import decompress
from terraflow_workflow.reads.fastq_stream import FastqError


def record(name: str, bases: str = "ACGT", qualities: str = "", plus: str = "+") -> str:
    return f"@{name}\n{bases}\n{plus}\n{qualities or '#' * len(bases)}\n"


def dealt(folder: Path, texts: list[bytes], **options: bool) -> bytes:
    """Return the one shard of the files; assert that the counts agree with it."""
    paths = [folder / f"{mate}.fq" for mate in range(1, len(texts) + 1)]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    decompress.run(paths, folder / "counts.json", [folder / "s.fastq"], **options)
    shard = (folder / "s.fastq").read_bytes()
    assert json.loads((folder / "counts.json").read_text())["reads"] == shard.count(b"\n") // 4
    return shard


# Files as users have them, and the one shard that is made of them.
TAKEN: dict[str, tuple[list[str], str]] = {
    "dots": ([record("r", "A....")], record("r", "ANNNN")),
    "dots only": ([record("r", "....")], record("r", "NNNN")),
    "RNA": ([record("r", "ACGUu")], record("r", "ACGTt")),
    "lower case and IUPAC codes": ([record("r", "acgtRYKMn")], record("r", "acgtRYKMn")),
    "two at signs": ([record("@r")], record("r")),
    "three at signs": ([record("@@r x")], record("r x")),
    "two at signs in one mate": ([record("@r/1"), record("r/2")], record("r/1") + record("r/2")),
    "dots, U and at signs in one read": ([record("@r", "A.GU")], record("r", "ANGT")),
    "a dot in the second mate": ([record("r"), record("r", ".CGT")], record("r") + record("r", "NCGT")),
    "an at sign within the name": ([record("r@1")], record("r@1")),
    "another name after +": ([record("r", plus="+SRR1.1 length=4")], record("r")),
    "words after +": ([record("r", plus="+ quality")], record("r")),
    "an at sign as quality": ([record("r", qualities="@@@#")], record("r", qualities="@@@#")),
    "a plus as quality": ([record("r", qualities="+++#")], record("r", qualities="+++#")),
    "one base": ([record("r", "A", "#")], record("r", "A", "#")),
    "a name of 254": ([record("n" * 254)], record("n" * 254)),
    "a long comment": ([record("r " + "c" * 999)], record("r " + "c" * 999)),
    "a tab before the comment": ([record("r\tBC:Z:A")], record("r\tBC:Z:A")),
    "a name of punctuation": ([record("!\"#$%&'()*+,-./:;<=>?")], record("!\"#$%&'()*+,-./:;<=>?")),
    "Windows": ([record("r", "A.").replace("\n", "\r\n")], record("r", "AN")),
    "colons": ([record("r:1"), record("r:2")], record("r") * 2),
    "R1 and R2": ([record("r_R1 x"), record("r_R2 y")], record("r x") + record("r y")),
    "mates 1 and 3": ([record("r/1"), record("r/3")], record("r/1") + record("r/3")),
    "fastq-dump -I": ([record("S.1.1 1"), record("S.1.2 1")], record("S.1 1") * 2),
    "Element": ([record("r", "ACGT", "IMSU")], record("r", "ACGT", "IMSU")),
    "duplex consensus": ([record("r", "ACGT", "?I{{")], record("r", "ACGT", "?I{{")),
    "HiFi": ([record("r", "ACGT", "~~~~")], record("r", "ACGT", "~~~~")),
    "all of one quality": ([record("r", "ACGT", "FFFF")], record("r", "ACGT", "FFFF")),
}


@pytest.mark.parametrize("case", TAKEN)
def test_taken(tmp_path: Path, case: str) -> None:
    texts, expected = TAKEN[case]
    # Ordinary reads before and after, in other chunks and in the same, change nothing.
    for before, after in ((0, 0), (1, 1), (4000, 4000)):
        given = [
            "".join([*(record(f"b{n}") for n in range(before)), text, *(record(f"a{n}") for n in range(after))])
            for text in texts
        ]
        files = [text.encode() for text in given]
        around = [
            "".join(record(f"{letter}{n}") * len(texts) for n in range(count))
            for letter, count in (("b", before), ("a", after))
        ]
        assert dealt(tmp_path, files).decode() == expected.join(around)


# Files, and words of their messages.
REFUSED: dict[str, tuple[list[bytes], list[str]]] = {
    "colours": ([b"@r\nT0123.\n+\n!!!!!!\n"], ["line 2: a read in colour space (SOLiD)", "found 'T0123.'"]),
    "colours later": ([record("r").encode() + b"@s\nG3210\n+\n!!!!!\n"], ["record 2, line 6: a read in colour space"]),
    "colours, one quality fewer": ([b"@r\nT0123\n+\n!!!!\n"], ["line 2: a read in colour space"]),
    "all dots, then colours": ([b"@r\nT....\n+\n!!!!!\n@s\nT0.12\n+\n!!!!!\n"], ["line 6: a read in colour space"]),
    "a digit that is no colour": ([b"@r\nAC0GT\n+\n!!!!!\n"], ["illegal character '0' in the sequence, column 3"]),
    "gaps": ([b"@r\nAC-GT\n+\n!!!!!\n"], ["illegal character '-' in the sequence, column 3"]),
    "a star for a sequence": ([b"@r\n*\n+\n!\n"], ["illegal character '*'"]),
    "a protein": ([b"@r\nMKLE\n+\n!!!!\n"], ["illegal character 'L'", "column 3"]),
    "no bases": ([b"@r\n\n+\n\n@s\nA\n+\n!\n"], ["line 2: empty sequence", "fastp --length_required 1"]),
    "only at signs": ([b"@@@\nA\n+\n!\n"], ["line 1: the read has no name", "found '@@@'"]),
    "an at sign and a space": ([b"@@ r\nA\n+\n!\n"], ["line 1: the read has no name"]),
    "a star for a name": ([record("r").encode() + record("*").encode()], ["line 5: the read is called '*'"]),
    "a star and a mate's number": ([record("*/1").encode(), record("*/2").encode()], ["the read is called '*'"]),
    "a name of 255": ([record("n" * 255).encode()], ["line 1: the read name is too long", "254"]),
    "old Macs": ([record("r").replace("\n", "\r").encode()], ["a carriage return inside the line", r"`tr '\r' '\n'`"]),
    "UTF-8 in a header": ([record("r µ").encode()], ["control or non-ASCII character in the header"]),
    "a zero byte in a name": ([record("r\0").encode()], ["control or non-ASCII character in the header"]),
    "wrapped lines": ([b"@r\nAC\nGT\n+\n!!\n!!\n"], ["line 3: the third line is not '+'", "no wrapped"]),
    "FASTA": ([b">r\nACGT\n"], ["this is a FASTA file"]),
    "Phred+64": ([record("r", "ACGT", "Bah`").encode()], ["qualities of Phred+64: all between 'B' and 'h'"]),
    "Solexa": ([record("r", "ACGT", ";Zh]").encode()], ["qualities of Phred+64: all between ';' and 'h'"]),
    "a space in the qualities": ([b"@r\nACGT\n+\n!! !\n"], ["illegal character ' ' in the qualities, column 3"]),
    "mates in turn": (
        ["".join(record(f"S.{n}.{mate}") for n in range(1, 9) for mate in (1, 2)).encode()],
        ["record 2, line 5: the mates of pairs seem to take turns", "`seqtk seq -1`"],
    ),
    "mates in turn, and reads without one": (
        [b"".join(record(name).encode() for name in "ABBCDDEFF")],
        ["record 3, line 9: the mates of pairs seem to take turns", "`seqtk dropse`; split it"],
    ),
    "mates of other reads": ([record("r:1").encode(), record("s:2").encode()], ["the names of the mates differ"]),
    "mates swapped": ([record("r_R2").encode(), record("r_R1").encode()], ["R1 and R2 are swapped"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    files, words = REFUSED[case]
    with pytest.raises(FastqError) as caught:
        dealt(tmp_path, files)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/1.fq: ")
    assert "what to do: " in message
    for expected in words:
        assert expected in message


def test_whoever_knows_better_is_believed(tmp_path: Path) -> None:
    best = record("r", "ACGT", "Bah`").encode()
    assert dealt(tmp_path, [best], guess_encoding=False) == best
    turns = "".join(record(f"S.{n}.{mate}") for n in range(1, 9) for mate in (1, 2)).encode()
    assert dealt(tmp_path, [turns], may_interleave=True) == turns


def test_what_was_put_right_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dealt(tmp_path, [(record("@r", "A..U") + record("s", "UU")).encode()])
    path = tmp_path / "1.fq"
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {path}: 2 times '.' for a base, read as N",
        f"warning: {path}: 3 times U for a base, read as T",
        f"warning: {path}: 1 times '@' before a read name, left out",
    ]
