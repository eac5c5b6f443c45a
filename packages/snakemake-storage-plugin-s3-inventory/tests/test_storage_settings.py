"""Intermediates are known by patterns and get the tag that the settings name; settings that contradict are refused."""

import logging
from pathlib import Path

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_s3_inventory import StorageProvider, StorageProviderSettings

TAG = "lab:lifetime=short"


@pytest.mark.parametrize(
    ("patterns", "key", "tagged"),
    [
        (None, "runs/main/x.bam", False),
        ("", "runs/main/x.bam", False),
        ("runs/*/shards/*", "runs/main/results/shards/a/1.bam", True),
        ("runs/*/shards/*", "runs/main/results/alignments/a.cram", False),
        ("*.fq.gz, *.unsorted.bam", "runs/main/a.unsorted.bam", True),
        ("*.bam", "runs/main/a.bam.bai", False),
    ],
)
def test_intermediates_are_known_by_patterns(patterns: str | None, key: str, tagged: bool) -> None:
    settings = StorageProviderSettings(intermediates=patterns, intermediates_tag=TAG)
    assert settings.tags_of(key) == ({"lab:lifetime": "short"} if tagged else {})


@pytest.mark.parametrize(
    ("tag", "tags"),
    [
        ("a=b", {"a": "b"}),
        ("a:b=c", {"a:b": "c"}),
        ("a=b=c", {"a": "b=c"}),
        ("'owner=A. Smith'", {"owner": "A. Smith"}),
    ],
)
def test_a_tag_is_a_key_and_a_value(tag: str, tags: dict[str, str]) -> None:
    settings = StorageProviderSettings(intermediates="*", intermediates_tag=tag)
    settings.check()
    assert settings.tags_of("x") == tags


@pytest.mark.parametrize(
    ("patterns", "tag", "words"),
    [
        ("*.bam", None, r"--storage-s3-inventory-intermediates \(\*\.bam\) needs .*-tag KEY=VALUE"),
        ("*.bam", "", "needs --storage-s3-inventory-intermediates-tag"),
        ("*.bam", "short", "intermediates-tag has 'short', which is not of the form key=value"),
        (None, "=short", "which is not of the form key=value"),
        (None, "lifetime=", "which is not of the form key=value"),
        (None, "a=b c=d", r"intermediates-tag has 2 tags \(a, c\); it may have one tag"),
        (None, "a=b&c=d", "intermediates-tag has the tag 'a=b&c=d', whose value AWS does not take"),
        (None, "aws:x=y", "whose key AWS does not take"),
        (None, f"{'k' * 129}=v", "whose key AWS does not take"),
    ],
)
def test_settings_that_would_tag_nothing_or_are_refused_by_s3(
    tmp_path: Path, patterns: str | None, tag: str | None, words: str
) -> None:
    settings = StorageProviderSettings(intermediates=patterns, intermediates_tag=tag)
    with pytest.raises(WorkflowError, match=words):
        StorageProvider(tmp_path, logging.getLogger("storage"), settings=settings)


@pytest.mark.parametrize(("patterns", "tag"), [(None, None), (" , ", None), (None, TAG)])
def test_without_intermediates_nothing_is_tagged(tmp_path: Path, patterns: str | None, tag: str | None) -> None:
    settings = StorageProviderSettings(intermediates=patterns, intermediates_tag=tag)
    assert StorageProvider(tmp_path, logging.getLogger("storage"), settings=settings).settings.tags_of("x") == {}
