"""What of a run is fetched, and where it may lie on this disk."""

from pathlib import Path

import pytest

from terraflow.errors import UserError
from terraflow.fetching import objects, places
from terraflow.fetching.objects import Object

VARIANTS = {"results/variants/all.vcf.gz", "results/variants/all.vcf.gz.tbi"}
RESULTS = VARIANTS | {"results/alignments/A.cram", "results/qc/multiqc.html", "ro-crate-metadata.json"}
LOG = "logs/bwa_mem/A/1.0.log"
PATHS = [
    *sorted(RESULTS),
    LOG,
    "results/bwa_mem/A/1.0.cram",
    "results/reads/A/1.0.fastq.zst",
    "results/slices/A/1.bcf",
    "head/run.json",
    ".run-data.json",
    "snakemake-workflow-sources.abc.tar.xz",
]
# The last one stands for a folder.
OBJECTS = [*(Object(path, 1, "etag") for path in PATHS), Object("results/", 0, "etag")]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], RESULTS),
        (["variants/*"], VARIANTS),
        (["results/variants"], VARIANTS),
        (["./variants/"], VARIANTS),
        (["*.vcf.gz", "qc"], {"results/variants/all.vcf.gz", "results/qc/multiqc.html"}),
        (["logs/*"], {LOG}),
        # No intermediates, nothing of a head's, no locks.
        (["*"], RESULTS | {LOG}),
    ],
)
def test_patterns(patterns: list[str], expected: set[str]) -> None:
    assert [one.path for one in objects.select(OBJECTS, patterns)] == [path for path in PATHS if path in expected]


@pytest.mark.parametrize("pattern", ["variant/*", "head/*", "bwa_mem/*", "*.fastq.zst", "/etc/*", ""])
def test_a_pattern_that_fits_nothing(pattern: str) -> None:
    with pytest.raises(UserError) as raised:
        objects.select(OBJECTS, ["variants/*", pattern])
    assert f"--only {pattern!r}: no file of the run fits" in str(raised.value)
    assert "  - variants" in str(raised.value)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("results/../../../etc/passwd", "leads out of the folder"),
        ("results/..", "leads out of the folder"),
        ("/etc/passwd", "leads out of the folder"),
        ("results//double", "is no name of a file"),
        ("results/./here", "is no name of a file"),
        ("results/folder/", "is no name of a file"),
        ("results/zero\0", "is no name of a file"),
        ("results/qc/multiqc.html/inner", "'results/qc/multiqc.html' is a file, too"),
    ],
)
def test_names_that_no_file_can_have(path: str, problem: str) -> None:
    with pytest.raises(UserError) as raised:
        places.places(Path("here"), [*OBJECTS[:-1], Object(path, 1, "")])
    assert f"{path!r}: {problem}" in str(raised.value)


def test_a_disk_that_knows_no_capitals(tmp_path: Path) -> None:
    found = {Object(path, 1, ""): tmp_path / path for path in ("results/a.cram", "results/A.cram")}
    places.refuse_same_place(found, tmp_path)
    (tmp_path / places.MARKER.upper()).touch()
    with pytest.raises(UserError, match="are one file on this disk"):
        places.refuse_same_place(found, tmp_path)


def test_copies_of_the_profile_are_intermediates() -> None:
    """The patterns by which the profile tags intermediates are those that are never fetched."""
    profile = Path(__file__).parents[3] / "profiles/aws/config.yaml"
    if not profile.exists():
        pytest.skip("no checkout around the tests")
    setting = "storage-s3-inventory-intermediates: "
    [line] = [line for line in profile.read_text().splitlines() if line.startswith(setting)]
    named = {pattern.removeprefix("runs/*/") for pattern in line.removeprefix(setting).split(",")}
    assert named == {*objects.INTERMEDIATES, "snakemake-workflow-sources.*", "head/measured/*"}
