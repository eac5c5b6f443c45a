"""results/report.html shows the run's findings, and needs nothing from the network."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from runs import Project

# Files that the report shows: category, and words of the caption.
SHOWN = {
    "results/variants/all.consequences.tsv": ("Variants", "Changes in coding sequence"),
    "results/qc/variants/all.tsv": ("Variants", "Variants of each sample that pass all filters"),
    "results/qc/calling_reads.tsv": ("Alignments", "Alignments that variants are called from"),
    "results/qc/coverage/coverage.svg": ("Coverage", "Mean depth in windows along the reference"),
    "results/qc/multiqc.html": ("Quality", "Quality of reads, alignments and variants"),
    "results/qc/versions.tsv": ("Software", "Versions as the result files themselves name them"),
}
FROM_ELSEWHERE = re.compile(
    r"""<(?:script|iframe)\b[^>]*\ssrc=["']?(?:https?:)?//|<link\b[^>]*\shref=["']?(?:https?:)?//|@import[^;]{0,9}https?:"""
)


@pytest.fixture(scope="module")
def report(demo: Project) -> str:
    return demo["results/report.html"].read_text()


def embedded(report: str, name: str) -> dict[str, Any]:
    """Return the data that Snakemake has put into the page under a name."""
    start = re.search(rf'<script id="{name}">\s*var \w+ = ', report)
    assert start, f"the report has no {name}"
    found: dict[str, Any] = json.JSONDecoder().raw_decode(report, start.end())[0]
    return found


def content(result: dict[str, str]) -> bytes:
    """Return the file that is embedded for a result."""
    return base64.b64decode(result["data_uri"].split(",", 1)[1])


def test_every_shown_file_has_its_category_and_caption(report: str) -> None:
    results = embedded(report, "results")
    categories = embedded(report, "categories")
    found = {
        path: (category, results[path]["caption"])
        for category, groups in categories.items()
        for paths in groups.values()
        for path in paths
    }

    assert set(found) == set(SHOWN)
    for path, (category, words) in SHOWN.items():
        assert found[path][0] == category
        assert words in found[path][1]
        assert results[path]["labels"]


@pytest.mark.parametrize("path", SHOWN)
def test_the_files_are_embedded_whole(path: str, report: str, demo: Project) -> None:
    assert content(embedded(report, "results")[path]) == demo[path].read_bytes()


def test_variant_table_plot_and_versions_have_content(report: str) -> None:
    results = embedded(report, "results")
    variants = content(results["results/qc/variants/all.tsv"]).decode()
    versions = content(results["results/qc/versions.tsv"]).decode()
    plot = content(results["results/qc/coverage/coverage.svg"]).decode()

    assert all(re.search(rf"^{sample}\t\d+", variants, re.MULTILINE) for sample in ("sampleA", "sampleB"))
    assert all(
        re.search(rf"^{tool}\t\d", versions, re.MULTILINE | re.IGNORECASE) for tool in ("bwa", "samtools", "terraflow")
    )
    assert "<svg" in plot


def test_the_text_describes_the_analysis(report: str) -> None:
    assert "called with bcftools" in report


@pytest.mark.parametrize("name", ["results/report.html", "results/qc/multiqc.html"])
def test_nothing_is_loaded_from_elsewhere(name: str, demo: Project) -> None:
    text = demo[name].read_text()

    assert "<script" in text
    assert FROM_ELSEWHERE.findall(text) == []


def test_a_run_for_one_file_makes_no_report(fresh: Project, tmp_path: Path) -> None:
    fresh.run("results/reference/genome.fa").succeeded()

    assert not fresh["results/report.html"].exists()
