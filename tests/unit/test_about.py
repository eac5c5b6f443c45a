"""results/run.json says what a run was made from, without what lets others in."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from terraflow_workflow import __version__
from terraflow_workflow.inputs.samples import Unit
from terraflow_workflow.running.about import without_secrets, write_about

UNIT = Unit("A", "1", "https://ada:pw@lab.org/A_R1.fastq.gz?X-Amz-Signature=1", "reads/A_R2.fastq.gz", "", "", "", 7)
CONFIG = {
    "samples": "samples.tsv",
    "calling": {"ploidy": 2, "windows": 4},
    "reference": {"fasta": "s3://data/g.fa", "bwa_index": "prebuilt"},
}


class Storage:
    """A default storage that keeps what is stored, by query."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def object(self, query: str) -> Any:
        return SimpleNamespace(
            set_local_path=lambda path: self.stored.__setitem__(query, path.read_bytes()), managed_store=lambda: None
        )


def workflow(storage: Storage | None) -> Any:
    """What Snakemake gives of a run."""
    return SimpleNamespace(
        storage_registry=SimpleNamespace(default_storage_provider=storage),
        storage_settings=SimpleNamespace(default_storage_prefix="s3://data/runs/main/"),
        async_run=lambda _: None,
    )


@pytest.mark.parametrize("storage", [None, Storage()])
def test_configuration_and_sheet_are_written_and_stored(
    storage: Storage | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("results/run.json")
    write_about(workflow(storage), path, CONFIG, [UNIT])
    written = json.loads(path.read_text())
    assert written["workflow"] == {"name": "TerraFlow Genomics", "version": __version__}
    assert written["config"] == CONFIG
    assert written["reference"] == [f"s3://data/g.fa{end}" for end in ("", ".amb", ".ann", ".bwt", ".pac", ".sa")]
    assert written["units"] == [
        {
            "sample": "A",
            "unit": "1",
            "fq1": "https://lab.org/A_R1.fastq.gz",
            "fq2": "reads/A_R2.fastq.gz",
            "library": "",
            "platform": "",
            "sex": "",
        }
    ]
    assert list(path.parent.iterdir()) == [path]
    if storage:
        assert storage.stored == {"s3://data/runs/main/results/run.json": path.read_bytes()}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ada:pw@lab.org:8080/a.fa?Signature=1#x", "https://lab.org:8080/a.fa"),
        ("http://lab.org/a.fa", "http://lab.org/a.fa"),
        ("s3://bucket/what?#.fa", "s3://bucket/what?#.fa"),
    ],
)
def test_addresses_let_nobody_in(address: str, shown: str) -> None:
    assert without_secrets(address) == shown
