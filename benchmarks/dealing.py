"""Measure the decompression and checks of FASTQ against `gzip -dc`, and write benchmarks/dealing.md.

    tools/run.sh python benchmarks/dealing.py [--reads N] [--runs N] [--fastq R1.fastq.gz R2.fastq.gz]

Every figure is CPU time (user and system) of whole processes on one core, as the median of the ratios to a run of
`gzip -dc` just before it. A tool that is not installed is reported so, and left out.
"""

import argparse
import gzip
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from backports import zstd
from isal import igzip

HERE = Path(__file__).resolve().parent
DECOMPRESS = "terraflow_workflow.reads.decompress"
REPORT = HERE / "dealing.md"
LENGTH = 150

ISAL = "import sys; from isal import igzip; f = igzip.open(sys.argv[1], 'rb')"
XOPEN = "import sys; from xopen import xopen; f = xopen(sys.argv[1], 'rb', threads=0)"
COPY = "\nwhile data := f.read(1 << 17): sys.stdout.buffer.write(data)"
DNAIO = "import sys, dnaio\nfor pair in dnaio.open(*sys.argv[1:]): pass"


def binned_qualities(rng: random.Random) -> bytes:
    """Return qualities in four bins with bad stretches that grow towards the end, as of a NovaSeq."""
    out = b""
    while len(out) < LENGTH:
        bad = 0.04 + 0.12 * (len(out) / LENGTH) ** 2
        draw = rng.random()
        if draw < 1 - bad:
            out += b"F" * rng.randint(4, 40)
        else:
            out += b":" if draw < 1 - bad / 3 else b"," if draw < 1 - bad / 40 else b"#"
    return out[:LENGTH]


def full_qualities(rng: random.Random) -> bytes:
    """Return qualities of 2 to 41 that walk up at the start and down to the end, as of a HiSeq."""
    quality, out = 33, bytearray()
    for cycle in range(LENGTH):
        top = min(30 + cycle, 41 - round(12 * (cycle / LENGTH) ** 2 * rng.random()))
        quality = max(2, min(top, quality + rng.choice((-3, -2, -1, 0, 0, 0, 1, 1, 2, 2, 3))))
        out.append(33 + quality)
    return bytes(out)


def simulate(folder: Path, pairs: int, qualities: Callable[[random.Random], bytes]) -> list[Path]:
    """Write `pairs` pairs from a random genome of 2 Mb with errors; return the two .fastq.gz."""
    rng = random.Random(1)
    genome = bytes(rng.choices(b"ACGT", k=2_000_000))
    reverse = genome.translate(bytes.maketrans(b"ACGT", b"TGCA"))[::-1]
    # gzip looks back 32 KB, about 90 reads: it does not notice that qualities repeat.
    pool = [qualities(rng) for _ in range(20_000)]
    paths = [folder / f"R{mate}.fastq.gz" for mate in (1, 2)]
    with gzip.open(paths[0], "wb", 6) as file1, gzip.open(paths[1], "wb", 6) as file2:
        for number in range(pairs):
            start, insert = rng.randrange(len(genome) - 600), rng.randrange(300, 500)
            name = b"@A00123:45:HXYZDSX2:1:%d:%d:%d" % (
                1101 + number // 5000,
                rng.randrange(1000, 32000),
                rng.randrange(1000, 37000),
            )
            back = len(genome) - start - insert
            for mate, file, text, at in ((1, file1, genome, start), (2, file2, reverse, back)):
                read = bytearray(text[at : at + LENGTH])
                if rng.random() < 0.2:
                    read[rng.randrange(LENGTH)] = rng.choice(b"ACGTN")
                file.write(b"%b %d:N:0:ACGTACGT\n%b\n+\n%b\n" % (name, mate, bytes(read), rng.choice(pool)))
    return paths


def cpu(command: list[str], out: Path) -> float:
    """Run a command with its stdout in `out`; return its user and system seconds."""
    with out.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed with exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def commands(paths: list[Path], folder: Path) -> dict[str, list[list[str]]]:
    """Return, by the name of the row, the commands that together read all of `paths`."""
    python = [sys.executable, "-c"]
    each = {
        "`gzip -dc` again (noise)": ["gzip", "-dc"],
        "`pigz -dc -p 1`": ["pigz", "-dc", "-p", "1"],
        "`igzip -dc`": ["igzip", "-dc"],
        "`rapidgzip -dc -P 1`": ["rapidgzip", "-d", "-c", "-P", "1"],
        "`seqkit seq -j 1` (reads records)": ["seqkit", "seq", "-j", "1"],
        "`seqkit seq -v -j 1` (checks bases)": ["seqkit", "seq", "-v", "-j", "1"],
        "python-isal, `igzip.open`": [*python, ISAL + COPY],
        "xopen, one thread": [*python, XOPEN + COPY],
    }
    rows = {name: [[*command, str(path)] for path in paths] for name, command in each.items()}
    rows["dnaio, pairs (structure and mates; nothing written)"] = [[*python, DNAIO, *map(str, paths)]]
    for suffix in (".fastq", ".fastq.gz", ".fastq.zst"):
        shards = [str(folder / f"shard{index}{suffix}") for index in range(4)]
        options = ["--counts", str(folder / "counts.json"), "--shards", *shards]
        command = [sys.executable, "-P", "-m", DECOMPRESS, "--fq1", str(paths[0])]
        rows[f"**decompress.py**, pairs, 4 shards `{suffix}`"] = [[*command, "--fq2", str(paths[1]), *options]]
    rows["read the shards `.fastq.gz` by `gzip -dc`"] = [["gzip", "-dc", *glob(folder, "gz")]]
    rows["read the shards `.fastq.gz` by `igzip -dc`"] = [["igzip", "-dc", *glob(folder, "gz")]]
    rows["read the shards `.fastq.zst` by `zstd -dcf`"] = [["zstd", "-dcfq", *glob(folder, "zst")]]
    return rows


