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
    assert {run["bases"] for run in MEASURED["runs"] if run["bwa_mem2"]} == {4_600_000, 250_000_000}


@pytest.mark.parametrize("run", MEASURED["runs"], ids=lambda run: run["name"])
def test_the_model_gives_what_was_measured_within_its_uncertainty(run: dict[str, Any]) -> None:
    found = {one["rule"]: one["cpu"] for one in run["rules"]}
    jobs = {one["rule"]: one["jobs"] for one in run["rules"]}
    near(found, expected_cpu(jobs, run["reads"], run["bases"], "bwa"))


def test_the_model_foretells_a_run_that_it_was_not_fitted_to() -> None:
    """Other reads, all of them aligned with bwa-mem2, on the same machine: the table of price.md."""
    rows = [line.strip("| ").split(" | ") for line in (ROOT / "benchmarks/price.md").read_text().splitlines()]
    begin = next(n for n, row in enumerate(rows) if row[:3] == ["rule", "CPU s before", "after"])
    after = {row[0]: float(row[2].replace(",", "")) for row in rows[begin + 2 : rows.index([""], begin)]}
    near(after, expected_cpu({rule: JOBS.get(rule, 1) for rule in after}, 4_000_000, 250_000_000, "bwa-mem2"), 1.25, 50)


# Jobs in a run of one lane that has several of a rule.
JOBS = {"bcftools_call": 8, "windows": 2}


def expected_cpu(jobs: dict[str, int], reads: int, bases: int, aligner: str) -> dict[str, float]:
    """Return CPU seconds by rule as the model has them, for a run of one sample with so many jobs of each rule."""
    sizes = Sizes({("bench", "L1"): reads}, bases, 1, 8)
    expected = {}
    for rule, number in jobs.items():
        wildcards = {"window": "1"} if rule == "bcftools_call" else {}
        lanes = number if rule in ("decompress", "fastqc", "bwa_mem") else 1
        each = sizes.reads_of(wildcards) / lanes, sizes.bases_of(wildcards), bases
        expected[rule] = number * MODEL.rule(rule, aligner).cpu.of(*each)
    return expected


def near(
    found: dict[str, float], expected: dict[str, float], factor: float = MODEL.uncertainty, part: int = 20
) -> None:
    """Fail unless the sum, and each rule that takes such a part of it, are as expected, within a factor."""
    whole = sum(found.values())
    for rule in [name for name, seconds in found.items() if seconds > whole / part]:
        assert found[rule] / factor < expected[rule] < found[rule] * factor, rule
    assert whole / factor < sum(expected.values()) < whole * factor


def test_a_read_costs_bwa_several_times_as_much_with_a_large_reference() -> None:
    reads = MODEL.rule("bwa_mem").cpu.reads
    assert 2 < models.at(reads, 250e6) / models.at(reads, 4.6e6) < 6


def test_bwa_mem2_takes_less_for_a_read_with_a_large_reference_and_no_more_with_a_small_one() -> None:
    shares = [
        models.at(MODEL.rule("bwa_mem", "bwa-mem2").cpu.reads, bases)
        / models.at(MODEL.rule("bwa_mem").cpu.reads, bases)
        for bases in (4.6e6, 250e6, 3.1e9)
    ]
    assert shares[0] < 1.2
    assert shares[2] < shares[1] < 0.75


@pytest.mark.parametrize("page", genome.PAGES, ids=lambda page: page.name)
def test_prices_in_the_documentation_are_those_of_the_model(page: Any) -> None:
    text = page.read_text()
    assert genome.PAGES[page](text) == text
    found = genome.expected(genome.LIMITS[1])
    assert f"{found.spot:.2f}" in text
    assert f"${found.low:.2f} to ${found.high:.2f}" in text


def test_readme_has_the_price_by_both_aligners_and_what_the_second_saves() -> None:
    text = (ROOT / "README.md").read_text()
    assert genome.PRICE.findall(text) == [genome.price(genome.expected(genome.LIMITS[1], one)) for one in genome.PLANS]
    assert len(genome.FEWER.findall(text)) == 1


@pytest.mark.parametrize("aligner", list(genome.PLANS))
def test_the_plan_of_the_genome_is_of_this_workflow(aligner: str) -> None:
    """Its rules are those of the workflow, and its reads those that the documentation names."""
    plan = genome.from_json(genome.PLANS[aligner].read_text())
    assert plan.config["alignment"]["aligner"] == aligner
    rules = {line.split()[1].rstrip(":") for file in (ROOT / "workflow/rules").glob("*.smk")
             for line in file.read_text().splitlines() if line.startswith("rule ")}  # fmt: skip
    assert {job.rule for job in plan.jobs} <= rules
    fastqs = {path: size for job in plan.jobs for path, size in job.given.items() if path.endswith(".fastq.gz")}
    assert sum(fastqs.values()) / MODEL.bytes_per_read[".gz"] == pytest.approx(620e6)


def test_least_squares_finds_what_made_the_numbers_and_nothing_below_zero() -> None:
    features = fit.np.array([[1.0, 0.1, 0.0], [1.0, 1.0, 0.0], [2.0, 0.5, 0.3], [1.0, 2.0, 0.3]])
    assert fit.least_squares(features, features @ [2, 30, 100], 0.1) == pytest.approx([2, 30, 100])
    assert all(fit.least_squares(features, features @ [2, -1, 100], 0.1) >= 0)
