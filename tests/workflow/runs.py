"""Folders in which the workflow is run: the jobs that a run names and finishes, and the results that it leaves."""

import gzip
import re
import shutil
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import shared
from shared import ROOT, ended, output_of

EXAMPLE = ROOT / "config" / "example"
JOB = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)*)", re.MULTILINE)
FINISHED = re.compile(r"^Finished jobid: (\d+) ", re.MULTILINE)
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

# Folders of results whose files are the same bytes each time, given the same data and settings.
REPRODUCIBLE = ("reads", "bwa_mem", "reference")


class Outcome(shared.Outcome):
    """A Snakemake that has ended, or one that only planned, and the jobs that it named."""

    def _jobs(self) -> Iterator[tuple[str, str]]:
        for rule, block in JOB.findall(self.text):
            fields = dict(line.strip().partition(": ")[::2] for line in block.splitlines())
            values = [pair.partition("=")[2] for pair in fields.get("wildcards", "").split(", ")]
            yield fields["jobid"], " ".join([rule, *values]).strip()

    @property
    def jobs(self) -> set[str]:
        """Jobs that were planned or started, such as `bwa_mem A L1 2`: rule and wildcards."""
        return {name for _, name in self._jobs()}

    @property
    def rules(self) -> set[str]:
        """Rules of these jobs."""
        return {job.split()[0] for job in self.jobs}

    @property
    def finished(self) -> set[str]:
        """Jobs that ended well."""
        names = dict(self._jobs())
        return {names[number] for number in FINISHED.findall(self.text)}


class Project(shared.Project):
    """A working directory with a configuration and a sheet, in which whole runs are made."""

    def run(
        self, *arguments: str, cores: int = 2, cwd: Path = ROOT, env: dict[str, str] | None = None, wait: float = 1200
    ) -> Outcome:
        """Run Snakemake to its end."""
        return Outcome(*ended(self.command(*arguments, cores=cores), cwd, env, wait))

    def plan(self, *arguments: str) -> Outcome:
        """Plan a run, and do nothing."""
        return self.run("--dry-run", *arguments).succeeded()

    def copy(self, folder: Path) -> "Project":
        """Copy the folder, with the times of its files, to another place."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        return Project(folder, deepcopy(self.config), deepcopy(self.units))

    def files(self) -> dict[str, Path]:
        """Return all files of results, by their paths below that folder."""
        root = self["results"]
        return {str(path.relative_to(root)): path for path in sorted(root.rglob("*")) if path.is_file()}

    def records(self, callset: str = "all") -> list[str]:
        """Return the lines of a VCF without its header."""
        return output_of("bcftools", "view", "-H", self[f"results/variants/{callset}.vcf.gz"]).splitlines()

    def sites(self, callset: str = "all") -> set[tuple[str, ...]]:
        """Return CHROM, POS, REF and ALT of the records that pass all filters."""
        fields = [line.split("\t") for line in self.records(callset)]
        return {(row[0], row[1], row[3], row[4]) for row in fields if row[6] == "PASS"}


def alignments(cram: Path) -> str:
    """Return the records of a CRAM of a run, as SAM."""
    return output_of("samtools", "view", "-T", cram.parents[1] / "reference" / "genome.fa", cram)


def assert_whole(found: Project, model: Project) -> None:
    """Assert that every file of results is one that a run without trouble makes."""
    expected = model.files()
    for name, path in found.files().items():
        assert name in expected, f"{name} is none of the workflow's results"
        if name.split("/")[0] in REPRODUCIBLE:
            assert path.read_bytes() == expected[name].read_bytes(), f"{name} is not whole"
        if name.startswith("alignments/") and name.endswith(".cram"):
            # Its header names the reference with its folder.
            subprocess.run(["samtools", "quickcheck", "-v", str(path)], check=True)
            assert alignments(path) == alignments(expected[name]), f"{name} holds other alignments"
            assert f"{name}.crai" in found.files()
        if name.endswith(".vcf.gz"):
            assert path.read_bytes().endswith(BGZF_END), f"{name} is cut short"
            assert f"{name}.tbi" in found.files()


def assert_same_results(found: Project, model: Project) -> None:
    """Assert that alignments and variants are whole and the same, and that nothing temporary is left."""
    assert_whole(found, model)
    assert {name for name in model.files() if name.startswith("alignments")} <= set(found.files())
    assert found.records() == model.records()
    assert list(found[".snakemake/scratch"].glob("*")) == []


def example_reads(name: str) -> list[bytes]:
    """Return the records of a FASTQ of the example."""
    lines = gzip.decompress((EXAMPLE / "reads" / f"{name}.fastq.gz").read_bytes()).splitlines(keepends=True)
    return [b"".join(lines[at : at + 4]) for at in range(0, len(lines), 4)]


def lanes_of_example(folder: Path) -> dict[str, Path]:
    """Write the example's reads as four lanes: A has two paired ones and a single one, B a single one."""
    first, second, single = map(example_reads, ("sampleA_L1_R1", "sampleA_L1_R2", "sampleB_L1"))
    contents = {
        "A_L1_R1": first[0::3],
        "A_L1_R2": second[0::3],
        "A_L2_R1": first[1::3],
        "A_L2_R2": second[1::3],
        "A_S": first[2::3],
        "B_L1": single,
    }
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.fastq.gz" for name in contents}
    for name, path in files.items():
        path.write_bytes(gzip.compress(b"".join(contents[name]), mtime=0))
    return files


def cohort(folder: Path) -> Project:
    """Make a project on these lanes, with an annotation; the files of the lanes lie in `folder`/reads."""
    settings = {
        "reference": {"fasta": "reference.fa.gz"},
        "reads": {"shards": 2},
        "calling": {"windows": 2},
        "annotation": {"gff": "genes.gff3"},
        "quality": {"coverage_windows": 10},
    }
    project = Project(folder, settings)
    lanes_of_example(folder / "reads")
    for name in ("reference.fa.gz", "genes.gff3"):
        shutil.copy(EXAMPLE / name, folder / name)
    for unit in ("L1", "L2"):
        project.add("A", unit, f"reads/A_{unit}_R1.fastq.gz", f"reads/A_{unit}_R2.fastq.gz", platform="")
    project.add("A", "S", "reads/A_S.fastq.gz", platform="")
    project.add("B", "L1", "reads/B_L1.fastq.gz", platform="")
    return project
