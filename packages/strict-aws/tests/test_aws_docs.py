"""The documentation holds: each claim names tests that there are, and each word is described."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from strict_aws import faults, orders
from strict_aws.log import describe
from strict_aws.state import DEFAULTS

FOLDER = Path(__file__).parent
DOCS = FOLDER.parent / "docs"


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the tables of a page that have this heading in their first column."""
    tables = re.findall(r"(?:^\|.*\n)+", (DOCS / page).read_text(), re.M)
    parsed = [[[cell.strip() for cell in line.strip("|").split(" | ")] for line in one.splitlines()] for one in tables]
    return [row for head, _, *body in parsed if head[0] == heading for row in body]


def words(page: str, heading: str) -> list[str]:
    """Return the first column of a table, without code marks."""
    return [cells[0].strip("`") for cells in rows(page, heading)]


def named_tests() -> set[str]:
    """Return `file::function` of every test of the package."""
    return {
        f"{path.name}::{node.name}"
        for path in FOLDER.glob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_strictness_has_a_source_and_a_test() -> None:
    there, claims = named_tests(), rows("strictness.md", "AWS")
    assert len(claims) >= 25
    for claim, moto, source, proof in claims:
        assert claim and moto and len(source.split()) > 1, claim
        named = re.findall(r"test_\w+\.py::test_\w+", proof)
        assert named, f"no test is named for: {claim}"
        assert set(named) <= there, f"{set(named) - there} for: {claim}"


@pytest.mark.parametrize(
    ("page", "heading", "known"),
    [
        ("settings.md", "Setting", list(DEFAULTS)),
        ("faults.md", "`call`", list(faults.WORDS["call"])),
        ("faults.md", "`job`", list(faults.WORDS["job"])),
        ("faults.md", "Field of a call", list(faults.FIELDS["call"])),
        ("faults.md", "Field of a job", list(faults.FIELDS["job"])),
        ("orders.md", "Order", list(orders.ORDERS)),
    ],
)
def test_each_word_is_described(page: str, heading: str, known: list[str]) -> None:
    assert sorted(words(page, heading)) == sorted(known)


def test_defaults_of_settings_are_described() -> None:
    written = {cells[0].strip("`"): cells[1].strip("`") for cells in rows("settings.md", "Setting")}
    assert written == {name: repr(value) for name, value in DEFAULTS.items()}


def test_each_field_of_a_request_is_described() -> None:
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "x", "SERVER_PORT": "1"}
    record = describe(environ | {"wsgi.url_scheme": "http", "QUERY_STRING": ""})
    assert sorted(words("requests.md", "Field")) == sorted(record)
