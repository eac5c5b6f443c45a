"""Tags in settings: what AWS takes is read, and everything else is refused with the part that is wrong."""

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import tags


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, {}),
        ("", {}),
        ("a=b", {"a": "b"}),
        ("a=b=c", {"a": "b=c"}),
        ("lab:x=1 'owner=A. Smith'", {"lab:x": "1", "owner": "A. Smith"}),
        ("owner='A. Smith'", {"owner": "A. Smith"}),
        ("père=noël", {"père": "noël"}),
        (f"{'k' * 128}={'v' * 256}", {"k" * 128: "v" * 256}),
    ],
)
def test_tags_are_read(text: str | None, found: dict[str, str]) -> None:
    assert tags.parse("--tags", text, 2) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a=b&c=d", "'a=b&c=d', whose value AWS does not take"),
        ("aws:x=y", "'aws:x=y', whose key AWS does not take"),
        ("AWS:x=y", "whose key"),
        ("x=aws:y", "whose value"),
        ("a=", "'a=', which is not of the form key=value"),
        ("a=''", "which is not of the form key=value"),
        ("=b", "which is not of the form key=value"),
        ("a", "which is not of the form key=value"),
        ("a=b c", "has 'c', which is not of the form key=value. Put quotes"),
        (f"{'k' * 129}=v", "whose key AWS does not take: it may have 128"),
        (f"k={'v' * 257}", "whose value AWS does not take: it may have 256"),
        (f"{'𝒌' * 65}=v", "whose key"),
        ("a*=b", "whose key"),
        ("a='b\tc'", "whose value"),
        ("a=b\\c", "whose value"),
        ("a=b #c=d", "'#c=d', whose key"),
        ("'a =b'", "whose key"),
        ("a=' b'", "whose value"),
        ("'a=b", "can't be read"),
        ("a=b a=c", "two tags with the key 'a'"),
        ("a=b c=d e=f", r"has 3 tags \(a, c, e\); it may have 2 tags"),
    ],
)
def test_what_aws_does_not_take_is_refused(text: str, words: str) -> None:
    with pytest.raises(WorkflowError, match=f"^--tags .*{words}"):
        tags.parse("--tags", text, 2)
