"""Each distribution depends on the packages that it imports and on no others, in ranges that agree everywhere."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from wheels import MEMBERS, ROOT_PROJECT, Member

# Needed without an import: moto's server (its extra would bring much more), the program that plugins are for, and the
# samtools and bcftools in pysam's wheel.
UNIMPORTED = {"flask", "flask-cors", "pysam", "snakemake"}


def requirements(lines: Iterable[str]) -> dict[str, Requirement]:
    """Return requirements by the name of the distribution."""
    return {canonicalize_name(found.name): found for found in map(Requirement, lines)}


def of_tests(member: Member) -> list[str]:
    """Return the requirements of the group `test`."""
    lines: list[str] = member.tables.get("dependency-groups", {}).get("test", [])
    return lines


def imported(folder: Path) -> set[str]:
    """Return the distributions that the Python files of a folder import."""
    modules: set[str] = set()
    for file in folder.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        modules |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    own = {member.package: member.name for member in MEMBERS}
    installed = packages_distributions()
    tops = {module.partition(".")[0] for module in modules}
    names = {name for top in tops for name in installed.get(top, [own[top]] if top in own else [])}
    # Types of AWS's services are for the type checker alone: extras of boto3-stubs.
    return {canonicalize_name(name) for name in names if not name.startswith("mypy-boto3-")}


@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_what_is_imported_is_declared_and_nothing_else(member: Member) -> None:
    optional = chain.from_iterable(member.project.get("optional-dependencies", {}).values())
    declared = requirements([*member.project.get("dependencies", []), *optional])
    found = imported(member.source) - {member.name}
    assert found <= declared.keys(), f"{member} does not declare {found - declared.keys()}"
    assert declared.keys() - found <= UNIMPORTED, f"{member} imports none of {declared.keys() - found}"


@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_what_tests_import_is_declared_and_nothing_else(member: Member) -> None:
    declared = requirements(member.project.get("dependencies", []))
    for_tests = requirements(of_tests(member))
    found = imported(member.folder / "tests") - {member.name}
    lacking = found - declared.keys() - for_tests.keys()
    assert not lacking, f"{member}'s group test does not name {lacking}"
    # Without an import: pytest runs them.
    assert for_tests.keys() - found <= UNIMPORTED | {"pytest"}


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "demo", "tools"])
def test_what_the_project_as_a_whole_imports_is_declared(folder: str) -> None:
    groups = chain.from_iterable(ROOT_PROJECT.tables["dependency-groups"].values())
    of_members = chain.from_iterable(member.project.get("dependencies", []) for member in MEMBERS)
    declared = requirements([*ROOT_PROJECT.project["dependencies"], *groups, *of_members])
    lacking = imported(ROOT_PROJECT.folder / folder) - declared.keys() - {member.name for member in MEMBERS}
    assert not lacking, f"pyproject.toml does not declare {lacking}"


def test_ranges_agree() -> None:
    ranges: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    groups = ROOT_PROJECT.tables["dependency-groups"]
    for member in (*MEMBERS, ROOT_PROJECT):
        lines = [*member.project.get("dependencies", []), *of_tests(member)]
        lines += chain.from_iterable(member.project.get("optional-dependencies", {}).values())
        lines += [line for group in groups.values() for line in group] if member is ROOT_PROJECT else []
        for name, found in requirements(lines).items():
            if found.specifier:
                ranges[name][str(found.specifier)].append(str(member))
    assert {name: found for name, found in ranges.items() if len(found) > 1} == {}


def test_members_ask_for_versions_of_each_other_that_are_here() -> None:
    versions = {member.name: member.project["version"] for member in MEMBERS}
    asked = [
        (member.name, found)
        for member in MEMBERS
        for name, found in requirements([*member.project.get("dependencies", []), *of_tests(member)]).items()
        if name in versions
    ]
    assert asked
    for member_name, found in asked:
        assert found.specifier, f"{member_name} takes any {found.name}: say which"
        assert found.specifier.contains(versions[found.name]), f"{member_name} asks for {found}"
