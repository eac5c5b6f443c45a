"""`terraflow image`: builds the images of the cloud's jobs, or Airflow's, and names them after their content."""

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from terraflow import checkout
from terraflow.errors import UserError

TARGETS = ("worker", "report")
# Airflow's image has a folder of its own, which is all that `docker build` is sent.
AIRFLOW = "airflow"
# All files that `docker build` is sent (.dockerignore), and those that direct it.
PACKAGES = (
    "snakemake-aws-common",
    "snakemake-executor-plugin-aws-batch-fargate",
    "snakemake-logger-plugin-brief",
    "snakemake-storage-plugin-s3-inventory",
    "terraflow",
)
CONTENT = (
    ".dockerignore",
    "envs/Dockerfile",
    "pyproject.toml",
    "uv.lock",
    *(f"packages/{package}/{part}" for package in PACKAGES for part in ("pyproject.toml", "src")),
    "workflow/lib/pyproject.toml",
    "workflow/lib/terraflow_workflow/hts.py",
    "workflow/scripts/bin",
)
AIRFLOW_CONTENT = tuple(
    f"{AIRFLOW}/{name}"
    for name in (
        ".dockerignore",
        "Dockerfile",
        "LICENSE",
        "README.md",
        "dags",
        "pyproject.toml",
        "service",
        "src",
        "uv.lock",
    )
)
# Variables that name a mirror of PyPI, and a place that has Debian's package of bwa-mem2. Docker passes a machine's
# proxies to a build by itself, but not these.
MIRRORS = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "TERRAFLOW_BWA_MEM2_URL")
# Platforms by Docker's name; Fargate calls them X86_64 and ARM64.
ARCHITECTURES = {"linux/amd64": "amd64", "linux/arm64": "arm64"}


class ImageError(UserError):
    """Raised when an image can't be named or built; the message says why, and what to do."""


def content_tag(root: Path, content: Sequence[str] = CONTENT) -> str:
    """Return twelve hex digits of a digest of all that images of the checkout `root` are made from.

    `content` is CONTENT or AIRFLOW_CONTENT. Files count by their path and bytes, not by their times, order or owner.
    Raise ImageError when one is missing.
    """
    digest = hashlib.sha256()
    for name in content:
        if not (root / name).exists():
            raise ImageError(f"{root} has no {name}: images are built from a checkout or an archive of the project")
        for path in _files(root / name):
            # Lengths keep a path apart from what the file holds, and files from each other.
            for part in (path.relative_to(root).as_posix().encode(), path.read_bytes()):
                digest.update(len(part).to_bytes(8))
                digest.update(part)
    return digest.hexdigest()[:12]


def build(root: Path, tag: str, *, platform: str | None = None, targets: Sequence[str] = TARGETS) -> dict[str, str]:
    """Build the images that the engine lacks, and return their names: {target: "terraflow:<target>-<tag>"}.

    `targets` are some of TARGETS, or AIRFLOW alone: its content differs, and so does its tag. Docker's output goes to
    the terminal. `platform` is "linux/amd64" or "linux/arm64", else the engine's own. TERRAFLOW_DOCKER_BUILD_ARGS holds
    further arguments of `docker build` (`--network host`, say), PIP_INDEX_URL and UV_DEFAULT_INDEX name a mirror of
    PyPI. Raise ImageError when an image can't be built.
    """
    if platform is not None and platform not in ARCHITECTURES:
        raise ImageError(f"platform is '{platform}', but has to be one of: {', '.join(ARCHITECTURES)}")
    if shutil.which("docker") is None:
        raise ImageError("Docker was not found: install it as https://docs.docker.com/engine/install says")
    wanted = ARCHITECTURES[platform] if platform else _engine_architecture()
    images = {target: f"terraflow:{target}-{tag}" for target in targets}
    for target, image in images.items():
        if _architecture_of(image) == wanted:
            continue
        done = subprocess.run(_command(root, tag, target, image, platform), check=False)
        if done.returncode:
            raise ImageError(
                f"docker build of the image '{target}' failed with exit code {done.returncode}; its last words are "
                "above. It needs Debian's archive and PyPI. Mirrors of PyPI can be named with PIP_INDEX_URL, the "
                "address of Debian's package of bwa-mem2 with TERRAFLOW_BWA_MEM2_URL, and "
                'arguments of docker build with TERRAFLOW_DOCKER_BUILD_ARGS="--network host", for example.'
            )
    return images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--platform", choices=ARCHITECTURES, help="platform of the images (default: that of the Docker engine)"
    )
    parser.add_argument("--airflow", action="store_true", help="build Airflow's image in place of those of jobs")


def run(options: argparse.Namespace) -> int:
    """Build the images and print their names."""
    root = checkout.root()
    content, targets = (AIRFLOW_CONTENT, (AIRFLOW,)) if options.airflow else (CONTENT, TARGETS)
    images = build(root, content_tag(root, content), platform=options.platform, targets=targets)
    print(*images.values(), sep="\n")
    return 0


def _files(path: Path) -> Iterator[Path]:
    """Yield a file, or all files below a folder that are sent to Docker, in the same order everywhere."""
    if path.is_file():
        yield path
        return
    files = (file for file in path.rglob("*") if file.is_file())
    for file in sorted(files, key=lambda file: file.relative_to(path).as_posix()):
        if "__pycache__" not in file.parts and file.suffix not in (".pyc", ".pyo"):
            yield file


def _command(root: Path, tag: str, target: str, image: str, platform: str | None) -> list[str]:
    context = root / AIRFLOW if target == AIRFLOW else root
    dockerfile = context / "Dockerfile" if target == AIRFLOW else context / "envs" / "Dockerfile"
    command = ["docker", "build", "--file", str(dockerfile), "--target", target, "--tag", image]
    command += ["--label", f"org.opencontainers.image.version={tag}"]
    if platform:
        command += ["--platform", platform]
    for name in MIRRORS:
        if os.environ.get(name):
            # The value stays in the environment: it may hold a password, and a command line can be read by others.
            command += ["--build-arg", name]
    try:
        command += shlex.split(os.environ.get("TERRAFLOW_DOCKER_BUILD_ARGS", ""))
    except ValueError as error:
        raise ImageError(f"TERRAFLOW_DOCKER_BUILD_ARGS can't be split into arguments: {error}") from None
    return [*command, str(context)]


def _engine_architecture() -> str:
    done = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Arch}}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ImageError(f"No Docker engine answers; is dockerd running, and may you use it?\n{done.stderr.strip()}")
    return done.stdout.strip()


def _architecture_of(image: str) -> str | None:
    """Return the architecture of a local image, by Docker's name; None if there is no such image."""
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True, check=False)
    return str(json.loads(done.stdout)[0]["Architecture"]) if done.returncode == 0 else None
