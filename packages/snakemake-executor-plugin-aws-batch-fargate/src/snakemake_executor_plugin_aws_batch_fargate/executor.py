"""The executor: what Snakemake calls, put together from the other files."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import cached_property, partial
from queue import SimpleQueue
from threading import Lock
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from snakemake_executor_plugin_aws_batch import Executor as BatchExecutor
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor

from snakemake_aws_common import patience

from . import (
    archive,
    cancellation,
    client,
    command,
    failures,
    lock,
    logs,
    messages,
    preflight,
    rule_logs,
    settings,
    signals,
    sources,
)
from .outside import Client, Job
from .plan import Plan
from .resume import Earlier, Wanted
from .shapes import Least, more
from .status import MISSING_LOOKS, SHORTEST_POLL, Waiting, Watch
from .submission import Stack, Submission, Submitter, describe, prepare
from .wanted import Wants

READERS = 8

Arrival = tuple[Job, Submission, "Future[str | None]"]


def _report(arrivals: "SimpleQueue[Arrival]", job: Job, submission: Submission, future: "Future[str | None]") -> None:
    arrivals.put((job, submission, future))


class Executor(BatchExecutor):  # type: ignore[misc]
    """Runs each job as a job of AWS Batch on Fargate, from job definitions that are there already."""

    # The thread that looks after jobs starts before __post_init__ has run.
    _pause = patience.TICK
    _fresh = False
    _sources: sources.Sources

    def __post_init__(self) -> None:
        """Reads the settings; asks AWS nothing."""
        given = self.workflow.executor_settings
        self.settings = given
        self._region = given.region or boto3.session.Session().region_name
        self._prefix = self.workflow.storage_settings.default_storage_prefix
        self._stack = Stack(
            queue=given.queue,
            ondemand_queue=given.ondemand_queue,
            definitions=settings.parse_definitions(given.job_definitions),
            run=settings.checked_run_name(given.run_name),
            tags=settings.parse_tags(given.tags),
            disk_of=self._disk_of,
        )
        self._pause = max(SHORTEST_POLL, given.poll_seconds)
        self._disks: dict[str, int] = {}
        # All jobs that are not known to have ended. Snakemake's own list is empty while it looks at them.
        self._live: dict[str, SubmittedJobInfo] = {}
        self._live_lock = Lock()
        # Those that were ended here, and those that could not be.
        self._ended_by_us: set[str] = set()
        self._left: set[str] = set()
        # Ids that this head has submitted, or seen fail: what is marked with others is an earlier head's.
        self._own: set[str] = set()
        self._refusals: set[str] = set()
        # By the outputs of jobs that have run out of something.
        self._least: dict[str, Least] = {}
        # The sources of the workflow with what its inputs are: again when a checkpoint has led to more of these.
        self._sent: list[archive.Archive] = []
        self._lock = lock.take(self.workflow, given, self._region, self.logger.warning)

    # Parts that ask AWS are made when the first job is there, so that nothing is asked for a run without jobs.

    @cached_property
    def batch_client(self) -> Client:
        """For calls that have to succeed."""
        return self._lock.gated(client.FargateBatchClient(self._region))

    @cached_property
    def _watch(self) -> Watch:
        batch = client.FargateBatchClient(self._region, client.repeated())
        return Watch(batch, self.settings.poll_seconds, self.logger.warning)

    @cached_property
    def _waiting(self) -> Waiting:
        return Waiting()

    @cached_property
    def _logs(self) -> Client:
        return client.client_of("logs", self._region, client.brief())

    @cached_property
    def _sender(self) -> command.Sender | None:
        if not str(self._prefix or "").startswith("s3://"):
            return None
        return command.Sender(self._s3, self._prefix, partial(self._submitter.patiently, patience.Outage()))

    @cached_property
    def _s3(self) -> Client:
        return self._lock.gated_s3(client.client_of("s3", self._region))

    @cached_property
    def _submitter(self) -> Submitter:
        """Made when preflight has found nothing wrong, and the sources are sent."""
        self._sources = sources.collect(self.workflow, self.logger.info)
        clients = {"batch": lambda: self.batch_client, "s3": lambda: self._s3}

        def client_of(service: str) -> Client:
            return clients[service]()

        report = preflight.check(client_of, self._stack, self._region, self._prefix)
        for unknown in report.unknown:
            self.logger.info(f"Not checked before the first job: {unknown}")
        if report.problems:
            raise WorkflowError(report.text())
        batch = self._lock.gated(client.FargateBatchClient(self._region, client.repeated()))
        return Submitter(batch, report.fair_share, self.logger.warning)

    @cached_property
    def _earlier(self) -> Earlier:
        queues = [queue for queue in (self._stack.queue, self._stack.ondemand_queue) if queue]
        return Earlier(self.batch_client, queues, self._stack.run, self.logger.info)

    @cached_property
    def _plan(self) -> Plan:
        return Plan(self.workflow.dag)

    @cached_property
    def _wants(self) -> Wants:
        return Wants(self.workflow, self._plan, self._stack.run)

    @cached_property
    def _environment(self) -> dict[str, str]:
        kept, dropped = command.passed(self.envvars())
        if dropped:
            self.logger.warning(
                f"Jobs are not given {', '.join(dropped)}: they have the credentials of their job role, and whoever "
                "may describe jobs could read them."
            )
        return kept

    @cached_property
    def _secrets(self) -> list[str]:
        """Values that no message may show."""
        # What a workflow declares as `envvars` is mostly that; the rest are settings of storage plugins.
        secrets = [value for name, value in self._environment.items() if not name.startswith("SNAKEMAKE_")]
        try:
            credentials = boto3.session.Session().get_credentials()
            if credentials is not None:
                secrets += [part for part in credentials.get_frozen_credentials() if part]
        except BotoCoreError:
            pass
        return secrets

    # Submission

    def run_job(self, job: Job) -> None:
        """Submits one job."""
        self.run_jobs([job])

    def run_jobs(self, jobs: Sequence[Any]) -> None:
        """Submits jobs, many at a time; those that an earlier head submitted are waited for instead."""
        signals.end_at_sigterm()
        submitter = self._submitter
        try:
            self._submit(submitter, jobs, self._wants.of(self._earlier, jobs, self._own))
        except (ClientError, BotoCoreError) as error:
            raise WorkflowError(f"AWS Batch could not be asked about jobs of an earlier start: {error}") from error

    def _submit(self, submitter: Submitter, jobs: Sequence[Any], wants: Sequence[Callable[[], Wanted]]) -> None:
        arrivals: SimpleQueue[Arrival] = SimpleQueue()
        pool = ThreadPoolExecutor(client.SUBMITTERS)
        under_way = 0
        try:
            for job, wanted in zip(jobs, wants, strict=True):
                self.run_job_pre(job)
                if not self._sent or self._plan.lacks(job):
                    self._sent.append(archive.send(self.workflow, self._sources, self._plan.write(job)))
                submission = self._prepared(job)
                if submission is None:
                    continue
                earlier = self._earlier.take(wanted())
                self._wants.taken(job, earlier is not None)
                if earlier is not None:
                    submission.earlier = earlier.name
                    self._entered(job, submission, earlier.job_id, earlier.name)
                    continue
                future = pool.submit(submitter.submit, submission.request)
                future.add_done_callback(partial(_report, arrivals, job, submission))
                under_way += 1
                while not arrivals.empty():
                    self._arrived(*arrivals.get())
                    under_way -= 1
            while under_way:
                self._arrived(*arrivals.get())
                under_way -= 1
        except BaseException:
            # Also for Ctrl-C: what is under way has to be known, so that it can be ended.
            with signals.undisturbed():
                self._lock.give_up()
                submitter.close()
                pool.shutdown(wait=True, cancel_futures=True)
                while not arrivals.empty():
                    self._stray(*arrivals.get())
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def get_job_args(self, job: Job) -> str:
        """Snakemake in the container uses as many cores as the job has threads, whatever the machine shows."""
        return str(RealExecutor.get_job_args(self, job, cores=max(1, int(job.threads))))

    def get_python_executable(self) -> str:
        """Python in the container is one that fetches the sources first."""
        return self._sent[-1].python

    def _prepared(self, job: Job) -> Submission | None:
        try:
            identity = self._plan.identity(self._stack.run, job)
            text = self.format_job_exec(job)
            return prepare(job, self._stack, text, self._environment, self._sender, self._least, identity)
        except (WorkflowError, ClientError, BotoCoreError) as error:
            self._refuse(job, str(error))
            return None

    def _arrived(self, job: Job, submission: Submission, future: "Future[str | None]") -> None:
        try:
            job_id = future.result()
        except (ClientError, BotoCoreError) as error:
            request = submission.request
            did = "could not be asked to run it" if patience.retry_seconds(error) else "refused it"
            reason = (
                f"AWS Batch {did} for queue {request['jobQueue']} and job definition {request['jobDefinition']}: "
                f"{error}"
            )
            known = reason in self._refusals
            self._refusals.add(reason)
            self._refuse(job, f"{describe(job)}: " + ("refused for the same reason as others." if known else reason))
            return
        if job_id is not None:
            self._entered(job, submission, job_id)

    def _stray(self, job: Job, submission: Submission, future: "Future[str | None]") -> None:
        """A job that arrived after all was called off."""
        try:
            job_id = future.result()
        except (CancelledError, ClientError, BotoCoreError):
            return
        if job_id is not None:
            self._keep(SubmittedJobInfo(job, job_id, {"submission": submission}))

    def _entered(self, job: Job, submission: Submission, job_id: str, earlier: str = "") -> None:
        """A job is in Batch; `earlier` is its name if an earlier start made it."""
        info = SubmittedJobInfo(job, job_id, {"submission": submission})
        self._keep(info, own=not earlier)
        whose = "an earlier start made " if earlier else ""
        self.logger.info(f"{describe(job)}: {whose}Batch job {job_id} ({earlier or submission.request['jobName']}).")
        self.report_job_submission(info)

    def _keep(self, info: SubmittedJobInfo, own: bool = True) -> None:
        with self._live_lock:
            self._live[str(info.external_jobid)] = info
            if own:
                self._own.add(str(info.external_jobid))
        self._fresh = True

    def _refuse(self, job: Job, reason: str) -> None:
        """A job that can't be submitted fails; trying again would not change it."""
        job.attempt = job.restart_times + 1
        self.report_job_error(SubmittedJobInfo(job), msg=logs.redact(reason, self._secrets))

    def _disk_of(self, definition: str) -> int:
        """GiB of disk of a definition that a rule names. Raises WorkflowError if jobs can't run from it."""
        if definition not in self._disks:
            found = preflight.find_definition(self.batch_client, definition)
            problems = (
                [f"Job definition {definition} has no active revision."]
                if found is None
                else preflight.definition_problems(definition, found, 0)
            )
            if found is None or problems:
                raise WorkflowError(f"The resource batch_job_definition is wrong: {' '.join(problems)}")
            self._disks[definition] = preflight.disk_of(found)
        return self._disks[definition]

    # Status

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Tells Snakemake of jobs that have ended, and gives back the others."""
        if not active_jobs:
            return
        self._lock.refuse_lost()
        ids = [str(info.external_jobid) for info in active_jobs]
        found, not_asked = await asyncio.to_thread(self._watch.look, ids)
        changed, self._fresh = self._fresh, False
        failed: list[tuple[SubmittedJobInfo, Mapping[str, Any]]] = []
        going: list[tuple[SubmittedJobInfo, str]] = []
        for info in active_jobs:
            submission: Submission = info.aux["submission"]
            description = found.get(str(info.external_jobid))
            if description is None:
                if info.external_jobid not in not_asked:
                    submission.missing += 1
                if submission.missing >= MISSING_LOOKS:
                    failed.append((info, {}))
                else:
                    going.append((info, ""))
                continue
            submission.missing = 0
            status = description["status"]
            if status != submission.status:
                changed = True
                submission.status, submission.since = status, time.monotonic()
            if status == "SUCCEEDED":
                self._ended(info.external_jobid)
                if submission.earlier:
                    await self._wants.settle(info.job, str(info.external_jobid), submission.earlier)
                self.report_job_success(info)
            elif status == "FAILED":
                failed.append((info, description))
            else:
                going.append((info, str(description.get("statusReason") or "")))
        going += [(info, "") for info in await asyncio.to_thread(self._failed, failed)]
        self._pause = self._watch.plan(changed, len(going))
        word = self._waiting.word([(describe(info.job), info.aux["submission"], reason) for info, reason in going])
        if word:
            self.logger.warning(word)
        for info, _ in going:
            yield info

    async def sleep(self) -> None:
        """Until the next look, or until nobody waits for it any more."""
        until = time.monotonic() + self._pause
        while self.wait and time.monotonic() < until:
            await asyncio.sleep(patience.TICK)

    def _failed(self, failed: Sequence[tuple[SubmittedJobInfo, Mapping[str, Any]]]) -> list[SubmittedJobInfo]:
        """Explains failures; the answer is the jobs that go on on the on-demand queue."""
        if not failed:
            return []
        with ThreadPoolExecutor(READERS) as pool:
            texts = list(pool.map(lambda one: self._texts(*one), failed))
        explained = zip(failed, texts, strict=True)
        return [info for (info, description), text in explained if self._again(info, description, *text)]

    def _texts(
        self, info: SubmittedJobInfo, description: Mapping[str, Any]
    ) -> tuple[logs.Log | None, list[rule_logs.RuleLog]]:
        """What the job has written: the end of its log stream, and of its rules' log files."""
        if not description:
            return None, []
        log = logs.tail(self._logs, description, self._region, self.settings.log_group)
        return log, rule_logs.rule_logs(self._s3, info.job, description, log.lines if log else ())

    def _again(
        self,
        info: SubmittedJobInfo,
        description: Mapping[str, Any],
        log: logs.Log | None,
        files: Sequence[rule_logs.RuleLog],
    ) -> bool:
        """Whether the job goes on on the on-demand queue; if not, Snakemake is told that it failed."""
        job, submission = info.job, info.aux["submission"]
        self._ended(info.external_jobid)
        self._own.add(str(info.external_jobid))
        if description:
            lines = [*(log.lines if log else []), *(line for file in files for line in file.lines)]
            failure = failures.explain(description, lines)
        else:
            failure = failures.Failure(failures.LOST, None, [], 1)
        if failure.cause.again is failures.Again.ON_DEMAND and self._move(info, submission):
            return True
        self._remember(submission, failure.cause)
        message = messages.failure_message(
            job, str(info.external_jobid), submission, failure, log, files, self._secrets
        )
        if failure.cause.again is failures.Again.NO:
            # Snakemake runs a failed job again as long as its attempt is not above `retries`.
            job.attempt = job.restart_times + 1
        self.report_job_error(info, msg=message)
        return False

    def _remember(self, submission: Submission, cause: failures.Cause) -> None:
        """What the job's next attempt has to have."""
        outputs = submission.identity.outputs
        memory, disk = (cause.name == name for name in (failures.OUT_OF_MEMORY, failures.OUT_OF_DISK))
        self._least[outputs] = more(submission.shape, self._least.get(outputs, Least()), memory=memory, disk=disk)

    def _move(self, info: SubmittedJobInfo, submission: Submission) -> bool:
        """Gives a job that lost its Spot capacity its last attempt, on the on-demand queue."""
        queue = self._stack.ondemand_queue
        if queue is None or submission.on_demand or queue == submission.request["jobQueue"]:
            return False
        request = {**submission.request, "jobQueue": queue}
        try:
            job_id = self._submitter.submit(request)
        except (ClientError, BotoCoreError) as error:
            self.logger.warning(f"{describe(info.job)} could not be given to queue {queue}: {error}")
            return False
        if job_id is None:
            return False
        submission.request, submission.on_demand, submission.status = request, True, ""
        self.logger.warning(
            f"{describe(info.job)} lost its Spot capacity (Batch job {info.external_jobid}); its last attempt goes to "
            f"queue {queue} as Batch job {job_id}."
        )
        info.external_jobid = job_id
        self._keep(info)
        info.job.register(external_jobid=job_id)
        return True

    def _ended(self, job_id: str | None) -> None:
        with self._live_lock:
            self._live.pop(str(job_id), None)
            self._earlier.over(str(job_id))

    def print_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **kwargs: object) -> None:
        """Snakemake's own words about a failed job, with ours in them. Of a group it would print none of ours."""
        if job_info.external_jobid is not None:
            kwargs["external_jobid"] = job_info.external_jobid
        if job_info.job.is_group() and msg:
            self.logger.error(msg)
        job_info.job.log_error(msg, **kwargs)

    # Interruption, and the end

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Ends all jobs that have not ended. Snakemake's list may lack some; ours does not."""
        if "_submitter" not in self.__dict__:
            return
        self._submitter.close()
        self._watch.close()
        with signals.undisturbed():
            self._end_all()

    def _end_all(self) -> None:
        self._lock.give_up()
        if not self._lock.holds():
            self.logger.error("Batch jobs run on: they are left to whoever has the lock of the run.")
            return
        hasty = client.FargateBatchClient(self._region, client.hasty())
        lost = self._submitter.lost(hasty)
        with self._live_lock:
            active = dict.fromkeys([*self._live, *self._untaken(), *lost])
            ids = [job_id for job_id in active if job_id not in self._ended_by_us and job_id not in self._left]
        if not ids:
            return
        self.logger.info(f"Ending {messages.counted(len(ids), 'Batch job')}…")
        left = cancellation.terminate(hasty, ids)
        self._left.update(left)
        for job_id in set(ids) - set(left):
            self._ended(job_id)
            self._ended_by_us.add(job_id)
        if left:
            self.logger.error(
                f"{messages.counted(len(left), 'Batch job')} may still run and cost money, since AWS Batch could not "
                f"be told to end them ({next(iter(left.values()))}). End them with:\n"
                + "\n".join(
                    f"  aws batch terminate-job --region {self._region} --reason interrupted --job-id {job_id}"
                    for job_id in left
                )
            )
        else:
            self.logger.info("All of them are ended.")

    def _untaken(self) -> list[str]:
        """Ids of an earlier head's jobs that this one has not come to, or does not need."""
        return [job.job_id for job in self._earlier.rest()] if "_earlier" in self.__dict__ else []

    def shutdown(self) -> None:
        """When no job is left, nobody needs the sources any more; those that run on still fetch them."""
        super().shutdown()
        if self._sent and not self._submitter.closed:
            self._wants.settle_all(self._earlier, self._own)
        if "_submitter" in self.__dict__ and self._submitter.closed:
            # The thread that looks after jobs may have been giving one to the on-demand queue.
            with signals.undisturbed():
                self._end_all()
        untaken = set(self._untaken()) - self._ended_by_us
        if untaken:
            left = ", ".join(f"{job.job_id} ({job.name})" for job in self._earlier.rest() if job.job_id in untaken)
            self.logger.warning(
                f"Batch jobs of an earlier start still ran when this one began, and do nothing that it needs: {left}. "
                f"If you don't need them: aws batch terminate-job --region {self._region} --reason unneeded --job-id ID"
            )
        needed = self._live or untaken
        if not self._sent or needed or self.workflow.remote_execution_settings.immediate_submit:
            return
        if not self._lock.holds():
            return
        for sent in self._sent:
            try:
                archive.remove(self.workflow, sent)
            except WorkflowError as error:
                self.logger.warning(f"The sources of the workflow stay in storage ({sent.query}): {error}")
