"""The benchmark with a large genome: its genome is a mammal's in small, its reads come from it, its shell counts."""

import gzip
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import fit
import large
import mammal
import metered
from metered import Job

BASES = 400_000


@pytest.fixture(scope="module")
def codes() -> mammal.Codes:
    return mammal.genome(1, BASES)


def test_a_genome_has_its_length_and_its_seed_alone_decides(codes: mammal.Codes) -> None:
    assert len(codes) == BASES
    assert set(np.unique(codes)) == {0, 1, 2, 3}
    assert np.array_equal(codes, mammal.genome(1, BASES))
    assert not np.array_equal(codes, mammal.genome(2, BASES))


def test_repeats_take_up_their_share_and_differ_from_their_consensus() -> None:
    random = np.random.default_rng(1)
    kinds = mammal.families_of(random)
    families = [family for _, some in kinds for family in some]
    assert len(families) == 48
    assert all(0.02 <= family.divergence <= 0.25 for family in families)
    whole = sum(map(len, mammal.interspersed(random, kinds, 10**6)))
    assert 10**6 <= whole < 1.05 * 10**6
    for share in (0.02, 0.25):
        consensus = mammal.random_bases(random, 100_000)
        # A deletion shifts what follows: only the bases before the first one are compared.
        substituted = mammal.diverged(random, consensus, share * 10 / 9)
        assert len(substituted) == pytest.approx(100_000 * (1 - share / 9), rel=0.01)
    assert sum(map(len, mammal.tandem(random, 10**5))) >= 10**5


def test_words_of_a_mammal_recur(codes: mammal.Codes) -> None:
    """Of words of 16 bases, a random genome of this size has next to none twice."""
    powers = 4 ** np.arange(16, dtype=np.int64)
    words = np.convolve(codes.astype(np.int64), powers, mode="valid")
    _, counts = np.unique(words, return_counts=True)
    assert 0.15 < counts[counts > 1].sum() / len(words) < 0.5


def test_files_hold_the_genome_and_its_reads(codes: mammal.Codes, tmp_path: Path) -> None:
    mammal.write_fasta(tmp_path / "reference.fa", codes)
    text = (tmp_path / "reference.fa").read_text().split(">")
    assert [part.split("\n", 1)[0] for part in text[1:]] == ["chr1", "chr2"]
    bases = "".join("".join(part.split("\n")[1:]) for part in text[1:])
    assert bases.encode() == mammal.LETTERS[codes].tobytes()

    copies = mammal.haplotypes(2, codes)
    mammal.write_pairs(tmp_path, 3, copies, 200)
    first, second = (gzip.decompress((tmp_path / f"R{mate}.fastq.gz").read_bytes()).split() for mate in (1, 2))
    assert first[0::4] == second[0::4]
    assert len(set(first[0::4])) == 200
    assert {len(line) for line in (*first[1::4], *first[3::4], *second[1::4])} == {150}
    known = [mammal.LETTERS[copy].tobytes() for copy in copies]
    turned = [mammal.LETTERS[3 - copy[::-1]].tobytes() for copy in copies]
    # A read without an error, every other one or so, is in a copy of the genome, in one of both orientations.
    forward = sum(any(read in copy for copy in known) for read in first[1::4])
    backward = sum(any(read in copy for copy in turned) for read in first[1::4])
    assert 60 < forward + backward < 180
    assert min(forward, backward) > 20


def test_what_lies_there_is_taken_as_it_is(tmp_path: Path) -> None:
    (small,) = large.made(tmp_path, 20_000, (100,))
    before = small.reference.stat().st_mtime_ns
    (again,) = large.made(tmp_path, 20_000, (100,))
    assert again == small
    assert again.reference.stat().st_mtime_ns == before


