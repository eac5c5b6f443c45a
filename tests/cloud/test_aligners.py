"""bwa-mem2 in the worker image aligns as bwa does: four lanes, single reads, short ones, and a contig's first bases."""

import gzip
import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import images
import pytest
import yaml

import real_reads
from shared import ROOT, output_of

pytestmark = real_reads.needed
SENT = ["workflow", "config", "profiles", "envs", "data"]
LANES = ("L1", "L2", "L3", "L4")
SAMPLES = ("lanes", "single", "short", "start")
ALIGNERS = ("bwa", "bwa-mem2")
# Of those that bwa-mem2 has a program for, what every processor of the cloud has, and most machines elsewhere.
VECTOR_UNITS = ("sse41", "avx2")


def fastq(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt") as file:
        while record := list(itertools.islice(file, 4)):
            yield record


def write(path: Path, records: Iterator[list[str]]) -> str:
    path.write_text("".join(itertools.chain.from_iterable(records)))
    return f"data/{path.name}"


def cut(record: list[str], length: int) -> list[str]:
    name, bases, plus, qualities = record
    return [name, f"{bases[:length]}\n", plus, f"{qualities[:length]}\n"]


def start_reads(reference: Path) -> Iterator[list[str]]:
    """Reads from the first bases of the contig, and over its ends as if it were a circle."""
    bases = "".join(reference.read_text().split("\n")[1:]).upper()
    circle = bases[-150:] + bases[:400]
    random = Random("start")
    for number, (start, length) in enumerate(itertools.product(range(300), (60, 100, 150))):
        read = list(circle[start : start + length])
        if number % 3 == 0:
            read[random.randrange(length)] = random.choice("ACGT")
        yield [f"@{start}:{length}\n", f"{''.join(read)}\n", "+\n", f"{'I' * length}\n"]


def twice(mates: dict[tuple[str, int], Path]) -> Iterator[list[str]]:
    """Yield the pairs of all lanes, and once more, shorter by a base: more than a batch, as it is in real lanes."""
    for copy, lane in itertools.product((0, 1), LANES):
        for pair in zip(fastq(mates[lane, 1]), fastq(mates[lane, 2]), strict=True):
            for name, *rest in (cut(record, len(record[1]) - 1 - copy) for record in pair):
                yield [f"@{copy}{name[1:]}", *rest]


def write_data(folder: Path) -> None:
    """Write sheet, configuration and reads: four lanes, and samples of single, of short and of starting reads."""
    given, data = real_reads.GIAB, folder / "data"
    data.mkdir()
    shutil.copyfile(given / "ref.fa", data / "ref.fa")
    mates = {(lane, mate): next(given.glob(f"lanes/*_{lane}_R{mate}.fastq.gz")) for lane in LANES for mate in (1, 2)}
    rows = []
    write(data / "twice.fq", twice(mates))
    for lane in LANES:
        names = [shutil.copyfile(mates[lane, mate], data / f"{lane}_{mate}.fq.gz").name for mate in (1, 2)]
        rows.append(["lanes", lane, *(f"data/{name}" for name in names)])
    rows.append(["single", "L1", write(data / "single.fq", fastq(mates["L1", 1])), ""])
    short = [
        write(
            data / f"short_{mate}.fq", (cut(record, 19 + n % 30) for n, record in enumerate(fastq(mates["L2", mate])))
        )
        for mate in (1, 2)
    ]
    rows.append(["short", "L2", *short])
    rows.append(["start", "u", write(data / "start.fq", start_reads(data / "ref.fa")), ""])
    sheet = ["\t".join(row) + "\n" for row in [["sample", "unit", "fq1", "fq2"], *rows]]
    (folder / "config" / "samples.tsv").write_text("".join(sheet))
    config = {
        "samples": "config/samples.tsv",
        "reference": {"fasta": "data/ref.fa"},
        "calling": {"windows": 1},
    }
    (folder / "config" / "aligners.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the results of a run with each aligner, the second in the folder of the first."""
    folder = tmp_path_factory.mktemp("aligners")
    for name in ("workflow", "config", "profiles", "envs"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(folder / name)], check=True)
    write_data(folder)
    targets = ["results/variants/all.vcf.gz", *(f"results/alignments/{sample}.cram" for sample in SAMPLES)]
    script = "".join(
        f"snakemake --cores 2 --notemp --config 'alignment={{aligner: {aligner}}}' --configfile config/aligners.yaml"
        f" -- {' '.join(targets)}; mkdir -p kept/{aligner}; cp -r results/alignments results/variants kept/{aligner}; "
        for aligner in ALIGNERS
    )
    script += "".join(
        f"bwa-mem2.{unit} mem -K 10000000 -- results/reference/bwa-mem2/genome.fa data/single.fq >kept/{unit}.sam; "
        for unit in VECTOR_UNITS
    )
    script += "".join(
        f"{aligner} mem -K 10000000 -t 2 -p -- results/reference/{folder_of_index}genome.fa data/twice.fq"
        f" >kept/{aligner}.sam 2>kept/{aligner}.log; "
        for aligner, folder_of_index in (("bwa", ""), ("bwa-mem2", "bwa-mem2/"))
    )
    printed = images.run_on_folder(images.images()["worker"], script, folder, SENT)
    jobs = [re.findall(r"^(?:local)?rule (\w+):$", part, re.MULTILINE) for part in printed.split("SNAKEMAKE\n")[1:]]
    assert "bwa_index" in jobs[0] and "bwa_mem2_index" not in jobs[0]
    assert "bwa_mem2_index" in jobs[1] and "bwa_index" not in jobs[1] and "decompress" not in jobs[1]
    assert jobs[0].count("bwa_mem") == jobs[1].count("bwa_mem") == len(LANES) + 3
    return folder


def alignments(both: Path, aligner: str, sample: str, *options: str) -> list[str]:
    reference = both / "results/reference/genome.fa"
    path = both / "kept" / aligner / "alignments" / f"{sample}.cram"
    return output_of("samtools", "view", "-T", reference, *options, path).splitlines()


def compared(line: str, *, from_aligner: bool = False) -> tuple[list[str], list[str]]:
    """Return the columns of a record, and its tags but the mate's mapping quality where bwa alone writes it.

    That is always so as they come from the aligner; in the workflow's alignments, where the mate has no place.
    """
    columns = line.split("\t")
    without = "MQ:" if from_aligner else "MQ:i:0" if int(columns[1]) & 0x8 else "-"
    return columns[:11], sorted(tag for tag in columns[11:] if not tag.startswith(without))


@pytest.mark.parametrize("sample", SAMPLES)
def test_all_columns_of_all_alignments_are_the_same(both: Path, sample: str) -> None:
    """Positions, CIGARs, mapping qualities, flags, mates, bases; and tags, in an order of their own."""
    bwa, other = (list(map(compared, alignments(both, aligner, sample))) for aligner in ALIGNERS)

    assert len(bwa) >= {"lanes": 51_678, "single": 5_000, "short": 10_000, "start": 900}[sample]
    assert sum(record != same for record, same in zip(bwa, other, strict=True)) == 0


def test_variants_are_the_same(both: Path) -> None:
    bwa, other = (
        output_of("bcftools", "view", "-H", both / "kept" / aligner / "variants/all.vcf.gz") for aligner in ALIGNERS
    )

    assert bwa.count("\n") > 150
    assert bwa == other


def test_headers_say_which_aligner_was_used(both: Path) -> None:
    for aligner in ALIGNERS:
        header = alignments(both, aligner, "lanes", "-H")
        assert {line.split("\t")[2] for line in header if line.startswith("@PG\tID:bwa")} == {f"PN:{aligner}"}
        assert [line.split("\t")[1] for line in header if line.startswith("@SQ")] == ["SN:chr20_9995001_10125000"]


def test_alignments_do_not_depend_on_the_processor(both: Path) -> None:
    texts = [(both / "kept" / f"{unit}.sam").read_text() for unit in VECTOR_UNITS]
    records = [[line for line in text.splitlines() if not line.startswith("@")] for text in texts]

    assert len(records[0]) > 5_000
    assert records[0] == records[1]


def test_alignments_are_the_same_where_pairs_fill_more_than_a_batch(both: Path) -> None:
    """Each batch has insert sizes of its own."""
    texts = [(both / "kept" / f"{aligner}.sam").read_text() for aligner in ALIGNERS]
    bwa, other = (
        [compared(line, from_aligner=True) for line in text.splitlines() if not line.startswith("@")] for text in texts
    )

    for aligner in ALIGNERS:
        log = (both / "kept" / f"{aligner}.log").read_text()
        assert len(re.findall(r"\] read \d+ sequences", log)) == 2
    assert len(bwa) >= 2 * 51_678
    assert sum(record != same for record, same in zip(bwa, other, strict=True)) == 0
