"""tools/setup.sh finds or installs the bioinformatics tools, and tools/run.sh uses them; for real, in setup_box.py."""

from pathlib import Path

import pytest
from setup_box import CREATE, GOOD_TOOLS, Box

from terraflow_workflow import hts

BROKEN, MISSING = "broken", "missing"


# Tools with another version than the good one, and the lines of the message.
@pytest.mark.parametrize(
    ("changed", "messages"),
    [
        ({"fastqc": "0.11.2"}, ["fastqc: found 0.11.2 at {bin}/fastqc, needed is 0.11.9 or newer"]),
        ({"zstd": BROKEN}, ["zstd: found one that does not run at {bin}/zstd, needed is 1.4 or newer"]),
        (
            {"bwa": MISSING, "fastqc": MISSING},
            ["bwa: not found, needed is 0.7.17 or newer", "fastqc: not found, needed is 0.11.9 or newer"],
        ),
    ],
)
def test_tools_that_cant_be_used_are_all_named_with_ways_to_install_them(
    box: Box, changed: dict[str, str], messages: list[str]
) -> None:
    box.tools(**{name: version for name, version in (GOOD_TOOLS | changed).items() if version != MISSING})
    if BROKEN in changed.values():
        box.standin("zstd", 'echo "zstd: error while loading libzstd.so.1" >&2; exit 127', record=False)
    box.standin("apt-get", "exit 1")
    box.standin("sudo", "exit 1", record=False)

    result = box.setup()

    assert result.returncode == 1
    lines = [line.strip() for line in result.stderr.splitlines() if ", needed is " in line]
    assert lines == [message.format(bin=box.bin) for message in messages]
    assert f"sudo apt-get install --no-install-recommends {' '.join(changed)}\n" in result.stderr
    pins = " ".join(f"{name}={GOOD_TOOLS[name]}" for name in changed)
    assert f"-c conda-forge -c bioconda {pins}\n" in result.stderr
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
    # Beside mamba and micromamba, Snakemake gets a conda of its own.
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
    ("found", "asked", "message"),
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
def test_another_version_is_named_once(box: Box, found: dict[str, str], asked: dict[str, str], message: str) -> None:
    box.tools(**GOOD_TOOLS | found)
    first = box.setup(**asked)
    assert first.returncode == 0, first.stderr
    reported = [line for line in first.stderr.splitlines() if " at " in line]
    assert len(reported) == bool(message)
    assert message.format(bin=box.bin, release=hts.RELEASE) in first.stderr
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
