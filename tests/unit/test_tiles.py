"""Windows are cut at the borders of tiles, which lie at the same places whatever the number of windows."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import Run, output_of
from terraflow_workflow.mitochondrion.windows import calling_windows
from terraflow_workflow.reference import tiles
from terraflow_workflow.reference.tiles import Piece, Tile, called_with, near, number_of_tiles, tiles_of
from terraflow_workflow.reference.windows import Window, of_whole_tiles, windows

Contigs = dict[str, int]
HUMAN = 3_100_000_000


def tiles_of_pieces(contigs: Contigs, number: int, cut: Iterable[Window]) -> list[list[Tile]]:
    pieces: list[list[Piece]] = [[] for _ in range(number)]
    for contig, start, end, window in cut:
        pieces[window - 1].append((contig, start, end))
    return [tiles_of(contigs, window) for window in pieces]


def tiles_of_windows(contigs: Contigs, number: int) -> list[list[Tile]]:
    """Return what windows of equal size call, as those of earlier versions are."""
    return tiles_of_pieces(contigs, number, windows(contigs, number))


def bases(pieces: list[Piece]) -> list[tuple[str, int]]:
    return [(contig, base) for contig, start, end in pieces for base in range(start, end)]


@given(
    contigs=st.lists(st.integers(1, 400), min_size=1, max_size=8).map(
        lambda lengths: {f"c{index}": length for index, length in enumerate(lengths)}
    ),
    number=st.integers(1, 12),
    pad=st.integers(0, 30),
)
def test_each_base_is_kept_once_and_called_after_all_of_its_tile_that_lies_before_it(
    contigs: Contigs, number: int, pad: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "PAD", pad)
        found = tiles_of_windows(contigs, min(number, sum(contigs.values())))
        whole = {bases(tile.kept)[0]: bases(tile.looked_at) for tile in tiles_of_windows(contigs, 1)[0]}

    everything = [(contig, base) for contig, length in contigs.items() for base in range(length)]
    assert [base for window in found for tile in window for base in bases(tile.kept)] == everything
    for window in found:
        for tile in window:
            seen, kept = bases(tile.looked_at), bases(tile.kept)
            # The sequence of random numbers is the same if the same bases were looked at before.
            start = max(edge for edge in whole if everything.index(edge) <= everything.index(kept[0]))
            one = whole[start]
            assert one[: one.index(kept[-1]) + 1] == seen[: seen.index(kept[-1]) + 1]
            near_by = {
                (contig, base)
                for contig, at in kept
                for base in range(max(at - pad, 0), min(at + pad + 1, contigs[contig]))
            }
            assert near_by <= set(seen)
        assert set(bases(list(near(window)))) == {base for tile in window for base in bases(tile.looked_at)}
        contigs_near = [piece[0] for piece in near(window)]
        assert len(contigs_near) == len(set(contigs_near))


@pytest.mark.parametrize("number", [1, 2, 3, 8, 40])
@pytest.mark.parametrize(
    "contigs",
    [
        {"chrM": 2000, "chr1": 9000, "chr2": 4000},
        {"chr1": 9000, "chrM": 2000, "chr2": 4000},
        {"chr1": 9000, "chr2": 4000, "chrM": 2000},
        {"chr1": 9000, "chr2": 4000},
        {"chr1": 7, "chrM": 2000, "chr2": 4},
        {"chr1": 7, "chr2": 4, "chrM": 2000},
        {"chrM": 2000},
    ],
    ids=lambda contigs: ",".join(f"{name}:{length}" for name, length in contigs.items()),
)
def test_no_other_window_looks_at_a_contig_that_is_called_apart(contigs: Contigs, number: int) -> None:
    apart = [name for name in contigs if name == "chrM"]
    pieces: list[list[Piece]] = [[] for _ in range(number + 1)]
    for contig, start, end, window in calling_windows(contigs, apart[0] if apart else None, number):
        pieces[window - 1].append((contig, start, end))
    found = [tiles_of(called_with(window, contigs, apart), window) for window in pieces]

    for tiles_of_window in found[:-1] if len(contigs) > 1 else []:
        assert not {piece[0] for tile in tiles_of_window for piece in tile.looked_at + tile.kept} & {"chrM"}
    if apart:
        assert {piece[0] for tile in found[-1] for piece in tile.looked_at + tile.kept} == {"chrM"}
    kept = [base for window in found for tile in window for base in bases(tile.kept) if base[1] < contigs[base[0]]]
    assert sorted(kept) == sorted((name, base) for name, length in contigs.items() for base in range(length))


def test_tiles_of_other_contigs_lie_as_if_the_one_called_apart_were_not_there() -> None:
    contigs = {"chr1": 90_000_000, "chrM": 16_569, "chr2": 160_000_000}
    others = {name: length for name, length in contigs.items() if name != "chrM"}
    pieces: list[list[Piece]] = [[] for _ in range(9)]
    for contig, start, end, window in calling_windows(contigs, "chrM", 8):
        pieces[window - 1].append((contig, start, end))

    found = [tiles_of(called_with(window, contigs, ["chrM"]), window) for window in pieces[:8]]

    assert found == tiles_of_windows(others, 8)
    # Windows and tiles meet: nothing is called twice.
    assert sum(map(len, found)) == number_of_tiles(sum(others.values()))


@given(
    contigs=st.lists(st.integers(1, 90_000), min_size=1, max_size=8).map(
        lambda lengths: {f"c{index}": length for index, length in enumerate(lengths)}
    ),
    number=st.integers(1, 40),
)
def test_windows_for_calling_call_each_tile_once_and_as_one_window_would(contigs: Contigs, number: int) -> None:
    pieces = of_whole_tiles(contigs, number)
    found = tiles_of_pieces(contigs, number, pieces)

    assert {window for *_, window in pieces} == set(range(1, number + 1))
    called = [tile for window in found for tile in window if bases(tile.kept[:1])[0][1] < contigs[tile.kept[0][0]]]
    [whole] = tiles_of_windows(contigs, 1)
    # A window ends at its last tile, so that what it looks at may end there, too: 1,000 bases beyond.
    assert called == whole


@pytest.mark.parametrize("number", [1, 8, 10, 100, 10_000])
@pytest.mark.parametrize("total", [2, 90_000, 130_000, 4_600_000, 250_000_000, HUMAN])
def test_no_window_for_calling_is_larger_than_its_share_of_tiles(total: int, number: int) -> None:
    sizes = [end - start for _, start, end, _ in of_whole_tiles({"c": total}, number) if start < total]

    tiles = number_of_tiles(total)
    assert sum(sizes) == total
    assert max(sizes) <= -(-tiles // min(number, tiles)) * -(-total // tiles)
    assert total / tiles < 20_000_000


def test_the_script_writes_what_is_looked_at_and_what_is_kept(script: Run, tmp_path: Path) -> None:
    fai, bed, out = tmp_path / "g.fa.fai", tmp_path / "w.bed", tmp_path / "tiles"
    fai.write_text("a\t7000\t3\t5\t6\nb\t2000\t12\t4\t5\n")
    bed.write_text("a\t0\t4500\t1\na\t4500\t7000\t2\nb\t0\t2000\t2\n")
    near_bed = tmp_path / "near.bed"

    options = ["--fai", fai, "--windows", bed, "--window", 2, "--tiles", out, "--near", near_bed]
    run = script("reference.tiles", *options)

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    # Tiles start at 0, 3,000 and 6,000.
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "001.bed": "a\t2000\t7000\n",
        "001.kept.bed": "a\t4500\t6000\n",
        "002.bed": "a\t5000\t7000\nb\t0\t2000\n",
        "002.kept.bed": "a\t6000\t7000\nb\t0\t2000\n",
    }
    assert near_bed.read_text() == "a\t2000\t7000\nb\t0\t2000\n"


def test_the_script_leaves_out_contigs_that_are_called_apart(script: Run, tmp_path: Path) -> None:
    fai, bed, apart, near_bed = (tmp_path / name for name in ("g.fa.fai", "w.bed", "apart.bed", "near.bed"))
    fai.write_text("a\t3000\t3\t5\t6\nM\t2000\t12\t4\t5\nb\t3000\t9\t4\t5\n")
    bed.write_text("a\t0\t3000\t1\nb\t0\t3000\t1\nM\t0\t2000\t2\n")
    apart.write_text("M\t0\t2000\n")

    for window, expected in {1: "a\t0\t3000\nb\t0\t3000\n", 2: "M\t0\t2000\n"}.items():
        options = ["--fai", fai, "--windows", bed, "--window", window, f"--apart={apart}", "--near", near_bed]
        script("reference.tiles", *options)
        assert near_bed.read_text() == expected
    script("reference.tiles", "--fai", fai, "--windows", bed, "--window", 1, "--apart=", "--near", near_bed)
    assert near_bed.read_text() == "a\t0\t3000\nM\t0\t2000\nb\t0\t3000\n"


def test_bcftools_keeps_each_place_in_one_tile(script: Run, tmp_path: Path) -> None:
    fai, bed, vcf = tmp_path / "g.fa.fai", tmp_path / "w.bed", tmp_path / "all.vcf"
    fai.write_text("a\t300\t3\t300\t301\n")
    bed.write_text("a\t0\t130\t1\na\t130\t300\t2\n")
    records = [f"a\t{position}\t.\tA\tG\t.\t.\t.\n" for position in range(1, 301)]
    columns = "\t".join(("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"))
    vcf.write_text("".join(("##fileformat=VCFv4.2\n##contig=<ID=a,length=300>\n", columns, "\n", *records)))

    kept = []
    for window in (1, 2):
        out = tmp_path / f"tiles{window}"
        script("reference.tiles", "--fai", fai, "--windows", bed, "--window", window, "--tiles", out)
        for tile in sorted(out.glob("???.bed")):
            targets = ("-T", tile.with_suffix(".kept.bed"), "--targets-overlap", "pos")
            kept += output_of("bcftools", "view", "-H", *targets, vcf).splitlines(keepends=True)
    assert kept == records


def test_a_window_without_bases_looks_at_the_last_base_and_keeps_nothing() -> None:
    (tile,) = tiles_of({"a": 3, "b": 2}, [("b", 2, 3)])

    assert tile == Tile([("b", 1, 2)], [("b", 2, 3)])
