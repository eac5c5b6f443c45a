"""Tells, before a run begins, which program its jobs would miss on this machine."""

from subprocess import CalledProcessError
from typing import TYPE_CHECKING

from terraflow_workflow.reference.aligners import Aligner

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow


def problems_of_aligner(workflow: "Workflow", aligner: Aligner) -> list[str]:
    """Return what to do about an aligner that is not on PATH, where a job of this run would look for it there; else [].

    Jobs elsewhere, and those with an environment of their own, bring it along. The plan is built, and stays as it is.
    """
    # Imported late: every worker parses the workflow.
    from snakemake.shell import shell

    aligning = (job for job in workflow.dag.needrun_jobs() if f"| {aligner.name} mem " in (job.rule.shellcmd or ""))
    if workflow.touch or not any(_takes_path(workflow, job) for job in aligning):
        return []
    try:
        # As jobs do it, with a prefix that another workflow may have set.
        shell(f"type -P {aligner.name} >/dev/null")
    except CalledProcessError:
        return [aligner.missing]
    return []


def _takes_path(workflow: "Workflow", job: "Job") -> bool:
    """Return whether a job starts its programs from the PATH of this process."""
    from snakemake.settings.types import DeploymentMethod

    environments = {
        DeploymentMethod.CONDA: job.conda_env_spec,
        DeploymentMethod.APPTAINER: job.container_img_url,
        DeploymentMethod.ENV_MODULES: job.env_modules,
    }
    return job.is_local and not any(environments[method] for method in workflow.deployment_settings.deployment_method)
