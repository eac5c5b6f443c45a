"""The images: their content, and every rule once, as a job runs it: not as root, on a read-only root."""

import base64
import gzip
import io
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import images as built
import pytest
import yaml
from images import output_of, run_in, run_on_folder
from PIL import Image

from shared import ROOT
from terraflow.image import PACKAGES, TARGETS, build

# MB, unpacked. The worker's is a requirement: Fargate pulls and unpacks the image for every job.
LIMITS = {"worker": 450, "report": 850}
EXAMPLE = ROOT / "config" / "example"
REPORT_RULES = ["multiqc", "coverage_plot"]
# Of another aligner (test_aligners.py), and of a mitochondrion.
OTHER_RULES = ["bwa_mem2_index", "nuclear_windows", "mitochondrial_contig", "mitochondrial_reads", "mitochondrion"]
SENT = ["workflow", "config", "profiles", "envs"]

PYTHON_PROBE = """
import importlib.metadata, json, re
print(json.dumps({re.sub("[-_.]+", "-", d.name).lower(): d.version for d in importlib.metadata.distributions()}))
"""


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    return built.images()


@pytest.fixture(params=TARGETS)
def image(request: pytest.FixtureRequest, images: dict[str, str]) -> str:
    return images[request.param]


def pinned() -> dict[str, str]:
    """Versions of the tools, as envs/*.yaml pin them."""
    pins = {}
    for path in (ROOT / "envs").glob("*.yaml"):
        lines = yaml.safe_load(path.read_text())["dependencies"]
        pins.update(line.split("=") for line in lines if isinstance(line, str))
    return pins


def locked() -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]:
        versions.setdefault(package["name"], set()).add(package["version"])
    return versions


# ---- what is in them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "package"),
    [
        ("bwa 2>&1 || true", "bwa"),
        # It calls itself 2.2.1.
        ("dpkg-query --show bwa-mem2", "bwa-mem2"),
        ("zstd --version", "zstd"),
        ("fastqc --version", "fastqc"),
    ],
    ids=lambda text: text.split()[-1],
)
def test_tools_have_the_versions_of_the_environments(image: str, command: str, package: str) -> None:
    printed = output_of(image, "bash", "-c", command)
    assert re.search(rf"(?<![\d.]){re.escape(pinned()[package])}(?!\.?\d)", printed), printed


@pytest.mark.parametrize("program", ["samtools", "bcftools"])
def test_samtools_and_bcftools_are_those_of_set_up(image: str, program: str) -> None:
    here = subprocess.run([program, "--version-only"], capture_output=True, text=True, check=True).stdout
    assert output_of(image, program, "--version-only") == here
    assert output_of(image, "bash", "-c", f"type -aP {program}").split() == [
        f"/opt/terraflow/workflow/scripts/bin/{program}"
    ]


def test_python_packages_are_those_of_the_lock(image: str) -> None:
    found = json.loads(output_of(image, "python", "-c", PYTHON_PROBE))
    known = locked()
    assert {name: version for name, version in found.items() if version not in known.get(name, ())} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split("[=>]", line)[0].replace(".", "-") for line in project["dependencies"]}
    # Each run brings the workflow's own package with its sources.
    assert (wanted | set(PACKAGES)) - {"terraflow-workflow"} <= found.keys()
    assert "terraflow-workflow" not in found


def test_snakemake_knows_its_plugins(image: str) -> None:
    printed = output_of(image, "snakemake", "--help")
    executors = re.search(r"--executor \{([^}]*)}", printed.replace("\n", " "))
    assert executors
    assert {"aws-batch-fargate", "local"} <= set(executors[1].split(","))
    assert "--storage-s3-inventory-" in printed
    assert output_of(image, "snakemake", "--version").strip() in locked()["snakemake"]


def test_botocore_knows_every_service_that_the_project_calls(image: str) -> None:
    files = chain.from_iterable((ROOT / "packages" / package / "src").rglob("*.py") for package in PACKAGES)
    sources = "".join(path.read_text() for path in files)
    called = set(re.findall(r"(?:client|resource|client_of)\(\s*[\"']([a-z0-9-]+)[\"']", sources))
    assert {"batch", "logs", "s3"} <= called
    printed = output_of(image, "python", "-c", "import boto3; print(*boto3.Session().get_available_services())")
    assert called <= set(printed.split())


