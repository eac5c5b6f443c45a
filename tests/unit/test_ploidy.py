"""Ploidy files: which are accepted, which line wins, and whether bcftools calls by the written files."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import Run
from terraflow_workflow.calling.ploidy import (
    PloidyError,
    Rule,
    _rule,
    for_bcftools,
    has_places_before_the_whole_genome,
    problems_of_places,
    problems_of_ploidy,
    read_ploidy,
    segments,
)
from terraflow_workflow.reference.contigs import read_contigs

CONTIGS = {"x": 12, "y": 7}
SEXES = {"a": "M", "b": "F", "c": "M", "d": ""}
FORMS = "expected SAMPLE PLOIDY or CHROM FROM TO WHO PLOIDY"


def ploidy_file(folder: Path, text: str | bytes) -> str:
    path = folder / "p.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    found = []
    for line in range(draw(st.integers(0, 8))):
        start = draw(st.none() | st.integers(1, 14))
        end = draw(st.none() | st.integers(start or 1, 16))
        contig = draw(st.sampled_from(["x", "y", "*"]))
        who = draw(st.sampled_from(["*", *SEXES, "M", "F"]))
        found.append(Rule(contig, start, end, who, draw(st.integers(0, 2)), line))
    return found


def covers(rule: Rule, contig: str, position: int) -> bool:
    return (
        rule.contig in ("*", contig)
        and (rule.start is None or rule.start <= position)
        and (rule.end is None or position <= rule.end)
    )


def ploidy_at(found: list[Rule], sample: str, contig: str, position: int) -> int:
    """Return the ploidy as the documentation defines it, position by position."""
    for who in (sample, SEXES[sample], "*"):
        speaking = [rule for rule in found if who and rule.who == who and covers(rule, contig, position)]
        if speaking:
            return ([rule for rule in speaking if rule.contig != "*"] or speaking)[-1].ploidy
    return 2


@given(rules())
def test_segments_say_what_the_lines_say_at_every_position(found: list[Rule]) -> None:
    cut = segments(found, CONTIGS)
    for contig, length in CONTIGS.items():
        for position in range(1, length + 1):
            speaking = [rule for rule in found if covers(rule, contig, position)]
            here = [number for name, first, last, number in cut if name == contig and first <= position <= last]
            expected = speaking[-1].ploidy if speaking else 2
            assert here == ([] if expected == 2 else [expected])
    assert all(1 <= first <= last <= CONTIGS[contig] for contig, first, last, _ in cut)


@given(rules())
def test_a_sample_wins_over_its_sex_and_that_over_all_and_a_place_over_the_whole_genome(found: list[Rule]) -> None:
    text, samples = for_bcftools(found, CONTIGS, SEXES)
    made_up = dict(line.split("\t") for line in samples.splitlines())
    assert list(made_up) == list(SEXES)
    lines = [line.split() for line in text.splitlines()]
    for sample in SEXES:
        mine = [line for line in lines if line[3] == made_up[sample]]
        assert mine[-1] == ["*", "*", "*", made_up[sample], "2"]
        for contig, length in CONTIGS.items():
            for position in range(1, length + 1):
                here = [int(p) for c, a, b, _, p in mine[:-1] if c == contig and int(a) <= position <= int(b)]
                assert (here or [2]) == [ploidy_at(found, sample, contig, position)]


def test_bcftools_own_lines_mean_what_they_mean_there() -> None:
    """They end with lines for the whole genome, which hold where no other does."""
    shown = subprocess.run(["bcftools", "call", "--ploidy", "GRCh38?"], capture_output=True, text=True, check=False)
    lines = [line.split() for line in (shown.stdout + shown.stderr).splitlines() if line.startswith(("chr", "*"))]
    assert ["*", "*", "*", "M", "2"] in lines
    rules = [_rule(fields, number) for number, fields in enumerate(lines)]
    sexes = {"father": "M", "mother": "F", "unknown": ""}
    assert problems_of_ploidy("p", rules, sexes) == []
    assert has_places_before_the_whole_genome(rules)
    text, samples = for_bcftools(rules, {"chr1": 5000, "chrX": 156040895, "chrY": 57227415, "chrM": 16569}, sexes)
    assert samples == "father\tsex1\nmother\tsex2\nunknown\tsex3\n"
    assert text.splitlines() == [
        "chrX 1 9999 sex1 1",
        "chrX 2781480 155701381 sex1 1",
        "chrY 1 57227415 sex1 1",
        "chrM 1 16569 sex1 1",
        "chrY 1 57227415 sex2 0",
        "chrM 1 16569 sex2 1",
        "* * * sex1 2",
        "* * * sex2 2",
        "* * * sex3 2",
    ]


# Lines of a file, and which of them are refused because either of two could be meant.
UNDECIDED = [
    ("x * * * 1\n* * * M 2", [1]),
    ("* * * M 2\nx 3 7 * 0\ny * * * 1", [2, 3]),
    ("M 2\nx * * * 1", [2]),
    # One of both says the same, or a line for the sex says which.
    ("x * * * 1\n* * * M 1", []),
    ("x * * * 1\n* * * M 2\nx * * M 1", []),
    ("x * * * 1\n* * * M 2\nx * * M 2\nx * * F 1", []),
    # A sample's own lines win; nobody has that sex; the whole genome of all is no sex's.
    ("x * * * 1\na 2", []),
    ("x * * * 1\n* * * drone 2", []),
    ("x * * * 1\n* * * * 2", []),
]


@pytest.mark.parametrize(("text", "lines"), UNDECIDED)
def test_a_place_of_all_and_the_whole_genome_of_a_sex_have_to_agree(text: str, lines: list[int]) -> None:
    rules = [_rule(line.split(), number) for number, line in enumerate(text.splitlines(), start=1)]
    problems = problems_of_ploidy("p", rules, {"a": "M", "b": "F"})
    assert [problem.split(": ")[0] for problem in problems] == [f"p, line {line}" for line in lines]
    if text.startswith("x * * * 1\n* * * M 2") and problems:
        assert problems == [
            "p, line 1: x has ploidy 1 for all, and line 2 says 2 for the whole genome of 'M'; expected a line that "
            "tells which of them is meant: x * * M 1, or with 2"
        ]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("x * * M 1\n* * * M 2", True),
        ("x * * M 1\n* * * F 2", False),
        ("* * * M 2\nx * * M 1", False),
        ("x * * M 1\n* * * M 1", False),
        ("x * * M 1\ny * * F 0", False),
    ],
)
def test_runs_in_which_the_whole_genome_has_won_are_known(text: str, *, wrong: bool) -> None:
    rules = [_rule(line.split(), number) for number, line in enumerate(text.splitlines(), start=1)]
    assert has_places_before_the_whole_genome(rules) == wrong


def test_a_file_is_read_with_comments_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    text = "\ufeff# who\r\n\r\na 1\r\nx 5 5 M 0\r\ny\t*\t*\t*\t1\r\n"
    assert read_ploidy(ploidy_file(tmp_path, text)) == [
        Rule("*", None, None, "a", 1, 3, in_columns=False),
        Rule("x", 5, 5, "M", 0, 4),
        Rule("y", None, None, "*", 1, 5),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [f": is empty; {FORMS}, one on a line"]),
        ("# nothing\n", [f": is empty; {FORMS}, one on a line"]),
        (
            "a 3\na\nx 1 2 M\nx 5 4 M 1\nx 0 4 M 1\nx 1 z M 1\na haploid\n",
            [
                ", line 1: found the ploidy '3'; expected 0, 1 or 2, which is what bcftools calls",
                f", line 2: found 1 fields; {FORMS}",
                f", line 3: found 4 fields; {FORMS}",
                ", line 4: FROM 5 lies behind TO 4",
                ", line 5: found FROM '0'; expected a position of 1 or more, or *",
                ", line 6: found TO 'z'; expected a position of 1 or more, or *",
                ", line 7: found the ploidy 'haploid'; expected 0, 1 or 2, which is what bcftools calls",
            ],
        ),
        ("a 1\n".encode("utf-16"), [": byte 1 is not UTF-8; expected text in UTF-8"]),
    ],
)
def test_each_bad_line_is_named(tmp_path: Path, text: str | bytes, expected: list[str]) -> None:
    path = ploidy_file(tmp_path, text)
    with pytest.raises(PloidyError) as caught:
        read_ploidy(path)
    assert str(caught.value).splitlines() == [path + problem for problem in expected]


def test_a_file_that_is_missing_or_a_folder_is_one_message(tmp_path: Path) -> None:
    for path, reason in {f"{tmp_path}/none": "No such file or directory", str(tmp_path): "Is a directory"}.items():
        with pytest.raises(PloidyError) as caught:
            read_ploidy(path)
        assert str(caught.value) == f"{path}: can't be read ({reason}); {FORMS}, one on a line"


ONE_SEX = {"a": "F", "b": "F"}
NONE = {"a": "", "b": ""}
# Values of the column WHO, the samples with their sexes, and whether the file is plausible.
WHO = [
    ("a", ONE_SEX, True),
    ("F", ONE_SEX, True),
    ("*", NONE, True),
    # A sex that no sample has, as the example of config/README.md names it.
    ("M", ONE_SEX, True),
    ("male", ONE_SEX, True),
    ("M", {"a": "female"}, True),
    ("drone", {"a": "queen", "b": "worker"}, True),
    # A sex for a sheet without sexes: its column was forgotten.
    ("M", NONE, False),
    # Another spelling of a sex that samples have.
    ("f", ONE_SEX, False),
    ("female", ONE_SEX, False),
    ("XX", ONE_SEX, False),
    ("qeen", {"a": "queen", "b": "worker"}, False),
    # A slip in a sample's name.
    ("NA12879", {"NA12878": "F"}, False),
]


@pytest.mark.parametrize(("who", "sexes", "good"), WHO)
def test_a_line_for_nobody_is_taken_where_it_can_only_be_a_sex(who: str, sexes: dict[str, str], *, good: bool) -> None:
    found = problems_of_ploidy("p", [Rule("*", None, None, who, 1, 7)], sexes)
    assert len(found) == (0 if good else 1)
    expected = f"p, line 7: {who!r} is neither a sample nor a sex of the sample sheet; expected one of *, "
    assert all(line.startswith(expected) for line in found)


def test_a_line_of_two_fields_names_a_sample(tmp_path: Path) -> None:
    rules = read_ploidy(ploidy_file(tmp_path, "M 1\na 1\n"))
    assert problems_of_ploidy("p", rules, ONE_SEX) == [
        "p, line 1: 'M' is neither a sample nor a sex of the sample sheet; expected one of *, F, a, b",
    ]


@pytest.mark.parametrize("sex", ["M", "m", "male"])
def test_a_sample_that_is_called_like_the_sex_of_another_one_is_refused(tmp_path: Path, sex: str) -> None:
    """The father's chromosome Y would have the ploidy of women, and the mother's X that of men."""
    rules = read_ploidy(ploidy_file(tmp_path, "x * * M 1\nM 1\nF 1\n"))
    assert problems_of_ploidy("p", rules, {"F": sex, "M": "", "child": ""}) == [
        f"p, line {line}: 'M' is a sample of the sample sheet, and 'F' there has the sex {sex!r}; expected "
        "names that tell them apart: rename the sample, or the sex in both"
        for line in (1, 2)
    ]
    assert not problems_of_ploidy("p", rules, {"F": "F", "M": "M"})


def test_lines_that_apply_to_nobody_are_in_the_log(script: Run, tmp_path: Path) -> None:
    fai = tmp_path / "fai"
    fai.write_text("x\t12\t3\t5\t6\n")
    path = ploidy_file(tmp_path, "x * * M 1\nx * * F 2\n")
    outs = ("--out-ploidy", tmp_path / "o1", "--out-samples", tmp_path / "o2")
    run = script("calling.ploidy", "--ploidy", path, "--fai", fai, "--samples", "a=F", *outs)
    assert (run.returncode, run.stderr) == (0, f"{path}, line 1: no sample called here is 'M'\n")
    assert (tmp_path / "o1").read_text() == "* * * sex1 2\n"


def test_lines_for_places_that_the_reference_lacks_are_named() -> None:
    found = [Rule("x", 12, None, "*", 1, 1), Rule("x", 13, 20, "*", 1, 2), Rule("z", None, None, "*", 1, 3)]
    found += [Rule("*", 20, None, "*", 1, 4), Rule("y", 1, 100, "*", 1, 5)]
    assert problems_of_places("p", found, CONTIGS) == [
        "p, line 2: FROM 13 lies behind the end of x, which has 12 bases",
        "p, line 3: the reference has no contig 'z'; it has x, y",
    ]


def test_contigs_are_read_in_the_order_of_the_index(tmp_path: Path) -> None:
    fai = tmp_path / "g.fai"
    fai.write_text("b\t9\t3\t5\t6\na\t4\t12\t4\t5\n")
    assert list(read_contigs(str(fai)).items()) == [("b", 9), ("a", 4)]


SAM = """@HD\tVN:1.6\tSO:coordinate
@SQ\tSN:x\tLN:60
@SQ\tSN:y\tLN:60
@RG\tID:1\tSM:{sample}
"""


def calls(folder: Path, samples: list[str], *options: str) -> dict[tuple[str, str, str], str]:
    """Genotypes, by contig, position and sample, of reads that differ from the reference at positions 10 and 40."""
    reference = "ACGTTGCAAT" * 6
    read = list(reference)
    read[9], read[39] = "C", "C"
    (folder / "g.fa").write_text(f">x\n{reference}\n>y\n{reference}\n")
    files = []
    for sample in samples:
        reads = [
            f"r{number}{contig}\t0\t{contig}\t1\t60\t60M\t*\t0\t0\t{''.join(read)}\t{'I' * 60}\tRG:Z:1\n"
            for contig in "xy"
            for number in range(8)
        ]
        files.append(folder / f"{sample}.bam")
        sam = SAM.format(sample=sample) + "".join(reads)
        subprocess.run(["samtools", "view", "-bo", files[-1], "-"], input=sam, text=True, check=True)
    pile = subprocess.run(["bcftools", "mpileup", "-B", "-f", folder / "g.fa", *files], capture_output=True, check=True)
    called = subprocess.run(["bcftools", "call", "-mv", *options], input=pile.stdout, capture_output=True, check=True)
    query = ["bcftools", "query", "-f", "[%CHROM %POS %SAMPLE %GT\n]"]
    text = subprocess.run(query, input=called.stdout, capture_output=True, check=True).stdout.decode()
    rows = [line.split() for line in text.splitlines()]
    # A missing call is `.` or `./.`, depending on the version of bcftools.
    return {(contig, position, sample): genotype.replace("./.", ".") for contig, position, sample, genotype in rows}


def test_bcftools_calls_by_the_files_that_are_written(script: Run, tmp_path: Path) -> None:
    path = ploidy_file(tmp_path, "x 20 * M 1\ny * * F 0\ny * * M 1\nx 5 15 own 1\n")
    (tmp_path / "g.fai").write_text("x\t60\t3\t60\t61\ny\t60\t67\t60\t61\n")
    samples = {"male": "M", "female": "F", "own": "F", "none": ""}
    run = script(
        "calling.ploidy", "--ploidy", path, "--fai", tmp_path / "g.fai",
        "--samples", *(f"{k}={v}" for k, v in samples.items()),
        "--out-ploidy", tmp_path / "out.ploidy", "--out-samples", tmp_path / "out.samples",
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    options = ["--ploidy-file", str(tmp_path / "out.ploidy"), "-S", str(tmp_path / "out.samples")]
    found = calls(tmp_path, list(samples), *options)
    assert found == {
        ("x", "10", "male"): "1/1",
        ("x", "10", "female"): "1/1",
        ("x", "10", "own"): "1",
        ("x", "10", "none"): "1/1",
        ("x", "40", "male"): "1",
        ("x", "40", "female"): "1/1",
        ("x", "40", "own"): "1/1",
        ("x", "40", "none"): "1/1",
        ("y", "10", "male"): "1",
        ("y", "10", "female"): ".",
        ("y", "10", "own"): ".",
        ("y", "10", "none"): "1/1",
        ("y", "40", "male"): "1",
        ("y", "40", "female"): ".",
        ("y", "40", "own"): ".",
        ("y", "40", "none"): "1/1",
    }


def test_the_script_refuses_another_references_contigs(script: Run, tmp_path: Path) -> None:
    path = ploidy_file(tmp_path, "chrX * * * 1\n")
    (tmp_path / "g.fai").write_text("x\t60\t3\t60\t61\n")
    out = ["--out-ploidy", tmp_path / "p", "--out-samples", tmp_path / "s"]
    run = script("calling.ploidy", "--ploidy", path, "--fai", tmp_path / "g.fai", "--samples", "a=", *out)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"{path}, line 1: the reference has no contig 'chrX'; it has x\n"
    assert not (tmp_path / "p").exists()
    assert not (tmp_path / "s").exists()
