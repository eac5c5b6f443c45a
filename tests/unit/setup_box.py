"""A copy of the set-up in a folder of its own, and a PATH of stand-ins.

PATH holds nothing but the small programs that the scripts use and stand-ins for uv, conda, apt-get and the
bioinformatics tools. Each stand-in writes its calls down, so that a test can see them.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from shared import ROOT

SMALL_PROGRAMS = ["bash", "sh", "env", "cat", "echo", "sed", "grep", "head", "tail", "sort", "xargs", "cut"]
SMALL_PROGRAMS += ["cksum", "rm", "mv", "mkdir", "chmod", "dirname", "ls", "ln", "printf", "flock", "tr"]
GOOD_TOOLS = {
    "bwa": "0.7.18",
    "fastqc": "0.12.1",
    "zstd": "1.5.7",
}
# Makes an environment as conda, mamba or micromamba do: the requested packages with their programs, and conda itself.
CREATE = r"""
[ "$1" = create ] || exit 0
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) prefix=$2; mkdir -p "$prefix/bin"; shift ;;
    *=*)
      name=${1%%[>=]*}; version=${1##*=}
      printf '#!/bin/sh\necho "Version: %s"; echo "%s" "$@" >>"%s"\n' "$version" "$name" "$prefix/calls" \
        >"$prefix/bin/$name"
      chmod +x "$prefix/bin/$name" ;;
  esac
  shift
done
"""
MAKE_VENV = r"""
case "$*" in *" sync "*) ;; *) exit 0 ;; esac
mkdir -p "$UV_PROJECT_ENVIRONMENT/bin"
ln -sf "$PYTHON_STANDIN" "$UV_PROJECT_ENVIRONMENT/bin/python"
printf '#!/bin/sh\necho 9.27.1\n' >"$UV_PROJECT_ENVIRONMENT/bin/snakemake"
chmod +x "$UV_PROJECT_ENVIRONMENT/bin/snakemake"
"""


class Box:
    """A copy of the set-up in a folder with a space in its name, and a PATH of stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.bin = folder / "bin"
        self.calls_file = folder / "calls"
        self.bin.mkdir(parents=True)
        (folder / "home").mkdir()
        shutil.copytree(ROOT / "tools", self.root / "tools")
        shutil.copytree(ROOT / "envs", self.root / "envs")
        workflow = self.root / "workflow"
        shutil.copytree(ROOT / "workflow" / "scripts" / "bin", workflow / "scripts" / "bin")
        shutil.copytree(ROOT / "workflow" / "lib", workflow / "lib")
        for name in ("pyproject.toml", "uv.lock"):
            shutil.copy(ROOT / name, self.root)
        for path in ROOT.glob("packages/*/pyproject.toml"):
            member = self.root / path.relative_to(ROOT)
            member.parent.mkdir(parents=True)
            shutil.copy(path, member)
        for name in SMALL_PROGRAMS:
            path = shutil.which(name)
            if path:
                (self.bin / name).symlink_to(path)
        self.standin("python3", f'exec "{sys.executable}" "$@"', record=False)
        self.standin("uv", 'if [ "$1" = --version ]; then echo "uv 0.13.9"; exit; fi' + MAKE_VENV)
        self.standin("id", "echo 1000", record=False)
        self.environment = {
            "PATH": str(self.bin),
            "HOME": str(folder / "home"),
            "PYTHON_STANDIN": str(self.bin / "python3"),
        }

    def standin(self, name: str, script: str, *, record: bool = True) -> None:
        """Put a program on PATH; with `record` it writes its calls down."""
        path = self.bin / name
        note = f'echo "{name} $*" >>"{self.calls_file}"\n' if record else ""
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{note}{script}\n")
        path.chmod(0o755)

    def tools(self, **versions: str) -> None:
        """Put these tools on PATH; bwa prints its version in its usage, as the real one does."""
        for name, version in versions.items():
            script = f'echo "Version: {version}-r1" >&2; exit 1' if name == "bwa" else f'echo "{name} {version}"'
            self.standin(name, script, record=False)

    def setup(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.root / "tools" / "setup.sh"), *args, **environment)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment | environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def calls(self, *, forget: bool = False) -> list[str]:
        """Return the calls of the stand-ins, without those for their version."""
        if not self.calls_file.exists():
            return []
        lines = [line for line in self.calls_file.read_text().splitlines() if not line.endswith("--version")]
        if forget:
            self.calls_file.unlink()
        return lines
