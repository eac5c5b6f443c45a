"""The files that travel to workers, with real heads and workers that start in empty folders: with and without git.

A small workflow that reads and runs what lies around it, in the layouts that there are; and the project's own.
"""

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snakemake_heads import BUCKET, Site, new_site

from fake_batch import FakeAws
from shared import ROOT

FILES = {
    "workflow/Snakefile": """
from helper import word

configfile: "config/config.yaml"
include: "rules/make.smk"

rule all:
    default_target: True
    input:
        "results/all.txt",
""",
    "workflow/helper.py": "def word(name):\n    return name.upper()\n",
    "workflow/rules/make.smk": """
from pathlib import Path

HERE = Path(workflow.basedir)
SCHEMA = (HERE / "schemas" / "sheet.txt").read_text()
NAMES = Path(config["sheet"]).read_text().split()
workflow.configfiles.append(config["sheet"])

rule make:
    output:
        "results/all.txt",
    log:
        "logs/make.log",
    params:
        words=" ".join(map(word, NAMES)),
        tool=HERE / "tools" / "say.sh",
    shell:
        "{params.tool:q} {params.words} >{output} 2>{log}"
""",
    "workflow/schemas/sheet.txt": "one name a line",
    "workflow/tools/say.sh": '#!/bin/sh\necho "$0: $*"\n',
    "config/config.yaml": "sheet: config/sheet.tsv\n",
    "config/sheet.tsv": "anna\nbert\n",
}


@pytest.fixture
def site(server: FakeAws, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    with new_site(server, tmp_path / "site") as made:
        (made.folder / "Snakefile").unlink()
        made.config = {}
        made.batch.engine = made.process
        yield made


@pytest.fixture
def no_git(site: Site, tmp_path: Path) -> None:
    """Set a PATH with all programs but git."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in site.env["PATH"].split(":"):
        for program in Path(folder).glob("*"):
            if program.name != "git" and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    site.env["PATH"] = f"{Path(sys.executable).parent}:{programs}"
    assert shutil.which("git", path=site.env["PATH"]) is None


def write(folder: Path, **changed: str) -> None:
    """Write the small workflow."""
    for name, text in (FILES | changed).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "workflow" / "tools" / "say.sh").chmod(0o755)


def said(site: Site) -> str:
    """Return the result; assert that a worker's own copy of the tool wrote it."""
    tool, _, words = site.objects()["runs/main/results/all.txt"].partition(": ")
    assert tool.startswith(f"{site.folder}/tasks/")
    return words.strip()


def keep_archive(site: Site) -> list[str]:
    """Names of what the archive holds, once there was a job."""
    names: list[str] = []

    def engine(job: dict[str, Any]) -> None:
        s3 = site.client("s3")
        (key,) = (key for key in site.objects() if "snakemake-workflow-sources." in key)
        with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())) as archive:
            names.extend(archive.getnames())
        site.process(job)

    site.batch.engine = engine
    return names


def test_a_downloaded_project_on_a_machine_without_git(site: Site, no_git: None) -> None:
    write(site.folder)
    site.run()
    assert said(site) == "ANNA BERT"
    assert not [key for key in site.objects() if "sources" in key]


def test_what_git_does_not_know_or_ignores(site: Site) -> None:
    write(site.folder)
    (site.folder / ".gitignore").write_text("config/\n")
    subprocess.run("git init -q && git add .gitignore workflow/Snakefile", shell=True, cwd=site.folder, check=True)
    site.run()
    assert said(site) == "ANNA BERT"


def test_another_working_directory_and_files_outside_of_it(site: Site, no_git: None, tmp_path: Path) -> None:
    write(tmp_path / "the project")
    (tmp_path / "sheet.tsv").write_text("carl\n")
    (tmp_path / "own.yaml").write_text("sheet: ../../sheet.tsv\n")
    run = tmp_path / "my runs" / "first"
    run.mkdir(parents=True)
    snakefile = tmp_path / "the project" / "workflow" / "Snakefile"
    more = ("--snakefile", str(snakefile), "--directory", str(run), "--configfile", str(tmp_path / "own.yaml"))
    site.run(*more)
    assert said(site) == "CARL"


def test_a_snakefile_between_data(site: Site, no_git: None) -> None:
    write(site.folder)
    for name in ("Snakefile", "rules", "helper.py", "schemas", "tools"):
        (site.folder / "workflow" / name).rename(site.folder / name)
    for name, size in {"reads/a.fastq": 11, "old/a.bam": 11, "results/old.bam": 2, "results/old.txt": 0}.items():
        (site.folder / name).parent.mkdir(exist_ok=True)
        (site.folder / name).write_bytes(bytes(size * 10**6))
    names = keep_archive(site)
    text = site.run()
    assert said(site) == "ANNA BERT"
    # The identities of inputs travel beside the sources.
    own = {".snakemake/fingerprints.json"}
    assert set(names) == {name.removeprefix("workflow/") for name in FILES} | own
    assert "being larger than 10 MB: old/a.bam, reads/a.fastq" in text


def test_a_sheet_that_workers_would_not_find(site: Site, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text("carl\n")
    write(site.folder, **{"config/config.yaml": f"sheet: {sheet}\n"})
    text = site.run(check=1)
    assert f"{sheet}: the configuration names this file by its absolute path" in text
    assert "Write ../sheet.tsv, from the working directory." in text
    assert "Traceback" not in text
    assert site.batch.count("submitjob") == 0


def test_sources_that_can_not_be_fetched_fail_the_job(site: Site) -> None:
    def engine(job: dict[str, Any]) -> None:
        (key,) = (key for key in site.objects() if "snakemake-workflow-sources." in key)
        site.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"something else")
        site.process(job)

    write(site.folder)
    site.batch.engine = engine
    text = site.run(check=1)
    assert "exit code: 1" in text
    assert "| Error: Checksum of retrieved sources" in text


def test_the_projects_own_workflow_without_git(site: Site, no_git: None) -> None:
    left = shutil.ignore_patterns("__pycache__", ".snakemake")
    for name in ("workflow", "config", "envs"):
        shutil.copytree(ROOT / name, site.folder / name, symlinks=True, ignore=left)
    example = (site.folder / "config" / "example" / "config.yaml").read_text()
    own = example.replace("config/example/samples.tsv", "sheets/own.tsv").replace("ploidy: 2", "ploidy: sheets/ploidy")
    (site.folder / "own.yaml").write_text(own)
    sheets = site.folder / "sheets"
    sheets.mkdir()
    shutil.copy(ROOT / "config" / "example" / "samples.tsv", sheets / "own.tsv")
    (sheets / "ploidy").write_text("sampleA 1\n")
    s3 = site.client("s3")
    for name in ("config/example/reference.fa.gz", "results/reference/genome.fa.fai"):
        s3.put_object(Bucket=BUCKET, Key=f"runs/main/{name}", Body=b"chrA\t1000\t6\t60\t61\n")
    made = "results/reference/calling_windows.bed"
    site.run("--configfile", "own.yaml", "--allowed-rules", "windows", "--", made)
    assert site.batch.submitted("windows")
    assert site.objects()[f"runs/main/{made}"] == "chrA\t0\t1000\t1\n"
