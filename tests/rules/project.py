"""The tiny genome's reads as a project, and folders in which single rules are run."""

import shlex
import shutil
from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path

from compressions import COMPRESSIONS
from tiny import GENOME, NASTY, PLAIN, Read, fasta, fragments, gff, singles, text_of

import shared
from shared import Outcome, ended, programs_of


class Project(shared.Project):
    """A working directory with a configuration and a sheet, in which single rules are run."""

    def write(self, name: str, data: bytes | str) -> str:
        """Write a file of the folder; return its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return name

    def snakemake(self, *arguments: str, cores: int = 2, env: dict[str, str] | None = None) -> Outcome:
        """Run Snakemake from the checkout, in the caller's environment."""
        return Outcome(*ended(self.command("--notemp", *arguments, cores=cores), env=env))

    def rule(
        self,
        rules: str,
        *targets: str,
        options: Iterable[str] = (),
        cores: int = 2,
        env: dict[str, str] | None = None,
    ) -> Outcome:
        """Run these rules alone, on files of all others that are there; remove the targets first."""
        for target in targets:
            self[target].unlink(missing_ok=True)
        return self.snakemake(*options, "--allowed-rules", *rules.split(), "--", *targets, cores=cores, env=env)

    def log(self, name: str) -> str:
        """Return the text of a log, such as `bwa_mem/two/L1.1`."""
        return self[f"logs/{name}.log"].read_text()

    def files(self, under: str = "results") -> list[str]:
        """Return the names of all files below a folder, hidden ones too."""
        return sorted(str(path.relative_to(self.folder)) for path in self[under].rglob("*") if path.is_file())

    def scratch(self) -> list[Path]:
        """Return the files that jobs left in their scratch folders."""
        return list(self[".snakemake/scratch"].glob("*"))

    def copy(self, folder: Path, *results: str) -> "Project":
        """Copy the inputs, and these folders of results, into another folder."""
        for path in self.folder.iterdir():
            if path.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, folder)
        for name in ["reads", *(f"results/{result}" for result in results)]:
            if self[name].is_dir():
                shutil.copytree(self[name], folder / name, dirs_exist_ok=True)
        return Project(folder, deepcopy(self.config), deepcopy(self.units))


Copy = Callable[..., Project]
# Options for jobs that share files through a storage only.
NO_DISK_IN_COMMON = ("--shared-fs-usage", "none")


def tiny_project(folder: Path) -> Project:
    """Make a project of two samples and three units, in three compressions, with an annotation."""
    project = Project(
        folder,
        {
            "reference": {"fasta": "ref.fa"},
            "reads": {"shards": 2},
            "calling": {"windows": 3},
            "annotation": {"gff": "genes.gff3"},
            "quality": {"coverage_windows": 8},
        },
    )
    project.write("ref.fa", fasta(GENOME))
    project.write("genes.gff3", gff())
    for unit, (sample, name, packed) in enumerate([(NASTY, "L.1", "gzip-members"), (PLAIN, "L1", "zstd")]):
        mates = zip(*fragments(sample, tag=f"{unit}:"), strict=True)
        files = [
            project.write(f"reads/{sample}_{mate}.fq", COMPRESSIONS[packed](text_of(reads)))
            for mate, reads in enumerate(mates, start=1)
        ]
        project.add(sample, name, *files, library=f"lib-{sample}", platform="", sex="M" if sample == NASTY else "F")
        if sample == NASTY:
            fastq = project.write("reads/single.fastq.gz", COMPRESSIONS["bzip2-streams"](text_of(singles(sample))))
            project.add(sample, "single+1", fastq, library="", platform="DNBSEQ", sex="M")
    return project


def units_of(sample: str) -> dict[str, list[Read]]:
    """Return the reads of each unit of a sample of the tiny project."""
    if sample == PLAIN:
        return {"L1": [read for mates in fragments(PLAIN, tag="1:") for read in mates]}
    return {"L.1": [read for mates in fragments(NASTY, tag="0:") for read in mates], "single+1": singles(NASTY)}


def dying(folder: Path, tool: str, code: int, lines: int = 60, only: str = "") -> dict[str, str]:
    """Return an environment in which `tool` (its subcommand `only`) dies with `code` after some lines of output."""
    folder.mkdir(parents=True, exist_ok=True)
    real = f"env -u TERRAFLOW_SAMTOOLS -u TERRAFLOW_BCFTOOLS {shlex.quote(str(shutil.which(tool)))}"
    fake = folder / tool
    fake.write_text(
        "#!/bin/bash\n"
        f'if [[ "{only}" && $1 != "{only}" ]]; then exec {real} "$@"; fi\n'
        f'{real} "$@" | head -n {lines}\nexit {code}\n'
    )
    fake.chmod(0o755)
    return programs_of(folder, tool)
