"""Versions that stand in several places agree, and each of them is exact."""

import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from terraflow_workflow import hts
from terraflow_workflow.reference.aligners import BWA, BWA_MEM2

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "workflow" / "lib" / "terraflow_workflow"
ENV_FILES = sorted((ROOT / "envs").glob("*.yaml"))
RULE_FILES = [ROOT / "workflow" / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]

# Packages that have another name at conda-forge than at PyPI.
PYPI_NAMES = {"python-isal": "isal", "matplotlib-base": "matplotlib"}
# Packages that come from conda or Debian only.
TOOLS = {"bwa", "bwa-mem2", "fastqc", "zstd", "python", "pip"}


def normal(name: str) -> str:
    """Return the name as uv.lock spells it."""
    name = PYPI_NAMES.get(name, name)
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions() -> dict[str, set[str]]:
    """Every package of uv.lock; one of them may have a version for each Python."""
    versions: dict[str, set[str]] = {}
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]:
        versions.setdefault(package["name"], set()).add(package["version"])
    return versions


def pins(env_file: Path) -> dict[str, str]:
    """Return the packages of an environment, from conda's channels and from PyPI: {package: version}."""
    found = {}
    lines = yaml.safe_load(env_file.read_text())["dependencies"]
    for line in [line for part in lines for line in (part["pip"] if isinstance(part, dict) else [part])]:
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)==?(\d[\w.]*)", line)
        assert match, f"{env_file.name}: '{line}' is not an exact pin such as bwa=0.7.18"
        found[match[1]] = match[2]
    return found


@pytest.mark.parametrize("env_file", ENV_FILES, ids=lambda path: path.stem)
def test_environment_is_pinned_and_takes_no_default_channel(env_file: Path) -> None:
    assert pins(env_file)
    assert yaml.safe_load(env_file.read_text())["channels"] == ["conda-forge", "bioconda", "nodefaults"]


@pytest.mark.parametrize("env_file", ENV_FILES, ids=lambda path: path.stem)
def test_python_packages_are_those_of_the_lock(env_file: Path) -> None:
    locked = locked_versions()
    for name, version in pins(env_file).items():
        if name not in TOOLS:
            assert version in locked[normal(name)], f"{env_file.name} has {name} {version}, uv.lock another"


def test_environments_agree() -> None:
    seen: dict[str, tuple[str, str]] = {}
    for env_file in ENV_FILES:
        for name, version in pins(env_file).items():
            other, wanted = seen.setdefault(name, (env_file.name, version))
            assert version == wanted, f"{name} is {version} in {env_file.name} and {wanted} in {other}"


@pytest.mark.parametrize("program", ["samtools", "bcftools"])
def test_locked_pysam_carries_the_release(program: str) -> None:
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert printed.startswith(f"{program} {hts.RELEASE} (pysam)\nUsing htslib {hts.RELEASE}\n")
    assert locked_versions()["pysam"] == {importlib.metadata.version("pysam")}


def environments_that_call(programs: str) -> set[str]:
    """Return the environments of rules whose commands name one of the programs, or a module that calls one."""
    modules = {path.stem for path in PACKAGE.rglob("*.py") if re.search(rf'\["({programs})"', path.read_text())}
    called = rf"\b({programs}) [a-z]|\brun_module \w+\.({'|'.join(modules)})\b"
    found = set()
    for path in RULE_FILES:
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if re.search(called, rule):
                found |= set(re.findall(r"envs/(\w+)\.yaml", rule))
    return found


def test_environments_of_rules_that_call_samtools_or_bcftools_have_pysam() -> None:
    having = {path.stem for path in ENV_FILES if "pysam" in pins(path)}
    assert {"bwa", "bwa_mem2", "hts", "reads"} <= environments_that_call("samtools|bcftools") <= having


def test_no_place_has_a_samtools_or_bcftools_of_its_own() -> None:
    asked = {name for path in ENV_FILES for name in pins(path)} | image_pins().keys()
    assert asked & {"samtools", "bcftools", "htslib", "tabix"} == set()
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text() + (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"\b(?:samtools|bcftools|tabix)\b", ci) == []


def test_every_conda_file_of_a_rule_exists_and_every_environment_is_used() -> None:
    used = set()
    for rule_file in RULE_FILES:
        for name in re.findall(r"^\s*conda:\s*\n?\s*[\"']([^\"']+)[\"']", rule_file.read_text(), re.MULTILINE):
            path = (rule_file.parent / name).resolve()
            assert path.is_file(), f"{rule_file.name} names {name}, which is not there"
            used.add(path)
    assert {path.name for path in ENV_FILES} == {path.name for path in used}


def test_direct_dependencies_are_those_of_the_lock() -> None:
    locked = locked_versions()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    assert {"dev", "docs", "report"} <= groups.keys()
    for line in [*project["project"]["dependencies"], *(line for group in groups.values() for line in group)]:
        match = re.match(r"([\w.-]+)(?:\[[^]]*])?(?:==([\w.]+))?", line)
        assert match
        assert normal(match[1]) in locked, f"{line}: run uv lock"
        if match[2]:
            assert locked[normal(match[1])] == {match[2]}, f"{line}: run uv lock"


def test_lock_names_one_public_registry() -> None:
    text = (ROOT / "uv.lock").read_text()
    assert len(set(re.findall(r"registry = \"([^\"]+)\"", text))) == 1
    hosts = set(re.findall(r"https?://([^/\"]+)", text))
    assert len(hosts) == 2
    assert all(re.fullmatch(r"[a-z.]+\.org", host) for host in hosts), "a mirror's address has come into uv.lock"


def test_python_range_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in (ROOT / "tools" / "setup.sh").read_text()


def image_pins() -> dict[str, str]:
    """Return the versions that envs/Dockerfile installs: {Debian's or PyPI's name: version}."""
    text = (ROOT / "envs" / "Dockerfile").read_text()
    return dict(re.findall(r"(?<![\w.+-])([a-z][\w.+-]*[a-z0-9])==?(\d+(?:\.\d+)+)", text))


def test_image_has_the_versions_of_the_environments() -> None:
    together = {name: version for path in ENV_FILES for name, version in pins(path).items()}
    found = image_pins()
    for name in ("bwa", "zstd", "fastqc"):
        assert name in found, f"envs/Dockerfile asks for no version of {name}"
        assert found[name] == together[name], f"envs/Dockerfile has {name} {found[name]}, envs/*.yaml {together[name]}"


def test_aligners_have_the_versions_of_their_environments() -> None:
    """Their indices are reused by these, and messages say how to get them."""
    for aligner, file in ((BWA, "bwa.yaml"), (BWA_MEM2, "bwa_mem2.yaml")):
        assert aligner.version == pins(ROOT / "envs" / file)[aligner.name]
        assert f"{aligner.name}={aligner.version}" in aligner.missing


def test_image_takes_the_bwa_mem2_of_the_environment() -> None:
    version = pins(ROOT / "envs" / "bwa_mem2.yaml")["bwa-mem2"]
    text = (ROOT / "envs" / "Dockerfile").read_text()
    assert set(re.findall(r"bwa-mem2_([\d.]+)\+", text)) == {version}


def test_image_is_built_with_the_uv_of_set_up() -> None:
    assert f"uv_pin={image_pins()['uv']} " in (ROOT / "tools" / "setup.sh").read_text().replace("\n", " ")
