"""The model of indels follows from the configuration, never from the version of bcftools."""

from pathlib import Path

import pytest

from shared import Run, programs_of
from terraflow_workflow.calling.model import depth_limits, mpileup_options


@pytest.mark.parametrize(
    ("indels", "reads", "expected"),
    [
        ("consensus", 1, "--indels-cns --seqq-offset 125 -m 1"),
        ("consensus", 2, "--indels-cns --seqq-offset 125"),
        ("classic", 2, ""),
    ],
)
def test_options_of_mpileup(indels: str, reads: int, expected: str) -> None:
    assert mpileup_options(indels, reads).split() == expected.split()


@pytest.mark.parametrize(
    ("indels", "samples", "expected"),
    [
        ("consensus", 1, "-d 5000 -L 2147483647"),
        # mpileup multiplies -L by the number of samples, and counts in 32 bits.
        ("consensus", 1000, "-d 5000 -L 2147483"),
        ("classic", 1000, "-d 5000 -L 5000"),
    ],
)
def test_limits_of_depth(indels: str, samples: int, expected: str) -> None:
    assert depth_limits(indels, 5000, samples) == expected


@pytest.mark.parametrize(
    ("version", "refused"), [("1.16", True), ("1.20", True), ("1.21", False), ("2.0+htslib", False)]
)
def test_a_bcftools_without_the_model_is_refused(
    version: str, refused: bool, script: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "fake" / "bcftools"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "bcftools {version}" || exit 9\n')
    fake.chmod(0o755)
    out = tmp_path / "out.tsv"
    options = ["--samples", "A", "--folder", tmp_path, "--out", out, "--model", " --indels-cns -m 1", "--filters"]

    for name, value in programs_of(fake.parent, "bcftools").items():
        monkeypatch.setenv(name, value)

    run = script("calling.filters", *options)

    assert run.returncode != 0 and not out.exists()
    message = "calling.indels: consensus needs bcftools 1.21 or later"
    assert (message in run.stderr) is refused
    assert (f"bcftools {version}" in run.stderr) is refused
