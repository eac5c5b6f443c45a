"""The first line of each rule: what a job starts with, and how its outputs get their names."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import psutil
import pytest

from shared import ROOT, wait_until

SCRIPTS = ROOT / "workflow" / "scripts"


class Job(NamedTuple):
    """How a job ended: its exit code, and what went to stdout, to its log and to the terminal."""

    code: int
    out: str
    log: str
    terminal: str


def words(
    folder: Path, commands: str, outputs: Sequence[str], before: str, env: Mapping[str, str] | None, log: str
) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of a rule's shell; the folders of outputs and log are there."""
    for path in (log, *outputs):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    text = f'{before}\nsource "$TERRAFLOW/begin.sh" {shlex.join([log, *outputs])}\n{commands}'
    ours = {"PATH": os.environ["PATH"], "TERRAFLOW": str(SCRIPTS), "TERRAFLOW_PYTHON": sys.executable}
    return ["bash", "-c", text], ours | dict(env or {})


def job(
    folder: Path,
    commands: str,
    *outputs: str,
    before: str = "",
    env: Mapping[str, str] | None = None,
    log: str = "log.txt",
) -> Job:
    """Run the shell of a rule with these commands and outputs in `folder`."""
    command, environ = words(folder, commands, outputs, before, env, log)
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    return Job(done.returncode, done.stdout, (folder / log).read_text(), done.stderr)


@pytest.mark.parametrize(
    ("sam", "expected"),
    [
        ("@SQ\tSN:terraflow-shield\tLN:120\n@SQ\tSN:a\tLN:9\n@PG\tID:x\nr\t0\n", "@SQ\tSN:a\tLN:9\n@PG\tID:x\nr\t0\n"),
        ("@HD\tVN:1.6\n@SQ\tSN:terraflow-shield\tLN:120\n@SQ\tSN:a\\b\tLN:9\n", "@HD\tVN:1.6\n@SQ\tSN:a\\b\tLN:9\n"),
        ("@SQ\tSN:terraflow-shield2\tLN:9\nr\n", "@SQ\tSN:terraflow-shield2\tLN:9\nr\n"),
        ("", ""),
    ],
    ids=["shield", "behind another line", "a contig of nearly that name", "nothing"],
)
def test_shield_is_taken_out_of_the_header(tmp_path: Path, sam: str, expected: str) -> None:
    (tmp_path / "in.sam").write_text(sam)

    assert job(tmp_path, "without_shield <in.sam >$SCRATCH/out.sam", "out.sam").code == 0
    assert (tmp_path / "out.sam").read_text() == expected


@contextmanager
def started(
    folder: Path, commands: str, *outputs: str, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start such a shell in a process group of its own, and wait for its end after the block."""
    command, environ = words(folder, commands, outputs, "", env, "log.txt")
    process = subprocess.Popen(command, cwd=folder, env=environ, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        yield process
        process.wait(timeout=60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(path: Path) -> None:
    """Wait until a job has made this file."""
    wait_until(path.exists, str(path), 60)


def programs_below(process: int) -> set[str]:
    """Return the names of the programs that a process, and they themselves, have started."""
    names = set()
    for child in psutil.Process(process).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            names.add(child.name())
    return names


def stand_in(folder: Path, tool: str, script: str) -> dict[str, str]:
    """Return an environment in which `script` runs instead of `tool`, which is its function `real`."""
    (folder / "bin").mkdir(exist_ok=True)
    path = folder / "bin" / tool
    path.write_text(f'#!/bin/bash\nreal() {{ {shutil.which(tool)} "$@"; }}\n{script}\n')
    path.chmod(0o755)
    return {"PATH": f"{folder}/bin:{os.environ['PATH']}"}


def files_in(folder: Path) -> dict[str, str]:
    """Return the content of all files in a folder, by their paths below it."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def limit(folder: Path, before: str) -> str:
    """Return the soft limit that a job has, in a shell that has run `before`."""
    return job(folder, "ulimit -Sn >limit; cat limit; mv limit $SCRATCH/out", "out", before=before).out.strip()


@pytest.mark.parametrize(("soft", "hard", "expected"), [(256, 900, 900), (900, 900, 900), (20, 30, 30)])
def test_a_job_may_open_as_many_files_as_it_may_ask_for(tmp_path: Path, soft: int, hard: int, expected: int) -> None:
    assert limit(tmp_path, f"ulimit -Sn {soft}; ulimit -Hn {hard}") == str(expected)


def fake_ulimit(folder: Path, script: str) -> str:
    """Lines that let a program stand for bash's `ulimit`; functions of the caller's shell would be forgotten."""
    (folder / "ulimit").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ulimit").chmod(0o755)
    return f"enable -n ulimit; PATH={folder}:$PATH"


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        ("256", "unlimited", "10240"),
        ("1024", "1073741816", "65536"),
        ("1024", "524288", "65536"),
        ("100000", "524288", "100000"),
        ("100000", "unlimited", "100000"),
        ("unlimited", "unlimited", "unlimited"),
    ],
)
def test_large_limits(tmp_path: Path, soft: str, hard: str, expected: str) -> None:
    (tmp_path / "soft").write_text(f"{soft}\n")
    script = f"""
        if [ $1 = -Hn ]; then echo {hard}
        elif [ $# = 2 ]; then echo $2 >{tmp_path}/soft
        else cat {tmp_path}/soft; fi
    """
    assert limit(tmp_path, fake_ulimit(tmp_path, script)) == expected


