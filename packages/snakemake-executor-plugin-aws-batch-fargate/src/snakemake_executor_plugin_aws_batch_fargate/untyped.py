"""Names for what Snakemake and boto3 give without types that fit, and the one protocol that the executor fulfils."""

from typing import Any, Protocol, TypeAlias

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

# A client that boto3 makes at run time.
Client: TypeAlias = Any
# A job or a group of jobs of Snakemake. Its plugin interface describes less of them than an executor needs.
Job: TypeAlias = Any
# The jobs of a workflow, and which of them needs which.
Dag: TypeAlias = Any
# An input or output of a job.
JobFile: TypeAlias = Any
# Snakemake's workflow, of which its plugin interface describes less as well.
Workflow: TypeAlias = Any
# A Snakefile or another source, on this machine or elsewhere.
SourceFile: TypeAlias = Any
# A rule of Snakemake.
Rule: TypeAlias = Any
# Snakemake's logger.
Logger: TypeAlias = Any


class Reports(Protocol):
    """The methods by which an executor gets a job's command from Snakemake and reports the job to its scheduler."""

    def run_job_pre(self, job: Job) -> None:
        """Announce a job that is about to be submitted."""

    def format_job_exec(self, job: Job) -> str:
        """Return the shell command that does a job."""

    def report_job_submission(self, job_info: SubmittedJobInfo) -> None:
        """Report that a job is in Batch."""

    def report_job_success(self, job_info: SubmittedJobInfo) -> None:
        """Report that a job has ended well."""

    def report_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None) -> None:
        """Report that a job has failed."""
