"""A head's session on AWS: it begins with the first job, so that a run without jobs asks AWS nothing."""

import math
import time
from functools import cached_property, partial
from urllib.parse import urlsplit

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import patience

from . import client, command, preflight, settings, source_cache
from .budget import Budget
from .deployment import Deployment
from .earlier import Earlier
from .journal import Journal, head_name
from .known_secrets import KnownSecrets
from .ledger import Ledger
from .lock import Lock
from .markers import Markers
from .plan import Plan
from .progress import Progress
from .recorder import Place
from .request import Target, definition_of
from .status import Waiting, Watch
from .submitter import Submitter
from .untyped import Client, Job, Logger, Workflow


class Session:
    """All that the parts of a head share while it works: clients, sources, secrets, and the jobs that are under way.

    It is open when it is made, and closed when nothing is submitted any more.
    """

    def __init__(self, workflow: Workflow, target: Target, lock: Lock, logger: Logger) -> None:
        """Look at all that the first job needs. Raises WorkflowError with a list of what is wrong."""
        given: settings.ExecutorSettings = workflow.executor_settings
        self.workflow, self.target, self.lock, self.logger = workflow, target, lock, logger
        self.region = target.region or ""
        self.log_group = given.log_group
        self._prefix = str(workflow.storage_settings.default_storage_prefix or "")
        self._disks: dict[str, int] = {}
        self.plan = Plan(workflow.dag, source_cache.places(workflow))
        self.deployment = Deployment(workflow, self.plan, logger.info)
        report = self._check(given.stack_hint)

        self.ledger = Ledger()
        self.earlier = Earlier(self.batch, target.queues, target.run, logger.info, f"{target.tags.prefix}run")
        self.markers = Markers(workflow, self.plan, target.run)
        repeated = partial(client.FargateBatchClient, self.region, client.repeated())
        self.submitter = Submitter(lock.gated(repeated()), report.fair_share, target.run, logger.warning)
        self.journal = self._begin_journal(report, given)
        self.watch = Watch(repeated(), given.poll_seconds, logger.warning)
        self.waiting = Waiting()
        self.environment = self._environment()
        # Variables that a workflow declares as `envvars` mostly are secrets; the rest are settings of storage plugins.
        self.secrets = KnownSecrets(
            value for name, value in self.environment.items() if not name.startswith("SNAKEMAKE_")
        )
        # When the session was closed, by time.monotonic.
        self.since_closed = math.inf
        self.sender: command.Sender | None = None
        if self._prefix.startswith("s3://"):
            patiently = partial(self.submitter.patiently, patience.Outage())
            self.sender = command.Sender(self.s3, self._prefix, target.temporary_tags, patiently)

    # Clients, which change nothing without the lock of the run

    @cached_property
    def batch(self) -> Client:
        """Return the client of AWS Batch for calls that have to succeed."""
        return self.lock.gated(client.FargateBatchClient(self.region))

    @cached_property
    def s3(self) -> Client:
        """Return the client of S3."""
        return self.lock.gated_s3(client.client_of("s3", self.region))

    @cached_property
    def logs(self) -> Client:
        """Return the client of CloudWatch Logs, which a run can do without."""
        return client.client_of("logs", self.region, client.brief())

    # The end of the session

    @property
    def is_closed(self) -> bool:
        """Return whether nothing is submitted any more."""
        return self.submitter.closed

    def stop_submitting(self) -> None:
        """Submit nothing more, and let nothing wait for AWS in order to submit."""
        self._note_time()
        self.lock.give_up()
        self.submitter.close()

    def close(self) -> None:
        """Submit nothing more, and end the looks at jobs that are under way."""
        self._note_time()
        self.submitter.close()
        self.watch.close()

    def _note_time(self) -> None:
        self.since_closed = min(self.since_closed, time.monotonic())

    def has_ended(self, job_id: str, failed: bool = False) -> None:
        """Note that a job has ended."""
        self.ledger.remove(job_id, failed)
        self.earlier.forget(job_id)

    def disks_of(self, job: Job) -> list[int]:
        """Return GiB of disk of the job definitions that a job may run from.

        Raises WorkflowError if the rule names a definition that jobs can't run from.
        """
        named = definition_of(job)
        return [self._disk_of(named)] if named else list(self.target.definitions)

    def _disk_of(self, definition: str) -> int:
        if definition not in self._disks:
            found = preflight.find_definition(self.batch, definition)
            problems = (
                [f"Job definition {definition} has no active revision."]
                if found is None
                else preflight.definition_problems(definition, found, 0)
            )
            if found is None or problems:
                raise WorkflowError(f"The resource batch_job_definition is wrong: {' '.join(problems)}")
            self._disks[definition] = preflight.disk_of(found)
        return self._disks[definition]

    # The beginning of the session

    def _check(self, hint: str | None) -> preflight.Report:
        """Return what queues are like. Raises WorkflowError with a list of what is wrong."""

        def client_of(service: str) -> Client:
            return {"batch": lambda: self.batch, "s3": lambda: self.s3}[service]()

        report = preflight.check(client_of, self.target, self.region, self._prefix)
        for unknown in report.unknown:
            self.logger.info(f"Not checked before the first job: {unknown}")
        if report.problems:
            raise WorkflowError(report.text(hint))
        return report

    def _begin_journal(self, report: preflight.Report, given: settings.ExecutorSettings) -> Journal:
        """Return the journal, once it knows what earlier heads have written."""
        place = None
        if self._prefix.startswith("s3://"):
            parts = urlsplit(self._prefix)
            place = Place(self.s3, parts.netloc, parts.path)
        progress = Progress(self.workflow, self.target.run, head_name(), report.spot, int(time.time() * 1000))
        prices, note = settings.prices_of(given, self.region)
        if note:
            self.logger.warning(note.replace("--prices", f"{settings.PREFIX}prices"))
        budget = Budget(given.budget, prices)
        made = Journal(place, report, progress, budget, lambda: self.ledger.live, self.logger.warning)
        made.begin(self.batch, self.target)
        return made

    def _environment(self) -> dict[str, str]:
        """Return the environment variables that jobs are given."""
        kept, dropped = command.passed(self.workflow.spawned_job_args_factory.envvars())
        if dropped:
            self.logger.warning(
                f"Jobs are not given {', '.join(dropped)}: they have the credentials of their job role, and whoever "
                "may describe jobs could read them."
            )
        return kept
