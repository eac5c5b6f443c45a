"""The tag of the images stands for their content, and docker is called as it should be."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from terraflow import image
from terraflow.image import CONTENT, PACKAGES, ImageError, build, content_tag

CLI = "packages/terraflow/src/terraflow"
FAKE_DOCKER = """#!/bin/sh
echo "$@ ${PIP_INDEX_URL:+mirror=$PIP_INDEX_URL}" >>"$DOCKER_CALLS"
case $1 in
  version) echo "${ENGINE:-amd64}" ;;
  image) [ -e "$DOCKER_CALLS.$(echo "$3" | tr : _)" ] && cat "$DOCKER_CALLS.$(echo "$3" | tr : _)" ;;
  build) exit "${BUILD_EXIT:-0}" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Everything that the tag is made from, in miniature."""
    folder = tmp_path / "checkout"
    for package in PACKAGES:
        (folder / "packages" / package / "src").mkdir(parents=True)
        (folder / "packages" / package / "src" / "module.py").write_text("")
        (folder / "packages" / package / "pyproject.toml").write_text("[project]\n")
    for name, text in {
        ".dockerignore": "*\n",
        "envs/Dockerfile": "FROM scratch\n",
        "pyproject.toml": "[project]\n",
        "uv.lock": "version = 1\n",
        f"{CLI}/__init__.py": "",
        f"{CLI}/cli.py": "print(1)\n",
        "workflow/lib/pyproject.toml": "[project]\n",
        "workflow/lib/terraflow_workflow/hts.py": "",
        "workflow/scripts/bin/samtools": "#!/bin/sh\n",
        "README.md": "Read me\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


class Docker:
    """A docker that notes how it is called."""

    def __init__(self, folder: Path) -> None:
        self.calls_file = folder / "calls"

    @property
    def builds(self) -> list[str]:
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line for line in lines if line.startswith("build ")]

    def has(self, name: str, architecture: str) -> None:
        self.calls_file.with_name(f"calls.{name.replace(':', '_')}").write_text(
            f'[{{"Architecture":"{architecture}"}}]'
        )


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(FAKE_DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    for name in (*image.MIRRORS, "TERRAFLOW_DOCKER_BUILD_ARGS"):
        monkeypatch.delenv(name, raising=False)
    fake = Docker(tmp_path)
    monkeypatch.setenv("DOCKER_CALLS", str(fake.calls_file))
    return fake


def test_tag_is_the_same_in_another_place_at_another_time(checkout: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    for path in sorted((path for path in checkout.rglob("*") if path.is_file()), reverse=True):
        target = copy / path.relative_to(checkout)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        os.utime(target, (1, 1))
    assert content_tag(copy) == content_tag(checkout)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / f"{CLI}/cli.py").write_text("print(2)\n"),
        lambda root: (root / f"{CLI}/cli.py").rename(root / f"{CLI}/main.py"),
        lambda root: (root / f"{CLI}/more.py").write_text(""),
        lambda root: (root / f"{CLI}/cli.py").unlink(),
        lambda root: (root / "uv.lock").write_text("version = 2\n"),
        lambda root: (root / "pyproject.toml").write_text("[tool]\n"),
        lambda root: (root / "envs/Dockerfile").write_text("FROM debian\n"),
        lambda root: (root / ".dockerignore").write_text(""),
    ],
    ids=["changed", "renamed", "added", "removed", "lock", "project", "Dockerfile", "dockerignore"],
)
def test_tag_changes_with_the_content(checkout: Path, change: Callable[[Path], None]) -> None:
    before = content_tag(checkout)
    change(checkout)
    assert content_tag(checkout) != before


def test_tag_tells_where_one_file_ends_and_the_next_begins(checkout: Path) -> None:
    first, second = checkout / f"{CLI}/a.py", checkout / f"{CLI}/b.py"
    first.write_text("xy")
    second.write_text("z")
    before = content_tag(checkout)
    first.write_text("x")
    second.write_text("yz")
    assert content_tag(checkout) != before


def test_tag_leaves_out_bytecode_and_what_the_images_do_not_hold(checkout: Path) -> None:
    before = content_tag(checkout)
    (checkout / "README.md").write_text("Read me again\n")
    cache = checkout / f"{CLI}/__pycache__"
    cache.mkdir()
    (cache / "cli.cpython-313.pyc").write_bytes(b"\0")
    assert content_tag(checkout) == before


@pytest.mark.parametrize("name", CONTENT)
def test_missing_content_is_named(checkout: Path, name: str) -> None:
    path = checkout / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ImageError, match=re.escape(f"has no {name}")):
        content_tag(checkout)


def test_both_images_are_built_from_the_checkout(checkout: Path, docker: Docker) -> None:
    images = build(checkout, "0123456789ab", platform=None)
    assert images == {"worker": "terraflow:worker-0123456789ab", "report": "terraflow:report-0123456789ab"}
    assert docker.builds == [
        f"build --file {checkout}/envs/Dockerfile --target {target} --tag {images[target]} "
        f"--label org.opencontainers.image.version=0123456789ab {checkout} "
        for target in ("worker", "report")
    ]


def test_airflow_s_image_is_built_from_its_folder_alone(checkout: Path, docker: Docker) -> None:
    images = build(checkout, "0123456789ab", platform=None, targets=[image.AIRFLOW])
    assert images == {"airflow": "terraflow:airflow-0123456789ab"}
    assert docker.builds == [
        f"build --file {checkout}/airflow/Dockerfile --target airflow --tag terraflow:airflow-0123456789ab "
        f"--label org.opencontainers.image.version=0123456789ab {checkout}/airflow "
    ]


def test_images_that_are_there_are_passed_over(checkout: Path, docker: Docker) -> None:
    docker.has("terraflow:worker-0123456789ab", "amd64")
    build(checkout, "0123456789ab", platform=None)
    assert [re.findall("--target (\\w+)", call) for call in docker.builds] == [["report"]]


def test_an_image_of_another_architecture_is_built_again(checkout: Path, docker: Docker) -> None:
    for name in ("worker", "report"):
        docker.has(f"terraflow:{name}-0123456789ab", "amd64")
    build(checkout, "0123456789ab", platform="linux/arm64")
    assert [re.findall("--platform (\\S+)", call) for call in docker.builds] == [["linux/arm64"]] * 2


def test_mirrors_and_arguments_come_from_the_environment(
    checkout: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:secret@mirror.example/simple")
    monkeypatch.setenv("TERRAFLOW_DOCKER_BUILD_ARGS", "--network host --build-arg 'A=b c'")
    build(checkout, "0123456789ab", platform=None)
    call = docker.builds[0]
    assert "--build-arg PIP_INDEX_URL --network host --build-arg A=b c" in call
    assert call.count("secret") == 1, "the mirror's password has to stay in the environment"
    assert call.endswith("mirror=https://user:secret@mirror.example/simple")


def test_a_failed_build_says_what_it_needs(checkout: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_EXIT", "100")
    with pytest.raises(ImageError, match=r"'worker' failed with exit code 100.*TERRAFLOW_DOCKER_BUILD_ARGS"):
        build(checkout, "0123456789ab", platform=None)
    assert len(docker.builds) == 1


def test_arguments_that_can_not_be_split_are_refused(
    checkout: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRAFLOW_DOCKER_BUILD_ARGS", "--label 'open")
    with pytest.raises(ImageError, match="TERRAFLOW_DOCKER_BUILD_ARGS can't be split"):
        build(checkout, "0123456789ab", platform=None)


@pytest.mark.usefixtures("docker")
def test_an_unknown_platform_is_refused(checkout: Path) -> None:
    with pytest.raises(ImageError, match="platform is 'ARM64', but has to be one of: linux/amd64, linux/arm64"):
        build(checkout, "0123456789ab", platform="ARM64")


def test_missing_docker_is_told(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match="Docker was not found"):
        build(checkout, "0123456789ab", platform=None)
    assert os.environ["PATH"] == str(tmp_path)


def test_an_engine_that_does_not_answer_is_told(checkout: Path, docker: Docker) -> None:
    program = docker.calls_file.parent / "bin" / "docker"
    program.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    with pytest.raises(ImageError, match="Cannot connect to the Docker daemon"):
        build(checkout, "0123456789ab", platform=None)
