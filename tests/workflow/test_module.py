"""This workflow as a module of others: from a folder and from a git host, with the results of a run by itself."""

import os
import signal
from pathlib import Path
from typing import NamedTuple

import brake
import parents
import pytest
import yaml
from brake import Started
from parents import Parent, module, page_snakefile, parent
from runs import Outcome, Project, assert_same_results, output_of

VCF = "calls/results/variants/all.vcf.gz"
DONE = "Nothing to be done"

# Notes what reaches a rule's shell.
WATCH = r"""
rule watch:
    output: "shell.txt"
    shell:
        "{{ env | grep -v '^TERRAFLOW\|^_=' | sort; declare -F; shopt; set -o; trap -p; }} > {output}"
"""


class Runs(NamedTuple):
    """A second run in the folder of one that works, and the run that went on after that one was killed."""

    project: Parent
    refused: Outcome
    whole: Outcome


def on_page(folder: Path, data: Project, snakefile: str) -> Parent:
    """Return the page's workflow on the data and with the settings of another project, and with the rule `watch`."""
    found = Parent(data.copy(folder).folder)
    (folder / "workflow").mkdir()
    (folder / "config").mkdir()
    found["workflow/Snakefile"].write_text(snakefile + WATCH)
    found["config/config.yaml"].write_text(yaml.safe_dump({"terraflow": {"samples": "samples.tsv", **data.config}}))
    return found


