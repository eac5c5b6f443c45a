"""The sample sheet: which sheets are accepted, and the message, with its line, for each mistake."""

from pathlib import Path

import pytest

from terraflow_workflow.inputs.samples import SheetError, Unit, problems_of_fastqs, read_sheet

HEADER = "sample\tunit\tfq1\tfq2\n"
NAME = "expected letters, digits, `_`, `.`, `-` and `+`, with a letter or digit first, at most 100 of them"
ALL_COLUMNS = "sample unit fq1 fq2 (and, if you like, library platform sex)"


def sheet(folder: Path, text: str | bytes) -> str:
    path = folder / "s.tsv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def problems(folder: Path, text: str | bytes) -> list[str]:
    """Return the messages for a sheet, each without the path at its start."""
    path = sheet(folder, text)
    with pytest.raises(SheetError) as caught:
        read_sheet(path)
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all(problem.startswith(path) for problem in caught.value.problems)
    return [problem.removeprefix(path) for problem in caught.value.problems]


def unit(sample: str = "A", name: str = "L1", fq1: str = "a_1.fq", fq2: str = "", line: int = 2) -> Unit:
    return Unit(sample, name, fq1, fq2, library="", platform="", sex="", line=line)


def test_paired_and_single_units_of_one_sample_are_taken(tmp_path: Path) -> None:
    text = HEADER + "A\tL1\ta_1.fq\ta_2.fq\nA\tL2\tb.fq\t\nB\tL1\tc.fq\n"
    units = read_sheet(sheet(tmp_path, text))
    assert units == [
        unit(fq2="a_2.fq"),
        unit(name="L2", fq1="b.fq", line=3),
        unit(sample="B", fq1="c.fq", line=4),
    ]
    assert [(one.paired, one.fastqs) for one in units[:2]] == [(True, ("a_1.fq", "a_2.fq")), (False, ("b.fq",))]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + "A\tL1\ta_1.fq\t\n",
        HEADER.replace("\n", "\r\n") + "A\tL1\ta_1.fq\t\r\n",
        HEADER.replace("\n", "\r") + "A\tL1\ta_1.fq\t\r",
        HEADER + "A\tL1\ta_1.fq",
        HEADER.replace("\n", "\t\t\n") + "A\tL1\ta_1.fq\t\t\t\n",
        HEADER + " A \tL1 \t a_1.fq\t \n\n  \n\t\t\t\n# the end\n",
    ],
    ids=["byte-order mark", "Windows", "old Mac", "no end", "trailing tabs", "spaces and blank lines"],
)
def test_what_spreadsheets_add_is_understood(tmp_path: Path, text: str) -> None:
    assert read_sheet(sheet(tmp_path, text)) == [unit()]


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    text = "# made by hand\n\n" + HEADER + "# lane one\nA\tL1\ta\u2028_1.fq\t\n"
    assert [one.line for one in read_sheet(sheet(tmp_path, text))] == [5]


def test_columns_may_stand_in_any_order_and_optional_ones_are_read(tmp_path: Path) -> None:
    text = "sex\tfq2\tfq1\tplatform\tunit\tlibrary\tsample\nM\t\ta.fq\tONT\tL1\tlib\tA\n"
    (one,) = read_sheet(sheet(tmp_path, text))
    assert one == Unit("A", "L1", "a.fq", "", "lib", "ONT", "M", 2)
    assert one.read_group == r"@RG\tID:A.L1\tSM:A\tLB:lib\tPL:ONT\tPU:L1"


