"""Mean depth of windows, from real `samtools depth` and against a model."""

import shutil
import subprocess
from pathlib import Path

import pytest

from terraflow_workflow.reference.windows import windows

AWKS = [awk for awk in ("awk", "mawk", "gawk", "busybox") if shutil.which(awk)]
Piece = tuple[str, int, int, int]


def mean_depth(root: Path, folder: Path, pieces: list[Piece], depth: str, awk: str = "awk") -> list[list[str]]:
    bed = folder / "windows.bed"
    bed.write_text("".join("\t".join(map(str, piece)) + "\n" for piece in pieces))
    program = root / "workflow/scripts/mean_depth.awk"
    command = [awk, *(["awk"] if awk == "busybox" else []), "-f", program, bed, "-"]
    text = subprocess.run(command, input=depth, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in text.splitlines()]


def depth_lines(depths: dict[str, list[int]]) -> str:
    return "".join(f"{contig}\t{at}\t{n}\n" for contig, found in depths.items() for at, n in enumerate(found, start=1))


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("number", [1, 2, 5, 23, 61])
def test_means_are_those_of_a_model(root: Path, tmp_path: Path, awk: str, number: int) -> None:
    lengths = {"c1": 17, "silent": 4, "1": 30, "01": 9, "last": 1}
    depths = {
        contig: [0 if contig == "silent" else (at * 7 + 3) % 11 * (at % 5 > 0) for at in range(length)]
        for contig, length in lengths.items()
    }
    pieces = list(windows(lengths, number))
    header, *rows = mean_depth(root, tmp_path, pieces, depth_lines(depths), awk)
    assert header == ["contig", "start", "end", "meandepth"]
    assert [row[:3] for row in rows] == [[contig, str(start), str(end)] for contig, start, end, _ in pieces]
    for (contig, start, end, _), row in zip(pieces, rows, strict=True):
        assert float(row[3]) == pytest.approx(sum(depths[contig][start:end]) / (end - start), rel=1e-5)


@pytest.mark.parametrize("awk", AWKS)
def test_contigs_whose_names_are_equal_numbers_are_kept_apart(root: Path, tmp_path: Path, awk: str) -> None:
    depths = {"10": [4, 4], "1e1": [6, 6], "1E1": [0, 1]}
    pieces = [(contig, 0, 2, 1) for contig in depths]
    rows = mean_depth(root, tmp_path, pieces, depth_lines(depths), awk)[1:]
    assert rows == [["10", "0", "2", "4"], ["1e1", "0", "2", "6"], ["1E1", "0", "2", "0.5"]]


def test_depth_of_samtools_is_understood(root: Path, tmp_path: Path) -> None:
    sam = "@SQ\tSN:a\tLN:10\n@SQ\tSN:b\tLN:5\n@SQ\tSN:c\tLN:6\n"
    sam += "r1\t0\ta\t3\t60\t4M\t*\t0\t0\tACGT\tIIII\nr2\t0\ta\t4\t60\t4M\t*\t0\t0\tACGT\tIIII\n"
    sam += "r3\t0\tc\t6\t60\t1M\t*\t0\t0\tA\tI\n"
    run = subprocess.run(["samtools", "depth", "-aa", "-"], input=sam, capture_output=True, text=True, check=True)
    pieces = list(windows({"a": 10, "b": 5, "c": 6}, 4))
    assert mean_depth(root, tmp_path, pieces, run.stdout)[1:] == [
        ["a", "0", "5", "1"],
        ["a", "5", "10", "0.6"],
        ["b", "0", "5", "0"],
        ["c", "0", "6", "0.166667"],
    ]
