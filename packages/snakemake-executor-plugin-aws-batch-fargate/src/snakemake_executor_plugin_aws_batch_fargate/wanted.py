"""Which earlier jobs would do for those that are to run: by name, and by Snakemake's record of unfinished outputs."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError

from . import names
from .outside import Job, Workflow
from .plan import Plan
from .resume import Earlier, Found, Wanted

# A mark that stays costs another run of its job, an error here would cost this run.
HARMLESS = contextlib.suppress(WorkflowError, BotoCoreError, ClientError)


@dataclass(frozen=True)
class Record:
    """Ids of Batch jobs in Snakemake's record: those that make anything of a job or group, those that make all of it,
    and those that make nothing of it but something else of the whole group.
    """

    some: Collection[str]
    every: Collection[str]
    others: Collection[str]


class Wants:
    """Looks at the DAG and at Snakemake's record for jobs of earlier heads."""

    def __init__(self, workflow: Workflow, plan: Plan, run: str) -> None:
        """Asks AWS nothing."""
        self._workflow = workflow
        self._plan = plan
        self._run = run
        # Outputs of jobs that an earlier head has made, or is making.
        self._taken: set[str] = set()

    def of(self, earlier: Earlier, jobs: Sequence[Job], own: Collection[str]) -> list[Callable[[], Wanted]]:
        """For each job what would do for it, to be called when it is about to be submitted.

        `own` are ids that this head has submitted, or seen fail.
        """
        records = [self._record(job, own) for job in jobs]
        ids = sorted({job_id for record in records for job_id in record.some})
        found = earlier.describe(ids) if ids else {}
        return [
            partial(self._wanted, job, record, [found[job_id] for job_id in sorted(record.some) if job_id in found])
            for job, record in zip(jobs, records, strict=True)
        ]

    def taken(self, job: Job, earlier: bool) -> None:
        """Remembers whether an earlier head's job does a job."""
        outputs = _outputs(job)
        self._taken = self._taken | outputs if earlier else self._taken - outputs

    async def settle(self, job: Job, job_id: str, name: str) -> None:
        """Takes the marks of unfinished outputs away from the rest of a group, which this head found finished.

        An earlier head's job made them, which has ended well.
        """
        named = names.identity_in(name)
        whole = named is not None and (named.outputs, named.part) == (self._plan.identity(self._run, job).outputs, "")
        for member in self._rest(job):
            ids = set(self._ids(member))
            if ids and (whole or ids == {job_id}) and not self._workflow.dag.needrun(member):
                await self._finish(member)

    def settle_all(self, earlier: Earlier, own: Collection[str]) -> None:
        """Takes the marks away from what this head found finished, if the jobs that made it have ended well since."""
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
        """What belongs to a group and is not to be done."""
        return set(self._plan.component(job)) - set(names.members(job))

    def _record(self, job: Job, own: Collection[str]) -> Record:
        recorded = [set(self._ids(member)) - set(own) for member in names.members(job)]
        some = set().union(*recorded)
        others = {job_id for member in self._rest(job) for job_id in self._ids(member)}
        return Record(some, set.intersection(*recorded) if recorded else set(), others - some)

    def _ids(self, member: Job) -> Iterable[str]:
        return map(str, self._workflow.persistence.external_jobids(member))

    def _wanted(self, job: Job, record: Record, marked: Sequence[Found]) -> Wanted:
        return Wanted(
            self._plan.identity(self._run, job),
            self._plan.landed(self._run, job),
            marked,
            record.every,
            record.others,
            made=partial(self._made, job),
            youngest=partial(self._plan.youngest, job),
            outdated=self._is_outdated(job),
        )

    def _is_outdated(self, job: Job) -> bool:
        """Whether this start makes anew what a job reads, so that an earlier start's job has read something else."""
        dag, group = self._workflow.dag, set(names.members(job))
        makers = {maker for member in group for maker in dag.dependencies[member]} - group
        return any(dag.needrun(maker) and not _outputs(maker) <= self._taken for maker in makers)

    def _made(self, job: Job) -> bool:
        """Whether all outputs of a job are there, but those that stay within a group."""
        within = set(self._workflow.dag.get_unneeded_temp_files(job)) if job.is_group() else set()

        async def exist() -> bool:
            outputs = [output for member in names.members(job) for output in member.output]
            return all([await output.exists() for output in outputs if output not in within])

        return bool(self._workflow.async_run(exist()))


def _outputs(job: Job) -> set[str]:
    return {names.key(output) for member in names.members(job) for output in member.output}