def test_a_limit_that_can_not_be_raised_stays(tmp_path: Path) -> None:
    script = "if [ $# = 2 ]; then exit 1; elif [ $1 = -Hn ]; then echo 4096; else echo 256; fi"
    assert limit(tmp_path, fake_ulimit(tmp_path, script)) == "256"


def environment(folder: Path, env: dict[str, str]) -> dict[str, str]:
    """Return what a tool of a job sees that was started in `folder` with this environment."""
    done = job(folder, "env -0 | tee $SCRATCH/out", "out", env=env)
    assert done.code == 0, done
    return dict(pair.partition("=")[::2] for pair in done.out.split("\0") if pair)


FOREIGN = """
    BCFTOOLS_PLUGINS MPLBACKEND PYTHONSAFEPATH PYTHONWARNINGS _JAVA_OPTIONS REF_CACHE HTS_PATH GREP_OPTIONS XZ_OPT
    ZSTD_CLEVEL MULTIQC_CONFIG_PATH MALLOC_PERTURB_ LC_ALL LC_NUMERIC PERL5LIB CLASSPATH ANYTHING_ELSE
    PYTHON SCRIPTS
"""


@pytest.mark.parametrize("name", FOREIGN.split())
def test_tools_see_nothing_of_other_programs(tmp_path: Path, name: str) -> None:
    assert name not in environment(tmp_path, {name: ""})


@pytest.mark.parametrize("name", ["LD_LIBRARY_PATH", "CONDA_PREFIX", "OMP_NUM_THREADS", "https_proxy", "TZ", "TMPDIR"])
def test_what_programs_need_to_start_stays(tmp_path: Path, name: str) -> None:
    assert environment(tmp_path, {name: "kept"})[name] == "kept"


# /proc is a folder in which nobody can make another one.
@pytest.mark.parametrize("home", [{}, {"HOME": "/nonexistent"}, {"HOME": "/proc"}, {"XDG_CACHE_HOME": "/proc/x"}])
def test_a_job_has_a_home_of_its_own(tmp_path: Path, home: dict[str, str]) -> None:
    seen = environment(tmp_path, home)

    assert Path(seen["HOME"]).parent == tmp_path / ".snakemake" / "scratch"
    assert seen["XDG_CACHE_HOME"] == seen["HOME"]
    assert seen["USER"] and seen["LOGNAME"]


