"""Rule decompress: shards from any compression, the same each time, and a message for each fault of the files."""

from pathlib import Path

import pytest
from compressions import COMPRESSIONS, piped
from project import Project, units_of
from readers import read_json, records_of
from tiny import PLAIN, Fragment, Read, fasta, fragments, text_of

from shared import Outcome

PAIRS = fragments(PLAIN)[:301]
R1, R2 = (text_of(reads) for reads in zip(*PAIRS, strict=True))
GENOME_CONFIG = {"reference": {"fasta": "ref.fa"}}


def new_project(folder: Path) -> Project:
    """Return a project with a reference that no job reads."""
    project = Project(folder, {**GENOME_CONFIG, "reads": {"shards": 3}})
    project.write("ref.fa", fasta({"a": "ACGT"}))
    return project


def shard(project: Project, unit: str, number: int, ending: str = "fastq") -> Path:
    return project[f"results/reads/s/{unit}.{number}.{ending}"]


def expected_shard(pairs: list[Fragment], number: int, shards: int) -> list[tuple[str, ...]]:
    """Return the records of a shard: every so many pairs, mates together."""
    return list(records_of(text_of(read for pair in pairs[number - 1 :: shards] for read in pair)))


# --- good files ------------------------------------------------------------------------------------

# Units and their two files: compressions, and names that suggest another one.
GOOD: dict[str, tuple[str, str, str, str]] = {
    "plain": ("plain", "plain", "p_1.fastq", "p_2.fastq"),
    "gzip-members-and-bgzip": ("gzip-members", "bgzip", "g_1.fastq.gz", "g_2.fastq.gz"),
    "bzip2-and-xz": ("bzip2", "xz", "b_1.fastq.bz2", "b_2.fastq.xz"),
    "streams": ("bzip2-streams", "xz-streams", "s_1.fq", "s_2.fq"),
    "zstd-and-frames": ("zstd", "zstd-frames", "z_1.fastq.zst", "z_2.fastq.zst"),
    "misleading-names": ("xz", "plain", "m_1.fastq.gz", "m_2.fastq.bz2"),
}


def project_of_good_units(folder: Path) -> Project:
    project = new_project(folder)
    for unit, (first, second, name1, name2) in GOOD.items():
        files = project.write(name1, COMPRESSIONS[first](R1)), project.write(name2, COMPRESSIONS[second](R2))
        project.add("s", unit, *files)
    return project


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = project_of_good_units(tmp_path_factory.mktemp("decompress") / "good")
    targets = [f"results/reads/s/{unit}.counts.json" for unit in GOOD]
    project.rule("decompress", *targets).succeeded()
    return project


@pytest.mark.parametrize("unit", GOOD)
def test_any_compression_gives_the_same_shards(good: Project, unit: str) -> None:
    for number in (1, 2, 3):
        assert list(records_of(shard(good, unit, number).read_bytes())) == expected_shard(PAIRS, number, 3)


@pytest.mark.parametrize("unit", GOOD)
def test_counts_are_those_of_the_files(good: Project, unit: str) -> None:
    found = read_json(good[f"results/reads/s/{unit}.counts.json"])
    name1, name2 = GOOD[unit][2:]
    each = {"reads": 301, "bases": 30100}

    assert found == {"reads": 602, "pairs": 301, "shards": [202, 200, 200], "files": {name1: each, name2: each}}


def test_a_second_run_gives_the_same_bytes(good: Project, tmp_path: Path) -> None:
    again = project_of_good_units(tmp_path / "again")

    again.rule("decompress", *(f"results/reads/s/{unit}.counts.json" for unit in GOOD), cores=1).succeeded()

    assert again.files() == good.files()
    for name in good.files():
        assert again[name].read_bytes() == good[name].read_bytes(), name


def test_one_shard_of_zstd_holds_all_reads_single_ones_by_themselves(tmp_path: Path) -> None:
    project = new_project(tmp_path)
    project.config["reads"] = {"shards": 1, "compression": "zstd"}
    project.add("s", "paired", project.write("1.fq", R1), project.write("2.fq", R2))
    project.add("s", "single", project.write("3.fq", COMPRESSIONS["zstd"](R1)))

    project.rule("decompress", *(f"results/reads/s/{unit}.1.fastq.zst" for unit in ("paired", "single"))).succeeded()

    unpack = piped("zstd", "-dcq")
    paired, single = (unpack(shard(project, unit, 1, "fastq.zst").read_bytes()) for unit in ("paired", "single"))
    assert list(records_of(paired)) == expected_shard(PAIRS, 1, 1)
    assert single == R1
    assert read_json(project["results/reads/s/single.counts.json"])["pairs"] is None


def test_more_shards_than_reads_leave_some_empty(tmp_path: Path) -> None:
    project = new_project(tmp_path)
    project.add("s", "u", project.write("1.fq", text_of(PAIRS[0][:1])))

    project.rule("decompress", "results/reads/s/u.1.fastq").succeeded()

    assert [shard(project, "u", number).read_bytes() for number in (1, 2, 3)] == [text_of(PAIRS[0][:1]), b"", b""]