def test_read_group_without_optional_columns() -> None:
    assert unit().read_group == r"@RG\tID:A.L1\tSM:A\tLB:A\tPL:ILLUMINA\tPU:L1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [f": is empty (0 bytes); expected a tab-separated table with the columns {ALL_COLUMNS}"]),
        ("\n# x\n", [f": is empty; expected a header line with the columns {ALL_COLUMNS}"]),
        (HEADER, [": has a header but no line for a unit; add one line for each lane of each sample"]),
        (
            "sample unit fq1 fq2\nA L1 a b\n",
            [", line 1: the columns are not separated by tabs; found 'sample unit fq1 fq2'; expected tabs"],
        ),
        (
            "sample,unit,fq1,fq2\nA,L1,a,b\n",
            [", line 1: the columns are not separated by tabs; found 'sample,unit,fq1,fq2'; expected tabs"],
        ),
        (
            "A\tL1\ta\tb\n",
            [f", line 1: found 'A\\tL1\\ta\\tb'; expected a header line with the columns {ALL_COLUMNS}"],
        ),
        (
            HEADER + "A L1 a b\nA,L1,a,b\n",
            [
                ", line 2: the fields are not separated by tabs; found 'A L1 a b'; expected tabs",
                ", line 3: the fields are not separated by tabs; found 'A,L1,a,b'; expected tabs",
            ],
        ),
        (
            "sample\tunit\tfq1\tFQ2\tsample\nA\tL1\ta\t\t\n",
            [
                ", line 1: column `sample` is there twice",
                f", line 1: column `FQ2` is unknown; known are {ALL_COLUMNS}",
                f", line 1: column `fq2` is missing; expected {ALL_COLUMNS}",
            ],
        ),
        (HEADER + "A\tL1\ta\tb\tc\n", [", line 2: found 5 fields, expected the 4 of the header"]),
        (
            "sample\tunit\tfq1\tfq2".encode("utf-16"),
            [": byte 1 is not UTF-8; expected text in UTF-8, so save the sheet as that, with tabs between the columns"],
        ),
        (
            "sample\tunit\tfq1\tfq2".encode("utf-16-le"),
            [
                ": holds zero bytes, so it is not plain text; "
                "expected text in UTF-8, so save the sheet as that, with tabs between the columns"
            ],
        ),
    ],
)
def test_a_sheet_of_another_shape_is_refused(tmp_path: Path, text: str | bytes, expected: list[str]) -> None:
    assert problems(tmp_path, text) == expected


def test_a_sheet_that_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, problem in {
        str(tmp_path): "is a folder",
        f"{tmp_path}/none": "no such file",
        "https://host/s.tsv": "no such file",
    }.items():
        with pytest.raises(SheetError) as caught:
            read_sheet(path)
        assert str(caught.value) == f"{path}: {problem}; expected a tab-separated table with the columns {ALL_COLUMNS}"


@pytest.mark.parametrize(
    "name", [".", "..", "a/b", "a b", "-a", "_a", '"A"', "é", "A\u200b", "a\\tb", "a" * 101, "a:b"]
)
@pytest.mark.parametrize("column", ["sample", "unit", "library"])
def test_a_name_that_files_or_read_groups_dont_bear_is_refused(tmp_path: Path, column: str, name: str) -> None:
    row = {"sample": "A", "unit": "L1", "fq1": "a.fq", "fq2": "", "library": ""} | {column: name}
    text = "\t".join(row) + "\n" + "\t".join(row.values()) + "\n"
    expected = f", line 2: {column}: found {name!r}; {NAME}{', or nothing' if column == 'library' else ''}"
    assert problems(tmp_path, text) == [expected]


def test_names_at_the_bounds_are_taken(tmp_path: Path) -> None:
    for name in ("1", "a" * 100, "A.b-c+d_e"):
        assert read_sheet(sheet(tmp_path, HEADER + f"{name}\t{name}\ta.fq\t\n"))[0].sample == name


def test_empty_fields_that_are_needed_are_named(tmp_path: Path) -> None:
    assert problems(tmp_path, HEADER + "\t\t\tb\n") == [
        f", line 2: sample: found ''; {NAME}",
        f", line 2: unit: found ''; {NAME}",
        ", line 2: fq1: found ''; expected a path, s3:// or https:// address without spaces at its ends",
    ]


def test_platform_and_sex_are_checked(tmp_path: Path) -> None:
    text = "sample\tunit\tfq1\tfq2\tplatform\tsex\nA\tL1\ta\t\tillumina\t\nB\tL1\tb\t\t\t*\n"
    assert problems(tmp_path, text) == [
        ", line 2: platform: found 'illumina'; "
        "expected a platform of the SAM specification, such as ILLUMINA, DNBSEQ, ELEMENT, ULTIMA, or nothing",
        ", line 3: sex: found '*'; expected one word as in column 4 of the ploidy file, such as M or F, or nothing",
    ]


