"""Rule bwa_mem: sorted records with fields about their mates, or a failure that names the part of the pipe."""

import re
from pathlib import Path

import pytest
from compressions import COMPRESSIONS
from project import Copy, Project, dying, units_of
from readers import Record, alignments, header
from tiny import NASTY, PLAIN, SAMPLES, fragments, singles, text_of

GENOME_FA = "results/reference/genome.fa"
UNITS = [(sample, unit) for sample in SAMPLES for unit in units_of(sample)]
SHARDS = (1, 2)


def shard_of(sample: str, unit: str, shard: int) -> str:
    return f"results/bwa_mem/{sample}/{unit}.{shard}.cram"


@pytest.fixture(scope="module")
def aligned(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Project]:
    """All shards, aligned with one thread and with two."""
    projects = {}
    for cores in (1, 2):
        projects[cores] = finished.copy(tmp_path_factory.mktemp("bwa_mem"), "reference", "reads")
        targets = [shard_of(sample, unit, shard) for sample, unit in UNITS for shard in SHARDS]
        projects[cores].rule("bwa_mem", *targets, cores=cores).succeeded()
    return projects


def records(project: Project, sample: str, unit: str) -> list[Record]:
    """Read the records of all shards of a unit."""
    return [
        record for shard in SHARDS for record in alignments(project[shard_of(sample, unit, shard)], project[GENOME_FA])
    ]


def place(record: Record) -> tuple[str, int]:
    """Where the read was taken from, as its name says."""
    _, contig, *places = record.name.split(":")
    return contig, int(places[1 if record.flag & 0x80 else 0])


@pytest.mark.parametrize(("sample", "unit"), UNITS)
def test_each_read_is_there_once_with_its_bases(aligned: dict[int, Project], sample: str, unit: str) -> None:
    primary = [record for record in records(aligned[2], sample, unit) if not record.flag & 0x900]

    names = sorted(record.name for record in primary)
    assert names == sorted(read.name for read in units_of(sample)[unit])


@pytest.mark.parametrize(("sample", "unit"), UNITS)
def test_reads_are_put_where_they_were_taken_from(aligned: dict[int, Project], sample: str, unit: str) -> None:
    found = records(aligned[2], sample, unit)
    right = [record for record in found if (record.contig, record.position) == place(record)]

    # The others end within a few bases of a variant, where a clipped read costs less than a mismatch.
    assert len(right) >= 0.99 * len(found)
    assert all(record.cigar == "100M" or re.search("[IDS]", record.cigar) for record in found)
    assert all(abs(record.position - place(record)[1]) <= 12 for record in found)


@pytest.mark.parametrize(
    ("sample", "unit", "library", "platform"),
    [
        (NASTY, "L.1", f"lib-{NASTY}", "ILLUMINA"),
        (NASTY, "single+1", NASTY, "DNBSEQ"),
        (PLAIN, "L1", "lib-two", "ILLUMINA"),
    ],
)
def test_read_group_is_that_of_the_sheet(
    aligned: dict[int, Project], sample: str, unit: str, library: str, platform: str
) -> None:
    for shard in SHARDS:
        path = aligned[2][shard_of(sample, unit, shard)]
        assert header(path, "RG") == [
            {"ID": f"{sample}.{unit}", "SM": sample, "LB": library, "PL": platform, "PU": unit}
        ]
        found = alignments(path, aligned[2][GENOME_FA])
        assert {record.tags["RG"] for record in found} == {f"Z:{sample}.{unit}"}


@pytest.mark.parametrize(("sample", "unit"), UNITS)
def test_records_are_sorted_by_coordinate(aligned: dict[int, Project], sample: str, unit: str) -> None:
    contigs = ["chr1", "chr2", "chrM"]
    for shard in SHARDS:
        path = aligned[2][shard_of(sample, unit, shard)]
        found = [(contigs.index(r.contig), r.position) for r in alignments(path, aligned[2][GENOME_FA])]
        assert found == sorted(found)
        assert [line["SO"] for line in header(path, "HD")] == ["coordinate"]


