"""Count the reads of each sample that go into calling, and those left out, by reason."""

import argparse
import csv
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

# Flags of SAM (specification, 1.4).
PAIRED, PROPER, UNMAPPED, SECONDARY, QUALITY_FAIL, DUPLICATE, SUPPLEMENTARY = 0x1, 0x2, 0x4, 0x100, 0x200, 0x400, 0x800

# Why `bcftools mpileup -A -q Q` leaves a record out (--ff UNMAP,SECONDARY,QCFAIL,DUP is its default): the first that
# holds counts, so that each record counts once. What the mapping quality leaves out comes last.
REASONS = {"unaligned": UNMAPPED, "secondary": SECONDARY, "quality fail": QUALITY_FAIL, "duplicate": DUPLICATE}
LOW_QUALITY = "low mapping quality"

# Shares of a sample's records above which the table says what may be wrong. Duplicates, which depend on the library,
# are never remarked on; of a human genome about one read in twenty has mapping quality 0.
LOST = 0.05
AMBIGUOUS = 0.2
# Share of bases below calling.min_base_quality above which it says so; of most runs, a few in a hundred are below 20.
LOW_BASES = 0.2
# What lines of bases by quality begin with, in the table of records by flag.
BASES = "bases\t"

Counts = dict[tuple[int, int], int]  # records by flag and mapping quality


@dataclass(frozen=True)
class Row:
    """One sample's records: all of them, those that go into calling, and those left out, by reason."""

    sample: str
    records: int
    reads: int  # each once, however often it is aligned
    called: int
    left_out: dict[str, int]
    improper: int  # of those that go into calling: of pairs, and not in proper ones
    ambiguous: int  # of those that go into calling: mapping quality 0
    deepest: int  # reads over the base with most of them, those left out for their flags not counted
    remarks: tuple[str, ...]

    def fields(self) -> dict[str, str]:
        """Return the row as it is written, by column."""
        return {
            "sample": self.sample,
            "records": str(self.records),
            "reads": str(self.reads),
            "into calling": str(self.called),
            **{reason: str(number) for reason, number in self.left_out.items()},
            "improper pairs": str(self.improper),
            "mapping quality 0": str(self.ambiguous),
            "deepest": str(self.deepest),
            "remarks": "; ".join(self.remarks),
        }


def read_counts(lines: Iterable[str]) -> Counts:
    """Return records by flag and mapping quality, from lines of these three numbers with tabs between them."""
    found: Counts = {}
    for line in lines:
        if not line.startswith(BASES):
            flag, quality, number = map(int, line.split("\t"))
            found[flag, quality] = number
    return found


@dataclass(frozen=True)
class Bases:
    """A sample's bases in reads: all of them, and those of less quality than calling takes."""

    total: int = 0
    low: int = 0
    min_quality: int = 0


def read_bases(lines: Iterable[str], min_quality: int) -> Bases:
    """Return the bases of a table that has, beside records, lines of "bases", a quality and a number.

    Tables of version 0.2 have none.
    """
    total = low = 0
    for line in lines:
        if line.startswith(BASES):
            quality, number = map(int, line.split("\t")[1:])
            total += number
            low += number if quality < min_quality else 0
    return Bases(total, low, min_quality)


def reason_of(flag: int, quality: int, min_quality: int) -> str | None:
    """Return why calling leaves a record out; None when it takes it."""
    reason = next((reason for reason, bit in REASONS.items() if flag & bit), None)
    return reason or (LOW_QUALITY if quality < min_quality else None)


