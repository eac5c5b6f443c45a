"""Files that travel to workers, from folders and workflows made here: their choice, the archive, the worker's start.

The whole of it, with Snakemake and workers, is in tests/cloud/test_executor_workers.py.
"""

import os
import shlex
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.sourcecache import GenericSourceFile, LocalSourceFile, SourceCache
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_aws_batch_fargate import archive, project_files, sources

PREFIX = "s3://data/runs/main"


def stored(path: str) -> Any:
    """A file of a job in the default storage."""
    return SimpleNamespace(is_storage=True, storage_object=SimpleNamespace(query=f"{PREFIX}/{path}"))


def job(inputs: list[str], outputs: list[str]) -> Any:
    files = {"input": list(map(stored, inputs)), "output": list(map(stored, outputs))}
    return SimpleNamespace(**files, log=[], benchmark=None, conda_env_spec=None)


def workflow(snakefile: str = "workflow/Snakefile", *included: str, **changed: Any) -> Any:
    """The questions that a workflow is asked."""
    files = [LocalSourceFile(str(Path(name).absolute())) for name in (snakefile, *included)]
    made = {
        "included": files,
        "rules": [],
        "configfiles": [],
        "config": {},
        "sourcecache": SimpleNamespace(cache_path="/nowhere/cache", runtime_cache_path="/nowhere/cache/run"),
        "storage_settings": SimpleNamespace(default_storage_prefix=PREFIX),
        "dag": SimpleNamespace(jobs=[]),
    }
    return SimpleNamespace(**made | changed)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes files; the working directory is `run` below the test's own."""
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")

    def files(*names: str, size: int = 1) -> None:
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            with Path(name).open("wb") as file:
                file.truncate(size)

    return files


def sent(flow: Any, notes: list[str] | None = None) -> set[str]:
    """Return what is collected, as seen from the working directory."""
    found = sources.collect(flow, (notes if notes is not None else []).append)
    assert found.files == sorted(found.files)
    return {os.path.relpath(path) for path in found.files}


def test_all_of_the_snakefiles_folder_but_no_data(write: Callable[..., None]) -> None:
    kept = {
        "Snakefile",
        "workflow/scripts/fastq.py",
        "workflow/schemas/samples.yaml",
        "tools/trim.sh",
        "config/samples.tsv",
        "resources/panel.tsv",
        "README.md",
    }
    write(*kept)
    write(".env", ".git/config", "workflow/scripts/__pycache__/fastq.pyc", "venv/pyvenv.cfg", "venv/lib/a.py")
    write("earlier/.snakemake/log", "earlier/results/all.txt", "cache/CACHEDIR.TAG", "cache/x")
    write("results/qc/a.html", "results/stale/b.bam", "logs/a.log")
    write("reads/a.fastq", "reads/unknown.fastq", size=2 * project_files.MEGABYTE)
    jobs = [job(["reads/a.fastq"], ["results/qc/a.html", "logs/a.log"])]
    assert sent(workflow("Snakefile", dag=SimpleNamespace(jobs=jobs))) == kept


def test_what_lies_beside_the_folder_of_workflow_stays(write: Callable[..., None]) -> None:
    write("workflow/Snakefile", "workflow/lib/reads.py", "reads/a.fastq", "patients.tsv")
    assert sent(workflow()) == {"workflow/Snakefile", "workflow/lib/reads.py"}


def test_a_snakefile_beside_the_data(write: Callable[..., None]) -> None:
    kept = {"Snakefile", "helpers.py", "rules/map.smk", "samples.tsv"}
    write(*kept)
    write("all.txt", "a/x.bam", "rules/made.smk")
    jobs = [job(["samples.tsv"], ["all.txt", "a/x.bam", "rules/made.smk"])]
    assert sent(workflow("Snakefile", "rules/map.smk", dag=SimpleNamespace(jobs=jobs))) == kept


