"""Rules reference and bwa_index: one genome from any form of FASTA, and a refusal of any other file."""

import gzip
import http.server
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from compressions import COMPRESSIONS
from project import Copy, Project
from tiny import GENOME, LENGTHS, fasta, fragments, text_of

from shared import output_of

GENOME_FA = "results/reference/genome.fa"
BWA_MEM2 = "results/reference/bwa-mem2/genome.fa"
INDEX = [f"{GENOME_FA}{ending}" for ending in (".amb", ".ann", ".bwt", ".pac", ".sa")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with a sample whose reads no job reads, and without a reference."""
    project = Project(tmp_path / "project", {"reference": {"fasta": "ref"}})
    project.add("s", "u", project.write("r.fq", "@r\nA\n+\nI\n"))
    return project


def sequences(path: Path) -> dict[str, str]:
    """Read the contigs of a FASTA by name."""
    return {
        head.split()[0]: "".join(lines)
        for record in path.read_text().split(">")[1:]
        for head, *lines in [record.splitlines()]
    }


def has_genome(project: Project, expected: dict[str, str] = GENOME) -> bool:
    """Assert that the reference is the one expected, and that `samtools faidx` finds its last bases by the index."""
    found = sequences(project[GENOME_FA])
    index = [line.split("\t")[:2] for line in project[f"{GENOME_FA}.fai"].read_text().splitlines()]
    assert found == expected
    assert index == [[name, str(len(sequence))] for name, sequence in expected.items()]
    contig, sequence = list(expected.items())[-1]
    end = len(sequence)
    assert (
        output_of("samtools", "faidx", project[GENOME_FA], f"{contig}:{end - 9}-{end}").splitlines()[1]
        == (sequence[-10:])
    )
    return True


# References that a user may give: the bytes, and the contigs in them.
SOFT = {name: sequence[:500].lower() + sequence[500:] for name, sequence in GENOME.items()}
GOOD: dict[str, tuple[bytes, dict[str, str]]] = {
    "plain": (fasta(GENOME).encode(), GENOME),
    "gzip": (COMPRESSIONS["gzip"](fasta(GENOME).encode()), GENOME),
    "bgzip": (COMPRESSIONS["bgzip"](fasta(GENOME).encode()), GENOME),
    "soft-masked, windows line ends, lines of 70 and one that is long, described": (
        (fasta({"chr1 a description": SOFT["chr1"]}, 4000) + fasta({"chr2": SOFT["chr2"], "chrM": SOFT["chrM"]}, 70))
        .replace("\n", "\r\n")
        .encode(),
        GENOME,
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_reference_is_the_same_whatever_holds_it(project: Project, name: str) -> None:
    data, expected = GOOD[name]
    project.write("ref", data)

    project.rule("reference", GENOME_FA).succeeded()

    assert has_genome(project, expected)


BAD: dict[str, tuple[bytes, list[str]]] = {
    "contig twice": (b">a\nACGT\n>b\nACGT\n>a\nAC\n", ["ref, line 5", "'a'", "line 1", "expected each name once"]),
    "no contig": (b"\n\n", ["ref: holds no contig; expected FASTA"]),
    "contig without bases": (b">a\n>b\nACGT\n", ["ref", "'a' has no bases"]),
    "protein": (b">a\nACGT\nMEEPQSDPSV\n", ["ref, line 3, contig a", "found b'E'", "expected IUPAC"]),
    "truncated gzip": (gzip.compress(fasta(GENOME).encode())[:-900], ["ref", "gzip stream ends too soon", "cut short"]),
    "reads": (b"@r\nACGT\n+\nIIII\n", ["ref, line 1", "found b'@r'", "expected FASTA"]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_reference_fails_and_leaves_nothing(project: Project, name: str) -> None:
    data, words = BAD[name]
    project.write("ref", data)

    project.rule("reference", GENOME_FA).failed(*words)

    for word in words:
        assert word in project.log("reference")
    assert project.files() == []
    assert project.scratch() == []


def test_empty_file_is_refused_before_anything_runs(project: Project) -> None:
    project.write("ref", b"")

    project.rule("reference", GENOME_FA).failed("reference.fasta: ref: is empty (0 bytes)")

    assert not project["logs"].exists()


# --- addresses -------------------------------------------------------------------------------------


@pytest.fixture
def http_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Start a web server; return its address and the folder that it serves."""
    folder = tmp_path / "www"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


@pytest.fixture
def s3_environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return an environment in which s3:// leads to a server on this computer."""
    log = tmp_path / "moto.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stdout=out, stderr=subprocess.STDOUT
        )
    try:
        url = waited_for(lambda: address_in(log.read_text()))
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
    finally:
        server.terminate()
        server.wait()


def address_in(log: str) -> str | None:
    """Return the address that moto's server prints."""
    return next((f"http://{word[7:].rstrip('/')}" for word in log.split() if word.startswith("http://127")), None)


