"""The coverage plot is the same for the same data, and shows the measured depths."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from shared import Run
from terraflow_workflow.quality.coverage_plot import MANY, Window, draw, read_windows

SVG = "{http://www.w3.org/2000/svg}"
ONE = [("chr1", 0, 50, 3.5), ("chr1", 50, 100, 0.0)]
THREE = [*ONE, ("a$^$c", 0, 10, 7.0), ("_x", 0, 90, 1.25)]


def drawn(path: Path, samples: dict[str, list[Window]]) -> ET.Element:
    draw(samples, path)
    element = ET.parse(path).getroot()
    assert element.tag == f"{SVG}svg"
    return element


def curves(element: ET.Element) -> list[ET.Element]:
    """Return the paths of the samples, which are drawn in the colours of matplotlib's cycle."""
    paths = [one for one in element.iter(f"{SVG}path") if "clip-path" in one.attrib]
    return [one for one in paths if "#cccccc" not in one.attrib["style"]]


def texts(path: Path) -> list[str]:
    """Return the words in a plot: matplotlib draws letters as paths and leaves each text in a comment."""
    return [part.split("-->")[0].strip() for part in path.read_text().split("<!--")[1:]]


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("1.svg", "2.svg"):
        draw({"A": THREE, "B": THREE}, tmp_path / name)
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()
    draw({"A": THREE, "B": [(*place, depth + 1) for *place, depth in THREE]}, tmp_path / "3.svg")
    assert (tmp_path / "3.svg").read_bytes() != (tmp_path / "1.svg").read_bytes()


@pytest.mark.parametrize("windows", [ONE, THREE], ids=["one contig", "many contigs"])
@pytest.mark.parametrize("count", [1, MANY, MANY + 1, 20])
def test_every_sample_is_drawn_and_few_are_named(tmp_path: Path, windows: list[Window], count: int) -> None:
    samples = {f"S{number}": windows for number in range(count)}
    element = drawn(tmp_path / "c.svg", samples)
    assert len(curves(element)) == count
    words = texts(tmp_path / "c.svg")
    assert [name for name in samples if name in words] == (list(samples) if count <= MANY else [])
    assert [contig for contig in ("chr1", "a$^$c", "_x") if contig in words] == (
        ["chr1"] if windows is ONE else ["chr1", "a$^$c", "_x"]
    )


def test_a_draft_genome_of_many_contigs_has_no_names_on_its_axis(tmp_path: Path) -> None:
    windows = [(f"scaffold{number}", 0, 10, float(number)) for number in range(200)]
    drawn(tmp_path / "c.svg", {"A": windows})
    words = texts(tmp_path / "c.svg")
    assert "position in the reference, contigs one after the other" in words
    assert not [word for word in words if word.startswith("scaffold")]


def test_samples_without_reads_are_drawn(tmp_path: Path) -> None:
    silent = [(contig, start, end, 0.0) for contig, start, end, _ in THREE]
    assert len(curves(drawn(tmp_path / "c.svg", {"A": silent}))) == 1


def test_the_script_reads_the_tables_in_the_order_given(script: Run, tmp_path: Path) -> None:
    table = "contig\tstart\tend\tmeandepth\nchr1\t0\t50\t3.5\nchr1\t50\t100\t0\n"
    for name in ("B.b", "A"):
        (tmp_path / f"{name}.windows.tsv").write_text(table)
    assert read_windows(tmp_path / "A.windows.tsv") == ONE
    tables, out = tmp_path / "tables.txt", tmp_path / "c.svg"
    tables.write_text(f"{tmp_path}/B.b.windows.tsv\n{tmp_path}/A.windows.tsv\n")
    run = script("quality.coverage_plot", "--tables", tables, "--out", out)
    assert (run.returncode, run.stdout) == (0, "")
    assert [word for word in texts(out) if word in ("A", "B.b")] == ["B.b", "A"]
