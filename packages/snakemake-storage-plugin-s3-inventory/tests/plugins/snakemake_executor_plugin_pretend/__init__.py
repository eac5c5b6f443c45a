"""An executor whose jobs do nothing but store their outputs in S3, as workers without a shared file system would.

The stores are made with an access key of their own (PRETEND), so that the head's requests can be told from them.
"""

import os
from collections.abc import AsyncGenerator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import botocore.session
from snakemake.io import is_flagged
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=True,
    job_deploy_sources=True,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)
KEY = "PRETEND"


class Executor(RemoteExecutor):
    """Stores empty outputs from a few threads."""

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(4)
        self._s3 = botocore.session.get_session().create_client(
            "s3", aws_access_key_id=KEY, aws_secret_access_key=KEY, endpoint_url=os.environ["AWS_ENDPOINT_URL"]
        )

    def run_job(self, job: JobExecutorInterface) -> None:
        """Begin to store, and write the command of a worker to $PRETEND_COMMANDS/<rule>."""
        command = self.format_job_exec(job)
        if folder := os.environ.get("PRETEND_COMMANDS"):
            Path(folder, job.name).write_text(command)
        self.logger.info(f"Pretended task: {job.name}")
        stored: Future[None] = self._threads.submit(self._store, job)
        self.report_job_submission(SubmittedJobInfo(job, external_jobid=str(job.jobid), aux={"stored": stored}))

    def _store(self, job: Any) -> None:
        jobs = set(job.jobs) if job.is_group() else {job}
        for each in jobs:
            users = self.dag.depending[each].items()
            asked_for = {file for user, files in users if user not in jobs for file in files}
            left = [file for file in each.output if file in asked_for or not is_flagged(file, "temp")]
            for file in [*left, *each.log, *([each.benchmark] if each.benchmark else [])]:
                stored = file.storage_object
                key = f"{stored.key}/part" if file.is_directory else stored.key
                self._s3.put_object(Bucket=stored.bucket, Key=key, Body=each.rule.name.encode())

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report the jobs whose outputs are all stored as succeeded."""
        for info in active_jobs:
            if not info.aux["stored"].done():
                yield info
            elif problem := info.aux["stored"].exception():
                self.report_job_error(info, msg=str(problem))
            else:
                self.report_job_success(info)

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Keep what is stored."""
        self._threads.shutdown(cancel_futures=True)
