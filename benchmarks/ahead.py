"""Measure what a worker saves by fetching the aligner's index while its first job checks reads, from a throttled S3.

    tools/run.sh python benchmarks/ahead.py [--workdir benchmarks/runs/price/250000000] [--megabytes 50] [--check 9.5]

Takes the reads and indices that benchmarks/price.py has made there. A task has two jobs: one that reads the FASTQ files
and lasts as long as `decompress` did with them, and one that reads the index and begins the moment all is there. The S3
is a program on this machine, and sends so many megabytes a second in all. Of each file it has a tenth, which it sends
ten times as slowly, so that this machine is no limit. Needs the packages of the tests.
"""

import argparse
import base64
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from price import BWA, BWA_MEM2, SUFFIXES

ROOT = Path(__file__).resolve().parent.parent
# An executor of the tests, which writes the commands of workers.
PLUGINS = ROOT / "packages/snakemake-storage-plugin-s3-inventory/tests/plugins"
# Snakemake's own step before a worker's, which fetches sources.
SOURCES = re.compile(r"\S+ -m snakemake --deploy-sources .*? && ")
BUCKET = "ahead"
SHARE = 10
PART = 1 << 18
CHANGED = "Fri, 27 Nov 2026 00:00:00 GMT"
SNAKEFILE = """
raw = getattr(storage, "s3-inventory")

rule align:
    input:
        "checked",
        raw(config["index"]),
    output:
        "began",
    group:
        "lane"
    shell:
        "date +%s.%N > {output}"

rule check:
    input:
        raw(config["reads"]),
    output:
        temp("checked"),
    group:
        "lane"
    shell:
        "sleep {config[seconds]} && touch {output}"
"""
# Python runs it first; it stands for a worker that fetches nothing ahead.
WITHOUT = """
from snakemake_storage_plugin_s3_inventory.ahead import Ahead
Ahead._begin = lambda self: None
"""


