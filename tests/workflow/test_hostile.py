"""A whole run in an environment and on paths that would change or break it gives the variants of a plain one."""

from pathlib import Path

from runs import Project, cohort

HOSTILE = {
    "BASH_ENV": "/nonexistent",
    "BASH_FUNC_sort%%": "() { echo no; }",
    "BASH_FUNC_script%%": "() { false; }",
    "SHELLOPTS": "noclobber:noglob",
    "BCFTOOLS_PLUGINS": "/nonexistent",
    "CDPATH": "/",
    "GREP_OPTIONS": "-v",
    "HOME": "/proc",
    "LC_ALL": "C",
    "LC_NUMERIC": "de_DE.UTF-8",
    "MPLBACKEND": "module://nothing",
    "POSIXLY_CORRECT": "1",
    "PYTHON": "",
    "PYTHONSAFEPATH": "1",
    "SCRIPTS": "/nonexistent",
    "TMPDIR": "/nonexistent",
    "XZ_OPT": "--nonsense",
    "_JAVA_OPTIONS": "-Xmx1k",
}
NAMES = ["-a b.fastq.gz", "it's.fastq.gz", "*$HOME%s.fastq.gz", "é;#&.fastq.gz", '"[x]".fastq.gz', "`id`.fastq.gz"]


def test_a_hostile_environment_and_hostile_paths_change_no_variant(done: Project, tmp_path: Path) -> None:
    project = cohort(tmp_path / "Señor é's $HOME; *")
    files = sorted(project["reads"].iterdir())
    for path, name in zip(files, NAMES, strict=True):
        path.rename(project[name])
        for unit in project.units:
            for column in ("fq1", "fq2"):
                if unit[column] == f"reads/{path.name}":
                    unit[column] = name
    project["reference.fa.gz"].rename(project["-a ref's.fa.gz"])
    project["genes.gff3"].rename(project["-genes $x.gff3"])
    project.config["reference"]["fasta"] = "-a ref's.fa.gz"
    project.config["annotation"]["gff"] = "-genes $x.gff3"

    project.run(env=HOSTILE | {"XDG_CACHE_HOME": str(tmp_path / "cache")}).succeeded()

    assert project.records() == done.records()