def waited_for(found: Callable[[], str | None], seconds: float = 120) -> str:
    """Return the result of `found` as soon as there is one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.1)
    raise TimeoutError("the server did not start")


def put(url: str, data: bytes = b"") -> None:
    """Make a bucket or an object."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data, {"Content-Type": "application/octet-stream"}, method="PUT")
    with opener.open(request, timeout=120) as answer:
        assert answer.status == 200


def test_reference_comes_over_http(project: Project, http_server: tuple[str, Path]) -> None:
    url, folder = http_server
    (folder / "ref.fa.gz").write_bytes(COMPRESSIONS["bgzip"](fasta(GENOME).encode()))
    project.config["reference"]["fasta"] = f"{url}/ref.fa.gz"

    project.rule("reference", GENOME_FA, env={"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}).succeeded()

    assert has_genome(project)


def test_reference_and_its_index_come_from_s3(project: Project, s3_environment: dict[str, str], copy: Copy) -> None:
    url = f"{s3_environment['AWS_ENDPOINT_URL']}/bucket"
    put(url)
    put(f"{url}/dir/ref.fa.gz", COMPRESSIONS["bgzip"](fasta(GENOME).encode()))
    for name in INDEX:
        put(f"{url}/dir/ref.fa.gz.{name.rsplit('.')[-1]}", copy("reference")[name].read_bytes())
    project.config["reference"] = {"fasta": "s3://bucket/dir/ref.fa.gz", "bwa_index": "prebuilt"}
    project.write("r.fq", text_of([fragments("two")[0][0]]))

    shard = "results/bwa_mem/s/u.1.cram"
    project.rule("reference decompress bwa_mem", GENOME_FA, shard, env=s3_environment).succeeded()

    assert has_genome(project)
    assert output_of("samtools", "view", project[shard]).split("\t")[2:4] == ["chr1", "1"]


# --- BWA's index -----------------------------------------------------------------------------------


def test_bwa_index_holds_all_contigs(copy: Copy) -> None:
    project = copy("reference")

    project.rule("bwa_index", *INDEX).succeeded()

    lines = project[INDEX[1]].read_text().splitlines()
    assert lines[0].split()[:2] == [str(sum(LENGTHS.values())), "3"]
    assert [line.split()[1] for line in lines[1::2]] == list(LENGTHS)
    forward = project[INDEX[3]].read_bytes()[:10]  # two bits for each base
    assert forward == bytes(
        sum("ACGT".index(base) << 6 - 2 * place for place, base in enumerate(GENOME["chr1"][at : at + 4]))
        for at in range(0, 40, 4)
    )


def test_bwa_index_is_taken_from_a_cache_by_the_next_run(copy: Copy, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    env = {"SNAKEMAKE_OUTPUT_CACHE": str(cache)}
    first = copy("reference")
    # Snakemake knows the origin of cached files only with the rule that makes their input.
    how = ["--cache", "bwa_index", "--forcerun", "reference"]
    first.rule("reference bwa_index", *INDEX, options=how, env=env).succeeded()
    made = {name: first[name].read_bytes() for name in INDEX}
    second = first.copy(tmp_path / "second")
    marked = next(path for path in cache.rglob("*.ann") if path.is_file())
    marked.chmod(0o644)
    marked.write_text("from the cache")

    run = second.rule("reference bwa_index", *INDEX, options=how, env=env).succeeded()

    assert len(list(cache.iterdir())) >= len(INDEX)
    assert second[INDEX[1]].read_text() == "from the cache", run.text
    for name in INDEX:
        assert name == INDEX[1] or second[name].read_bytes() == made[name]


@pytest.fixture
def prebuilt(copy: Copy, project: Project) -> Project:
    """Return a project whose FASTA has an index beside it."""
    made = copy("reference")
    project.config["reference"]["bwa_index"] = "prebuilt"
    project.write("ref", fasta(GENOME))
    for name in INDEX:
        project.write(f"ref.{name.rsplit('.')[-1]}", made[name].read_bytes())
    project.write("r.fq", text_of([fragments("two")[0][0]]))
    return project


def test_prebuilt_index_is_used_and_not_built_again(prebuilt: Project) -> None:
    shard = "results/bwa_mem/s/u.1.cram"

    run = prebuilt.snakemake("--", shard).succeeded()

    assert "rule bwa_index:" not in run.text
    assert not any(prebuilt[name].exists() for name in INDEX)
    assert "ref -" in prebuilt.log("bwa_mem/s/u.1")
    assert output_of("samtools", "view", prebuilt[shard]).split("\t")[2:4] == ["chr1", "1"]


@pytest.mark.parametrize("name", ["my genomes (1)/it's $HOME [a] & *;.fa", "-p.fa", "caf\u00e9/`id`%s.fa"])
def test_prebuilt_index_may_have_any_name(prebuilt: Project, name: str) -> None:
    shard = "results/bwa_mem/s/u.1.cram"
    prebuilt[name].parent.mkdir(exist_ok=True)
    for path in list(prebuilt.folder.glob("ref*")):
        path.rename(prebuilt[f"{name}{path.name.removeprefix('ref')}"])
    prebuilt.config["reference"]["fasta"] = name

    prebuilt.snakemake("--", GENOME_FA, shard).succeeded()

    assert has_genome(prebuilt)
    assert output_of("samtools", "view", prebuilt[shard]).split("\t")[2:4] == ["chr1", "1"]


def test_prebuilt_index_of_another_genome_is_refused(prebuilt: Project) -> None:
    prebuilt.write("ref", fasta(GENOME | {"chr2": GENOME["chr2"][:-1]}) + fasta({"chr3": "ACGT"}))

    prebuilt.rule("reference", GENOME_FA).failed(
        "ref.ann: has no contig 'chr3', which the FASTA has",
        "ref.ann: contig 'chr2' has 2400 bases, in the FASTA 2399",
    )

    assert prebuilt.files() == []


@pytest.mark.parametrize("aligner", ["bwa", "bwa-mem2"])
def test_contig_in_front_of_a_prebuilt_index_is_for_bwa_mem2_alone(prebuilt: Project, aligner: str) -> None:
    head, contigs = prebuilt["ref.ann"].read_text().split("\n", 1)
    prebuilt.write("ref.ann", f"{head}\n0 terraflow-shield (null)\n0 120 0\n{contigs}")
    prebuilt.config["alignment"] = {"aligner": aligner}
    for ending in ("0123", "bwt.2bit.64"):
        prebuilt.write(f"ref.{ending}", b"is not read")

    run = prebuilt.rule("reference", GENOME_FA)

    if aligner == "bwa":
        run.failed("ref.ann: has a contig 'terraflow-shield', which the FASTA has not")
    else:
        run.succeeded()


def test_prebuilt_index_that_is_not_there_is_missed_before_anything_runs(prebuilt: Project) -> None:
    prebuilt["ref.sa"].unlink()

    prebuilt.rule("reference", GENOME_FA).failed("reference.bwa_index: prebuilt: ref.sa: no such file")

    assert not prebuilt["logs"].exists()


# --- the index of bwa-mem2 -------------------------------------------------------------------------


@pytest.fixture
def without_bwa_mem2(tmp_path: Path) -> dict[str, str]:
    """Return an environment with all programs but this one, wherever it may lie."""
    (tmp_path / "bin").mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*") if Path(folder).is_dir() else ():
            if program.name != "bwa-mem2" and not (tmp_path / "bin" / program.name).is_symlink():
                (tmp_path / "bin" / program.name).symlink_to(program)
    return {"PATH": str(tmp_path / "bin")}


MISSING = ("bwa-mem2: not on PATH", "bioconda bwa-mem2=2.3", "Or say alignment.aligner: bwa, whose alignments")


def test_where_bwa_mem2_is_missing_the_job_says_how_to_get_it(copy: Copy, without_bwa_mem2: dict[str, str]) -> None:
    """A cache may hold the index, so that the job would not need the program: a run of this job alone begins."""
    project = copy("reference", "reads")
    project.config["alignment"] = {"aligner": "bwa-mem2"}

    run = project.rule("bwa_mem2_index", f"{BWA_MEM2}.0123", env=without_bwa_mem2)

    run.failed(*MISSING)
    assert not project[BWA_MEM2].parent.exists()
    assert project.scratch() == []


def test_where_bwa_mem2_is_missing_no_run_that_aligns_begins(
    prebuilt: Project, without_bwa_mem2: dict[str, str]
) -> None:
    prebuilt.config["alignment"] = {"aligner": "bwa-mem2"}
    for ending in ("0123", "bwt.2bit.64"):
        prebuilt.write(f"ref.{ending}", b"is not read")
    shard = "results/bwa_mem/s/u.1.cram"

    prebuilt.snakemake("--", shard, env=without_bwa_mem2).failed("A program is missing, nothing was run:", *MISSING)

    assert not prebuilt["results"].exists()
    assert not prebuilt["logs"].exists()
    # What needs no aligner goes on.
    prebuilt.snakemake("--dry-run", "--", shard, env=without_bwa_mem2).succeeded()
    prebuilt.snakemake("--", GENOME_FA, env=without_bwa_mem2).succeeded()


def test_aligner_takes_its_own_index_although_the_other_is_there(copy: Copy) -> None:
    """The folder holds BWA's index."""
    project = copy("reference", "reads")
    project.config["alignment"] = {"aligner": "bwa-mem2"}

    planned = project.snakemake("--dry-run", "--", "results/bwa_mem/two/L1.1.cram").succeeded().text

    assert "rule bwa_mem2_index:" in planned
    assert f"input: results/reads/two/L1.1.fastq, {BWA_MEM2}.amb" in planned
    assert f"{GENOME_FA}.bwt" not in planned


def test_prebuilt_index_of_the_other_aligner_is_named_before_anything_runs(prebuilt: Project) -> None:
    prebuilt.config["alignment"] = {"aligner": "bwa-mem2"}

    prebuilt.rule("reference", GENOME_FA).failed(
        "reference.bwa_index: prebuilt: ref.0123: no such file",
        "alignment.aligner: bwa-mem2: ref.bwt and ref.sa are of an index of bwa: say alignment.aligner: bwa,",
    )

    assert not prebuilt["logs"].exists()