def test_mates_know_of_each_other(aligned: dict[int, Project]) -> None:
    found = records(aligned[2], PLAIN, "L1")
    mates: dict[str, list[Record]] = {}
    for record in found:
        mates.setdefault(record.name, []).append(record)

    for first, second in mates.values():
        assert {first.flag & 0xC0, second.flag & 0xC0} == {0x40, 0x80}
        assert first.flag & second.flag & 0x3 == 0x3
        assert (first.mate_position, second.mate_position) == (second.position, first.position)
        assert first.template == -second.template != 0
        assert (first.tags["MC"], second.tags["MC"]) == (f"Z:{second.cigar}", f"Z:{first.cigar}")
        quality = 20 if first.name.endswith(":dup") else 40
        assert first.tags["ms"] == second.tags["ms"] == f"i:{quality * 100}"


@pytest.mark.parametrize(("sample", "unit"), UNITS)
def test_threads_change_nothing(aligned: dict[int, Project], sample: str, unit: str) -> None:
    one, two = ([record.line for record in records(aligned[cores], sample, unit)] for cores in (1, 2))

    assert one == two
    for cores, project in aligned.items():
        assert f"-t {cores} " in project.log(f"bwa_mem/{sample}/{unit}.1")


def test_single_reads_are_not_paired_even_when_neighbours_have_one_name(copy: Copy) -> None:
    project = copy("reference")
    reads = [read for mates in fragments(PLAIN)[:200] for read in mates]
    project.add("alone", "u", project.write("reads/alone.fq", text_of(reads)))
    # Otherwise such a file would be refused.
    project.config["reads"] |= {"shards": 1, "interleaved": "single"}

    project.rule("decompress bwa_mem", shard_of("alone", "u", 1)).succeeded()

    found = alignments(project[shard_of("alone", "u", 1)], project[GENOME_FA])
    assert len(found) == 400
    assert {record.flag & ~0x10 for record in found} == {0}
    assert not any("MC" in record.tags for record in found)


def test_read_that_fits_nowhere_is_kept_unmapped(copy: Copy) -> None:
    project = copy("reference")
    read = singles(NASTY)[0]
    nowhere = "ACCA" * 25
    text = text_of([read]) + f"@nowhere\n{nowhere}\n+\n{'I' * 100}\n".encode()
    project.write("results/reads/two/L1.1.fastq", text)
    project.units = [{"sample": "two", "unit": "L1", "fq1": "reads/two_1.fq", "fq2": ""}]

    project.rule("bwa_mem", shard_of("two", "L1", 1)).succeeded()

    found = alignments(project[shard_of("two", "L1", 1)], project[GENOME_FA])
    assert [(record.name, record.flag) for record in found] == [(read.name, 0), ("nowhere", 4)]


# --- what dies within the pipe ---------------------------------------------------------------------

DYING = {
    "bwa": ("bwa", "mem", r"\d+ 9 \d+ \d+"),
    "fixmate": ("samtools", "fixmate", r"\d+ \d+ 9 \d+"),
    "sort": ("samtools", "sort", r"\d+ \d+ \d+ 9"),
}


@pytest.mark.parametrize("part", DYING)
def test_part_that_dies_after_some_output_fails_the_rule(copy: Copy, tmp_path: Path, part: str) -> None:
    project = copy("reference", "reads")
    tool, subcommand, codes = DYING[part]

    run = project.rule("bwa_mem", shard_of(PLAIN, "L1", 1), env=dying(tmp_path / "fake", tool, 9, 800, subcommand))

    run.failed("exit codes of the parts of what failed, in order: ")
    assert re.search(f"in order: {codes}$", project.log(f"bwa_mem/{PLAIN}/L1.1"), re.MULTILINE)
    assert not project[shard_of(PLAIN, "L1", 1)].exists()
    assert project.scratch() == []


def test_shard_that_is_cut_short_fails_the_rule(copy: Copy) -> None:
    project = copy("reference")
    project.config["reads"]["compression"] = "zstd"
    whole = COMPRESSIONS["zstd"](text_of(units_of(PLAIN)["L1"]))
    project.write("results/reads/two/L1.1.fastq.zst", whole[: len(whole) // 2])

    project.rule("bwa_mem", shard_of(PLAIN, "L1", 1)).failed("exit codes of the parts", "in order: 1 ")

    assert not project[shard_of(PLAIN, "L1", 1)].exists()
    assert project.scratch() == []
