"""Draws the mean depth of all samples along the reference."""

import argparse
import csv
import sys
from itertools import accumulate
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

MANY = 12  # samples; above it a legend would hide the curves

Window = tuple[str, int, int, float]


def read_windows(path: Path) -> list[Window]:
    """Return (contig, start, end, mean depth) of each window, in the order of the table; ValueError if it has none."""
    with path.open(newline="") as table:
        windows = [
            (row["contig"], int(row["start"]), int(row["end"]), float(row["meandepth"]))
            for row in csv.DictReader(table, delimiter="\t")
        ]
    if not windows:
        raise ValueError(f"{path}: a table of depths without windows. Delete it and run again: it is made anew.")
    return windows


def draw(samples: dict[str, list[Window]], out: Path) -> None:
    """Write the plot of `samples` as SVG, with contigs one after the other; same data, same bytes."""
    mpl.rcdefaults()  # whatever a matplotlibrc of the user says
    mpl.rcParams["svg.hashsalt"] = "coverage"
    mpl.rcParams["text.parse_math"] = False  # names may hold a $
    figure, axes = plt.subplots(figsize=(10, 4), layout="constrained")
    windows = next(iter(samples.values()))
    edges = [0, *accumulate(end - start for _, start, end, _ in windows)]
    for name, found in samples.items():
        depths = [depth for *_, depth in found]
        axes.stairs(depths, edges, label=name, linewidth=1, alpha=0.8 if len(samples) <= MANY else 0.3)
    contigs = {contig: edge for (contig, *_), edge in reversed(list(zip(windows, edges, strict=False)))}
    for edge in contigs.values():
        axes.axvline(edge, color="0.8", linewidth=0.5, zorder=0)
    if len(contigs) <= 30:
        axes.set_xticks(list(contigs.values()), list(contigs), rotation=45, ha="left", fontsize=8)
        axes.xaxis.tick_top()
    else:
        axes.set_xlabel("position in the reference, contigs one after the other")
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(bottom=0)
    axes.set_ylabel("mean depth of a window")
    if len(samples) <= MANY:
        axes.legend(loc="lower right", fontsize=8)
    figure.savefig(out, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Run the command line of the rule `coverage_plot`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", required=True, type=Path, help="file with the path of one table a line")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    tables = [Path(line) for line in options.tables.read_text().splitlines()]
    try:
        samples = {path.name.removesuffix(".windows.tsv"): read_windows(path) for path in tables}
    except ValueError as error:
        sys.exit(str(error))
    draw(samples, options.out)


if __name__ == "__main__":
    main()