def row_of(
    sample: str, counts: Counts, deepest: int, min_quality: int, max_depth: int, bases: Bases | None = None
) -> Row:
    """Return the row of a sample; the called records and those left out are all records together."""
    left_out = dict.fromkeys([*REASONS, LOW_QUALITY], 0)
    called = improper = ambiguous = 0
    for (flag, quality), number in counts.items():
        reason = reason_of(flag, quality, min_quality)
        if reason:
            left_out[reason] += number
        else:
            called += number
            improper += number * (flag & (PAIRED | PROPER) == PAIRED)
            ambiguous += number * (quality == 0)
    records = sum(counts.values())
    reads = sum(number for (flag, _), number in counts.items() if not flag & (SECONDARY | SUPPLEMENTARY))
    remarks = tuple(_remarks(records, left_out, ambiguous, deepest, min_quality, max_depth))
    if bases and bases.low > LOW_BASES * bases.total:
        remarks += (
            f"{_percent(bases.low, bases.total)} of the bases have a quality below calling.min_base_quality, "
            f"{bases.min_quality}, and are left out of calling",
        )
    return Row(sample, records, reads, called, left_out, improper, ambiguous, deepest, remarks)


def _remarks(
    records: int, left_out: dict[str, int], ambiguous: int, deepest: int, min_quality: int, max_depth: int
) -> Iterable[str]:
    lost = {reason: left_out[reason] for reason in ("secondary", "quality fail", LOW_QUALITY)}
    if sum(lost.values()) > LOST * records:
        reasons = {LOW_QUALITY: f"mapping quality below calling.min_mapping_quality, {min_quality}"}
        parts = [f"{reasons.get(reason, reason)}: {number}" for reason, number in lost.items() if number]
        yield f"{_percent(sum(lost.values()), records)} of the alignments are left out of calling ({', '.join(parts)})"
    if left_out["unaligned"] > LOST * records:
        yield (
            f"{_percent(left_out['unaligned'], records)} of the reads align nowhere; look for a wrong reference, "
            "adapters, contamination and failed mates (FastQC)"
        )
    if ambiguous > AMBIGUOUS * records:
        yield (
            f"{_percent(ambiguous, records)} of the alignments have mapping quality 0, and thus hardly any weight in "
            "calling; look whether the reference holds the same sequence twice"
        )
    if deepest > max_depth:
        yield (
            f"up to {deepest} reads lie over one base, and calling takes no more than calling.max_depth, {max_depth}; "
            "raise it to use them all"
        )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def write_table(rows: Iterable[Row], out: TextIO) -> None:
    """Write a table with tabs, one line for each row."""
    fields = [row.fields() for row in rows]
    table = csv.DictWriter(out, list(fields[0]), delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
    table.writeheader()
    table.writerows(fields)


def warnings(path: Path) -> list[str]:
    """Return the remarks of the table at `path`, one message for each sample that has any."""
    with path.open(newline="") as table:
        rows = csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [f"sample {row['sample']}: {row['remarks']}" for row in rows if row["remarks"]]


def main() -> None:
    """Run the command line of the rule `calling_reads`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", required=True, nargs="+")
    parser.add_argument(
        "--flags",
        required=True,
        type=Path,
        help="list of tables: flag, mapping quality, records; bases, quality, bases",
    )
    parser.add_argument("--deepest", required=True, type=Path, help="list of files with the depth of the deepest base")
    parser.add_argument("--min-mapping-quality", required=True, type=int)
    parser.add_argument("--min-base-quality", default=1, type=int)
    parser.add_argument("--max-depth", required=True, type=int)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    flags, deepest = (
        [Path(line) for line in path.read_text().splitlines()] for path in (options.flags, options.deepest)
    )
    rows = []
    for sample, counted, depth in zip(options.samples, flags, deepest, strict=True):
        try:
            lines, most = counted.read_text().splitlines(), int(depth.read_text())
            counts, bases = read_counts(lines), read_bases(lines, options.min_base_quality)
        except ValueError as error:
            sys.exit(f"{counted} or {depth}: damaged ({error}). Delete both and run again: they are made anew.")
        rows.append(row_of(sample, counts, most, options.min_mapping_quality, options.max_depth, bases))
    with options.out.open("w", newline="") as out:
        write_table(rows, out)


if __name__ == "__main__":
    main()