def test_solver_of_the_scheduler_is_there_for_this_machine_only(image: str) -> None:
    script = "import os, pulp; print(os.path.realpath(pulp.PULP_CBC_CMD().available()))"
    solvers = output_of(image, "find", "/opt/terraflow", "-name", "cbc*", "-type", "f", "-size", "+100k")
    assert output_of(image, "python", "-c", script) == solvers


def test_modules_are_compiled(image: str) -> None:
    """A worker can't keep what it compiles, and compiling Snakemake takes seconds."""
    script = (
        "import importlib.util, pathlib, snakemake, terraflow, botocore, snakemake_storage_plugin_s3_inventory as s\n"
        "for m in snakemake, terraflow, botocore, s:\n"
        "    for f in pathlib.Path(m.__file__).parent.rglob('*.py'):\n"
        "        if not pathlib.Path(importlib.util.cache_from_source(str(f))).exists(): print(f)"
    )
    assert output_of(image, "python", "-c", script).split() == []


def test_only_the_report_image_has_multiqc(images: dict[str, str]) -> None:
    found = {target: json.loads(output_of(images[target], "python", "-c", PYTHON_PROBE)) for target in TARGETS}
    only_report = found["report"].keys() - found["worker"].keys()
    assert {"multiqc", "matplotlib"} <= only_report
    assert found["report"].items() >= found["worker"].items()


# ---- what is not -----------------------------------------------------------------------------------------------


def test_user_is_not_root_and_can_write_to_the_work_folder_only(image: str) -> None:
    printed = output_of(image, "bash", "-c", "id -u; id -g; pwd; echo $HOME; echo text >file; cat file; mktemp -u")
    assert printed.split()[:5] == ["1000", "1000", "/work", "/work", "text"]
    assert printed.split()[5].startswith("/work/")
    for place in ("/file", "/tmp/file", "/opt/terraflow/file", "/opt/terraflow/bin/snakemake"):
        refused = run_in(image, "bash", "-c", f"echo >{place}")
        assert refused.returncode == 1
        assert b"Read-only file system" in refused.stderr or b"Permission denied" in refused.stderr


def test_nothing_of_the_image_belongs_to_its_user(image: str) -> None:
    found = output_of(
        image, "bash", "-c", "find / -xdev -user 1000 ! -path '/work*' ! -path '/proc/*' 2>/dev/null || true"
    )
    assert found.split() == []


def test_no_file_gives_its_user_more_rights(image: str) -> None:
    found = output_of(image, "bash", "-c", "find / -xdev -type f -perm /6000 2>/dev/null || true")
    assert found.split() == []


def test_nothing_is_left_of_building_them(image: str) -> None:
    tools = "gcc cc g++ ld make javac jlink pip pip3 uv git pytest mypy ruff terraform docker"
    script = f"for tool in {tools}; do type -P $tool || true; done; ls -A /var/lib/apt/lists /var/cache /opt"
    lines = output_of(image, "bash", "-c", script).split()
    assert [line for line in lines if not line.endswith(":")] == ["java", "terraflow"]  # in /opt
    for module in ("pip", "setuptools", "uv", "pytest", "moto"):
        assert run_in(image, "python", "-c", f"import {module}").returncode == 1, module


@pytest.mark.parametrize("target", TARGETS)
def test_image_is_small(images: dict[str, str], target: str) -> None:
    inspected = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Size}}", images[target]],
        capture_output=True,
        text=True,
        check=True,
    )
    size = int(inspected.stdout) / 1e6
    print(f"{images[target]}: {size:.0f} MB")
    assert size <= LIMITS[target]


def test_labels_say_what_it_is(image: str) -> None:
    inspected = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True, check=True)
    config = json.loads(inspected.stdout)[0]["Config"]
    label = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert label["version"] == image.split("-")[1]
    assert label["licenses"] == "MIT"
    assert label["title"] == f"TerraFlow Genomics {image.split(':')[1].split('-')[0]}"
    assert config["User"] == "1000:1000"
    mounted = re.findall(r'containerPath = "(.+?)"', (ROOT / "terraform" / "batch.tf").read_text())
    assert list(config["Volumes"]) == mounted == ["/work"]


