"""Each tool's own reading of the reads that the checks let through: none loses, renames or waits for a read."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from project import Project
from readers import alignments
from test_rule_fastqc import fastqc_data
from tiny import GENOME, PLAIN, fasta, fragments

from terraflow_workflow.reads import decompress, fastq

PAIRS = fragments(PLAIN)[:30]


@dataclass(frozen=True)
class Spelling:
    """How reads are written: {n} is the pair's number, {m} the mate's, and a letter stands in place of bases."""

    header: str = "@r{n}"
    letter: str = ""
    plus: str = "+"
    qualities: str = "#I"
    end: str = "\n"

    def text(self, mate: int) -> bytes:
        """FASTQ of one mate of all pairs."""
        lines: list[str] = []
        for number, fragment in enumerate(PAIRS):
            bases = fragment[mate - 1].sequence
            if self.letter:
                # In the first read of all but the first base, since FastQC looks for colours there.
                bases = bases[0] + self.letter * 99 if number == 0 else bases[:50] + self.letter + bases[51:]
            quality = (self.qualities * 100)[: len(bases)]
            lines += [self.header.format(n=number, m=mate), bases, self.plus, quality]
        return (self.end.join(lines) + self.end).encode()


SPELLINGS = {
    "plain": Spelling(),
    "dots": Spelling(letter="."),
    "rna": Spelling(letter="U"),
    "lower": Spelling(letter="a"),
    "iupac": Spelling(letter="R"),
    "at": Spelling("@@r{n}"),
    "at-slash": Spelling("@@r{n}/{m}"),
    "at-within": Spelling("@r@{n}"),
    "plus": Spelling(plus="+SRR1.{n} length=100"),
    "colon": Spelling("@r{n}:{m}"),
    "dot-number": Spelling("@SRR1.{n}.{m} {n} length=100"),
    "R": Spelling("@r{n}_R{m}"),
    "slash-digit": Spelling("@s{n}/3"),
    "slash-digit-R": Spelling("@s{n}/3_R{m}"),
    "stars": Spelling("@*{n}"),
    "long-names": Spelling("@" + "n" * 250 + "{n:04}"),
    "casava-filtered": Spelling("@A:1:F:1:1101:{n}:7 {m}:Y:0:ACGT"),
    "tile-of-letters": Spelling("@A:1:F:1:none:{n}:7 {m}:N:0:ACGT"),
    "markup": Spelling("@<a&b>\"'{n}\\t%s$"),
    "high": Spelling(qualities="IMSU"),
    "highest": Spelling(qualities="~"),
    "lowest": Spelling(qualities="!"),
    "at-quality": Spelling(qualities="@#"),
    "plus-quality": Spelling(qualities="+>"),
    "windows": Spelling(end="\r\n"),
}


def written(folder: Path, spelling: Spelling) -> list[Path]:
    paths = [folder / f"{mate}.fq" for mate in (1, 2)]
    for mate, path in enumerate(paths, start=1):
        path.write_bytes(spelling.text(mate))
    return paths


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("downstream") / "g.fa"
    path.write_text(fasta(GENOME))
    subprocess.run(["bwa", "index", path], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("name", SPELLINGS)
def test_bwa_and_fixmate_take_all_pairs_as_pairs(tmp_path: Path, index: Path, name: str) -> None:
    decompress.run(written(tmp_path, SPELLINGS[name]), tmp_path / "counts.json", [tmp_path / "s.fastq"])
    pipe = 'bwa mem -v 1 -p "$1" "$2" | samtools fixmate -u -m - - | samtools sort -o "$3" -'
    out = tmp_path / "a.bam"
    subprocess.run(["bash", "-euo", "pipefail", "-c", pipe, "", index, tmp_path / "s.fastq", out], check=True)
    records = [record for record in alignments(out, index) if not record.flag & 0x900]

    assert len(records) == 2 * len(PAIRS)
    assert [sum(bool(record.flag & bit) for record in records) for bit in (0x40, 0x80)] == [len(PAIRS)] * 2
    # If mates of one name were not recognised, BWA would have aligned them as single reads.
    assert all(record.flag & 0x1 for record in records)
    # The first pair may be of one letter.
    proper = sum(bool(record.flag & 0x2) for record in records)
    assert proper >= 2 * len(PAIRS) - (2 if SPELLINGS[name].letter else 0)


def test_fastqc_counts_all_reads_of_each_spelling(tmp_path: Path) -> None:
    files = []
    for name, spelling in SPELLINGS.items():
        (tmp_path / name).mkdir()
        files.append(tmp_path / f"{name}.fastq")
        with files[-1].open("wb") as out:
            command = [sys.executable, fastq.__file__, written(tmp_path / name, spelling)[0]]
            subprocess.run(command, check=True, stdout=out)
    # FastQC waits for ever when its reader fails.
    subprocess.run(
        ["fastqc", "--quiet", "--outdir", str(tmp_path), *map(str, files)], check=True, timeout=120, capture_output=True
    )

    for name in SPELLINGS:
        found = fastqc_data(tmp_path / f"{name}_fastqc.zip")
        assert (found["Total Sequences"], found["Sequence length"]) == (str(len(PAIRS)), "100"), name
        assert found["File type"] == "Conventional base calls"


# Names that FastQC interprets.
HOSTILE = {
    "stdin.A": ("L1", SPELLINGS["dots"]),
    "stdin": ("stdin", SPELLINGS["at-slash"]),
    "S.gz": ("L.bam", SPELLINGS["dot-number"]),
}


def test_whole_rules_take_hostile_names_and_spellings(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", {"reference": {"fasta": "ref.fa"}})
    project.write("ref.fa", fasta(GENOME))
    targets = []
    for sample, (unit, spelling) in HOSTILE.items():
        files = [project.write(f"{sample}.{mate}", spelling.text(mate)) for mate in (1, 2)]
        project.add(sample, unit, *files)
        targets += [f"results/bwa_mem/{sample}/{unit}.1.cram"]
        targets += [f"results/qc/fastqc/{sample}/{unit}.{mate}_fastqc.zip" for mate in ("R1", "R2")]
    project.rule("reference bwa_index decompress bwa_mem fastqc", *targets).succeeded()

    for sample, (unit, _) in HOSTILE.items():
        aligned = alignments(project[f"results/bwa_mem/{sample}/{unit}.1.cram"], project["ref.fa"])
        assert sum(bool(record.flag & 0x1) for record in aligned) == 2 * len(PAIRS)
        for mate in ("R1", "R2"):
            found = fastqc_data(project[f"results/qc/fastqc/{sample}/{unit}.{mate}_fastqc.zip"])
            assert found["Filename"] == f"{sample}.{unit}.{mate}.fastq"
            assert found["Total Sequences"] == str(len(PAIRS))