def test_the_same_sample_and_unit_twice_is_refused(tmp_path: Path) -> None:
    text = HEADER + "A\tL1\ta.fq\t\nB\tL1\tb.fq\t\nA\tL1\tc.fq\t\n"
    assert problems(tmp_path, text) == [
        ", line 4: sample 'A' with unit 'L1' stands on line 2 already; each lane needs its own"
    ]


def test_mates_that_are_one_file_are_refused_whatever_the_path(tmp_path: Path) -> None:
    (tmp_path / "link.fq").symlink_to("a.fq")
    for path in ("a.fq", "./a.fq", "x/../a.fq", "link.fq"):
        text = HEADER + f"A\tL1\t{tmp_path}/{path}\t{tmp_path}/a.fq\n"
        assert problems(tmp_path, text) == [
            f", line 2: fq1 and fq2 are the same file, '{tmp_path}/{path}'; expected the two files of the pairs"
        ]


def test_hard_links_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.fq").write_text("@r\nA\n+\nI\n")
    (tmp_path / "b.fq").hardlink_to(tmp_path / "a.fq")
    (tmp_path / "c.fq").write_text("@r\nA\n+\nI\n")
    folder = tmp_path.resolve()
    lines = [f"A\tL1\t{folder}/a.fq\t{folder}/c.fq\n", f"B\tL1\t{folder}/b.fq\t\n"]
    assert problems(tmp_path, HEADER + "".join(lines)) == [
        f", line 3: the file {folder}/b.fq is named on line 2 already; its reads would count twice"
    ]
    assert problems(tmp_path, HEADER + f"A\tL1\t{folder}/a.fq\t{folder}/b.fq\n") == [
        f", line 2: fq1 and fq2 are the same file, '{folder}/a.fq'; expected the two files of the pairs"
    ]


def test_a_file_named_twice_is_refused_whatever_the_path(tmp_path: Path) -> None:
    (tmp_path / "link.fq").symlink_to("a.fq")
    folder = tmp_path.resolve()
    text = HEADER + f"A\tL1\t{folder}/b.fq\t{folder}/a.fq\nA\tL2\t{folder}/link.fq\t\nB\tL1\t{folder}/x/../a.fq\t\n"
    assert problems(tmp_path, text) == [
        f", line 3: the file {folder}/a.fq is named on line 2 already; its reads would count twice",
        f", line 4: the file {folder}/a.fq is named on line 3 already; its reads would count twice",
    ]
    text = HEADER + "A\tL1\ts3://b/a.fq\t\nA\tL2\ts3://b/a.fq\t\n"
    assert problems(tmp_path, text) == [
        ", line 3: the file s3://b/a.fq is named on line 2 already; its reads would count twice"
    ]


def test_one_sample_with_two_sexes_is_refused(tmp_path: Path) -> None:
    text = "sample\tunit\tfq1\tfq2\tsex\nA\tL1\ta\t\tM\nA\tL2\tb\t\tF\nA\tL3\tc\t\tM\n"
    assert problems(tmp_path, text) == [", line 3: sample 'A' has the sexes ['F', 'M']; expected one"]


def test_all_files_that_cant_be_read_are_in_one_message(tmp_path: Path) -> None:
    good, empty = tmp_path / "good.fq", tmp_path / "empty.fq"
    good.write_text("@r\nA\n+\nI\n")
    empty.touch()
    units = [
        unit(fq1=str(good), fq2="none.fq"),
        unit(name="L2", fq1=str(empty), fq2=str(tmp_path), line=3),
        unit(name="L3", fq1="s3://b/a.fq", fq2="ftp://h/a.fq", line=4),
    ]
    assert problems_of_fastqs("s.tsv", units) == [
        "s.tsv: 4 of the FASTQ files can't be read:\n"
        "  line 2: none.fq: no such file\n"
        f"  line 3: {empty}: is empty (0 bytes)\n"
        f"  line 3: {tmp_path}: is a folder\n"
        "  line 4: ftp://h/a.fq: is an address of another kind than s3:// and https://"
    ]
    assert problems_of_fastqs("s.tsv", [unit(fq1=str(good))]) == []
