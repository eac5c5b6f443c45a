"""Snakemake executor plugin: each job a job of AWS Batch on Fargate, from job definitions that are there already."""

from snakemake_interface_executor_plugins.settings import CommonSettings

from .executor import Executor
from .settings import ExecutorSettings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=True,
    # The executor sends the sources itself: Snakemake would need git.
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_group_args=True,
    # Variables for jobs are part of their submission, without credentials.
    pass_envvar_declarations_to_cmd=False,
    # The image has the storage plugin; a worker installs nothing.
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)