def test_caches_of_fonts_are_shared_by_jobs(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    assert environment(tmp_path, {"HOME": f"{tmp_path}/home"})["XDG_CACHE_HOME"] == f"{tmp_path}/home/.cache"


def test_options_of_the_callers_shell_do_not_end_a_job(tmp_path: Path) -> None:
    assert environment(tmp_path, {"SHELLOPTS": "noclobber", "BASHOPTS": "nullglob", "UID": "7", "not a name": ""})


def test_outputs_get_their_names_when_all_commands_have_succeeded(tmp_path: Path) -> None:
    done = job(tmp_path, "echo 1 >$SCRATCH/a/one; ls a; echo 2 >$SCRATCH/a/b/two", "a/one", "a/b/two")

    assert done == (0, "b\n", "", "")
    assert files_in(tmp_path / "a") == {"one": "1\n", "b/two": "2\n"}
    assert list((tmp_path / ".snakemake" / "scratch").iterdir()) == []


@pytest.mark.parametrize("folder", ["a b", "it's", "$HOME", "é*"])
def test_outputs_and_logs_may_have_names_that_shells_take_apart(tmp_path: Path, folder: str) -> None:
    output = f"{folder}/out put"
    done = job(tmp_path, f"echo 1 >$SCRATCH/{shlex.quote(output)}", output, log=f"{folder}/the log")

    assert (done.code, done.log) == (0, "")
    assert (tmp_path / output).read_text() == "1\n"


def test_an_output_outside_of_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    output = str(tmp_path / "elsewhere" / "out")
    assert job(tmp_path / "work", f"echo 1 >$SCRATCH/{output}", output).code == 0
    assert files_in(tmp_path / "elsewhere") == {"out": "1\n"}


def test_a_forgotten_output_fails_the_job(tmp_path: Path) -> None:
    done = job(tmp_path, "echo 1 >$SCRATCH/a/one; echo 3 >$SCRATCH/a/three", "a/one", "a/two", "a/three")

    assert done.code == 1
    assert done.log.startswith("a/two: was not made, though all commands of the job succeeded; expected at .snakemake/")
    assert files_in(tmp_path / "a") == {}


@pytest.mark.parametrize("code", [1, 3, 137])
def test_a_failed_job_gives_no_file_its_name(tmp_path: Path, code: int) -> None:
    done = job(tmp_path, f"echo 1 >$SCRATCH/a/one; true | (exit {code}); echo on", "a/one")

    assert (done.code, done.out) == (code, "")
    assert done.log == f"exit codes of the parts of what failed, in order: 0 {code}\n"
    assert files_in(tmp_path / "a") == {}


def test_a_job_that_can_not_write_its_log_clears_up(tmp_path: Path) -> None:
    done = job(tmp_path, "exec 2>/dev/full; (exit 3)", "a/one")

    assert (done.code, done.terminal) == (3, "")
    assert list((tmp_path / ".snakemake" / "scratch").iterdir()) == []


def test_a_folder_of_the_name_fails_the_job(tmp_path: Path) -> None:
    (tmp_path / "a" / "two").mkdir(parents=True)
    done = job(tmp_path, "echo 1 >$SCRATCH/a/one; echo 2 >$SCRATCH/a/two", "a/one", "a/two")

    assert done.code == 1
    assert "a/two: a folder has this name" in done.log
    assert files_in(tmp_path / "a") == {"one": "1\n"}


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_rename_fails_the_job(tmp_path: Path, failing: int) -> None:
    """Where there are no links, as across disks, each output takes two renames: into its folder, and to its name."""
    count = f"n=$(($(cat {tmp_path}/n 2>/dev/null || echo 0) + 1)); echo $n >{tmp_path}/n; ((n != {failing}))"
    stand_in(tmp_path, "ln", "exit 1")
    done = job(tmp_path, "echo 1 >$SCRATCH/a/one", "a/one", env=stand_in(tmp_path, "mv", f'{count} && real "$@"'))

    assert done.code == 1
    assert "a/one: could not be put in place" in done.log
    assert files_in(tmp_path / "a") == {}


@pytest.mark.parametrize("links", [True, False])
def test_an_output_of_before_is_replaced(tmp_path: Path, links: bool) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_text("0\n")
    env = {} if links else stand_in(tmp_path, "ln", "exit 1")
    assert job(tmp_path, "echo 1 >$SCRATCH/a/one", "a/one", env=env).code == 0
    assert files_in(tmp_path / "a") == {"one": "1\n"}


def test_an_output_on_another_disk(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        assert Path(other).stat().st_dev != tmp_path.stat().st_dev
        done = job(tmp_path, f"echo 1 >$SCRATCH/{other}/one", f"{other}/one")
        assert (done.code, done.log) == (0, "")
        assert files_in(Path(other)) == {"one": "1\n"}


def test_a_job_without_folders_for_its_outputs_does_not_start(tmp_path: Path) -> None:
    env = stand_in(tmp_path, "mkdir", 'case "$*" in */a/one) exit 1 ;; esac; real "$@"')
    done = job(tmp_path, "touch began; mkdir -p $SCRATCH/a; echo 1 >$SCRATCH/a/one", "a/one", env=env)
    assert done.code == 1
    assert not (tmp_path / "began").exists()


@pytest.mark.parametrize("deaf", [False, True])
def test_what_runs_in_the_background_ends_before_outputs_get_their_names(tmp_path: Path, deaf: bool) -> None:
    trap = "trap '' TERM; " if deaf else ""
    commands = f"(exec >>$SCRATCH/a/one; {trap}touch ready; for n in {{1..2000}}; do echo 1; sleep 0.01; done) &\n"
    held = 'before=$(wc -c <"$2"); sleep 0.3; (($(wc -c <"$2") == before)) || exit 1; real "$@"'
    stand_in(tmp_path, "mv", "exit 1")
    done = job(
        tmp_path, commands + "until [[ -e ready ]]; do sleep 0.01; done", "a/one", env=stand_in(tmp_path, "ln", held)
    )
    assert done.code == 0, done
    assert set(files_in(tmp_path / "a")) == {"one"}


SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("group", [True, False], ids=["all", "shell"])
def test_a_killed_job_gives_no_file_its_name(tmp_path: Path, number: signal.Signals, group: bool) -> None:
    """Also when only the shell is killed, after commands that succeeded; its command then comes to its end."""
    held = "bash -c 'for n in {1..6000}; do if [[ -e killed ]]; then break; fi; sleep 0.02; done'"
    with started(tmp_path, f"echo 1 >$SCRATCH/a/one; true; touch ready; {held}; touch later", "a/one") as process:
        wait_for(tmp_path / "ready")
        (os.killpg if group else os.kill)(process.pid, number)
        (tmp_path / "killed").touch()
    assert process.returncode != 0
    assert not (tmp_path / "later").exists()
    assert files_in(tmp_path / "a") == {}
    assert list((tmp_path / ".snakemake" / "scratch").iterdir()) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_all_processes_of_a_job_ends_it_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """The command in the foreground would run for longer than a test waits."""
    with started(tmp_path, "sleep 1000 | cat", "a/one") as process:
        # A part of the pipe that is still a copy of the shell would lose the signal.
        wait_until(lambda: {"sleep", "cat"} <= programs_below(process.pid), "both parts of the pipe", 60)
        os.killpg(process.pid, number)
    assert process.returncode != 0
    assert list((tmp_path / ".snakemake" / "scratch").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("step", ["ln", "mv", "second mv"])
def test_a_job_killed_while_it_publishes_leaves_whole_files_only(
    tmp_path: Path, number: signal.Signals, step: str
) -> None:
    """Also between the two renames that an output takes where there are no links; the next attempt clears up."""
    at = {"ln": "ln -- */a/two a/two", "mv": "mv -f -- */a/two *", "second mv": "mv -f -- *.part a/two"}[step]
    at = at.replace(" ", "\\ ")
    held = f'case "${{0##*/}} $*" in {at}) touch {tmp_path}/ready; sleep 1000 ;; esac; real "$@"'
    env = stand_in(tmp_path, "ln", held if step == "ln" else "exit 1") | stand_in(tmp_path, "mv", held)
    commands = "echo 1 >$SCRATCH/a/one; echo 2 >$SCRATCH/a/two"
    with started(tmp_path, commands, "a/one", "a/two", env=env) as process:
        wait_for(tmp_path / "ready")
        os.killpg(process.pid, number)
    assert process.returncode != 0
    named = {name: text for name, text in files_in(tmp_path / "a").items() if not name.startswith(".")}
    assert named == {"one": "1\n"}

    # The next run clears the scratch folder away before its first job.
    shutil.rmtree(tmp_path / ".snakemake" / "scratch")
    assert job(tmp_path, commands, "a/one", "a/two").code == 0
    assert files_in(tmp_path / "a") == {"one": "1\n", "two": "2\n"}


def test_parts_of_jobs_that_run_stay(tmp_path: Path) -> None:
    (tmp_path / ".snakemake/scratch/job.living").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    for name in ("job.living", "job.dead"):
        (tmp_path / "a" / f".{name}.part").write_text("")
    assert job(tmp_path, "echo 1 >$SCRATCH/a/one", "a/one").code == 0
    assert files_in(tmp_path / "a") == {"one": "1\n", ".job.living.part": ""}


FUNCTIONS = {
    "BASH_FUNC_mkdir%%": "() { echo hostile; }",
    "BASH_FUNC_mv%%": "() { return 0; }",
    "BASH_FUNC_unset%%": "() { return 0; }",
    "BASH_FUNC_builtin%%": "() { return 0; }",
    "BASH_FUNC_awk%%": "() { echo hostile; }",
}
OPTIONS = {
    "SHELLOPTS": "noclobber:noglob:verbose:xtrace",
    "BASHOPTS": "failglob:nocasematch",
    "GLOBIGNORE": "*",
    "CDPATH": "/",
}
# bash itself refuses to start with this and a function `unset`.
POSIX = {"POSIXLY_CORRECT": "1"}


@pytest.mark.parametrize("env", [FUNCTIONS, OPTIONS, POSIX, FUNCTIONS | OPTIONS, OPTIONS | POSIX])
def test_settings_of_the_callers_shell_change_no_command(tmp_path: Path, env: dict[str, str]) -> None:
    """A workflow that uses this one may need its exported functions, so they are still there when a job begins."""
    commands = """
        echo 1 >$SCRATCH/a/one; echo 2 >$SCRATCH/a/one
        awk 'BEGIN { print "awk" }'
        echo $SCRATCH/*/on[e]
        [[ A != a ]]
    """
    done = job(tmp_path, commands, "a/one", env=env)

    assert (done.code, done.out.split("\n")[0]) == (0, "awk"), done
    assert done.out.split("\n")[1].endswith("/a/one")
    assert "hostile" not in done.log
    assert files_in(tmp_path / "a") == {"one": "2\n"}


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "set +euo pipefail",
        "set -f; shopt -s nullglob",
        "trap 'exit 0' EXIT ERR TERM",
        "set -T; trap 'case $BASH_COMMAND in exec*) exit 0 ;; esac' DEBUG RETURN",
        "shopt -s inherit_errexit",
        "mv() { :; }; alias mv=true; shopt -s expand_aliases",
        "SCRATCH=/nonexistent TERRAFLOW_OTHER=1",
        "IFS=/",
    ],
)
@pytest.mark.parametrize(
    ("commands", "good"),
    [
        ("echo 1 >$SCRATCH/a/one", True),
        ("echo 1 >$SCRATCH/a/one; false; true", False),
        ("echo 1 >$SCRATCH/a/one; false | true", False),
        ("echo 1 >$SCRATCH/a/one; echo $unknown; true", False),
        ("true", False),
    ],
)
def test_a_prefix_of_another_workflow_weakens_no_rule(tmp_path: Path, prefix: str, commands: str, good: bool) -> None:
    done = job(tmp_path, commands, "a/one", before=prefix)

    assert (done.code == 0) == good, done
    assert files_in(tmp_path / "a") == ({"one": "1\n"} if good else {})


def test_modules_are_those_beside_begin_sh(tmp_path: Path) -> None:
    """Not an installed copy, and nothing of the working directory."""
    workflow = tmp_path / "a workflow"
    shutil.copytree(SCRIPTS, workflow / "scripts")
    package = workflow / "lib" / "terraflow_workflow"
    (package / "sub").mkdir(parents=True)
    for path in (package / "__init__.py", package / "sub" / "__init__.py"):
        path.touch()
    (package / "sub" / "probe.py").write_text("import json, sys; print(__file__, *sys.argv[1:])\n")
    (tmp_path / "json.py").write_text("raise SystemExit('of the working directory')\n")

    done = job(
        tmp_path, "run_module sub.probe 'a b' >$SCRATCH/out; cat $SCRATCH/out", "out",
        env={"TERRAFLOW": str(workflow / "scripts"), "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done == (0, f"{package}/sub/probe.py a b\n", "", "")


@pytest.mark.parametrize(
    "before",
    [
        "trap 'exit 0' EXIT",
        "set -E; trap 'exit 0' ERR",
        """set -T; trap '[[ "$BASH_COMMAND" != echo* ]] || exit 0' DEBUG""",
    ],
)
def test_traps_of_the_callers_shell_hide_no_failure(tmp_path: Path, before: str) -> None:
    """Also not where begin.sh itself finds that the job can't start."""
    shutil.copytree(SCRIPTS, tmp_path / "scripts")
    (tmp_path / "scripts" / "bin" / "samtools").unlink()
    done = job(tmp_path, "true", "out", env={"TERRAFLOW": str(tmp_path / "scripts")}, before=before)
    assert done.code == 1
    assert "samtools and bcftools there are missing" in done.log


def test_failures_in_substituted_commands_mean_the_same_in_every_shell(tmp_path: Path) -> None:
    done = job(tmp_path, "x=$(false; echo on); echo $x >$SCRATCH/out", "out", before="shopt -s inherit_errexit")
    assert done.code == 0
    assert (tmp_path / "out").read_text() == "on\n"


def test_launchers_that_can_not_be_started_are_named(tmp_path: Path) -> None:
    shutil.copytree(SCRIPTS, tmp_path / "scripts")
    (tmp_path / "scripts" / "bin" / "samtools").chmod(0o644)
    done = job(tmp_path, "true", "out", env={"TERRAFLOW": str(tmp_path / "scripts")})
    assert done.code == 1
    assert f"{tmp_path}/scripts/bin: samtools and bcftools there are missing or not executable" in done.log


def slices_of_many_contigs(folder: Path, contigs: int, samples: int) -> list[str]:
    """Write a reference of small contigs, and CRAM files of 25 reads on each; return their names."""
    random = Random(contigs)
    bases = {f"c{number}": "".join(random.choices("ACGT", k=200)) for number in range(contigs)}
    fasta = folder / "g.fa"
    fasta.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in bases.items()))
    subprocess.run(["samtools", "faidx", fasta], check=True)
    names = []
    for sample in range(samples):
        lines = ["@HD\tVN:1.6\tSO:coordinate", *(f"@SQ\tSN:{name}\tLN:200" for name in bases)]
        lines.append(f"@RG\tID:{sample}\tSM:s{sample}")
        for name, sequence in bases.items():
            other = sequence[:100] + {"A": "C", "C": "G", "G": "T", "T": "A"}[sequence[100]] + sequence[101:]
            for start in range(0, 100, 4):
                fields = (f"{name}:{start}", 0, name, start + 1, 60, "100M", "*", 0, 0, other[start : start + 100])
                lines.append("\t".join(map(str, (*fields, "I" * 100, f"RG:Z:{sample}"))))
        path = folder / f"s{sample}.cram"
        command = ["samtools", "view", "-O", "cram,version=3.0", "-T", fasta, "-o", path, "-"]
        subprocess.run(command, input="\n".join(lines) + "\n", text=True, check=True)
        names.append(path.name)
    return names


@pytest.mark.parametrize(("pieces", "way"), [(1, "-R"), (40, "-T")])
def test_slices_are_read_through_for_many_places_and_looked_up_for_few_with_the_same_calls(
    tmp_path: Path, pieces: int, way: str
) -> None:
    names = slices_of_many_contigs(tmp_path, 40, 2)
    (tmp_path / "tile.bed").write_text("".join(f"c{number}\t0\t200\n" for number in range(pieces)))
    commands = (
        f"printf '%s\\n' {shlex.join(names)} >$SCRATCH/alignments.txt; index_slices; way_through tile.bed; "
        "for way in -R -T; do bcftools mpileup -Ou -f g.fa -b $SCRATCH/alignments.txt $way tile.bed -a FORMAT/AD "
        '| bcftools call -m -v -Ov - | grep -v "^##"; done; touch $SCRATCH/out'
    )

    done = job(tmp_path, commands, "out")

    assert done.code == 0, done.log
    said, *calls = done.out.splitlines()
    assert said == way
    looked_up, read_through = calls[: len(calls) // 2], calls[len(calls) // 2 :]
    assert looked_up == read_through
    assert [line.split("\t")[:2] for line in looked_up[1:]] == [[f"c{number}", "101"] for number in range(pieces)]
