"""The model of costs: fitted to what was measured, near all of it, and the source of the prices in README and docs."""

import json
from typing import Any

import pytest

import fit
import genome
import large
from shared import ROOT
from terraflow.costs import model as models
from terraflow.costs.sizes import Sizes

MEASURED = json.loads(large.RESULT.read_text())
MODEL = models.load()


def test_the_model_and_its_tables_are_fitted_to_what_was_measured() -> None:
    model = fit.fitted(MEASURED)
    assert json.loads(fit.MODEL.read_text()) == model
    assert fit.page(fit.PAGE.read_text(), fit.tables(MEASURED, model)) == fit.PAGE.read_text()


def test_two_sizes_of_reference_and_two_numbers_of_reads_were_measured() -> None:
    points = {(run["bases"], run["reads"]) for run in MEASURED["runs"]}
    assert {(4_600_000, 920_000), (250_000_000, 200_000), (250_000_000, 800_000)} <= points


@pytest.mark.parametrize("run", MEASURED["runs"], ids=lambda run: run["name"])
def test_the_model_gives_what_was_measured_within_its_uncertainty(run: dict[str, Any]) -> None:
    """The sum, and each rule that takes a twentieth of it."""
    sizes = Sizes({("bench", "L1"): run["reads"]}, run["bases"], 1, 8)
    found = {one["rule"]: one["cpu"] for one in run["rules"]}
    expected = {}
    for one in run["rules"]:
        wildcards = {"window": "1"} if one["rule"] == "bcftools_call" else {}
        jobs, lanes = one["jobs"], one["jobs"] if one["rule"] in ("decompress", "fastqc", "bwa_mem") else 1
        each = sizes.reads_of(wildcards) / lanes, sizes.bases_of(wildcards), run["bases"]
        expected[one["rule"]] = jobs * MODEL.rule(one["rule"]).cpu.of(*each)
    whole = sum(found.values())
    for rule in [name for name, seconds in found.items() if seconds > whole / 20]:
        assert found[rule] / MODEL.uncertainty < expected[rule] < found[rule] * MODEL.uncertainty, rule
    assert whole / MODEL.uncertainty < sum(expected.values()) < whole * MODEL.uncertainty


def test_a_read_costs_bwa_several_times_as_much_with_a_large_reference() -> None:
    reads = MODEL.rule("bwa_mem").cpu.reads
    assert 2 < models.at(reads, 250e6) / models.at(reads, 4.6e6) < 6


@pytest.mark.parametrize("page", genome.PAGES, ids=lambda page: page.name)
def test_prices_in_the_documentation_are_those_of_the_model(page: Any) -> None:
    text = page.read_text()
    assert genome.PAGES[page](text) == text
    found = genome.expected(genome.LIMITS[1])
    assert f"{found.spot:.2f}" in text
    assert f"${found.low:.2f} to ${found.high:.2f}" in text


def test_the_plan_of_the_genome_is_of_this_workflow() -> None:
    """Its rules are those of the workflow, and its reads those that the documentation names."""
    plan = genome.from_json(genome.PLAN.read_text())
    rules = {line.split()[1].rstrip(":") for file in (ROOT / "workflow/rules").glob("*.smk")
             for line in file.read_text().splitlines() if line.startswith("rule ")}  # fmt: skip
    assert {job.rule for job in plan.jobs} <= rules
    fastqs = {path: size for job in plan.jobs for path, size in job.given.items() if path.endswith(".fastq.gz")}
    assert sum(fastqs.values()) / MODEL.bytes_per_read[".gz"] == pytest.approx(620e6)


def test_least_squares_finds_what_made_the_numbers_and_nothing_below_zero() -> None:
    features = fit.np.array([[1.0, 0.1, 0.0], [1.0, 1.0, 0.0], [2.0, 0.5, 0.3], [1.0, 2.0, 0.3]])
    assert fit.least_squares(features, features @ [2, 30, 100], 0.1) == pytest.approx([2, 30, 100])
    assert all(fit.least_squares(features, features @ [2, -1, 100], 0.1) >= 0)
