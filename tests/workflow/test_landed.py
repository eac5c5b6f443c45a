"""Runs that earlier versions finished, or left half done, continued by this one."""

import re
import shutil
from pathlib import Path

import pytest
from runs import Outcome, Project, output_of

import landed
from shared import ROOT

DONE = "Nothing to be done"
RESULT = "results/variants/all.vcf.gz"


class Landed(Project):
    """The folder of that run, with its configuration."""

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        command = super().command(*arguments, cores=cores)
        kept = [str(self["kept.yaml"])] if self["kept.yaml"].exists() else []
        at = command.index(str(self["config.yaml"]))
        return [*command[:at], landed.CONFIG, *kept, *command[at + 1 :]]


@pytest.fixture
def run(tmp_path: Path) -> Landed:
    """Return the run as that version left it."""
    landed.unpack(tmp_path)
    return Landed(tmp_path)


def results(run: Project) -> dict[str, bytes]:
    """Return the contents of all results by path."""
    return {str(path): path.read_bytes() for path in run["results"].rglob("*") if path.is_file()}


def nothing_to_do(outcome: Outcome) -> bool:
    return DONE in outcome.text and not outcome.jobs


def test_without_an_option_it_is_made_again(run: Landed) -> None:
    assert {"reference", "decompress", "bwa_mem", "variants", "multiqc"} <= run.plan().rules


def test_touched_once_it_stays_finished(run: Landed) -> None:
    before = results(run)
    run.run(landed.TOUCH).succeeded()
    assert results(run) == before
    assert nothing_to_do(run.run().succeeded())
    assert results(run) == before


def test_the_option_that_aws_needs_at_each_start_leaves_it_finished_as_well(run: Landed) -> None:
    assert nothing_to_do(run.plan("--rerun-triggers", "mtime"))


def test_a_report_without_the_results_that_version_did_not_make(run: Landed) -> None:
    """A run that makes one result again ends well, and names the results that the report lacks."""
    run["results/qc/coverage/coverage.svg"].unlink()
    again = run.run("--rerun-triggers", "mtime").succeeded()
    assert again.finished == {"coverage_plot", "all"}
    assert "The report lacks results/qc/calling_reads.tsv" in again.text
    assert run["results/report.html"].stat().st_size > 100_000


def test_later_changes_are_noticed(run: Landed) -> None:
    run.run(landed.TOUCH).succeeded()
    # Another filter: calls stay, variants are written anew.
    again = run.plan("--config", "filters={'LowQual': 'QUAL < 30'}")
    assert "variants" in again.rules and "bcftools_call" not in again.rules
    # An input is replaced by another file.
    reads = run["config/example/reads/sampleB_L1.fastq.gz"]
    reads.write_bytes((ROOT / "config/example/reads/sampleA_L1_R1.fastq.gz").read_bytes())
    assert "bwa_mem sampleB L1 1" in run.plan().jobs


@pytest.fixture
def before(tmp_path: Path) -> Landed:
    """Return the run as the last version before these commands left it; it keeps its model of indels."""
    landed.unpack(tmp_path, landed.BEFORE)
    (tmp_path / "kept.yaml").write_text(landed.kept_model())
    return Landed(tmp_path)


def test_only_the_text_of_commands_has_changed(before: Landed) -> None:
    """With all else compared, nothing is to be done; this is how a user sees that touching is right."""
    assert {"reference", "bwa_mem", "variants", "multiqc"} <= before.plan().rules
    assert nothing_to_do(before.plan(*landed.ALL_BUT_COMMANDS))
    assert nothing_to_do(before.plan("--rerun-triggers", "mtime"))


def test_the_run_before_stays_finished_when_it_is_touched(before: Landed) -> None:
    made = results(before)
    before.run(landed.TOUCH).succeeded()
    assert nothing_to_do(before.run().succeeded())
    assert results(before) == made


def test_another_model_of_indels_is_seen(before: Landed) -> None:
    before["kept.yaml"].unlink()
    seen = before.plan(*landed.ALL_BUT_COMMANDS)
    assert {"bcftools_call", "variants"} <= seen.rules
    assert "sort_index" not in seen.rules


def test_results_that_are_out_of_date_are_seen_before_touching(before: Landed) -> None:
    """Touching would take them for finished."""
    filters = ("--config", "filters={'LowQual': 'QUAL < 30'}")
    seen = before.plan(*landed.ALL_BUT_COMMANDS, *filters)
    assert "variants" in seen.rules
    assert not {"bwa_mem", "bcftools_call"} & seen.rules
    before.run(RESULT, *landed.ALL_BUT_COMMANDS, *filters).succeeded()
    assert "QUAL < 30" in output_of("bcftools", "view", "-h", before[RESULT])


def test_a_run_that_was_half_done_goes_on(before: Landed) -> None:
    """Results that the earlier version finished are kept; others are made, with the same records."""
    records = before.records()
    for name in ("calls", "variants", "qc"):
        shutil.rmtree(before[f"results/{name}"])
    kept = results(before)
    before.run(landed.TOUCH).succeeded()
    again = before.run(RESULT).succeeded()
    assert {job.split()[0] for job in again.finished} == {"bcftools_call", "variants"}
    tag = re.compile(";MULTIALLELIC=[^;\t]+")
    assert [tag.sub("", line) for line in before.records()] == records
    assert kept.items() <= results(before).items()


def test_the_changelog_names_the_command() -> None:
    upgrading = (ROOT / "CHANGELOG.md").read_text().partition("### Upgrading")[2].partition("###")[0]
    assert f"snakemake {landed.TOUCH}" in " ".join(upgrading.split())
    assert upgrading.count("--rerun-triggers") == upgrading.count("--rerun-triggers mtime`") == 1


def test_the_page_names_the_commands() -> None:
    page = (ROOT / "docs" / "upgrading.md").read_text()
    commands = [line.split() for line in page.splitlines() if line.strip().startswith("tools/run.sh ")]
    given = [command[command.index("all") + 1 :] for command in commands]
    assert given == [["-n", *landed.ALL_BUT_COMMANDS], [landed.TOUCH]]
    assert page.count("`--rerun-triggers mtime`") == 1
