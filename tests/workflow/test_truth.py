"""Variants of real reads, against their truth sets."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from runs import Project

import real_reads
from shared import ROOT

pytestmark = real_reads.needed
Scores = dict[tuple[str, str, str], dict[str, Any]]


def benchmark(program: str, workdir: Path, name: str, *options: str) -> Any:
    """Run a program of benchmarks/ on a truth set; return its scores."""
    workdir.mkdir()
    scores = workdir / "scores.json"
    command = [sys.executable, "-B", str(ROOT / "benchmarks" / program), str(real_reads.FOLDER / name)]
    command += ["--workdir", str(workdir), "--cores", "2", "--json", str(scores), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return json.loads(scores.read_text())


def accuracy(workdir: Path, name: str, *options: str) -> Scores:
    """Run benchmarks/accuracy.py on a truth set; return its scores by sample, regions and type."""
    rows = benchmark("accuracy.py", workdir, name, *options)
    return {(row["sample"], row["bed"], row["type"]): row for row in rows}


def counts(score: dict[str, Any]) -> tuple[int, int, int]:
    return score["tp"], score["fp"], score["fn"]


@pytest.fixture(scope="module")
def giab(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Scores]:
    """Run four lanes at 51x with the defaults; return the project and its scores."""
    folder = tmp_path_factory.mktemp("giab") / "run"
    scores = accuracy(folder, "giab_na12878")
    return Project(folder), scores


def test_giab_strict_regions_have_all_variants_and_no_others(giab: tuple[Project, Scores]) -> None:
    _, scores = giab
    assert counts(scores["NA12878", "confident_strict10k", "SNP"]) == (45, 0, 0)
    indels = scores["NA12878", "confident_strict10k", "indel"]
    assert counts(indels) == counts(indels["genotypes"]) == (4, 0, 0)


def test_giab_approximate_regions(giab: tuple[Project, Scores]) -> None:
    _, scores = giab
    assert scores["NA12878", "confident_approx", "SNP"]["f1"] >= 0.979
    indels = scores["NA12878", "confident_approx", "indel"]
    assert counts(indels) == counts(indels["genotypes"])
    assert indels["tp"] == 26
    assert indels["f1"] >= 0.928


def test_giab_at_8x(tmp_path: Path) -> None:
    f1 = []
    for seed in (1, 2, 3):
        scores = accuracy(tmp_path / str(seed), "giab_na12878", "--depth", "8", "--seed", str(seed))
        f1.append(scores["NA12878", "confident_approx", "SNP"]["f1"])
    print(f"SNP F1 at 8x: {f1}")
    assert mean(f1) >= 0.95
    assert len(set(f1)) > 1


@pytest.mark.parametrize(
    "options",
    [("--lanes", "merged"), ("--compression", "none", "--set", "reads.shards=5")],
    ids=["one lane of gzip", "plain reads in five shards"],
)
def test_giab_has_the_same_sites_whatever_the_lanes_shards_and_compression(
    options: tuple[str, ...], giab: tuple[Project, Scores], tmp_path: Path
) -> None:
    accuracy(tmp_path / "run", "giab_na12878", *options)

    assert Project(tmp_path / "run").sites() == giab[0].sites()


def test_haploid_mitochondria(tmp_path: Path) -> None:
    scores = accuracy(tmp_path / "run", "mtdna")

    assert counts(scores["HG03478", "confident_snv", "SNP"]) == (35, 0, 0)
    assert counts(scores["HG03706", "confident_snv", "SNP"]) == (23, 0, 0)


def test_mitochondria_called_for_shares(tmp_path: Path) -> None:
    """Homoplasmies as with genotypes, nothing unexplained in one person's reads, and all sites of a mixture."""
    mixture = ("--parts", "simulated", "--shares", "0.05", "--depths", "500", "--seeds", "11")
    scores = benchmark("mitochondrion.py", tmp_path / "run", "mtdna", *mixture)

    assert counts(scores["pure"]["HG03478"]) == (35, 0, 0)
    assert counts(scores["pure"]["HG03706"]) == (23, 0, 0)
    # benchmarks/mitochondrion.md says what these are: two repeats' lengths, and a heteroplasmy.
    besides = [call for call in scores["pure"]["HG03706"]["besides"] if call["filters"] == "PASS"]
    assert [call["allele"][1:] for call in besides] == [[310, "T", "TCC"], [513, "GCA", "G"], [12705, "C", "T"]]
    (row,) = scores["simulated"]
    assert (row["sites"], row["found"], row["others"]) == (34, 34, 0)