def test_large_files_stay_and_are_told_of(write: Callable[..., None]) -> None:
    write("Snakefile")
    write("model.bin", size=project_files.LARGEST + 1)
    write("config/large.yaml", size=project_files.LARGEST + 1)
    notes: list[str] = []
    flow = workflow("Snakefile", configfiles=["config/large.yaml"])
    assert sent(flow, notes) == {"Snakefile", "config/large.yaml"}
    assert notes == ["Not sent to workers, being larger than 10 MB: model.bin"]


def cached(tmp_path: Path, *fetched: str, size: int = 1, local: Path | None = None) -> Any:
    """Snakemake's cache of a run, with files that were fetched and the copy of a local file."""
    made = SourceCache(tmp_path / "cache", tmp_path / "runtime")
    for uri in fetched:
        path = Path(made.runtime_cache_path, GenericSourceFile(uri).get_cache_path())
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
    if local:
        made.get_path(LocalSourceFile(str(local)))
    return made


def test_files_of_source_path_that_are_large_or_gone(write: Callable[..., None], tmp_path: Path) -> None:
    write("Snakefile")
    write("../panels/large.bed", size=project_files.LARGEST + 1)
    uri = "https://lab.org/flow/large.bed"
    made = cached(tmp_path, uri, size=project_files.LARGEST + 1, local=tmp_path / "panels" / "large.bed")
    notes: list[str] = []
    assert sent(workflow("Snakefile", sourcecache=made), notes) == {"Snakefile"}
    assert notes == [f"Not sent to workers, being larger than 10 MB: ../panels/large.bed, {uri}"]
    (tmp_path / "panels" / "large.bed").unlink()
    with pytest.raises(WorkflowError, match=r"panels/large.bed: can't be read"):
        sent(workflow("Snakefile", sourcecache=made))


def test_addresses_with_secrets_do_not_travel_and_are_not_shown(write: Callable[..., None], tmp_path: Path) -> None:
    write("Snakefile")
    uris = ("https://lab.org/plain.smk", "https://me:hunter22@lab.org/a.smk", "https://lab.org/b.smk?sig=hunter22")
    notes: list[str] = []
    flow = workflow("Snakefile", sourcecache=cached(tmp_path, *uris))
    assert list(sources.collect(flow, notes.append).fetched) == ["runtime/https/lab.org/plain.smk"]
    (note,) = notes
    assert note.startswith("Not sent to workers, which fetch it by an address with a user or a query: ")
    assert "https://lab.org/b.smk" in note and "https://lab.org/a.smk" in note and "hunter22" not in note


def test_what_git_tracks_travels_although_it_looks_like_data(write: Callable[..., None]) -> None:
    write("workflow/Snakefile", "results/static.tsv", ".settings/x", "gone", "tests/a.py", "lib/b.py", "private.tsv")
    Path(".gitattributes").write_text("/tests/** -snakemake-workers\n/.git* -snakemake-workers\n")
    subprocess.run("git init -q && git add . && git rm -q --cached private.tsv && rm gone", shell=True, check=True)
    jobs = [job([], ["results/a.txt"])]
    kept = {"workflow/Snakefile", "results/static.tsv", ".settings/x", "lib/b.py"}
    assert sent(workflow(dag=SimpleNamespace(jobs=jobs))) == kept


def test_scripts_and_config_files_from_elsewhere(write: Callable[..., None]) -> None:
    write("workflow/Snakefile", "../shared/scripts/plot.py", "../shared/scripts/colours.py", "../sheets/a.tsv", "../x")
    rule = SimpleNamespace(script="../../shared/scripts/plot.py", notebook=None, basedir=LocalSourceFile("workflow"))
    flow = workflow(rules=[rule], configfiles=["../sheets/a.tsv"])
    kept = {"workflow/Snakefile", "../shared/scripts/plot.py", "../shared/scripts/colours.py", "../sheets/a.tsv"}
    assert sent(flow) == kept