@pytest.fixture(scope="module")
def inputs(kept: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the small cohort without its results."""
    project = kept.copy(tmp_path_factory.mktemp("module") / "inputs")
    for name in ("results", "logs", "benchmarks", ".snakemake"):
        output_of("rm", "-r", project[name])
    return project


@pytest.fixture(scope="module")
def local(inputs: Project, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return what the page's workflow does with this checkout as its module."""
    folder = tmp_path_factory.mktemp("local")
    project = on_page(folder / "run", inputs, page_snakefile())
    # Without Snakemake's own lock, the module's is all that keeps runs apart.
    arguments = ("--nolock", "--rerun-incomplete")
    held = brake.on_tool(folder / "brake", "bwa", "mem")
    started = Started(project, held, *arguments)
    held.wait()
    refused = project.run(*arguments)
    started.signal(signal.SIGKILL, group=True)
    started.ended()
    return Runs(project, refused, project.run(*arguments).succeeded())


def test_it_gives_the_same_results(local: Runs, done: Project) -> None:
    found = Project(local.project["calls"])
    assert_same_results(found, done)
    tables = {name for name in done.files() if name.startswith("qc/") and name.endswith((".tsv", ".svg"))}
    assert len(tables) > 8
    for name in (*tables, "variants/all.consequences.tsv"):
        assert found.files()[name].read_bytes() == done.files()[name].read_bytes(), name
    assert set(found.files()) == set(done.files())


def test_outputs_stay_below_the_prefix(local: Runs) -> None:
    run = local.project
    made = {path.name for path in run.folder.iterdir() if path.name not in (".snakemake", "snakemake.txt")}
    assert made == {
        "workflow",
        "config",
        "config.yaml",
        "samples.tsv",
        "reads",
        "reference.fa.gz",
        "genes.gff3",
        "calls",
        "summary.txt",
    }
    assert {path.name for path in run["calls"].iterdir()} == {"results", "logs", "benchmarks"}
    assert run["summary.txt"].read_text().split()[0] == str(len(Project(run["calls"]).records()))


def test_a_second_run_is_refused_before_it_starts_a_job(local: Runs) -> None:
    local.refused.failed("another run (process ", "works here")
    assert not local.refused.jobs


def test_after_a_killed_run_the_lock_is_free_and_work_goes_on(local: Runs) -> None:
    assert "terraflow_decompress" not in local.whole.rules
    assert "terraflow_bwa_mem" in local.whole.rules
    assert DONE in local.project.plan().text


def test_one_rule_is_changed(local: Runs) -> None:
    plan = local.project.plan("--cores", "8", "--forcerun", "terraflow_bwa_mem")
    (shown, *_) = (part for part in plan.text.split("\nrule ") if part.startswith("terraflow_bwa_mem:"))
    assert "threads: 4\n" in shown


def test_the_handler_writes_the_report(local: Runs) -> None:
    report = local.project["calls/results/report.html"].read_text()
    assert "Reads were checked record by record" in report
    assert "Mean depth in windows along the reference" in report
    assert "{%" not in report.split("Reads were checked record by record")[1][:300]


def test_snakemakes_own_report_keeps_the_parents_text(local: Runs, tmp_path: Path) -> None:
    run = Parent(local.project.copy(tmp_path / "run").folder)
    run["workflow/mine.rst"].write_text("A text of its own.")
    text = run["workflow/Snakefile"].read_text()
    for name, snakefile in {"before": 'report: "mine.rst"\n' + text, "after": text + 'report: "mine.rst"\n'}.items():
        run["workflow/Snakefile"].write_text(snakefile)
        run.run("--report", f"{name}.html").succeeded()
        assert "A text of its own." in run[f"{name}.html"].read_text()
        assert "Reads were checked" not in run[f"{name}.html"].read_text()


def test_the_shells_of_other_rules_are_left_alone(local: Runs, tmp_path: Path) -> None:
    local.project.run("watch", "--nolock").succeeded()
    alone = Parent(tmp_path)
    alone["workflow"].mkdir()
    alone["workflow/Snakefile"].write_text(WATCH)
    alone.run("watch").succeeded()
    expected, found = (
        {line for line in run["shell.txt"].read_text().splitlines() if str(run.folder) not in line}
        for run in (alone, local.project)
    )
    assert len(expected) > 50
    assert found == expected


def test_it_works_when_snakemake_fetches_it(inputs: Project, done: Project, tmp_path: Path) -> None:
    env = parents.hosted(tmp_path / "host")
    run = on_page(tmp_path / "run", inputs, parents.page_blocks()["workflow/Snakefile"])
    outcome = run.run(VCF, env=env).succeeded()
    assert "terraflow_bcftools_call" in outcome.rules
    assert Project(run["calls"]).records() == done.records()
    assert Project(run["calls"]).sites()
    # Neither commands nor parameters name a place in Snakemake's cache, which is another one in each run.
    assert DONE in run.run(VCF, env=env).succeeded().text


MADE_BY_OTHERS = """
rule all:
    default_target: True
    input: "{vcf}"

rule trim:
    input: "given/{{name}}"
    output: "results/trimmed/{{name}}"
    shell: "cp {{input}} {{output}}"
"""


def test_rules_of_the_parent_make_reads_and_reference(tmp_path: Path) -> None:
    """They may lie in its own `results`, since those of the module lie elsewhere."""
    config = {
        **parents.EXAMPLE_CONFIG,
        "samples": "sheet.tsv",
        "reference": {"fasta": "results/trimmed/reference.fa.gz"},
    }
    run = parent(tmp_path, module(more='    prefix: "calls"', config=config) + MADE_BY_OTHERS.format(vcf=VCF))
    run["given"].mkdir()
    example = run["config/example"]
    for file in (example / "reference.fa.gz", *(example / "reads").iterdir()):
        (run["given"] / file.name).write_bytes(file.read_bytes())
    sheet = (example / "samples.tsv").read_text().replace("config/example/reads/", "results/trimmed/")
    run["sheet.tsv"].write_text(sheet)

    assert {"trim", "tf_decompress", "tf_variants"} <= run.run().succeeded().rules
    assert Project(run["calls"]).sites()
    assert DONE in run.plan().text

    # Other reads: all that follows from them is made again, once.
    first = run["given/sampleA_L1_R1.fastq.gz"].read_bytes()
    run["given/sampleB_L1.fastq.gz"].write_bytes(first)
    again = run.run().succeeded()
    assert {job for job in again.jobs if job.startswith("tf_decompress")} == {"tf_decompress sampleB L1"}
    assert DONE in run.plan().text


def test_jobs_ask_for_as_much_when_reads_are_deleted(tmp_path: Path) -> None:
    """A run that goes on after a killed one has never seen what `temp()` has taken away."""
    config = {**parents.EXAMPLE_CONFIG, "samples": "sheet.tsv", "reads": {"shards": 1}}
    text = module(more='    prefix: "calls"', config=config) + MADE_BY_OTHERS.format(vcf=VCF)
    run = parent(tmp_path, text.replace('"results/trimmed/{name}"', 'temp("results/trimmed/{name}")'))
    sheet = (run["config/example"] / "samples.tsv").read_text()
    run["sheet.tsv"].write_text(sheet.replace("config/example/reads/", "results/trimmed/"))
    run["given"].mkdir()
    for file in (run["config/example"] / "reads").iterdir():
        (run["given"] / file.name).write_bytes(file.read_bytes())
    genome = [f"reference/genome.fa{end}" for end in ("", ".fai", ".amb", ".ann", ".bwt", ".pac", ".sa")]
    for name in (*genome, "reads/sampleB/L1.counts.json", "reads/sampleB/L1.1.fastq"):
        made = run[f"calls/results/{name}"]
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text("x")
    os.truncate(run["calls/results/reads/sampleB/L1.1.fastq"], 2**30)

    plan = run.run("calls/results/bwa_mem/sampleB/L1.1.cram", "--dry-run", "--rerun-triggers", "mtime").succeeded()
    assert set(plan.rules) == {"tf_bwa_mem"}
    (line,) = (line for line in plan.text.splitlines() if "resources: " in line)
    asked = dict(pair.split("=") for pair in line.split("resources: ")[1].split(", "))
    assert int(asked["runtime"]) == 30 + int(0.1 * 1024)
    assert int(asked["disk_mb"]) >= 1000 + 3 * 1024 / 2


def test_two_modules_work_in_one_workflow(tmp_path: Path) -> None:
    """Each with its own settings; a rule changed in one is not changed in the other."""
    (tmp_path / "ploidy.txt").write_text("* * * * 2\n")
    other = {**parents.EXAMPLE_CONFIG, "calling": {"ploidy": "ploidy.txt", "windows": 2}}
    text = module("a", '    prefix: "A"') + module("b", '    prefix: "B/c"', other)
    text += "use rule bcftools_call from b as b_bcftools_call with:\n    threads: 2\n    resources: mem_mb=1234\n"
    text += "rule all:\n    default_target: True\n    input: rules.a_all.input, rules.b_all.input\n"
    plan = parent(tmp_path, text).plan()

    calls = [part for part in plan.text.split("\nrule ") if "_bcftools_call:" in part.split("\n")[0]]
    changed = {part.split(":")[0]: "threads: 2" in part and "mem_mb=1234" in part for part in calls}
    assert changed == {"a_bcftools_call": False, "b_bcftools_call": True}
    assert {job for job in plan.jobs if "bcftools_call" in job} == {
        "a_bcftools_call all 1",
        "b_bcftools_call all 1",
        "b_bcftools_call all 2",
    }
    assert "b_ploidy" in plan.rules and "a_ploidy" not in plan.rules
    assert "B/c/results/reference/ploidy/all.ploidy.txt" in plan.text
    inputs = {
        path for line in plan.text.splitlines() if "input: " in line for path in line.split("input: ")[1].split(", ")
    }
    assert {path.split("/")[0] for path in inputs} == {"A", "B", "config", "ploidy.txt"}


def test_the_way_of_the_workflow_catalog(tmp_path: Path) -> None:
    """The whole configuration is the module's, rules keep their names, and `all` is the target."""
    text = (
        f'configfile: "config/example/config.yaml"\nmodule x:\n    snakefile: "{parents.MODULE}"\n    config: config\n'
    )
    run = parent(tmp_path, text + "use rule * from x\n")
    assert {"decompress", "multiqc", "versions", "all"} <= run.plan().rules


CONFIGS = {
    "module tf): samples: is missing; expected the path of": {"reference": {"fasta": "r.fa"}},
    "module tf): shards: is not a key": {"samples": "s", "reference": {"fasta": "r"}, "shards": 2},
}


@pytest.mark.parametrize("words, config", CONFIGS.items())
def test_an_error_names_the_module(words: str, config: dict[str, object], tmp_path: Path) -> None:
    name, _, problem = words.partition("): ")
    parent(tmp_path, module(config=config)).run("--dry-run").failed(f"Problems in the configuration ({name})", problem)


PLACES = {
    ("calls", "results/reference.fa.gz"): "reference.fasta: results/reference.fa.gz: no such file, and",
    ("calls", "calls/results/reference.fa.gz"): "lies in calls/results/, where the workflow writes",
    ("", "results/reference.fa.gz"): "lies in results/, where the workflow writes",
    ("my calls", "reference.fa.gz"): "my calls/results/: a prefix may hold letters, digits",
    ("calls/..", "reference.fa.gz"): "calls/../results/: a prefix may hold letters, digits",
}


def test_reads_that_are_missing_are_named_by_their_lines(tmp_path: Path) -> None:
    run = parent(tmp_path, module())
    (gone, *_) = sorted(run["config/example/reads"].iterdir())
    gone.unlink()
    run.run("--dry-run").failed(f"config/example/samples.tsv, line 2: config/example/reads/{gone.name}: no such file")


@pytest.mark.parametrize("prefix, fasta", PLACES)
def test_where_files_may_lie(prefix: str, fasta: str, tmp_path: Path) -> None:
    config = {**parents.EXAMPLE_CONFIG, "reference": {"fasta": fasta}}
    run = parent(tmp_path, module(more=f'    prefix: "{prefix}"' if prefix else "", config=config))
    for folder in ("results", "calls/results"):
        run[folder].mkdir(parents=True)
    run.run("--dry-run").failed(PLACES[prefix, fasta])
