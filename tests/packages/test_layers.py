"""Layers: which package may import which, and which words each may use."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from wheels import MEMBERS

from shared import ROOT, project_files

EXECUTOR = "snakemake_executor_plugin_aws_batch_fargate"
STORAGE = "snakemake_storage_plugin_s3_inventory"
BELOW = "A package imports only packages below it, none beside it"
NO_GENOMICS = "What is about AWS knows no genomics"
WITHIN_EXECUTOR = "Modules of the executor import in one direction"
NO_AWS = "What is about genomics knows no AWS"
ONE_WAY = "Modules of the storage plugin import in one direction"
ALONE = "The strict AWS and the logger need no other package of ours"


def lint(folder: Path) -> str:
    """Check the contracts of the project on the packages in a folder; return what import-linter prints."""
    program = Path(sys.executable).with_name("lint-imports")
    env = os.environ | {"PYTHONPATH": str(folder)}
    command = [str(program), "--no-logo", "--no-cache", str(ROOT / "pyproject.toml")]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Make a folder with the sources of all packages."""
    for member in MEMBERS:
        shutil.copytree(member.source, tmp_path / member.package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize(
    ("module", "imported", "broken"),
    [
        ("snakemake_aws_common.lease", "strict_aws.server", BELOW),
        ("snakemake_aws_common.lease", EXECUTOR, BELOW),
        ("snakemake_aws_common.lease", "terraflow.errors", BELOW),
        (f"{EXECUTOR}.client", "terraflow.errors", BELOW),
        (f"{EXECUTOR}.client", "strict_aws.server", BELOW),
        (f"{EXECUTOR}.client", f"{STORAGE}.connection", BELOW),
        (f"{STORAGE}.connection", f"{EXECUTOR}.client", BELOW),
        (f"{STORAGE}.connection", "terraflow", BELOW),
        (f"{STORAGE}.lock", f"{STORAGE}.provider", ONE_WAY),
        (f"{STORAGE}.inputs", f"{STORAGE}.session", ONE_WAY),
        (f"{STORAGE}.session", f"{STORAGE}.storage_object", ONE_WAY),
        (f"{STORAGE}.transfer", f"{STORAGE}.connection", ONE_WAY),
        ("snakemake_logger_plugin_brief.words", "terraflow.errors", BELOW),
        ("snakemake_logger_plugin_brief.words", "snakemake_aws_common.lease", ALONE),
        ("strict_aws.server", "snakemake_aws_common.lease", ALONE),
        (f"{EXECUTOR}.shapes", f"{EXECUTOR}.session", WITHIN_EXECUTOR),
        (f"{EXECUTOR}.outcomes", f"{EXECUTOR}.submission", WITHIN_EXECUTOR),
        (f"{EXECUTOR}.client", "terraflow_workflow.hts", NO_GENOMICS),
        ("snakemake_aws_common.lease", "terraflow_workflow.hts", BELOW),
        ("terraflow_workflow.hts", "terraflow.errors", BELOW),
        ("terraflow_workflow.hts", "boto3", NO_AWS),
        ("terraflow.upload", f"{STORAGE}.transfer", BELOW),
        ("terraflow.upload", "strict_aws.server", BELOW),
    ],
)
def test_an_import_of_a_layer_above_is_refused(copies: Path, module: str, imported: str, broken: str) -> None:
    source = copies.joinpath(*module.split(".")).with_suffix(".py")
    source.write_text(f"{source.read_text()}\nimport {imported}\n")
    printed = lint(copies)
    assert f"{broken} BROKEN" in printed
    assert re.search(rf"{module} ->\s+{imported}", printed)


def test_contracts_hold(copies: Path) -> None:
    printed = lint(copies)
    assert " 0 broken." in printed and " 0 kept" not in printed, printed


def test_contracts_know_every_package() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert [member.package for member in MEMBERS if f'    "{member.package}",\n' not in text] == []


AWS = r"\b(aws|amazon|boto3?|botocore|cloudwatch|ec2|ecr|ecs|fargate|iam)\b"
GENOMICS = r"\b(bam|bcftools|bwa|cram|fasta|fastq|gen(e|ome|omic)s?|multiqc|ploidy|samtools|variants?|vcf)\b"


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("workflow", AWS),
        ("terraform", GENOMICS),
        *((f"packages/{member}/src", GENOMICS) for member in MEMBERS if "terraflow" not in member.name),
        *((f"packages/{member}/src", "terraflow") for member in MEMBERS if "terraflow" not in member.name),
    ],
    ids=lambda value: value if "/" in value else "",
)
def test_nothing_is_said_of_what_is_none_of_its_business(folder: str, words: str) -> None:
    # Pages for readers may say where the line is.
    files = [path for path in project_files(folder) if path.is_file() and path.suffix != ".md"]
    assert files
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if re.search(words, line, re.IGNORECASE)
    ]
    assert found == []
