"""The index of bwa-mem2: what it takes to build, and which ones it would align wrongly with."""

import struct
from pathlib import Path
from random import Random

import pytest
import yaml

from shared import ROOT
from terraflow_workflow.reference.aligners import (
    ALIGNERS,
    BWA,
    BWA_MEM2,
    SHIELD,
    aligner_of,
    index_of_another,
    suffixes_of_prebuilt,
)
from terraflow_workflow.reference.shield import SHIELD_BASES, memory, problem_of_room
from terraflow_workflow.reference.whole_index import last_misplaced, problems_of_index

BASES = "ACGT"
RULE = ROOT / "workflow" / "rules" / "bwa_mem.smk"


def suffix_array(text: str) -> list[int]:
    return sorted(range(len(text) + 1), key=lambda at: text[at:])


def both_strands(contigs: dict[str, str]) -> str:
    forward = "".join(contigs.values()).replace("N", "A")
    return forward + forward.translate(str.maketrans(BASES, BASES[::-1]))[::-1]


def write_index(prefix: Path, contigs: dict[str, str]) -> None:
    """Write the files that are looked at as bwa-mem2 2.3 does."""
    text = both_strands(contigs)
    rows = suffix_array(text)
    before = [sum(text.count(other) for other in BASES[:number]) for number in range(4)]
    last = [text[at - 1] if at else "" for at in rows]
    blocks = b""
    for start in range(0, len(rows) // 64 * 64 + 1, 64):
        blocks += struct.pack("<4q", *(last[:start].count(base) for base in BASES))
        part = last[start : start + 64] + [""] * 64
        blocks += struct.pack("<4Q", *(int("".join(str(int(x == base)) for x in part[:64]), 2) for base in BASES))
    sampled = rows[::8]
    entries = bytes(len(sampled)) + b"".join(struct.pack("<I", at) for at in sampled)
    head, tail = struct.pack("<q5q", len(rows), *before, len(text)), struct.pack("<q", rows.index(0))
    # The file has room for one entry more than there are, where eight divide the places.
    entries += bytes(5 * (len(rows) // 8 + 1 - len(sampled)))
    Path(f"{prefix}.bwt.2bit.64").write_bytes(head + blocks + entries + tail)
    total = len(text) // 2
    Path(f"{prefix}.0123").write_bytes(bytes(2 * total))
    Path(f"{prefix}.pac").write_bytes(bytes(total // 4 + 2))
    lines, holes, at = [f"{total} {len(contigs)} 11"], [], 0
    for name, sequence in contigs.items():
        lines += [f"0 {name} (null)", f"{at} {len(sequence)} {sequence.count('N')}"]
        if leading := len(sequence) - len(sequence.lstrip("N")):
            holes.append(f"{at} {leading} N")
        at += len(sequence)
    Path(f"{prefix}.ann").write_text("\n".join(lines) + "\n")
    Path(f"{prefix}.amb").write_text("\n".join([f"{total} {len(contigs)} {len(holes)}", *holes]) + "\n")


def some_contig(seed: int, length: int = 300) -> str:
    return "".join(Random(seed).choices(BASES, k=length))


@pytest.mark.parametrize("seed", range(12))
def test_misplaced_are_those_in_front_of_the_first_place_that_the_index_holds(tmp_path: Path, seed: int) -> None:
    contig = some_contig(seed)
    rows = suffix_array(both_strands({"a": contig}))
    first = next(place for place in range(len(contig)) if rows.index(place) % 8 == 0)
    write_index(tmp_path / "g", {"a": contig})

    assert last_misplaced(tmp_path / "g.bwt.2bit.64") == first - 1
    problems = problems_of_index(str(tmp_path / "g"))
    assert problems == (
        [
            f"{tmp_path}/g: with this index, bwa-mem2 places reads wrongly that begin at bases 2 to {first} of contig "
            "'a' (its issue 262). An index that this workflow builds doesn't have that fault"
        ]
        if first > 1
        else []
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "before", [{SHIELD: SHIELD_BASES}, {"chr1": "N" * 120 + "ACGTTGCA"}], ids=["shield", "no bases are known"]
)
def test_start_that_no_read_reaches_is_no_problem(tmp_path: Path, before: dict[str, str], seed: int) -> None:
    write_index(tmp_path / "g", {**before, "a": some_contig(seed)})

    assert problems_of_index(str(tmp_path / "g")) == []


@pytest.mark.parametrize("suffix", [".0123", ".bwt.2bit.64", ".pac"])
def test_index_that_is_not_whole_is_named(tmp_path: Path, suffix: str) -> None:
    write_index(tmp_path / "g", {SHIELD: SHIELD_BASES, "a": some_contig(1)})
    path = tmp_path / f"g{suffix}"
    whole = path.read_bytes()

    path.write_bytes(whole[:-1])
    (problem,) = problems_of_index(str(tmp_path / "g"))
    assert problem.startswith(f"{path}: found {len(whole) - 1:,} bytes; expected the {len(whole):,} of a whole file")
    path.unlink()
    assert problems_of_index(str(tmp_path / "g")) == [
        f"{path}: is missing; expected a file that `bwa-mem2 index` wrote"
    ]


def test_shield_is_as_begin_sh_has_it() -> None:
    assert len(SHIELD_BASES) == 120
    assert f"SN:{SHIELD}\\t" in (ROOT / "workflow/scripts/begin.sh").read_text()


# --- which aligner ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "name", "suffixes"),
    [
        ({}, "bwa", ""),
        ({"alignment": {"format": "bam"}, "reference": {"bwa_index": "prebuilt"}}, "bwa", ".amb .ann .bwt .pac .sa"),
        ({"alignment": {"aligner": "bwa-mem2"}, "reference": {"bwa_index": "build"}}, "bwa-mem2", ""),
        (
            {"alignment": {"aligner": "bwa-mem2"}, "reference": {"bwa_index": "prebuilt"}},
            "bwa-mem2",
            ".0123 .amb .ann .bwt.2bit.64 .pac",
        ),
    ],
)
def test_index_is_that_of_the_aligner(config: dict[str, dict[str, str]], name: str, suffixes: str) -> None:
    assert aligner_of(config).name == name
    assert sorted(suffixes_of_prebuilt(config)) == suffixes.split()


@pytest.mark.parametrize(
    ("there", "wanted", "named"),
    [
        (BWA, BWA_MEM2, "g.fa.bwt and g.fa.sa are of an index of bwa: say alignment.aligner: bwa, or bwa_index: build"),
        (
            BWA_MEM2,
            BWA,
            "g.fa.bwt.2bit.64 and g.fa.0123 are of an index of bwa-mem2: say alignment.aligner: bwa-mem2, or "
            "bwa_index: build",
        ),
        (BWA, BWA, ""),
    ],
    ids=["bwa for bwa-mem2", "bwa-mem2 for bwa", "right"],
)
def test_index_of_the_other_aligner_is_named(there: object, wanted: object, named: str) -> None:
    files = {f"g.fa{suffix}" for suffix in there.suffixes}  # type: ignore[attr-defined]
    assert index_of_another("g.fa", wanted, files.__contains__) == named  # type: ignore[arg-type]


def test_command_of_bwa_is_the_one_of_the_file_and_that_of_bwa_mem2_differs_in_three_places() -> None:
    text = RULE.read_text().split("in_place_of_bwa(")[1]
    assert BWA.in_place_of_bwa(text) == text
    other = BWA_MEM2.in_place_of_bwa(text)
    assert "| bwa-mem2 mem -K 10000000 " in other
    assert "| without_shield | {params.fixmate} " in other
    assert 'run_module reference.whole_index "$index"\n' in other
    with pytest.raises(ValueError, match="expected it once"):
        BWA_MEM2.in_place_of_bwa("bwa mem")


@pytest.mark.parametrize("aligner", ALIGNERS.values(), ids=lambda aligner: aligner.name)
def test_versions_are_those_of_the_environments(aligner: object) -> None:
    name, version = aligner.name, aligner.version  # type: ignore[attr-defined]
    pins = yaml.safe_load((ROOT / "envs" / f"{name.replace('-', '_')}.yaml").read_text())["dependencies"]
    assert f"{name}={version}" in pins


# --- memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bases", "there", "words"),
    [
        (3_100_000_000, 90 * 10**9, []),
        (1_000, 28_000, []),
        (
            3_100_000_000,
            16 * 10**9,
            [
                "takes 86.8 GB",
                "3,100,000,000 bases, 28 for each, and there are 16.0 GB",
                "alignment.aligner: bwa, whose",
            ],
        ),
        (1_000, 27_999, ["alignment.aligner: bwa,", "reference.bwa_index: prebuilt"]),
    ],
)
def test_want_of_memory_names_bwa(bases: int, there: int, words: list[str]) -> None:
    problem = problem_of_room(bases, there)
    assert all(word in problem for word in words)
    assert bool(problem) == bool(words)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("sys/fs/cgroup/memory.max", "4096000\n", 4_096_000),
        ("sys/fs/cgroup/memory.max", "max\n", None),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000000\n", 5_000_000),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", f"{2**63 - 4096}\n", None),
    ],
)
def test_memory_is_that_of_the_container(tmp_path: Path, file: str, text: str, expected: int | None) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert memory(tmp_path) == (expected or memory(tmp_path / "nowhere"))