class S3(BaseHTTPRequestHandler):
    """Answers what Snakemake asks about the objects of one bucket; files are sent at a limited rate in all."""

    protocol_version = "HTTP/1.1"
    files: Mapping[str, tuple[Path, int]] = {}
    sums: Mapping[str, str] = {}
    stored: ClassVar[dict[str, bytes]] = {}
    rate = 1.0
    begun = 0.0
    free = 0.0
    lock = threading.Lock()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send a listing, or an object or a part of it."""
        address = urlsplit(self.path)
        query = parse_qs(address.query, keep_blank_values=True)
        if "list-type" in query:
            self._list(query["prefix"][0])
        else:
            self._send(self._key(), body=True)

    def do_HEAD(self) -> None:
        """Describe an object."""
        self._send(self._key(), body=False)

    def do_PUT(self) -> None:
        """Keep an object in memory."""
        self.stored[self._key()] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {"ETag": '"x"'})

    def do_DELETE(self) -> None:
        """Forget an object."""
        self.stored.pop(self._key(), None)
        self._answer(204)

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/")

    def _size(self, key: str) -> int:
        return self.files[key][1] if key in self.files else len(self.stored[key])

    def _list(self, prefix: str) -> None:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-27T00:00:00.000Z</LastModified>"
            f'<ETag>"x"</ETag><Size>{self._size(key)}</Size><StorageClass>STANDARD</StorageClass></Contents>'
            for key in sorted({*self.files, *self.stored})
            if key.startswith(prefix)
        )
        text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()
        self._answer(200, {"Content-Type": "application/xml"}, text)

    def _send(self, key: str, *, body: bool) -> None:
        if key not in self.files and key not in self.stored:
            self._answer(404)
            return
        size = self._size(key)
        first, last = 0, size - 1
        headers = {"ETag": '"x"', "Last-Modified": CHANGED}
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(found[1]), min(last, int(found[2] or last))
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        elif key in self.sums:
            headers |= {"x-amz-checksum-crc32": self.sums[key], "x-amz-checksum-type": "FULL_OBJECT"}
        if key in self.stored:
            self._answer(206 if found else 200, headers, self.stored[key][first : last + 1], body=body)
            return
        self._answer(206 if found else 200, headers | {"Content-Length": str(last + 1 - first)}, None)
        if body:
            S3.begun = S3.begun or time.time()
            with self.files[key][0].open("rb") as file:
                file.seek(first)
                while first <= last:
                    part = file.read(min(PART, last + 1 - first))
                    self._wait(len(part))
                    self.wfile.write(part)
                    first += len(part)

    def _wait(self, size: int) -> None:
        """Wait until so many bytes may be sent."""
        with S3.lock:
            due = max(S3.free, time.monotonic())
            S3.free = due + size / self.rate
        time.sleep(max(0.0, due - time.monotonic()))

    def _answer(
        self, code: int, headers: Mapping[str, str] | None = None, text: bytes | None = b"", *, body: bool = True
    ) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if text is not None:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if text and body:
            self.wfile.write(text)


@contextmanager
def serving(files: Mapping[str, tuple[Path, int]], rate: float) -> Iterator[dict[str, str]]:
    """Serve the beginnings of files by their keys at so many bytes a second; yield the environment of a client."""
    S3.files, S3.stored, S3.rate = files, {}, rate
    S3.sums = {key: checksum(*part) for key, part in files.items()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), S3)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark", "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
    finally:
        server.shutdown()


def checksum(file: Path, size: int) -> str:
    """Return the CRC32 of the first bytes of a file as S3 writes it."""
    value = 0
    with file.open("rb") as lines:
        while size and (part := lines.read(min(size, 1 << 20))):
            value = zlib.crc32(part, value)
            size -= len(part)
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run a command in a folder; end with its output if it fails."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def seconds_until_aligning(folder: Path, command: str, environment: dict[str, str], *, ahead: bool) -> float:
    """Run a worker's command in a folder; return the seconds from its first fetch until its second job began."""
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE)
    if not ahead:
        (folder / "sitecustomize.py").write_text(WITHOUT)
    S3.begun = 0.0
    run(["bash", "-c", command], folder, environment | {"PYTHONPATH": str(folder)})
    return float(S3.stored["runs/main/began"]) - S3.begun


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--workdir", type=Path, default=ROOT / "benchmarks/runs/price/250000000", help="data of price.py"
    )
    parser.add_argument("--pairs", type=int, default=2_000_000, help="pairs of reads (default: two million)")
    parser.add_argument("--megabytes", type=float, default=50, help="MB a second that S3 sends (default: 50)")
    parser.add_argument("--check", type=float, default=9.5, help="seconds that the first job works (default: 9.5)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, in turn (default: 3)")
    options = parser.parse_args()
    folder: Path = options.workdir / f"data/{options.pairs}"
    reads = {f"raw/R{mate}.fastq.gz": folder / f"R{mate}.fastq.gz" for mate in (1, 2)}
    print("| index | MB | seconds until aligning, fetched when due | fetched ahead | saved |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for aligner in (BWA, BWA_MEM2):
        fasta = options.workdir / aligner / "reference.fa"
        index = {f"raw/{fasta.name}.{suffix}": Path(f"{fasta}.{suffix}") for suffix in SUFFIXES[aligner]}
        parts = {key: (file, file.stat().st_size // SHARE) for key, file in (reads | index).items()}
        found: dict[bool, list[float]] = {False: [], True: []}
        with serving(parts, options.megabytes * 1e6 / SHARE) as variables, tempfile.TemporaryDirectory() as name:
            environment = os.environ | variables
            command = command_of(Path(name), environment, [*reads], [*index], options.check)
            for number in range(options.runs):
                for ahead, seconds in found.items():
                    place = Path(name, f"{number}{ahead}")
                    seconds.append(seconds_until_aligning(place, command, environment, ahead=ahead))
        size = sum(file.stat().st_size for file in index.values()) / 1e6
        due, ahead_of = (statistics.median(found[ahead]) for ahead in (False, True))
        print(f"| {aligner} | {size:,.0f} | {due:.1f} | {ahead_of:.1f} | {due - ahead_of:.1f} |", flush=True)
        print(f"all runs: {found}", file=sys.stderr, flush=True)


def command_of(folder: Path, environment: Mapping[str, str], reads: list[str], index: list[str], seconds: float) -> str:
    """Return the command of the worker that runs both jobs."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    config = {"reads": addresses(reads), "index": addresses(index), "seconds": seconds}
    command = [
        sys.executable, "-m", "snakemake", "--executor", "pretend", "--jobs", "1", "--scheduler", "greedy",
        "--default-storage-provider", "s3-inventory", "--default-storage-prefix", f"s3://{BUCKET}/runs/main",
        "--shared-fs-usage", "none", "--seconds-between-status-checks", "1",
        "--config", *(f"{key}={value}" for key, value in config.items()),
    ]  # fmt: skip
    variables = {**environment, "PYTHONPATH": str(PLUGINS), "PRETEND_COMMANDS": str(folder)}
    run(command, folder, variables)
    S3.stored.clear()
    (written,) = (file for file in folder.iterdir() if file.name.startswith("lane"))
    return SOURCES.sub("", written.read_text())


def addresses(keys: list[str]) -> list[str]:
    """Return the addresses of objects."""
    return [f"s3://{BUCKET}/{key}" for key in keys]


if __name__ == "__main__":
    main()
