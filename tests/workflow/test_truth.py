"""Variants of real reads, against their truth sets. TERRAFLOW_TRUTH_DATA names the folder of the truth sets."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from runs import Project

from shared import ROOT

FOLDER = os.environ.get("TERRAFLOW_TRUTH_DATA", "")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="TERRAFLOW_TRUTH_DATA does not name a folder with giab_na12878/ and mtdna/"
)
Scores = dict[tuple[str, str, str], dict[str, Any]]


def accuracy(workdir: Path, name: str, *options: str) -> Scores:
    """Run benchmarks/accuracy.py on a truth set; return its scores by sample, regions and type."""
    workdir.mkdir()
    scores = workdir / "scores.json"
    command = [sys.executable, "-B", str(ROOT / "benchmarks" / "accuracy.py"), str(Path(FOLDER) / name)]
    command += ["--workdir", str(workdir), "--cores", "2", "--json", str(scores), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return {(row["sample"], row["bed"], row["type"]): row for row in json.loads(scores.read_text())}


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
    assert counts(scores["NA12878", "confident_strict10k", "indel"]) == (4, 0, 0)


def test_giab_approximate_regions(giab: tuple[Project, Scores]) -> None:
    _, scores = giab
    assert scores["NA12878", "confident_approx", "SNP"]["f1"] >= 0.979
    assert scores["NA12878", "confident_approx", "indel"]["f1"] >= 0.897


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
