"""The jobs that a planned workflow would submit, the shapes that they would get, and the checks before the first."""

from collections.abc import Sequence
from functools import cache
from graphlib import TopologicalSorter
from itertools import count
from pathlib import Path

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from snakemake_aws_common.rehearsal import PlannedJob, PlannedTask, Rehearsal

from . import claim, client, names, preflight, resources
from .request import Target, definition_of, target_of
from .settings import ExecutorSettings, prices_of
from .shapes import Shape
from .untyped import Client, Dag, Job, JobFile, Workflow

EXECUTOR = "aws-batch-fargate"


def rehearse(workflow: Workflow, settings: ExecutorSettings) -> Rehearsal:
    """Return what a workflow that a dry run has planned would submit. Raises WorkflowError for wrong settings."""
    target = target_of(settings)
    # Groups get their resources as those of the executor that is meant.
    workflow._executor_plugin = ExecutorPluginRegistry().get_plugin(EXECUTOR)

    @cache
    def client_of(service: str) -> Client:
        return client.client_of(service, target.region, client.repeated())

    plan = Planned(workflow, target, client_of)
    jobs, tasks = plan.jobs(), plan.tasks()
    problems = plan.problems
    passing: list[str] = []
    unknown: list[str] = []
    prefix = str(workflow.storage_settings.default_storage_prefix or "")
    if jobs:
        try:
            prices_of(settings, target.region or "")
        except WorkflowError as error:
            problems.append(str(error))
        report = preflight.check(client_of, target, target.region, prefix)
        unknown = report.unknown
        if report.problems:
            passing.append(report.text(settings.stack_hint))
        elif prefix.startswith("s3://"):
            try:
                claim.claim(workflow, client_of("s3"), settings, write=False)
            except WorkflowError as error:
                problems.append(str(error))
    return Rehearsal(
        tuple(jobs),
        tuple(tasks),
        dict(workflow.config),
        problems=tuple(problems),
        passing=tuple(passing),
        unknown=tuple(unknown),
    )


class Planned:
    """The jobs that a DAG still needs, but for those that the head does itself."""

    def __init__(self, workflow: Workflow, target: Target, client_of: preflight.ClientOf) -> None:
        """Give jobs, and the jobs of Batch that they are in, numbers in an order in which they can run."""
        self._dag: Dag = workflow.dag
        self._target = target
        self._batch = client_of
        self._disks = cache(self._ask_disk)
        # What is wrong with jobs.
        self.problems: list[str] = []
        local = set(workflow._localrules)
        levels = self._dag.toposorted(set(self._dag.needrun_jobs()))
        jobs = [job for level in levels for job in sorted(level) if _is_submitted(job, local)]
        self._jobs: dict[Job, int] = dict(zip(jobs, count()))
        units = {unit: self._needs(unit) for unit in dict.fromkeys(map(self._unit, jobs))}
        self._units: dict[Job, int] = dict(zip(TopologicalSorter(units).static_order(), count()))

    def jobs(self) -> list[PlannedJob]:
        """Return the jobs of rules."""
        return [
            PlannedJob(
                rule=job.rule.name,
                wildcards={name: str(value) for name, value in job.wildcards_dict.items()},
                threads=int(job.threads),
                memory_mib=max(resources.number(job, name, 0) for name in ("mem_mb", "mem_mib")),
                disk_mib=max(resources.number(job, name, 0) for name in ("disk_mb", "disk_mib")),
                minutes=resources.number(job, "runtime", 0),
                given=self._given(job),
            )
            for job in self._jobs
        ]

    def tasks(self) -> list[PlannedTask]:
        """Return the jobs of Batch; one that no shape of Fargate holds has zeros, and adds a problem."""
        tasks = []
        for unit in self._units:
            try:
                shape = self._shape(unit)
            except WorkflowError as error:
                self.problems.append(str(error))
                shape = Shape(0, 0, 0)
            tasks.append(
                PlannedTask(
                    name=names.rule_of(unit),
                    jobs=tuple(sorted(self._jobs[job] for job in self._members(unit))),
                    needs=tuple(sorted(self._units[other] for other in self._needs(unit))),
                    vcpus=shape.vcpus,
                    memory_mib=shape.memory_mib,
                    disk_gib=shape.disk_gib,
                    definition=definition_of(unit),
                )
            )
        return tasks

    def _unit(self, job: Job) -> Job:
        """Return the group of a job, or the job itself."""
        return self._dag.get_job_group(job) or job

    def _members(self, unit: Job) -> list[Job]:
        return [job for job in names.members(unit) if job in self._jobs]

    def _needs(self, unit: Job) -> set[Job]:
        """Return the jobs of Batch that one waits for, also through jobs that the head does itself."""
        found: set[Job] = set()
        due = self._members(unit)
        while due:
            for other in self._dag.dependencies[due.pop()]:
                if other in self._jobs:
                    found.add(self._unit(other))
                elif self._dag.needrun(other):
                    due.append(other)
        return found - {unit}

    def _given(self, job: Job) -> dict[str, int]:
        """Return the bytes of inputs of a job that no job makes, by name."""
        made = self._made(job)
        return {names.key(path): _size(path) for path in job.input if path not in made}

    def _made(self, job: Job) -> set[JobFile]:
        """Return the inputs of a job that other jobs make, or have made."""
        return {path for files in self._dag.dependencies[job].values() for path in files}

    def _shape(self, unit: Job) -> Shape:
        made = {names.key(path) for job in names.members(unit) for path in self._made(job)}

        def size(path: JobFile) -> float:
            return 0 if names.key(path) in made else resources.megabytes(path)

        return resources.shape_of(unit, self._disks_of(definition_of(unit)), size=size)

    def _disks_of(self, definition: str) -> Sequence[int]:
        return [self._disks(definition)] if definition else list(self._target.definitions)

    def _ask_disk(self, definition: str) -> int:
        found = preflight.find_definition(self._batch("batch"), definition)
        if found is None:
            raise WorkflowError(f"The resource batch_job_definition names {definition}, which has no active revision.")
        return preflight.disk_of(found)


def _is_submitted(job: Job, local_rules: set[str]) -> bool:
    """Return whether a job is submitted, as Snakemake decides (`Workflow.is_local`)."""
    rule = job.rule
    return bool(job.group is not None or not (rule.name in local_rules or rule.norun or rule.is_template_engine))


def _size(path: JobFile) -> int:
    """Return the bytes of an input."""
    if names.is_stored(path):
        return int(path.storage_object.size())
    own = Path(str(path))
    return own.stat().st_size if own.is_file() else 0
