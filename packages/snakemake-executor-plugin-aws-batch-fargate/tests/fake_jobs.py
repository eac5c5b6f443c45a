"""Jobs and workflows without Snakemake: as much of them as the executor uses."""

from collections import defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake_interface_executor_plugins.utils import TargetSpec

from snakemake_executor_plugin_aws_batch_fargate import archive, names, request, resources, sources

ARCHIVE = archive.Archive("s3://data/runs/main/snakemake-workflow-sources.tar.xz", "0123456789abcdef" * 4, ".")
TARGET = request.Target("spot", "ondemand", {20: "worker-20gib", 50: "worker-50gib"}, "main")


@dataclass(eq=False)
class FakeJob:
    """The part of a job of Snakemake that the executor uses."""

    name: str = "bwa_mem"
    wildcards_dict: dict[str, str] = field(default_factory=lambda: {"sample": "A", "unit": "1"})
    output: list[str] = field(default_factory=lambda: ["results/A.bam"])
    log: list[str] = field(default_factory=list)
    input: list[str] = field(default_factory=lambda: ["A.fastq"])
    threads: int = 1
    resources: dict[str, Any] = field(default_factory=lambda: {"mem_mb": 1000, "disk_mb": 1000})
    non_derived_params: list[Any] = field(default_factory=list)
    shellcmd: str = "bwa mem"
    # A rule of another kind.
    script: SimpleNamespace | None = None
    attempt: int = 1
    restart_times: int = 0
    jobid: int = 1
    is_updated: bool = False
    group: str | None = None
    errors: list[str | None] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)

    @property
    def rule(self) -> SimpleNamespace:
        return self.script or SimpleNamespace(
            name=self.name, shellcmd=self.shellcmd, run_func_src=None, script=None, notebook=None, wrapper=None
        )

    @property
    def rules(self) -> list[str]:
        return [self.name]

    def is_group(self) -> bool:
        return False

    def get_target_spec(self) -> list[TargetSpec]:
        return [TargetSpec(self.name, self.wildcards_dict)]

    def log_info(self) -> None:
        pass

    def log_error(self, msg: str | None = None, **_: Any) -> None:
        self.errors.append(msg)

    def register(self, external_jobid: str) -> None:
        self.registered.append(external_jobid)


@dataclass(eq=False)
class FakeGroup(FakeJob):
    """A group of jobs."""

    groupid: str = "mapping"
    jobs: list[FakeJob] = field(default_factory=list)

    def is_group(self) -> bool:
        return True

    def get_target_spec(self) -> list[TargetSpec]:
        return [spec for job in self.jobs for spec in job.get_target_spec()]


def submission_of(job: FakeJob) -> request.Submission:
    """Return what is known of a job on its way to Batch."""
    shape = resources.shape_of(job, list(TARGET.definitions))
    return request.build(job, TARGET, names.identity("main", job), shape, {})


def workflow(settings: Any, prefix: str | None = "s3://data/runs/main", command: str = "--force") -> SimpleNamespace:
    """The part of a workflow that the executor uses; `scheduler.ended` gets jobs and whether they went well."""
    ended: list[tuple[Any, bool]] = []
    scheduler = SimpleNamespace(
        ended=ended,
        finish_callback=lambda job: ended.append((job, True)),
        error_callback=lambda job: ended.append((job, False)),
        submit_callback=lambda job: None,
        executor_error_callback=lambda error: None,
    )
    return SimpleNamespace(
        executor_settings=settings,
        scheduler=scheduler,
        dag=SimpleNamespace(
            get_unneeded_temp_files=lambda job: [],
            dependencies=defaultdict(dict),
            depending=defaultdict(dict),
            needrun=lambda job: False,
            needrun_jobs=lambda exclude_finished=True: [],
            finished=lambda job: False,
            jobs=[],
        ),
        main_snakefile="workflow/Snakefile",
        sourcecache=SimpleNamespace(cache_path="/nowhere/cache", runtime_cache_path="/nowhere/cache/run"),
        storage_settings=SimpleNamespace(default_storage_prefix=prefix, shared_fs_usage=set()),
        resource_settings=SimpleNamespace(cores=None),
        group_settings=SimpleNamespace(local_groupid="local"),
        persistence=SimpleNamespace(external_jobids=lambda job: []),
        executor_plugin=SimpleNamespace(
            common_settings=SimpleNamespace(init_seconds_before_status_checks=0, pass_envvar_declarations_to_cmd=False)
        ),
        spawned_job_args_factory=SimpleNamespace(
            general_args=lambda executor_common_settings: command,
            precommand=lambda executor_common_settings: "",
            envvars=dict,
        ),
        remote_execution_settings=SimpleNamespace(
            max_status_checks_per_second=10,
            jobname="snakejob.{jobid}",
            jobscript=None,
            immediate_submit=True,
            seconds_between_status_checks=1,
        ),
        async_run=lambda coroutine: True,
    )


def without_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs without Snakemake have no sources: nothing is collected, sent or removed."""
    monkeypatch.setattr(sources, "collect", lambda *_: None)
    monkeypatch.setattr(archive, "send", lambda *_: ARCHIVE)
    monkeypatch.setattr(archive, "remove", lambda *_: None)