def test_links_are_followed_but_not_to_data_or_in_circles(write: Callable[..., None]) -> None:
    write("Snakefile", "workflow/a.py", "../panels/a.bed", "results/a.txt", "tools/trim.sh")
    targets = {"resources": "../panels", "workflow/up": "..", "workflow/made": "../results", "broken": "nowhere"}
    for link, target in (targets | {"tools/again": "."}).items():
        Path(link).symlink_to(target)
    jobs = [job([], ["results/a.txt"])]
    kept = {"Snakefile", "workflow/a.py", "resources/a.bed", "tools/trim.sh"}
    assert sent(workflow("Snakefile", dag=SimpleNamespace(jobs=jobs))) == kept


def test_files_that_workers_would_not_find(write: Callable[..., None], tmp_path: Path) -> None:
    write("workflow/Snakefile", "config.yaml", "../sheets/a.tsv")
    sheet = str(tmp_path / "sheets" / "a.tsv")
    # A Snakefile may make an absolute path from its own; a configuration is the same for workers.
    files = [str(Path("config.yaml").absolute()), sheet, "missing.yaml"]
    with pytest.raises(WorkflowError) as raised:
        sent(workflow(configfiles=files, config={"samples": {"sheets": [sheet]}}))
    text = str(raised.value)
    assert "no job was submitted" in text and f"{tmp_path}/run/missing.yaml: can't be read" in text
    assert f"{sheet}: the configuration names this file by its absolute path" in text
    assert "Write ../sheets/a.tsv, from the working directory" in text
    assert "config.yaml: the configuration" not in text


def test_too_much(write: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST", 3 * project_files.MEGABYTE)
    write("Snakefile")
    write(*(f"old/run/{n}.tsv" for n in range(4)), size=project_files.MEGABYTE)
    with pytest.raises(WorkflowError, match=r"more than 3 MB.*old/run \([34] MB\).*CACHEDIR.TAG"):
        sent(workflow("Snakefile"))


def test_too_much_that_was_fetched(write: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST", 3 * project_files.MEGABYTE)
    write("Snakefile")
    uris = [f"https://lab.org/panels/{n}.bed" for n in range(4)]
    flow = workflow("Snakefile", sourcecache=cached(tmp_path, *uris, size=project_files.MEGABYTE))
    with pytest.raises(WorkflowError) as raised:
        sent(flow)
    assert "The largest folders are https://lab.org/panels (" in str(raised.value)
    assert "let rules read large ones as inputs" in str(raised.value) and str(tmp_path) not in str(raised.value)


def test_an_archive_depends_on_names_and_contents_only(write: Callable[..., None], tmp_path: Path) -> None:
    write("workflow/Snakefile", "workflow/trim.sh", "../sheets/a.tsv")
    Path("workflow/trim.sh").chmod(0o744)
    made = []
    for name, time in (("one", 1_000_000), ("two", 2_000_000)):
        os.utime("workflow/Snakefile", (time, time))
        archive.pack(sources.collect(workflow(configfiles=["../sheets/a.tsv"]), print), tmp_path / name)
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    with tarfile.open(tmp_path / "one") as found:
        entries = {entry.name: (entry.mode, entry.mtime, entry.uid) for entry in found}
    assert entries == {
        "run/workflow/Snakefile": (0o644, 0, 0),
        "run/workflow/trim.sh": (0o755, 0, 0),
        "sheets/a.tsv": (0o644, 0, 0),
    }


def test_what_stands_for_python_in_a_command() -> None:
    made = archive.Archive("s3://data/a b/sources.tar.xz", "0" * 64, "my run").python
    program = ["python", "-m", "snakemake_executor_plugin_aws_batch_fargate.worker"]
    assert shlex.split(made) == [*program, "s3://data/a b/sources.tar.xz", "0" * 64, "my run"]
