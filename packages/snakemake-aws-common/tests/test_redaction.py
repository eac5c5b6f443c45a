"""Secrets and orders to a terminal are left out of all that is shown."""

import time

import pytest

from snakemake_aws_common import redaction


def test_a_secret_that_begins_like_another_hides_none_of_it() -> None:
    assert (
        redaction.redact("abcdef1 abcdef1XYZ9", ["abcdef1", "abcdef1XYZ9"]) == f"{redaction.HIDDEN} {redaction.HIDDEN}"
    )


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG",
        '"password": "hunter22"',
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=abcdef0123&X-Amz-Credential=AKIA/x",
        "Authorization: Bearer abcdef",
        "https://me:hunter22@example.org",
        "API_KEY=abcdef",
        "x-api-key: abcdef",
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host, Signature=abcdef0123",
        "https://b.s3.amazonaws.com/k?AWSAccessKeyId=ASIAIOSFODNN7EXAMPLE&Signature=abcdef0123",
        "curl -H 'Authorization: Bearer abcdef' --token abcdef --password 'hunter22 hunter22'",
        'password="hunter22 and hunter22"',
        "password=one,hunter22",
        r"{\"password\": \"hunter22\"}",
        "password='hunter22",
        "<SessionToken>abcdef</SessionToken>",
        "redis://:hunter22@cache https://hunter22@example.org https://me:hunter@22hunter22@example.org",
        "got eyJhbGciOiJI.abcdef.abcdef and ghp_abcdefabcdefabcdef12",
        "-----BEGIN RSA PRIVATE KEY-----\n | abcdef\n-----END RSA PRIVATE KEY-----",
        "pass\x1b[31mword=\x1b[0mhunter22",
        "the-known-secret",
    ],
)
def test_secrets_are_hidden(secret: str) -> None:
    shown = redaction.redact(f"before {secret} after", ["the-known-secret"])
    for part in ("IOSFODNN7", "wJalr", "hunter22", "abcdef", "known-secret"):
        assert part not in shown
    assert shown.startswith("before ") and "[hidden]" in shown


def test_what_is_no_secret_is_shown() -> None:
    line = "samtools sort: 12 reads in s3://data/runs/main/a.bam; see https://example.org/tokens?page=1#x"
    assert redaction.redact(line) == line


def test_orders_to_a_terminal_are_left_out() -> None:
    shown = redaction.redact("\x1b[1;31merror\x1b[0m:\tbad\x1b]0;title\x07 reads\x07\x1b]0;no end\nnext\x00 line")
    assert shown == "error:\tbad reads\nnext line"


def test_long_lines_are_shortened_and_cost_no_time() -> None:
    start = time.thread_time()
    shown = redaction.redact("\n".join(["token" * 50_000, "x" * 200_000, "AKIAIOSFODNN7EXAMPLE" + "y" * 5000]))
    assert time.thread_time() - start < 5
    assert len(shown) < 4000 and "… (199000 more characters)" in shown and "IOSFODNN7" not in shown
