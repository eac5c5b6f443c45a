"""The archive of a head: what travels, what is refused, and that a run's places stay as they are."""

import base64
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake import cli

from run_objects import STACK
from snakemake_aws_common.packing import ArchiveError, pack
from terraflow import checkout
from terraflow.errors import UserError
from terraflow.heads import archive

SHEET = "sample\tunit\tfq1\tfq2\na\t1\ts3://data/raw/a_R1.fastq.gz\ts3://data/raw/a_R2.fastq.gz\n"
CONFIG: dict[str, Any] = {
    "samples": "sheets/samples.tsv",
    "reference": {"fasta": "s3://data/reference/g.fa"},
    "annotation": {"gff": ""},
    "calling": {"ploidy": 2},
}
Build = Callable[..., archive.Packed]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return the working directory of a run, away from the checkout, with a sheet and a configuration."""
    folder = tmp_path / "lab" / "cohort"
    (folder / "sheets").mkdir(parents=True)
    (folder / "sheets/samples.tsv").write_text(SHEET)
    (folder / "cohort.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "reads.fastq.gz").write_bytes(b"data that nobody names")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a checkout: a small one, for the files that matter."""
    folder = tmp_path / "lab" / "checkout"
    for name in ("workflow/Snakefile", "workflow/lib/p/x.py", "envs/bwa.yaml", "profiles/aws/config.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "workflow/profiles").symlink_to("../profiles")
    (folder / "workflow/lib/p/__pycache__").mkdir()
    (folder / "workflow/lib/p/__pycache__/x.pyc").write_text("made by a machine")
    (folder / "docs").mkdir()
    (folder / "docs/page.md").write_text("no part of a run")
    return folder


def names(packed: archive.Packed, into: Path) -> tuple[archive.Manifest, set[str]]:
    manifest = archive.unpack(packed.body, packed.sha256, into)
    found = (path for path in into.rglob("*") if path.is_file())
    return manifest, {path.relative_to(into).as_posix() for path in found}


def test_an_archive_holds_what_a_head_needs_and_nothing_else(directory: Path, project: Path, tmp_path: Path) -> None:
    """The working directory lies outside of the checkout; both keep their places to each other."""
    packed = archive.build("main", STACK, project, directory, [Path("cohort.yaml")], ["--forceall"])
    manifest, found = names(packed, tmp_path / "into")
    workflow = {"Snakefile", "lib/p/x.py", "profiles/aws/config.yaml"}
    assert found == {
        *("manifest.json", "stack.json", "files/cohort/cohort.yaml", "files/cohort/sheets/samples.tsv"),
        *(f"files/checkout/workflow/{name}" for name in workflow),
        *("files/checkout/envs/bwa.yaml", "files/checkout/profiles/aws/config.yaml"),
    }
    assert (manifest.run, manifest.directory, manifest.arguments) == ("main", "cohort", ["--forceall"])
    assert archive.snakemake_arguments(manifest, Path("/w")) == [
        *("--profile", "/w/files/checkout/profiles/aws", "--snakefile", "/w/files/checkout/workflow/Snakefile"),
        *("--configfile", "/w/files/cohort/cohort.yaml", "--directory", "/w/files/cohort"),
        *("--nocolor", "--rerun-incomplete", "--forceall"),
    ]
    outputs = json.loads((tmp_path / "into/stack.json").read_text())
    assert outputs == dataclasses.asdict(STACK)


def keep_records(directory: Path, *targets: str) -> list[str]:
    """Write records of outputs as Snakemake's file backend does, and return their places."""
    places = [
        f"{kind}/{base64.urlsafe_b64encode(target.encode()).decode()}"
        for target in targets
        for kind in ("metadata", "incomplete")
    ]
    for place in places:
        (directory / ".snakemake" / place).parent.mkdir(parents=True, exist_ok=True)
        (directory / ".snakemake" / place).write_text("{}")
    return places


def test_records_of_the_run_and_no_other_travel_if_they_are_asked_for(
    directory: Path, project: Path, tmp_path: Path
) -> None:
    own = keep_records(directory, f"s3://{STACK.bucket}/runs/main/a.cram")
    keep_records(directory, f"s3://{STACK.bucket}/runs/main-2/a.cram", "results/a.cram")
    (directory / ".snakemake/log").mkdir()
    (directory / ".snakemake/log/x.log").touch()
    given = ("main", STACK, project, directory, [Path("cohort.yaml")])
    _, without = names(archive.build(*given), tmp_path / "without")
    assert not any(".snakemake" in name for name in without)
    _, found = names(archive.build(*given, with_records=True), tmp_path / "into")
    assert found - without == {f"files/cohort/.snakemake/{place}" for place in own}


def test_too_many_records_are_refused_with_what_to_do(
    directory: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_records(directory, f"s3://{STACK.bucket}/runs/main/a.cram")
    monkeypatch.setattr(archive, "MOST_RECORDS", 1)
    with pytest.raises(UserError, match=r"`TERRAFLOW_RUN=main snakemake --profile aws` in .*/cohort stores them"):
        archive.build("main", STACK, project, directory, [Path("cohort.yaml")], with_records=True)


def test_a_target_is_no_configuration_file(tmp_path: Path) -> None:
    """As Snakemake itself reads the arguments."""
    manifest = archive.Manifest(
        "main", "cohort", "workflow/Snakefile", "profiles/aws", ["a.yaml", "b.yaml"], ["results/a.vcf", "-k"]
    )
    profile = tmp_path / "files/profiles/aws/config.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text("keep-going: true\n")
    _, given = cli.parse_args(archive.snakemake_arguments(manifest, tmp_path))
    assert set(given.targets) == {"results/a.vcf"}
    assert [Path(path).name for path in given.configfile] == ["a.yaml", "b.yaml"]


def test_the_same_run_is_the_same_archive_and_another_one_is_not(directory: Path, project: Path) -> None:
    first = archive.build("main", STACK, project, directory, [Path("cohort.yaml")])
    (directory / "sheets/samples.tsv").touch()
    assert archive.build("main", STACK, project, directory, [directory / "cohort.yaml"]) == first
    assert archive.build("main", STACK, project, directory, [Path("cohort.yaml")], ["-k"]) != first
    with (directory / "sheets/samples.tsv").open("a") as sheet:
        sheet.write(SHEET.splitlines()[1].replace("a", "b") + "\n")
    assert archive.build("main", STACK, project, directory, [Path("cohort.yaml")]) != first


def test_a_run_in_the_checkout_itself_has_its_default_configuration(project: Path, tmp_path: Path) -> None:
    (project / "config").mkdir()
    (project / "config/samples.tsv").write_text(SHEET)
    (project / "config/config.yaml").write_text(yaml.safe_dump(CONFIG | {"samples": "config/samples.tsv"}))
    manifest, found = names(archive.build("main", STACK, project, project), tmp_path / "into")
    assert {"files/config/config.yaml", "files/config/samples.tsv", "files/workflow/Snakefile"} <= found
    assert (manifest.directory, manifest.configfiles) == (".", [])
    assert (tmp_path / "into/files" / manifest.directory / "config/config.yaml").is_file()


@pytest.mark.parametrize(
    ("changes", "arguments", "travels"),
    [
        ({"calling": {"ploidy": "sheets/ploidy.txt"}}, [], "files/cohort/sheets/ploidy.txt"),
        ({"calling": {"ploidy": "../ploidy.txt"}}, [], "files/ploidy.txt"),
        ({"more": [{"deep": "sheets/ploidy.txt"}]}, [], "files/cohort/sheets/ploidy.txt"),
        ({}, ["-k", "--config", "samples=sheets/other.tsv", "x=1"], "files/cohort/sheets/other.tsv"),
        ({}, ["-C", "calling={ploidy: sheets/ploidy.txt}"], "files/cohort/sheets/ploidy.txt"),
    ],
)
def test_small_files_that_the_configuration_names_travel(
    directory: Path, project: Path, tmp_path: Path, changes: dict[str, Any], arguments: Sequence[str], travels: str
) -> None:
    for name in ("sheets/ploidy.txt", "../ploidy.txt"):
        (directory / name).write_text("chrX 1 1000 M 1\n")
    (directory / "sheets/other.tsv").write_text(SHEET)
    (directory / "cohort.yaml").write_text(yaml.safe_dump(CONFIG | changes))
    _, found = names(
        archive.build("main", STACK, project, directory, [Path("cohort.yaml")], arguments), tmp_path / "into"
    )
    assert travels in found


@pytest.mark.parametrize(
    ("changes", "sheet", "words"),
    [
        (
            {},
            "a\t1\treads.fastq.gz\t\n",
            "sheets/samples.tsv, line 2: reads.fastq.gz lies on this disk.*terraflow stage",
        ),
        ({}, "a\t1\tr1.fq\tr2.fq\n", "r1.fq lies on this disk.*as do 1 more files"),
        ({"samples": "sheets/none.tsv"}, "", "samples: sheets/none.tsv: no such file"),
        ({"samples": "s3://data/s.tsv"}, "", "samples: s3://data/s.tsv: is an address"),
        ({"reference": {"fasta": "genome.fa"}}, "", "reference.fasta: genome.fa: lies on this disk.*terraflow stage"),
        ({"annotation": {"gff": "genes.gff"}}, "", "annotation.gff: genes.gff: lies on this disk"),
        (
            {"calling": {"ploidy": "/dev/null/../../etc/hostname"}},
            "",
            "absolute path; write .*from the working directory",
        ),
        ({"more": "big.bin"}, "", "big.bin: is larger than 10 MB"),
    ],
)
def test_files_that_a_head_would_not_find_are_refused(
    directory: Path, project: Path, changes: dict[str, Any], sheet: str, words: str
) -> None:
    (directory / "cohort.yaml").write_text(yaml.safe_dump(CONFIG | changes))
    if sheet:
        (directory / "sheets/samples.tsv").write_text(SHEET.splitlines(keepends=True)[0] + sheet)
    with (directory / "big.bin").open("wb") as big:
        big.truncate(11_000_000)
    with pytest.raises(UserError, match=words):
        archive.build("main", STACK, project, directory, [Path("cohort.yaml")])


def test_a_workflow_of_one_s_own_travels_without_the_data_beside_it(
    directory: Path, project: Path, tmp_path: Path
) -> None:
    (directory / "Snakefile").write_text("module")
    (directory / "rules.smk").write_text("rules")
    packed = archive.build("main", STACK, project, directory, [Path("cohort.yaml")], snakefile=Path("Snakefile"))
    manifest, found = names(packed, tmp_path / "into")
    assert manifest.snakefile == "cohort/Snakefile"
    assert {"files/cohort/Snakefile", "files/cohort/rules.smk", "files/checkout/workflow/Snakefile"} <= found
    assert "files/cohort/reads.fastq.gz" not in found


@pytest.mark.parametrize(
    ("manifest", "words"),
    [(b"{}", "manifest.json"), (b"no json", "manifest.json"), (b'{"version": 2}', "version 2.*make deploy")],
)
def test_an_archive_that_a_head_does_not_understand_is_refused(tmp_path: Path, manifest: bytes, words: str) -> None:
    body, checksum = pack({"manifest.json": manifest})
    with pytest.raises(ArchiveError, match=words):
        archive.unpack(body, checksum, tmp_path)


def test_the_checkout_s_own_archive_is_small(tmp_path: Path) -> None:
    """Each start of a head fetches it; nothing that a run makes, and no test, may come into it."""
    (tmp_path / "s.tsv").write_text(SHEET)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(CONFIG | {"samples": "s.tsv"}))
    packed = archive.build("main", STACK, checkout.root(), tmp_path, [Path("c.yaml")])
    assert len(packed.body) < 400_000