def test_images_that_are_there_are_not_built_again(images: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    assert build(ROOT, images["worker"].split("-")[1]) == images
    assert capfd.readouterr().out == ""


# ---- every rule ------------------------------------------------------------------------------------------------


@dataclass
class Whole:
    """The example, run in the images from the first rule to the last."""

    folder: Path
    worker: str
    report: str

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def jobs(self, printed: str) -> Counter[str]:
        return Counter(re.findall(r"^(?:local)?rule (\w+):$", printed, re.MULTILINE))


@pytest.fixture(scope="session")
def whole(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """With what the example leaves out by default: two shards, compressed by zstd, a ploidy file, no disk in common."""
    folder = tmp_path_factory.mktemp("whole")
    config = yaml.safe_load((EXAMPLE / "config.yaml").read_text())
    config["reads"] = {"shards": 2, "compression": "zstd"}
    config["calling"]["ploidy"] = "config/ploidy.txt"
    for name in SENT:
        subprocess.run(["cp", "-r", str(ROOT / name), str(folder / name)], check=True)
    (folder / "config" / "ploidy.txt").write_text("* * * * 2\n")
    (folder / "config" / "whole.yaml").write_text(yaml.safe_dump(config))
    snakemake = "snakemake --cores 2 --shared-fs-usage none --configfile config/whole.yaml"
    names = [*SENT, "results", "logs", ".snakemake"]
    worker = run_on_folder(images["worker"], f"{snakemake} --omit-from {' '.join(REPORT_RULES)}", folder, SENT)
    report = run_on_folder(images["report"], snakemake, folder, names)
    return Whole(folder, worker, report)


def test_worker_does_all_rules_but_those_of_the_report(whole: Whole) -> None:
    rules = set(re.findall(r"^(?:use rule \w+ as |rule )(\w+)", "".join(
        path.read_text() for path in [ROOT / "workflow/Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    ), re.MULTILINE))  # fmt: skip
    assert whole.jobs(whole.worker).keys() == rules - {*REPORT_RULES, *OTHER_RULES, "all"}
    assert whole.jobs(whole.report) == Counter([*REPORT_RULES, "all"])


def test_planted_variants_are_found(whole: Whole) -> None:
    found = sites(gzip.decompress(whole["results/variants/all.vcf.gz"].read_bytes()).decode())
    truth = sites(gzip.decompress((EXAMPLE / "truth.vcf.gz").read_bytes()).decode())
    assert found == truth


def sites(vcf: str) -> set[tuple[str, ...]]:
    """CHROM, POS, REF and ALT of what passes."""
    rows = [line.split("\t") for line in vcf.splitlines() if not line.startswith("#")]
    return {(row[0], row[1], row[3], row[4]) for row in rows if row[6] == "PASS"}


@pytest.mark.parametrize(
    ("fastq", "name"),
    [
        ("sampleA_L1_R1", "sampleA/L1.R1"),
        ("sampleA_L1_R2", "sampleA/L1.R2"),
        ("sampleB_L1", "sampleB/L1.single"),
    ],
)
def test_fastqc_counts_what_is_in_the_reads(whole: Whole, fastq: str, name: str) -> None:
    reads = gzip.decompress((EXAMPLE / "reads" / f"{fastq}.fastq.gz").read_bytes()).decode().splitlines()[1::4]
    bases = Counter("".join(reads))
    lengths = sorted({len(read) for read in reads})
    with zipfile.ZipFile(whole[f"results/qc/fastqc/{name}_fastqc.zip"]) as archive:
        (data,) = [member for member in archive.namelist() if member.endswith("/fastqc_data.txt")]
        text = archive.read(data).decode()
        charts = [member for member in archive.namelist() if "/Images/" in member and member.endswith(".png")]
        drawn = {chart: colours(archive.read(chart)) for chart in charts}
    values = dict(line.split("\t") for line in text.splitlines()[1:] if line.count("\t") == 1)
    assert text.startswith(f"##FastQC\t{pinned()['fastqc']}\n")
    assert int(values["Total Sequences"]) == len(reads)
    assert values["Sequence length"] == "-".join(map(str, [lengths[0], lengths[-1]][: len(lengths)]))
    assert int(values["%GC"]) == (bases["G"] + bases["C"]) * 100 // (sum(bases.values()) - bases["N"])
    # Axes, lines and smooth text: an empty picture has one colour.
    assert len(drawn) >= 8
    assert {chart for chart, number in drawn.items() if number < 10} == set()


def colours(png: bytes) -> int:
    """Count the colours in a picture."""
    with Image.open(io.BytesIO(png)) as picture:
        return len(picture.convert("RGB").getcolors(picture.width * picture.height) or [])


def test_page_is_what_the_whole_multiqc_makes(whole: Whole, tmp_path: Path) -> None:
    """The report image leaves out a third of what MultiQC asks for; its page holds all the same."""
    samples, lanes = ("sampleA", "sampleB"), ("sampleA/L1.R1", "sampleA/L1.R2", "sampleB/L1.single")
    inside = [f"results/qc/fastqc/{lane}_fastqc.zip" for lane in lanes]
    inside += [f"results/qc/samtools/{name}.{table}.txt" for name in samples for table in ("stats", "flagstat")]
    inside += [f"results/qc/coverage/{name}.contigs.tsv" for name in samples]
    inside += ["results/qc/bcftools/all.stats.txt"]
    (tmp_path / "files.txt").write_text("".join(f"{whole[name]}\n" for name in inside))
    script = [sys.executable, "-B", "-P", "-m", "terraflow_workflow.quality.multiqc_input", "--joint"]
    script += ["--files", "files.txt", "--calling-reads", str(whole["results/qc/calling_reads.tsv"])]
    script += ["--folder", "multiqc", "--list", "list.txt", "--config", "names.json"]
    subprocess.run(script, cwd=tmp_path, check=True)
    command = [sys.executable, "-m", "multiqc", "--quiet", "--no-version-check", "--no-ansi", "--zip-data-dir"]
    command += ["--config", str(ROOT / "workflow/report/multiqc.yaml"), "--config", "../names.json"]
    command += ["--file-list", "../list.txt", "--outdir", str(tmp_path), "--filename", "multiqc.html"]
    subprocess.run(command, cwd=tmp_path / "multiqc", check=True)

    assert tables(whole["results/qc/multiqc_data.zip"]) == tables(tmp_path / "multiqc_data.zip")
    lines, plots = page(whole["results/qc/multiqc.html"])
    wanted_lines, wanted_plots = page(tmp_path / "multiqc.html")
    assert plots == wanted_plots
    assert len(plots) >= 10
    assert lines == wanted_lines


def rounded(text: str) -> str:
    """Round the decimals in a text to nine digits: sums differ in their last digits between versions of Python."""
    return re.sub(r"\d+\.\d+(e-?\d+)?", lambda number: f"{float(number[0]):.9g}", text)


def tables(archive: Path) -> dict[str, str]:
    """Return MultiQC's data, without paths and dates."""
    found = {}
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():
            if name.endswith("data.json"):
                data = json.loads(zipped.read(name))
                found |= {key: json.dumps(data[key]) for key in ("report_plot_data", "report_general_stats_data")}
            elif name.endswith(".txt") and name not in ("multiqc_sources.txt", "llms-full.txt"):
                found[name] = zipped.read(name).decode()
    assert len(found) > 30
    return {name: rounded(text) for name, text in found.items()}


def page(path: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the lines of a page, without those that differ between two runs of one MultiQC, and its plots."""
    html = path.read_text()
    blob = re.search(r'id="mqc_compressed_plotdata">([^<]+)<', html)
    assert blob
    plots = json.loads(rounded(gzip.decompress(base64.b64decode(blob[1])).decode()))
    lines = rounded(html.replace(blob[1], "")).splitlines()
    return [line for line in lines if not line.startswith(("reportUuid", "configCreationDate"))], plots


def test_coverage_plot_shows_both_samples(whole: Whole) -> None:
    text = whole["results/qc/coverage/coverage.svg"].read_text()
    assert text.count("sampleA") >= 1
    assert text.count("sampleB") >= 1


def test_report_is_written(whole: Whole) -> None:
    assert whole["results/report.html"].stat().st_size > 100_000
