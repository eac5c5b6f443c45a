"""Snakemake's markers of unfinished outputs: they name the Batch jobs that make them, also those of earlier heads."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError

from . import names
from .earlier import Earlier, Found, Work
from .plan import Plan
from .untyped import Job, Workflow

# A marker that stays costs another run of its job; an error here would cost this run.
HARMLESS = contextlib.suppress(WorkflowError, BotoCoreError, ClientError)


@dataclass(frozen=True)
class Marked:
    """Ids of Batch jobs in the markers of a job or group.

    `some` make any of its outputs, `every` all of them, and `others` only other outputs of the whole group.
    """

    some: Collection[str]
    every: Collection[str]
    others: Collection[str]


class Markers:
    """Reads the markers to find earlier jobs, restores those that are lost, and clears those that heads have left."""

    def __init__(self, workflow: Workflow, plan: Plan, run: str) -> None:
        """Read nothing yet."""
        self._workflow = workflow
        self._plan = plan
        self._run = run
        # Outputs that jobs of an earlier head have made, or are making.
        self._adopted: set[str] = set()

    def restore(self, ended_well: Iterable[Found]) -> None:
        """Mark the outputs of jobs that an earlier head submitted, and died before it stored that they were under way.

        Only jobs that have ended well since are looked for: those that run are found without markers.
        """
        made: dict[str, dict[names.Identity, Found]] = {}
        for found in ended_well:
            # A job that did the rest of a group does not tell which of its jobs those were.
            if (identity := names.identity_in(found.name)) is not None and not identity.part:
                made.setdefault(identity.outputs, {})[identity] = found
        if not made:
            return
        for job in self._workflow.dag.jobs:
            same_outputs = made.get(self._plan.outputs(self._run, job))
            if same_outputs is None or self._ids(job):
                continue
            one = same_outputs.get(self._plan.identity(self._run, job).whole)
            if one is not None and not self._remembers(job, one.created) and self._made(job):
                self._workflow.persistence.started(job, one.job_id)

    def work_of(self, jobs: Sequence[Job], earlier: Earlier, own: Collection[str]) -> list[Callable[[], Work]]:
        """Return for each job a function that gives its work, to be called when it is about to be submitted.

        `own` are ids that this head has submitted, or seen fail.
        """
        markers = [self._marked(job, own) for job in jobs]
        ids = sorted({job_id for marked in markers for job_id in marked.some})
        found = earlier.describe(ids) if ids else {}
        return [
            partial(self._work, job, marked, [found[job_id] for job_id in sorted(marked.some) if job_id in found])
            for job, marked in zip(jobs, markers, strict=True)
        ]

    def note(self, job: Job, adopted: bool) -> None:
        """Remember whether an earlier head's job does the work of a job."""
        outputs = _outputs(job)
        self._adopted = self._adopted | outputs if adopted else self._adopted - outputs

    async def clear(self, job: Job, job_id: str, name: str) -> None:
        """Clear the markers of the rest of a group, which this head found finished.

        The earlier head's job of that id and name made them, and has ended well.
        """
        named = names.identity_in(name)
        whole = named is not None and (named.outputs, named.part) == (self._plan.identity(self._run, job).outputs, "")
        for member in self._rest(job):
            ids = set(self._ids(member))
            if ids and (whole or ids == {job_id}) and not self._workflow.dag.needrun(member):
                await self._finish(member)

    def clear_all(self, earlier: Earlier, own: Collection[str]) -> None:
        """Clear the markers of jobs that this head found finished, if the Batch jobs that did them have ended well."""
        dag = self._workflow.dag
        done = [job for job in dag.jobs if not dag.needrun(job) and not dag.finished(job)]
        marked = {job: ids for job in done if (ids := set(self._ids(job)) - set(own))}
        if not marked:
            return
        found: dict[str, Found] = {}
        with HARMLESS:
            found = earlier.describe(sorted(set().union(*marked.values())))

        def is_made(job: Job, ids: Iterable[str]) -> bool:
            identity = self._plan.identity(self._run, job).whole
            made = (found.get(job_id) for job_id in ids)
            named = [names.identity_in(one.name) for one in made if one is not None and one.status == "SUCCEEDED"]
            return any(name is not None and name.whole == identity for name in named)

        async def finish() -> None:
            for job, ids in marked.items():
                with HARMLESS:
                    if is_made(job, ids):
                        await self._finish(job)

        self._workflow.async_run(finish())

    async def _finish(self, job: Job) -> None:
        with HARMLESS:
            if all([await output.exists() for output in job.output]):
                await self._workflow.persistence.finished(job)

    def _rest(self, job: Job) -> set[Job]:
        """Return the jobs of the whole group that are not to be done."""
        return set(self._plan.component(job)) - set(names.members(job))

    def _marked(self, job: Job, own: Collection[str]) -> Marked:
        named = [set(self._ids(member)) - set(own) for member in names.members(job)]
        some = set().union(*named)
        others = {job_id for member in self._rest(job) for job_id in self._ids(member)}
        return Marked(some, set.intersection(*named) if named else set(), others - some)

    def _remembers(self, job: Job, since: float) -> bool:
        """Return whether Snakemake knows how an output was made that was stored after then (seconds since 1970)."""
        records = (self._workflow.persistence.metadata(output) for output in job.output)
        ends = (record.endtime for record in records if record is not None and not record.incomplete)
        # S3 gives times in whole seconds.
        return any(end is not None and end + 1 >= since for end in ends)

    def _ids(self, member: Job) -> Sequence[str]:
        return [str(one) for one in self._workflow.persistence.external_jobids(member)]

    def _work(self, job: Job, marked: Marked, found: Sequence[Found]) -> Work:
        return Work(
            self._plan.identity(self._run, job),
            self._plan.old_identities(self._run, job),
            found,
            marked.every,
            marked.others,
            made=partial(self._made, job),
            youngest=partial(self._plan.youngest, job),
            outdated=self._is_outdated(job),
        )

    def _is_outdated(self, job: Job) -> bool:
        """Return whether this run recreates the job's inputs, so that an earlier job read stale ones."""
        dag, group = self._workflow.dag, set(names.members(job))
        producers = {producer for member in group for producer in dag.dependencies[member]} - group
        return any(dag.needrun(producer) and not _outputs(producer) <= self._adopted for producer in producers)

    def _made(self, job: Job) -> bool:
        """Return whether all outputs of a job are there, but for those that stay within a group."""
        within = set(self._workflow.dag.get_unneeded_temp_files(job)) if job.is_group() else set()

        async def exist() -> bool:
            outputs = [output for member in names.members(job) for output in member.output]
            return all([await output.exists() for output in outputs if output not in within])

        return bool(self._workflow.async_run(exist()))


def _outputs(job: Job) -> set[str]:
    return {names.key(output) for member in names.members(job) for output in member.output}
