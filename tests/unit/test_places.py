"""Inputs inside outputs are found, whichever path leads to them; all others are left alone."""

from pathlib import Path

import pytest

from terraflow_workflow.inputs.places import OUTPUTS, problems_of_folders, problems_of_places

PREFIX = "s3://bucket/runs/one"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working directory with the traces of a run, beside a folder of data."""
    work = tmp_path / "work"
    for folder in ("work/results/reference", "work/logs", "work/benchmarks", "work/.snakemake", "data/results", "else"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("work/results/reference/genome.fa", "work/logs/ref.fa", "data/ref.fa", "data/results/ref.fa"):
        (tmp_path / file).write_text(">a\nA\n")
    links = {
        "work/link.fa": "results/reference/genome.fa",
        "work/link_to_link.fa": "../work/link.fa",
        "work/results/out.fa": "../../data/ref.fa",
        "work/through.fa": "results/out.fa",
        "data/run": str(work / "results"),
        "work/data": "../data",
        "work/loop": "loop",
        "else/work": "../work",
    }
    for link, target in links.items():
        (tmp_path / link).symlink_to(target)
    monkeypatch.chdir(work)
    return work


# A path from the working directory, and the folder of outputs that it leads to or through ("" for none).
PATHS = {
    "results/reference/genome.fa": "results",
    "results/reference/none.fa": "results",
    "./results//reference/../reference/genome.fa": "results",
    "../work/results/reference/genome.fa": "results",
    "logs/ref.fa": "logs",
    "benchmarks/ref.fa": "benchmarks",
    ".snakemake/ref.fa": ".snakemake",
    "results/out.fa": "results",  # a link that the run would replace
    "link.fa": "results",
    "link_to_link.fa": "results",
    "through.fa": "results",
    "data/run/reference/genome.fa": "results",
    "../else/work/results/reference/genome.fa": "results",
    "data/../data/run/out.fa": "results",
    "results/../ref.fa": "",
    "results/../../data/ref.fa": "",
    "data/ref.fa": "",
    "data/results/ref.fa": "",  # the results of another project
    "results.fa": "",
    "my/results/ref.fa": "",
    "loop": "",
}


@pytest.mark.parametrize(("path", "folder"), PATHS.items())
@pytest.mark.parametrize("absolute", [False, True])
def test_a_path_that_leads_into_outputs_is_refused(work: Path, path: str, folder: str, *, absolute: bool) -> None:
    path = f"{work}/{path}" if absolute else path
    found = problems_of_places([("reference.fasta", path)], None)
    assert found == (
        [
            f"reference.fasta: {path}: lies in {folder}/, where the workflow writes and deletes; "
            "move it to another folder, or give --directory another one"
        ]
        if folder
        else []
    )


def test_results_that_are_a_link_to_the_users_data_are_seen(work: Path) -> None:
    (work / "results").rename(work / "old")
    (work / "results").symlink_to("../data")
    assert len(problems_of_places([("reference.fasta", "../data/ref.fa"), ("samples", "old/out.fa")], None)) == 2


# An address, and the folder of outputs it lies in when outputs are stored below PREFIX.
ADDRESSES = {
    f"{PREFIX}/results/reference/genome.fa": "results",
    f"{PREFIX}/logs/a.fa": "logs",
    f"{PREFIX}//results/./a.fa": "results",
    f"{PREFIX}/raw/../results/a.fa": "results",
    f"{PREFIX}/raw/results/a.fa": "",
    f"{PREFIX}/results.fa": "",
    "s3://bucket/runs/one-more/results/a.fa": "",
    "s3://bucket/results/a.fa": "",
    "s3://other/runs/one/results/a.fa": "",
    "https://bucket/runs/one/results/a.fa": "",
}


@pytest.mark.parametrize("prefix", [PREFIX, f"{PREFIX}/"])
@pytest.mark.parametrize(("address", "folder"), ADDRESSES.items())
def test_an_address_below_the_prefix_of_outputs_is_refused(work: Path, address: str, folder: str, prefix: str) -> None:
    found = problems_of_places([("samples, line 2", address)], prefix)
    assert len(found) == bool(folder)
    assert all(f"samples, line 2: {address}: lies in {PREFIX}/{folder}/, where " in line for line in found)
    assert problems_of_places([("samples, line 2", address)], None) == []


def test_a_folder_that_no_run_has_made_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert problems_of_places([("samples", f"{folder}/s.tsv") for folder in OUTPUTS], None) == []


def test_folders_with_a_prefix_are_those_that_are_refused(work: Path) -> None:
    (work / "calls" / "results").mkdir(parents=True)
    inputs = [
        ("a", "calls/results/x.fa"),
        ("b", "results/x.fa"),
        ("c", f"{PREFIX}/calls/results/x"),
        ("d", ".snakemake/x"),
    ]
    (work / ".snakemake").mkdir(exist_ok=True)
    found = problems_of_places(inputs, PREFIX, ["calls/results/", "calls/logs/"])
    assert [line.split(",")[0] for line in found] == [
        "a: calls/results/x.fa: lies in calls/results/",
        f"c: {PREFIX}/calls/results/x: lies in {PREFIX}/calls/results/",
        "d: .snakemake/x: lies in .snakemake/",
    ]


FOLDER_NAMES = {
    "results/": True,
    "/data/run-1/a.b_c+d/results/": True,
    "a/..b/results/": True,
    "my calls/results/": False,
    "a/../results/": False,
    "../results/": False,
    "-a/results/": False,
    "a/-b/results/": False,
    "a'b/results/": False,
    "$a/results/": False,
    "ä/results/": False,
}


@pytest.mark.parametrize("folder, taken", FOLDER_NAMES.items())
def test_folders_that_commands_can_take(folder: str, *, taken: bool) -> None:
    assert len(problems_of_folders([folder])) == (not taken)
