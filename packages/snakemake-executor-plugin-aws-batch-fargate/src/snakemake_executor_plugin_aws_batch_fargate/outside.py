"""Names for what comes from elsewhere without types that fit."""

from typing import Any, TypeAlias

# A client that boto3 makes at run time.
Client: TypeAlias = Any
# A job or a group of jobs of Snakemake. Its plugin interface describes less of them than an executor needs.
Job: TypeAlias = Any
# The jobs of a workflow, and which of them needs which.
Dag: TypeAlias = Any
# An input or output of a job.
Path: TypeAlias = Any
# Snakemake's workflow, of which its plugin interface describes less as well.
Workflow: TypeAlias = Any
# A Snakefile or another source, on this machine or elsewhere.
SourceFile: TypeAlias = Any
# A rule of Snakemake.
Rule: TypeAlias = Any