def test_an_index_is_built_once_and_kept_with_its_cost(tmp_path: Path) -> None:
    (small,) = large.made(tmp_path, 20_000, (100,))
    first = large.index_of(small.reference)
    assert (first.rule, first.jobs, first.read) == ("bwa_index", 1, small.reference.stat().st_size)
    assert first.written > 20_000
    kept = Path(f"{small.reference}.bwt").stat().st_mtime_ns
    assert large.index_of(small.reference) == first
    assert Path(f"{small.reference}.bwt").stat().st_mtime_ns == kept


def test_a_shell_notes_its_command_and_keeps_its_exit_code(tmp_path: Path) -> None:
    folder = metered.folder_for_path(tmp_path / "bin")
    meter = tmp_path / "jobs.jsonl"
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", metered.FILE: str(meter)}
    begin = ': "$TERRAFLOW/begin.sh" logs/bwa_mem/a/L1.1.log; '
    work = "for ((i = 0; i < 100000; i++)); do :; done; bash -c 'for ((i = 0; i < 100000; i++)); do :; done'; exit 7"
    done = subprocess.run(["bash", "-c", begin + work], env=environment, check=False)
    other = subprocess.run(["bash", "-c", "echo said"], env=environment, check=False, capture_output=True, text=True)
    assert (done.returncode, other.returncode, other.stdout) == (7, 0, "said\n")
    (job,) = metered.read(meter)
    assert job.rule == "bwa_mem"
    assert 0 < job.cpu <= 2 * job.wall


@pytest.mark.parametrize(
    ("log", "rule"),
    [
        ("logs/bwa_mem/a/L1.1.log", "bwa_mem"),
        ("logs/bwa_mem2_index.log", "bwa_mem2_index"),
        ("'logs/fastqc/a b.log'", "fastqc"),
    ],
)
def test_a_job_has_its_rule_by_its_log(log: str, rule: str) -> None:
    found = metered.LOG.search(f'source "$TERRAFLOW/begin.sh" {log} results/file')
    assert found and found.group(1) == rule


def test_jobs_are_summed_by_rule() -> None:
    jobs = [Job("call", 2, 1.5, 10), Job("align", 9, 8, 300), Job("call", 3, 2.5, 20)]
    align, call = large.by_rule(jobs, {"call": (100, 10)})
    assert (align.rule, align.jobs, align.read) == ("align", 1, 0)
    assert (call.jobs, call.cpu, call.wall, call.memory, call.read, call.written) == (2, 4, 5, 20, 100, 10)


def test_what_stays_in_a_group_does_not_travel() -> None:
    rules = [
        {"rule": "decompress", "read": 100, "written": 300},
        {"rule": "bwa_mem", "read": 350, "written": 60},
        {"rule": "multiqc", "read": 5, "written": 3},
    ]
    assert [fit.moved(one, {"rules": rules}) for one in rules] == [100, 110, 8]


def test_slices_that_are_made_anew_do_not_tell_what_copying_takes() -> None:
    def measured(reads: int, cpu: float) -> dict[str, object]:
        return {"reads": reads, "bases": 250_000_000, "rules": [{"rule": "slices", "jobs": 1, "cpu": cpu}]}

    runs = [measured(2_000, 0.7), measured(200_000, 6.5), measured(800_000, 8.5), measured(4_000_000, 0.9)]
    cpu = fit.parts("slices", "cpu", runs)
    assert cpu["fixed"] == pytest.approx(0.7, rel=0.05)
    assert cpu["fixed"] + 4 * cpu["reads"][0][1] + 0.25 * cpu["bases"][0][1] == pytest.approx(0.9, rel=0.05)


def test_the_groups_are_those_of_the_profile() -> None:
    lines = (large.ROOT / "profiles/aws/config.yaml").read_text().splitlines()
    groups = dict(line.removeprefix("  - ").split("=") for line in lines if line.startswith("  - ") and "=" in line)
    for reader, writer in fit.WITHIN.items():
        assert groups[reader] == groups[writer]


def test_results_are_json_that_the_fit_reads() -> None:
    runs = json.loads(large.RESULT.read_text())["runs"]
    assert all(one["cpu"] >= 0 and one["jobs"] >= 1 for run in runs for one in run["rules"])
