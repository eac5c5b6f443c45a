"""Which runs are stopped because their aligner is not there: those that would look for it on PATH."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.settings.types import DeploymentMethod

from terraflow_workflow.reference.aligners import BWA, BWA_MEM2, Aligner
from terraflow_workflow.running.programs import problems_of_aligner


def a_job(command: str | None = "zcat | bwa-mem2 mem x | cat", **changes: object) -> Any:
    """Return a job that runs `command` on this machine, but for `changes`."""
    given = {"is_local": True, "conda_env_spec": "bwa.yaml", "container_img_url": None, "env_modules": None}
    return SimpleNamespace(rule=SimpleNamespace(shellcmd=command), **(given | changes))


def a_workflow(*jobs: Any, methods: tuple[DeploymentMethod, ...] = (), touch: bool = False) -> Any:
    """Return a workflow that is about to run these jobs."""
    return SimpleNamespace(
        touch=touch,
        dag=SimpleNamespace(needrun_jobs=lambda: iter(jobs)),
        deployment_settings=SimpleNamespace(deployment_method=set(methods)),
    )


CONTAINER = a_job(conda_env_spec=None, container_img_url="docker://x")


@pytest.mark.parametrize(
    ("workflow", "aligner", "missed"),
    [
        (a_workflow(a_job(None), a_job("ls"), a_job()), BWA_MEM2, True),
        (a_workflow(a_job("zcat | bwa mem x")), BWA, True),
        (a_workflow(CONTAINER), BWA_MEM2, True),
        (a_workflow(a_job(), methods=(DeploymentMethod.APPTAINER,)), BWA_MEM2, True),
        (a_workflow(), BWA_MEM2, False),
        (a_workflow(a_job("bwa-mem2 index x")), BWA_MEM2, False),
        (a_workflow(a_job(), touch=True), BWA_MEM2, False),
        (a_workflow(a_job(is_local=False)), BWA_MEM2, False),
        (a_workflow(a_job(), methods=(DeploymentMethod.CONDA,)), BWA_MEM2, False),
        (a_workflow(CONTAINER, methods=(DeploymentMethod.APPTAINER,)), BWA_MEM2, False),
        (a_workflow(a_job(env_modules=["bwa"]), methods=(DeploymentMethod.ENV_MODULES,)), BWA_MEM2, False),
    ],
)
def test_only_jobs_that_take_the_aligner_from_path_need_it_there(
    workflow: Any,
    aligner: Aligner,
    missed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The folder has bash alone first, then the aligner, too."""
    (tmp_path / "bash").symlink_to("/bin/bash")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert problems_of_aligner(workflow, aligner) == ([aligner.missing] if missed else [])

    (tmp_path / aligner.name).write_text("#!/bin/bash\n")
    (tmp_path / aligner.name).chmod(0o755)
    assert problems_of_aligner(workflow, aligner) == []


def test_message_says_how_to_get_it() -> None:
    assert BWA_MEM2.missing == (
        "bwa-mem2: not on PATH, and alignment.aligner asks for it. conda has it (conda install -c conda-forge -c "
        "bioconda bwa-mem2=2.3, or snakemake --sdm conda), and Debian since forky, for amd64 only. Or say "
        "alignment.aligner: bwa, whose alignments are the same."
    )
    assert "`make setup` finds or installs it" in BWA.missing
    assert "bwa=0.7.18" in BWA.missing
