"""Rule sort_index: one file for a sample with all reads of all units, or a failure that names the loss."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from project import NO_DISK_IN_COMMON, Copy, Project, dying, units_of
from readers import alignments, header, read_json
from tiny import GENOME, LENGTHS, NASTY, SAMPLES

from shared import output_of

GENOME_FA = "results/reference/genome.fa"
NEEDS = ("reference", "reads", "bwa_mem")
INDEX_ENDING = {"cram": "crai", "bam": "bai"}


def target(sample: str, kind: str = "cram") -> str:
    return f"results/alignments/{sample}.{kind}"


def names(sample: str) -> list[str]:
    """Return the names of all reads of a sample."""
    return sorted(read.name for reads in units_of(sample).values() for read in reads)


@pytest.fixture(scope="module")
def merged(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """Both samples as CRAM with marked duplicates, and as BAM without."""
    projects = {}
    for kind, mark in (("cram", True), ("bam", False)):
        project = finished.copy(tmp_path_factory.mktemp("sort_index"), *NEEDS)
        project.config["alignment"] = {"format": kind, "mark_duplicates": mark}
        project.rule("sort_index", *(target(sample, kind) for sample in SAMPLES)).succeeded()
        projects[kind] = project
    return projects


@pytest.mark.parametrize("kind", ["cram", "bam"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_all_reads_of_all_units_are_there_in_order(merged: dict[str, Project], sample: str, kind: str) -> None:
    project = merged[kind]
    found = alignments(project[target(sample, kind)], project[GENOME_FA])

    assert sorted(record.name for record in found if not record.flag & 0x900) == names(sample)
    order = [(list(LENGTHS).index(record.contig), record.position) for record in found]
    assert order == sorted(order)
    assert {record.tags["RG"] for record in found} == {f"Z:{sample}.{unit}" for unit in units_of(sample)}


@pytest.mark.parametrize("kind", ["cram", "bam"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_header_has_each_read_group_and_contig_once(merged: dict[str, Project], sample: str, kind: str) -> None:
    path = merged[kind][target(sample, kind)]

    assert sorted(group["ID"] for group in header(path, "RG")) == sorted(
        f"{sample}.{unit}" for unit in units_of(sample)
    )
    assert {group["SM"] for group in header(path, "RG")} == {sample}
    assert [(line["SN"], int(line["LN"])) for line in header(path, "SQ")] == list(LENGTHS.items())
    assert [line["SO"] for line in header(path, "HD")] == ["coordinate"]


def test_cram_is_of_version_3_0_which_all_readers_take(merged: dict[str, Project], finished: Project) -> None:
    crams = [merged["cram"][target(NASTY)], *finished["results/bwa_mem"].rglob("*.cram")]

    assert len(crams) > 1
    # CRAM specification, file definition: magic, major and minor version.
    assert {cram.read_bytes()[:6] for cram in crams} == {b"CRAM\x03\x00"}


def test_cram_knows_its_reference(merged: dict[str, Project]) -> None:
    found = {line["SN"]: line["M5"] for line in header(merged["cram"][target(NASTY)], "SQ")}

    assert found == {name: hashlib.md5(sequence.encode()).hexdigest() for name, sequence in GENOME.items()}


@pytest.mark.parametrize("sample", SAMPLES)
def test_planted_duplicates_are_marked_and_no_other(merged: dict[str, Project], sample: str) -> None:
    found = alignments(merged["cram"][target(sample)], merged["cram"][GENOME_FA])
    marked = sorted(record.name for record in found if record.flag & 0x400)

    assert marked == [name for name in names(sample) if name.endswith(":dup")]
    assert len(marked) >= 40


@pytest.mark.parametrize("sample", SAMPLES)
def test_duplicates_are_not_marked_when_that_is_off(merged: dict[str, Project], sample: str) -> None:
    found = alignments(merged["bam"][target(sample, "bam")], merged["bam"][GENOME_FA])

    assert not any(record.flag & 0x400 for record in found)


@pytest.mark.parametrize("kind", ["cram", "bam"])
@pytest.mark.parametrize("region", ["chr1:2000-2010", "chrM:1-30", "chr2:2300-2400"])
def test_index_finds_what_lies_in_a_region(merged: dict[str, Project], kind: str, region: str) -> None:
    project, path = merged[kind], target(NASTY, kind)
    contig, first, last = re.split("[:-]", region)
    expected = [
        record.line
        for record in alignments(project[path], project[GENOME_FA])
        if record.contig == contig
        and record.position <= int(last)
        and record.position + length_on_reference(record.cigar) > int(first)
    ]

    assert project[f"{path}.{INDEX_ENDING[kind]}"].stat().st_size > 0
    assert [r.line for r in alignments(project[path], project[GENOME_FA], region)] == expected != []


def length_on_reference(cigar: str) -> int:
    """How many bases of the reference a CIGAR covers."""
    return sum(int(number) for number, kind in re.findall(r"(\d+)([MDN=X])", cigar))


@pytest.mark.parametrize("kind", ["cram", "bam"])
def test_file_is_whole_and_nothing_else_is_left(merged: dict[str, Project], kind: str) -> None:
    project = merged[kind]
    made = [name for name in project.files() if name.startswith("results/alignments")]

    output_of("samtools", "quickcheck", *(project[target(sample, kind)] for sample in SAMPLES))
    assert sorted(made) == sorted(
        f"{target(sample, kind)}{ending}" for sample in SAMPLES for ending in ("", f".{INDEX_ENDING[kind]}")
    )
    assert project.scratch() == []
    assert not list(project.folder.glob("*markdup*"))


def test_where_jobs_share_no_disk_each_window_has_the_reads_in_and_near_it(copy: Copy) -> None:
    project = copy(*NEEDS)
    project.config["calling"]["windows"] = 3
    project["results/reference/calling_windows.bed"].unlink()
    slices = [f"results/slices/{NASTY}/{window}.cram" for window in (1, 2, 3)]

    project.rule("windows sort_index slices", *slices, options=NO_DISK_IN_COMMON).succeeded()

    bed = [line.split("\t") for line in project["results/reference/calling_windows.bed"].read_text().splitlines()]
    whole = alignments(project[target(NASTY)], project[GENOME_FA])
    for window, path in enumerate(slices, start=1):
        places = [
            (contig, int(start) - 1000, int(end) + 1000) for contig, start, end, number in bed if int(number) == window
        ]
        expected = [
            record.line
            for record in whole
            for contig, start, end in places
            if record.contig == contig
            and record.position <= end
            and record.position + length_on_reference(record.cigar) - 1 > start
        ]
        assert [record.line for record in alignments(project[path], project[GENOME_FA])] == expected != []
        assert project[path].read_bytes()[:6] == b"CRAM\x03\x01"
    assert sum(project[path].stat().st_size for path in slices) > project[target(NASTY)].stat().st_size
    assert project.scratch() == []


def test_large_alignments_are_sliced_by_whole_containers(copy: Copy) -> None:
    project = copy(*NEEDS)
    project.config["calling"]["windows"] = 2
    project["results/reference/calling_windows.bed"].unlink()
    slices = [f"results/slices/{NASTY}/{window}.cram" for window in (1, 2)]
    project.rule("sort_index", target(NASTY)).succeeded()
    cram = project[target(NASTY)]
    whole = alignments(cram, project[GENOME_FA])
    # As many containers as a large file has.
    small = cram.with_name("small.cram")
    options = f"cram,version=3.0,seqs_per_slice={len(whole) // 100}"
    output_of("samtools", "view", "-T", project[GENOME_FA], "-O", options, "-o", small, cram)
    small.rename(cram)
    output_of("samtools", "index", cram)

    project.rule("windows slices", *slices, options=NO_DISK_IN_COMMON).succeeded()

    bed = [line.split("\t") for line in project["results/reference/calling_windows.bed"].read_text().splitlines()]
    for window, path in enumerate(slices, start=1):
        found = [record.line for record in alignments(project[path], project[GENOME_FA])]
        begin = [record.line for record in whole].index(found[0])
        assert found == [record.line for record in whole][begin : begin + len(found)]
        assert len(found) < len(whole)
        expected = {
            record.line
            for record in whole
            for contig, start, end, number in bed
            if int(number) == window
            and record.contig == contig
            and record.position <= int(end) + 1000
            and record.position + length_on_reference(record.cigar) - 1 > int(start) - 1000
        }
        assert expected <= set(found)
        output_of("samtools", "index", project[path])
        assert len(gzip.decompress(Path(f"{project[path]}.crai").read_bytes()).splitlines()) >= 20
        assert project[path].read_bytes()[:6] == b"CRAM\x03\x00"


# --- what goes wrong -------------------------------------------------------------------------------


def assert_nothing_is_kept(project: Project) -> None:
    assert not any(name.startswith("results/alignments") for name in project.files())
    assert project.scratch() == []


@pytest.mark.parametrize("more", [1, -2])
def test_lost_and_repeated_reads_are_noticed(copy: Copy, more: int) -> None:
    project = copy(*NEEDS)
    counts = project[f"results/reads/{NASTY}/single+1.counts.json"]
    content = read_json(counts)
    singles = content["reads"]
    counts.write_text(json.dumps({**content, "reads": singles + more}))
    pairs = len(units_of(NASTY)["L.1"])

    project.rule("sort_index", target(NASTY)).failed(
        f"{target(NASTY)}: holds {singles + pairs} reads, expected {singles + pairs + more}",
        f"L.1: {pairs}",
        f"single+1: {singles + more}",
        "lost" if more > 0 else "twice",
    )

    assert_nothing_is_kept(project)


DYING = {
    "merge": r"9 \d+ \d+",
    "markdup": r"\d+ 9 \d+",
    "view": r"\d+ \d+ 9",
    "quickcheck": None,
}


@pytest.mark.parametrize("part", DYING)
def test_part_that_dies_fails_the_rule(copy: Copy, tmp_path: Path, part: str) -> None:
    project = copy(*NEEDS)

    project.rule("sort_index", target(NASTY), env=dying(tmp_path / "fake", "samtools", 9, 300, part)).failed()

    codes = DYING[part]
    assert not codes or re.search(f"in order: {codes}$", project.log(f"sort_index/{NASTY}"), re.MULTILINE)
    assert_nothing_is_kept(project)


def test_shard_that_is_cut_short_fails_the_rule(copy: Copy) -> None:
    project = copy(*NEEDS)
    shard = project[f"results/bwa_mem/{NASTY}/L.1.2.cram"]
    shard.write_bytes(shard.read_bytes()[:-2000])

    project.rule("sort_index", target(NASTY)).failed("exit codes of the parts of what failed")

    assert_nothing_is_kept(project)
