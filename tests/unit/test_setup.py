"""tools/setup.sh and tools/run.sh, run for real in a folder of their own.

PATH holds nothing but the small programs that the scripts use and stand-ins for uv, conda, apt-get and the
bioinformatics tools. Each stand-in writes its calls down, so that a test can tell what was done and what was not.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from terraflow_workflow import hts

ROOT = Path(__file__).resolve().parents[2]
SMALL_PROGRAMS = ["bash", "sh", "env", "cat", "echo", "sed", "grep", "head", "tail", "sort", "xargs", "cut"]
SMALL_PROGRAMS += ["cksum", "rm", "mv", "mkdir", "chmod", "dirname", "ls", "ln", "printf", "flock", "tr"]
GOOD_TOOLS = {
    "bwa": "0.7.18",
    "fastqc": "0.12.1",
    "zstd": "1.5.7",
}
# Makes what conda, mamba or micromamba would: each asked-for package with its programs, and conda itself.
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
        """Put a program on PATH."""
        path = self.bin / name
        note = f'echo "{name} $*" >>"{self.calls_file}"\n' if record else ""
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{note}{script}\n")
        path.chmod(0o755)

    def tools(self, **versions: str) -> None:
        """Put these tools on PATH; bwa has its own way of telling its version, as in real life."""
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
        """What the stand-ins were asked to do, without the questions for their version."""
        if not self.calls_file.exists():
            return []
        lines = [line for line in self.calls_file.read_text().splitlines() if not line.endswith("--version")]
        if forget:
            self.calls_file.unlink()
        return lines


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_first_run_syncs_from_the_lock_and_second_installs_nothing(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    first = box.setup()
    assert first.returncode == 0, first.stderr
    (sync,) = box.calls(forget=True)
    assert "sync --frozen --python" in sync
    second = box.setup()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert box.calls() == []


def test_snakemake_of_the_venv_goes_through_run_sh(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    assert box.setup().returncode == 0
    # It is a module of the Python, which is here the one of the tests; not one of the folder it is started in.
    (box.root / "snakemake.py").write_text("raise SystemExit('of the working directory')")

    shown = box.run(str(box.root / ".venv" / "bin" / "snakemake"), "--version", PYTHONHOME="/none", CDPATH="/")

    assert shown.stdout.count(".") == 2, shown.stderr


def test_half_made_venv_is_made_anew(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    (box.root / ".venv" / "bin").mkdir(parents=True)
    left_over = box.root / ".venv" / "left-over"
    left_over.touch()
    result = box.setup()
    assert result.returncode == 0, result.stderr
    assert "half-made" in result.stderr
    assert not left_over.exists()
    assert (box.root / ".venv" / "bin" / "snakemake").exists()


def test_venv_that_was_moved_is_made_anew(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.setup()
    box.calls(forget=True)
    box.root = box.root.rename(box.root.parent / "another place")
    result = box.setup()
    assert result.returncode == 0, result.stderr
    assert len(box.calls()) == 1


def test_changed_lock_updates_the_venv_in_place(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.setup()
    kept = box.root / ".venv" / "kept"
    kept.touch()
    box.calls(forget=True)
    with (box.root / "uv.lock").open("a") as lock:
        lock.write("# changed\n")
    assert box.setup().returncode == 0
    assert len(box.calls()) == 1
    assert kept.exists()


def test_failed_sync_is_told_and_leaves_no_finished_venv(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.standin("uv", 'case "$*" in *sync*) echo "no route to host" >&2; exit 2 ;; esac; echo "uv 0.13.9"')
    result = box.setup()
    assert result.returncode == 1
    assert "no route to host" in result.stderr
    assert "Is there a network?" in result.stderr
    assert not (box.root / ".venv" / "terraflow-stamp").exists()


def test_mirror_is_used_with_the_hashes_of_the_lock(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.standin(
        "uv",
        f'if [ "$1" = --version ]; then echo "uv 0.13.9"; exit; fi\n'
        f'echo "index: $UV_DEFAULT_INDEX" >>"{box.calls_file}"' + MAKE_VENV,
    )
    result = box.setup(PIP_INDEX_URL="https://mirror.example/simple")
    assert result.returncode == 0, result.stderr
    calls = "\n".join(box.calls())
    assert "export --frozen" in calls
    assert "pip sync" in calls
    assert "--require-hashes" in calls
    assert "index: https://mirror.example/simple" in calls


@pytest.mark.parametrize("version", ["3.10", "3.14"])
def test_python_too_old_or_too_new_is_refused(box: Box, version: str) -> None:
    box.tools(**GOOD_TOOLS)
    minor = version.split(".")[1]
    script = box.bin / "pretend.py"
    script.write_text(
        f"import sys\nsys.version_info = (3, {minor}, 0)\ncode = sys.argv[sys.argv.index('-c') + 1]\nexec(code)\n"
    )
    box.standin("python3", f'exec "{sys.executable}" "{script}" "$@"', record=False)
    box.standin("uv", 'if [ "$1" = --version ]; then echo "uv 0.13.9"; exit; fi; exit 1')
    result = box.setup()
    assert result.returncode == 1
    assert "needed is Python 3.11, 3.12 or 3.13" in result.stderr
    assert [call for call in box.calls() if " sync " in call] == []


def test_broken_pyenv_shim_is_passed_over(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.standin("python3.12", f'exec "{sys.executable}" "$@"', record=False)
    for name in ("python3", "python3.13"):
        box.standin(name, f'echo "pyenv: {name}: command not found" >&2; exit 127', record=False)
    result = box.setup(PYTHON_STANDIN=str(box.bin / "python3.12"))
    assert result.returncode == 0, result.stderr
    assert box.calls()[0].endswith(f"--python {box.bin}/python3.12")


def test_without_python_and_root_the_message_says_what_to_install(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    (box.bin / "python3").unlink()
    (box.bin / "uv").unlink()
    result = box.setup()
    assert result.returncode == 1
    assert "sudo apt-get install python3 python3-venv" in result.stderr


def test_old_tool_is_refused_with_both_versions(box: Box) -> None:
    box.tools(**GOOD_TOOLS | {"fastqc": "0.11.2"})
    result = box.setup()
    assert result.returncode == 1
    assert f"fastqc: found 0.11.2 at {box.bin}/fastqc, needed is 0.11.9 or newer" in result.stderr
    assert "sudo apt-get install --no-install-recommends fastqc\n" in result.stderr
    assert "zstd" not in result.stderr


def test_tool_that_does_not_run_is_not_taken(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    box.standin("zstd", 'echo "zstd: error while loading libzstd.so.1" >&2; exit 127', record=False)
    result = box.setup()
    assert result.returncode == 1
    assert "zstd: found one that does not run" in result.stderr


def test_missing_tools_without_root_are_all_listed(box: Box) -> None:
    box.tools(zstd="1.5.7")
    box.standin("apt-get", "exit 1")
    box.standin("sudo", "exit 1", record=False)
    result = box.setup()
    assert result.returncode == 1
    for name in GOOD_TOOLS:
        assert (f"{name}: not found" in result.stderr) == (name != "zstd")
    assert "apt-get install --no-install-recommends bwa fastqc\n" in result.stderr
    assert "conda-forge -c bioconda bwa=0.7.18 fastqc=0.12.1" in result.stderr
    assert not [call for call in box.calls() if call.startswith("apt-get")]


def test_apt_installs_only_what_is_missing(box: Box) -> None:
    box.tools(bwa=GOOD_TOOLS["bwa"])
    box.standin("id", "echo 0", record=False)
    install = "".join(
        f"printf '#!/bin/sh\\necho {name} 1.21\\n' >'{box.bin}/{name}'; chmod +x '{box.bin}/{name}';"
        for name in ("zstd", "fastqc")
    )
    box.standin("apt-get", f'case "$*" in *install*) {install} esac')
    result = box.setup()
    assert result.returncode == 0, result.stderr
    apt = [call for call in box.calls() if call.startswith("apt-get")]
    assert apt[-1].endswith("install -y --no-install-recommends fastqc zstd")


def test_good_tool_behind_an_old_one_is_taken(box: Box, tmp_path: Path) -> None:
    box.tools(**GOOD_TOOLS)
    older = tmp_path / "older"
    older.mkdir()
    (older / "bwa").write_text('#!/bin/sh\necho "Version: 0.7.5" >&2\n')
    (older / "bwa").chmod(0o755)
    path = f"{older}:{box.bin}"
    assert box.setup(PATH=path).returncode == 0
    shown = box.run(str(box.root / "tools" / "run.sh"), "bwa", PATH=path)
    assert "0.7.18" in shown.stderr


@pytest.mark.parametrize("frontend", ["conda", "mamba", "micromamba"])
def test_conda_route(box: Box, frontend: str) -> None:
    box.tools(**GOOD_TOOLS | {"zstd": "1.3"})
    (box.bin / "fastqc").unlink()
    box.standin(frontend, f'if [ "$1" = --version ]; then echo "{frontend} 25.1.0"; exit; fi' + CREATE)
    result = box.setup()
    assert result.returncode == 0, result.stderr
    creations = [call for call in box.calls(forget=True) if call.startswith(f"{frontend} create")]
    assert creations[0].endswith(
        "--override-channels --channel conda-forge --channel bioconda fastqc=0.12.1 zstd=1.5.7"
    )
    # Only beside mamba and micromamba does Snakemake need a conda to be added.
    assert len(creations) == (1 if frontend == "conda" else 2)

    run = str(box.root / "tools" / "run.sh")
    assert "1.5.7" in box.run(run, "zstd", "--version").stdout
    assert "0.7.18" in box.run(run, "bwa").stderr
    assert box.run(run, "conda", "--version").returncode == 0
    profile = box.run(run, "sh", "-c", 'cat "$SNAKEMAKE_PROFILE/config.yaml"').stdout
    assert "software-deployment-method: conda" in profile
    assert " " not in profile.split("conda-prefix: ")[1].strip()

    assert box.setup().stderr == ""
    assert box.calls() == []


def test_one_more_missing_tool_keeps_those_that_conda_made(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    (box.bin / "fastqc").unlink()
    box.standin("conda", 'if [ "$1" = --version ]; then echo "conda 25.1.0"; exit; fi' + CREATE)
    assert box.setup().returncode == 0
    (box.bin / "bwa").unlink()
    assert box.setup().returncode == 0
    for name in ("bwa", "fastqc"):
        assert box.run(str(box.root / "tools" / "run.sh"), name, "--version").returncode == 0


def test_conda_is_left_when_path_has_everything_again(box: Box) -> None:
    box.standin("conda", 'if [ "$1" = --version ]; then echo "conda 25.1.0"; exit; fi' + CREATE)
    assert box.setup().returncode == 0
    assert (box.root / ".tools" / "profile" / "config.yaml").exists()
    box.tools(**GOOD_TOOLS)
    assert box.setup().returncode == 0
    assert not (box.root / ".tools" / "profile").exists()
    shown = box.run(str(box.root / "tools" / "run.sh"), "sh", "-c", 'echo "profile=${SNAKEMAKE_PROFILE:-none}"')
    assert shown.stdout == "profile=none\n"


def test_conda_without_its_channels_falls_back_to_apt(box: Box) -> None:
    box.tools(**GOOD_TOOLS)
    (box.bin / "bwa").unlink()
    box.standin("id", "echo 0", record=False)
    box.standin("conda", 'echo "channels not reached" >&2; exit 1')
    bwa = f"printf '#!/bin/sh\\necho Version: 0.7.18\\n' >'{box.bin}/bwa'; chmod +x '{box.bin}/bwa'"
    box.standin("apt-get", f'case "$*" in *install*) {bwa} ;; esac')
    result = box.setup()
    assert result.returncode == 0, result.stderr
    assert "channels not reached" in result.stderr
    assert not (box.root / ".tools" / "profile").exists()


@pytest.mark.parametrize(
    ("found", "asked", "said"),
    [
        ({"samtools": hts.RELEASE}, {}, ""),
        ({"samtools": "1.16.1"}, {}, "samtools 1.16.1 at {bin}/samtools is not used: the project has {release}"),
        (
            {"bcftools": "1.16"},
            {"TERRAFLOW_BCFTOOLS": "bcftools"},
            "bcftools 1.16 at {bin}/bcftools is used, as TERRAFLOW_BCFTOOLS says; the project's is {release}",
        ),
        ({"bwa": "0.7.17"}, {}, "bwa 0.7.17 at {bin}/bwa is used; images and conda have 0.7.18"),
        ({"fastqc": "0.11.9"}, {}, "fastqc 0.11.9 at {bin}/fastqc is used; images and conda have 0.12.1"),
    ],
)
def test_another_version_is_named_once(box: Box, found: dict[str, str], asked: dict[str, str], said: str) -> None:
    box.tools(**GOOD_TOOLS | found)
    first = box.setup(**asked)
    assert first.returncode == 0, first.stderr
    told = [line for line in first.stderr.splitlines() if " at " in line]
    assert len(told) == bool(said)
    assert said.format(bin=box.bin, release=hts.RELEASE) in first.stderr
    assert box.setup(**asked).stderr == ""


def test_runs_take_the_projects_samtools_and_not_the_one_on_path(box: Box) -> None:
    box.tools(**GOOD_TOOLS | {"samtools": "1.16.1"})
    assert box.setup().returncode == 0
    run = str(box.root / "tools" / "run.sh")
    assert box.run(run, "samtools", "--version").stdout.startswith(f"samtools {hts.RELEASE} (pysam)\n")
    for asked in (f"{box.bin}/samtools", "samtools"):
        own = box.run(run, "samtools", "--version", TERRAFLOW_SAMTOOLS=asked)
        assert own.stdout == "samtools 1.16.1\n"
    launcher = str(box.root / "workflow" / "scripts" / "bin" / "samtools")
    for nothing in (launcher, f"{box.bin}/missing", "missing"):
        refused = box.run(run, "samtools", "--version", TERRAFLOW_SAMTOOLS=nothing)
        assert refused.returncode == 127
        assert f"TERRAFLOW_SAMTOOLS is {nothing}: no program of the user's own" in refused.stderr


def test_unknown_option_is_refused(box: Box) -> None:
    result = box.setup("--nonsense")
    assert result.returncode == 2
    assert "unknown option" in result.stderr


def test_make_alone_lists_every_target() -> None:
    make = shutil.which("make")
    assert make, "make is how set-up is started: install it"
    shown = subprocess.run([make, "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("setup", "demo", "test", "lint", "accuracy", "bench", "clean"):
        assert f"make {target} " in shown
