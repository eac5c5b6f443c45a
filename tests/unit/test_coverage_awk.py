"""scripts/coverage.awk counts what `samtools depth` counts: mean depth of windows, deepest base, records by flag."""

import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from terraflow_workflow.reference.windows import windows

AWKS = [awk for awk in ("awk", "mawk", "gawk", "busybox") if shutil.which(awk)]
# A contig without reads, two whose names are equal numbers, one of a single base.
LENGTHS = {"c1": 1700, "silent": 40, "10": 300, "1e1": 250, "last": 1}
FLAGS = (0, 16, 99, 147, 4, 73, 133, 256, 272, 512, 1024, 1187, 2048, 2064)
CIGARS = (
    "{n}M", "{n}M", "{n}M", "{n}=", "5S{n}M", "{n}M4I3M", "{n}M2D6M", "{n}M90N7M", "3H{n}M1D1M40N2X3D4M2S",
    "2I{n}M", "{n}M30D5M", "{n}M5D", "*",
)  # fmt: skip
Found = tuple[list[list[str]], int, dict[tuple[int, int], int]]


def on_reference(cigar: str) -> int:
    text = "".join(letter if letter.isdigit() else f" {letter} " for letter in cigar)
    parts = text.split()
    return sum(int(n) for n, kind in zip(parts[::2], parts[1::2], strict=False) if kind in "M=XDN")


def records(seed: int, number: int) -> list[str]:
    """Return sorted records of all kinds on these contigs: some deep, some alone, with gaps that reach over others."""
    draw = random.Random(seed)
    found = []
    for contig, length in LENGTHS.items():
        placed = []
        for _ in range(0 if contig == "silent" else number if length > 1 else 3):
            cigar = draw.choice(CIGARS).format(n=draw.randint(1, 60)) if length > 1 else "1M"
            spare = length - on_reference(cigar)
            if spare >= 0:
                at = min(draw.choice((draw.randint(0, spare), 100 + draw.randint(0, 9))), spare)
                placed.append((at, cigar))
        found += [
            f"r\t{draw.choice(FLAGS)}\t{contig}\t{at + 1}\t{draw.choice((0, 60))}\t{cigar}\t*\t0\t0\t*\t*"
            for at, cigar in sorted(placed, key=lambda one: one[0])
        ]
    return [*found, "r\t77\t*\t0\t0\t*\t*\t0\t0\t*\t*"]


def counted(root: Path, folder: Path, lines: list[str], number: int, awk: str, *options: str) -> Found:
    """Return the windows, the deepest base and the records by flag and mapping quality that the script counts."""
    bed = folder / "windows.bed"
    bed.write_text("".join("\t".join(map(str, piece)) + "\n" for piece in windows(LENGTHS, number)))
    program = str(root / "workflow/scripts/coverage.awk")
    command = [
        awk, *(["awk"] if awk == "busybox" else []), "-v", f"flags={folder}/flags", "-v", f"deepest={folder}/deepest",
        *options, "-f", program, str(bed), "-",
    ]  # fmt: skip
    text = "".join(f"{line}\n" for line in lines)
    table = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    rows = [list(map(int, line.split("\t"))) for line in (folder / "flags").read_text().splitlines()]
    return (
        [line.split("\t") for line in table.splitlines()],
        int((folder / "deepest").read_text()),
        {(flag, quality): count for flag, quality, count in rows},
    )


def depths(lines: list[str]) -> dict[str, list[int]]:
    """Return the depth of each base by `samtools depth`."""
    sam = "".join(f"@SQ\tSN:{contig}\tLN:{length}\n" for contig, length in LENGTHS.items()) + "\n".join(lines) + "\n"
    run = subprocess.run(["samtools", "depth", "-aa", "-"], input=sam, capture_output=True, text=True, check=True)
    found: dict[str, list[int]] = {contig: [] for contig in LENGTHS}
    for line in run.stdout.splitlines():
        contig, _, depth = line.split("\t")
        found[contig].append(int(depth))
    return found


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize(("seed", "reads", "number"), [(1, 0, 3), (2, 1, 1), (3, 40, 5), (4, 40, 61), (5, 600, 23)])
def test_it_counts_what_samtools_counts(
    root: Path, tmp_path: Path, awk: str, seed: int, reads: int, number: int
) -> None:
    lines = records(seed, reads)
    depth = depths(lines)
    (header, *rows), deepest, flags = counted(root, tmp_path, lines, number, awk)

    assert header == ["contig", "start", "end", "meandepth"]
    means = [
        (contig, str(start), str(end), f"{sum(depth[contig][start:end]) / (end - start):.6g}")
        for contig, start, end, _ in windows(LENGTHS, number)
    ]
    assert [tuple(row) for row in rows] == means
    assert deepest == max(map(max, depth.values()))
    assert flags == Counter((int(line.split("\t")[1]), int(line.split("\t")[4])) for line in lines)


@pytest.mark.parametrize("awk", AWKS)
def test_the_deepest_base_may_lie_behind_a_gap_and_not_in_a_contig_that_is_left_out(
    root: Path, tmp_path: Path, awk: str
) -> None:
    row = "r\t0\t{}\t{}\t60\t{}\t*\t0\t0\t*\t*".format
    lines = [row("c1", 1, "10M50N10M"), row("c1", 5, "5M60D10M"), row("c1", 30, "5M"), row("c1", 66, "5M")]
    assert counted(root, tmp_path, lines, 1, awk)[1] == max(depths(lines)["c1"]) == 3
    more = [*lines, *[row("1e1", 1, "9M")] * 5, *[row("last", 1, "1M")] * 2]
    assert counted(root, tmp_path, more, 1, awk)[1] == 5
    assert counted(root, tmp_path, more, 1, awk, "-v", "without=1e1")[1] == 3
    assert counted(root, tmp_path, more, 1, awk, "-v", "without=10")[1] == 5


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("seed", [5, 7, 10])
def test_a_deletion_at_a_thousand_reads(root: Path, tmp_path: Path, awk: str, seed: int) -> None:
    """An amplicon with a deletion, and few reads behind it: awk's arrays grow, shrink and grow again."""
    draw = random.Random(seed)
    placed, blocks = [], Counter[int]()
    for _ in range(8 * draw.choice((600, 1000, 1500))):
        begin = draw.randint(1, 1000)
        left = 600 - begin
        gap = 8 if -120 < begin - 600 < -5 else 0
        placed.append((begin, f"{left}M8D{125 - left}M" if gap else "125M"))
        blocks.update((*range(begin, begin + left), *range(608, begin + 133)) if gap else range(begin, begin + 125))
    placed += [(draw.randint(1000, 6000), "125M") for _ in range(1200)]
    placed.sort(key=lambda one: one[0])
    lines = [f"r\t0\tc1\t{begin}\t60\t{cigar}\t*\t0\t0\t*\t*" for begin, cigar in placed]
    assert counted(root, tmp_path, lines, 1, awk)[1] == max(blocks.values())