def glob(folder: Path, suffix: str) -> list[str]:
    """Return the shards that decompress.py has made by the time their rows are measured."""
    return [str(folder / f"shard{index}.fastq.{suffix}") for index in range(4)]


def measure(paths: list[Path], folder: Path, runs: int) -> list[tuple[str, str, str]]:
    """Return the rows of one data set: name, ratio to gzip -dc, thousand reads per CPU second."""
    out = folder / "out"
    with gzip.open(paths[0]) as file:
        reads = 2 * sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b"")) // 4
    yard = [["gzip", "-dc", str(path)] for path in paths]
    rows = []
    for name, row in commands(paths, folder).items():
        if shutil.which(row[0][0]) is None:
            rows.append((name, "not installed", ""))
            continue
        ratios, seconds = [], []
        for _ in range(runs):
            base = sum(cpu(command, out) for command in yard)
            seconds.append(sum(cpu(command, out) for command in row))
            ratios.append(seconds[-1] / base)
        rows.append((name, f"{statistics.median(ratios):.2f}", f"{reads / statistics.median(seconds) / 1000:,.0f}"))
        print(*rows[-1], sep="\t", flush=True)
    return rows


def levels(path: Path) -> list[tuple[str, str, str]]:
    """Return CPU microseconds per read and size ratio of compressing the start of a file in blocks of 256 KB."""
    with gzip.open(path) as file:
        text = file.read(60 << 20)
    blocks = [text[start : start + (1 << 18)] for start in range(0, len(text), 1 << 18)]
    reads = text.count(b"\n") / 4

    def gz(level: int) -> Callable[[bytes], bytes]:
        return lambda block: igzip.compress(block, level, mtime=0)

    def zst(level: int) -> Callable[[bytes], bytes]:
        return lambda block: zstd.compress(block, level)

    codecs = {f"isal {level}": gz(level) for level in (0, 1)}
    codecs |= {f"zstd {level}": zst(level) for level in (-5, -1, 1, 3)}
    rows = []
    for name, codec in codecs.items():
        seconds, size = [], 0
        for _ in range(3):
            start = time.process_time()
            size = sum(len(codec(block)) for block in blocks)
            seconds.append(time.process_time() - start)
        rows.append((name, f"{statistics.median(seconds) / reads * 1e6:.2f}", f"{len(text) / size:.2f}"))
    return rows


def table(head: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ("---", "---:", "---:"), *rows]) + "\n"


def main() -> None:
    """Simulate, measure and write the report."""
    parser = argparse.ArgumentParser(description="Compare decompress.py with gzip -dc and other tools.")
    parser.add_argument("--reads", type=int, default=500_000, help="pairs of reads to simulate")
    parser.add_argument("--runs", type=int, default=5, help="runs of each command")
    parser.add_argument("--fastq", type=Path, nargs=2, metavar=("R1", "R2"), help="also measure these .fastq.gz")
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    head = ("Command", "CPU time / `gzip -dc`", "thousand reads per CPU second")
    text = REPORT.read_text() if REPORT.exists() else ""
    text = text.partition("<!-- figures -->")[0] + "<!-- figures -->\n"
    simulated: dict[str, Callable[[random.Random], bytes]] = {
        "qualities in four bins (NovaSeq-like)": binned_qualities,
        "qualities 2 to 41 (HiSeq-like)": full_qualities,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, qualities in simulated.items():
            paths = simulate(folder, given.reads, qualities)
            text += f"\n## Simulated: {given.reads:,} pairs of {LENGTH} bp, {title}\n\n"
            text += table(head, measure(paths, folder, given.runs)) + "\n"
            text += table(("Compression of shards", "CPU microseconds per read", "size ratio"), levels(paths[0]))
        if given.fastq:
            text += "\n## The files given\n\n" + table(head, measure(given.fastq, folder, given.runs))
    REPORT.write_text(text)


if __name__ == "__main__":
    main()