def test_keys_overrule_what_is_guessed_of_reads(tmp_path: Path) -> None:
    project = new_project(tmp_path)
    project.config["reads"] = {"shards": 1, "quality_encoding": "phred33", "interleaved": "single"}
    turns = text_of(
        Read(f"S.{number}.{mate}", read.sequence, "B" + "h" * 99)
        for number, pair in enumerate(PAIRS[:9])
        for mate, read in enumerate(pair, start=1)
    )
    project.add("s", "turns", project.write("1.fq", turns))

    project.rule("decompress", "results/reads/s/turns.1.fastq").succeeded()

    assert shard(project, "turns", 1).read_bytes() == turns


def test_whole_run_counts_the_reads_that_were_made(finished: Project) -> None:
    for unit, reads in units_of(PLAIN).items():
        assert read_json(finished[f"results/reads/{PLAIN}/{unit}.counts.json"])["reads"] == len(reads)


# --- bad files -------------------------------------------------------------------------------------


def with_line(data: bytes, number: int, line: bytes) -> bytes:
    """FASTQ with one line, counted from 1, replaced."""
    lines = data.split(b"\n")
    lines[number - 1] = line
    return b"\n".join(lines)


def without_lines(data: bytes, first: int, count: int) -> bytes:
    """FASTQ without `count` lines from line `first` on."""
    lines = data.split(b"\n")
    return b"\n".join(lines[: first - 1] + lines[first - 1 + count :])


# Units, their files, and words of the message; FILE1 and FILE2 stand for the names of the files.
BAD: dict[str, tuple[bytes, bytes | None, list[str]]] = {
    "truncated-gzip": (COMPRESSIONS["gzip"](R1)[:-99], None, ["FILE1", "gzip stream ends too soon"]),
    "damaged-bzip2": (
        COMPRESSIONS["bzip2"](R1)[:500] + b"\0" * 50 + COMPRESSIONS["bzip2"](R1)[550:],
        None,
        ["FILE1", "bzip2 stream is damaged"],
    ),
    "truncated-xz": (R1, COMPRESSIONS["xz"](R2)[:-40], ["FILE2", "xz stream ends too soon"]),
    "truncated-zstd": (COMPRESSIONS["zstd"](R1)[:-9], None, ["FILE1", "zstd stream ends too soon"]),
    "cut-record": (
        without_lines(R1, 4 * 301, 1),
        None,
        ["FILE1: record 301, line 1,203", "in the middle of a record", "expected whole records"],
    ),
    "no-at-sign": (
        with_line(R1, 81, b"read21"),
        None,
        ["FILE1: record 21, line 81", "found 'read21'", "expected '@' and a read name"],
    ),
    "illegal-base": (
        R1,
        with_line(R2, 42, b"ACG*" * 25),
        ["FILE2: record 11, line 42", "'*'", "column 4", "expected IUPAC DNA codes"],
    ),
    "short-qualities": (
        with_line(R1, 44, b"I" * 99),
        None,
        ["FILE1: record 11, line 44", "99 qualities for 100 bases", "expected one quality per base"],
    ),
    "fewer-reads-in-R2": (
        R1,
        without_lines(R2, 4 * 300 + 1, 4),
        ["FILE1: record 301, line 1,201", "more reads than", "which ends after 300", "expected equally many reads"],
    ),
    "mates-out-of-step": (
        R1,
        without_lines(R2, 401, 4),
        ["FILE1: record 101, line 401", "names of the mates differ", "expected the same name in R1 and R2"],
    ),
    "fasta": (fasta({"a": "ACGT"}).encode(), None, ["FILE1", "this is a FASTA file", "expected FASTQ"]),
    "empty-gzip": (COMPRESSIONS["gzip"](b""), None, ["FILE1", "no reads", "expected at least one read"]),
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Outcome]:
    """Make a run that goes on after each failure, with a good unit among the bad ones."""
    project = new_project(tmp_path_factory.mktemp("decompress") / "bad")
    for unit, (first, second, _) in BAD.items():
        fq1 = project.write(f"{unit}.1", first)
        project.add("s", unit, fq1, "" if second is None else project.write(f"{unit}.2", second))
    project.add("s", "good", project.write("good.1", R1))
    targets = [f"results/reads/s/{unit}.counts.json" for unit in (*BAD, "good")]
    return project, project.rule("decompress", *targets, options=["--keep-going"])


@pytest.mark.parametrize("unit", BAD)
def test_what_is_wrong_is_said_in_the_log_and_on_the_terminal(bad: tuple[Project, Outcome], unit: str) -> None:
    project, run = bad
    log = project.log(f"decompress/s/{unit}")
    message = next(line for line in log.splitlines() if line.startswith("error: "))

    assert run.code == 1
    for words in BAD[unit][2]:
        assert words.replace("FILE", f"{unit}.") in message
    assert "what to do: " in message
    assert message in run.text


def test_only_the_good_unit_leaves_files(bad: tuple[Project, Outcome]) -> None:
    project, _ = bad

    assert project.files() == [
        "results/reads/s/good.1.fastq",
        "results/reads/s/good.2.fastq",
        "results/reads/s/good.3.fastq",
        "results/reads/s/good.counts.json",
    ]
    assert project.scratch() == []
