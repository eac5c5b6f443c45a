"""Reads into calling are counted: every record once, by the reason for which mpileup leaves it out."""

from pathlib import Path

import pytest

from shared import Run
from terraflow_workflow.quality.calling_reads import (
    Bases,
    Counts,
    read_bases,
    read_counts,
    reason_of,
    row_of,
    warnings,
    write_table,
)

REASONS = {
    (0, 60): None,
    (0, 20): None,
    (0, 19): "low mapping quality",
    (1, 60): None,  # of a pair that is not proper
    (0x800, 60): None,
    (0x800, 0): "low mapping quality",
    (0x4, 0): "unaligned",
    (0x4 | 0x200 | 0x400, 0): "unaligned",
    (0x100 | 0x400, 60): "secondary",
    (0x200 | 0x400, 60): "quality fail",
    (0x400, 0): "duplicate",
}


@pytest.mark.parametrize("record", REASONS)
def test_first_reason_that_holds_counts(record: tuple[int, int]) -> None:
    assert reason_of(*record, min_quality=20) == REASONS[record]


def test_called_and_left_out_are_all_records() -> None:
    counts: Counts = {record: 2**place for place, record in enumerate(REASONS)}

    row = row_of("A", counts, deepest=9, min_quality=20, max_depth=10)

    assert row.records == row.called + sum(row.left_out.values()) == sum(counts.values())
    assert row.reads == row.records - counts[0x800, 60] - counts[0x800, 0] - counts[0x100 | 0x400, 60]
    assert (row.improper, row.ambiguous) == (counts[1, 60], 0)


# Records, limits, and words of the table's remark; "" where there must be none.
REMARKS: dict[str, tuple[Counts, int, int, str]] = {
    "none at all": ({}, 0, 0, ""),
    "nothing lost": ({(99, 60): 100}, 0, 5000, ""),
    "as deep as may be": ({(99, 60): 100}, 0, 5000, ""),
    "duplicates": ({(99, 60): 10, (99 + 0x400, 60): 990}, 0, 1, ""),
    "quality at the threshold": ({(0, 60): 95, (0, 5): 5}, 10, 1, ""),
    "quality above it": ({(0, 60): 94, (0, 5): 6}, 10, 1, "6.0 % of the alignments are left out of calling (mapping"),
    "all of quality 0": ({(0, 0): 100}, 0, 1, "100.0 % of the alignments have mapping quality 0"),
    "quality fail": (
        {(0, 60): 50, (0x200, 60): 50},
        0,
        1,
        "50.0 % of the alignments are left out of calling (quality fail",
    ),
    "unaligned": ({(0, 60): 50, (4, 0): 50}, 0, 1, "50.0 % of the reads align nowhere"),
    "all unaligned": ({(4, 0): 50}, 0, 0, "100.0 % of the reads align nowhere"),
    "too deep": ({(0, 60): 9000}, 0, 5001, "up to 5001 reads lie over one base, and calling takes no more"),
}


@pytest.mark.parametrize("name", REMARKS)
def test_remarks_are_on_what_is_lost_for_another_reason_than_duplicates(name: str) -> None:
    counts, min_quality, deepest, words = REMARKS[name]

    remarks = row_of("A", counts, deepest, min_quality, max_depth=5000).remarks

    assert len(remarks) == bool(words)
    assert all(remark.startswith(words) for remark in remarks)


TABLE = ["4\t0\t9", "bases\t0\t8", "bases\t1\t2", "bases\t2\t7"]


@pytest.mark.parametrize(("limit", "low"), [(0, 0), (1, 8), (2, 10), (3, 17), (60, 17)])
def test_bases_below_the_limit_are_counted(limit: int, low: int) -> None:
    assert read_bases(TABLE, limit) == Bases(total=17, low=low, min_quality=limit)
    assert read_counts(TABLE) == {(4, 0): 9}


@pytest.mark.parametrize("low", [0, 20, 21, 100])
def test_bases_that_calling_leaves_out_are_remarked_on(low: int) -> None:
    """Reads whose bases are all left out of calling count as those that go into it, and have no variant."""
    remarks = row_of("A", {(0, 60): 9}, 1, 0, 50, Bases(100, low, 38)).remarks

    words = f"{low}.0 % of the bases have a quality below calling.min_base_quality, 38, and are left out of calling"
    assert remarks == ((words,) if low > 20 else ())
    assert row_of("A", {}, 0, 0, 50, Bases()).remarks == ()


def test_table_says_what_the_end_of_the_run_warns_of(tmp_path: Path) -> None:
    rows = [row_of(name, {(4, 0): number, (0, 60): 10}, 1, 0, 50) for name, number in (("A.1", 0), ("1e5", 90))]
    with (tmp_path / "t.tsv").open("w") as out:
        write_table(rows, out)

    assert [message.split(":")[0] for message in warnings(tmp_path / "t.tsv")] == ["sample 1e5"]


def test_damaged_table_is_named(script: Run, tmp_path: Path) -> None:
    (tmp_path / "A.flags.tsv").write_text("99\t60\n")
    (tmp_path / "A.deepest.txt").write_text("5\n")
    for name in ("flags", "deepest"):
        (tmp_path / name).write_text(f"{next(tmp_path.glob(f'A.{name}.*'))}\n")
    options = ["--samples", "A", "--flags", tmp_path / "flags", "--deepest", tmp_path / "deepest"]
    options += ["--min-mapping-quality", 0, "--min-base-quality", 1, "--max-depth", 9]
    run = script("quality.calling_reads", *options, "--out", tmp_path / "out")

    assert run.returncode == 1
    assert "A.flags.tsv" in run.stderr and "Traceback" not in run.stderr


def test_counts_are_read_as_they_are_written() -> None:
    assert read_counts(["99\t60\t12\n", "4\t0\t3\n"]) == {(99, 60): 12, (4, 0): 3}
