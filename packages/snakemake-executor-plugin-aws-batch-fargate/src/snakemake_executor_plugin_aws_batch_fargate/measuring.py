"""What a container's rules use, measured by its worker and stored for the head: one small object for each attempt.

    PREFIX/head/measured/<job id>-<attempt>.json

A job's rules each begin and end in Snakemake's own thread for them; processes count for the thread that started them
(usage.py). Files that are fetched count for the first rule that reads them, stored ones for the rule that made them.
"""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from snakemake_aws_common import transfers
from snakemake_aws_common.record.attempt import Step
from snakemake_aws_common.record.measured import measured_name, pack_steps
from snakemake_aws_common.transfers import FETCHED, Transfer, seconds_of

from . import names, usage
from .untyped import Job, Workflow

# Seconds for storing the measurements: a job is not kept waiting, or failed, for them.
PATIENCE = 20.0


@dataclass
class Ran:
    """A rule that has run in this container."""

    job: Job
    used: usage.Usage
    # Milliseconds since 1970.
    start: int
    complete: int | None = None
    failed: bool = False
    # None if the storage says nothing of its transfers.
    fetched: list[Transfer] | None = None
    stored: list[Transfer] | None = None

    def step(self) -> Step:
        """Return it as it goes into the record."""
        end = self.complete or _now()
        fetched, fetch_time = _totals(self.fetched)
        stored, store_time = _totals(self.stored)
        return Step(
            process=self.job.rule.name,
            wildcards={name: str(value) for name, value in self.job.wildcards_dict.items()},
            exit=(self.used.failed or 1) if self.failed else 0,
            start=self.start,
            complete=end,
            realtime=end - self.start,
            cpu_time=None if self.used.cpu is None else round(self.used.cpu * 1000),
            peak_rss=self.used.peak,
            fetch_bytes=fetched,
            fetch_time=fetch_time,
            store_bytes=stored,
            store_time=store_time,
        )


def _totals(transfers: list[Transfer] | None) -> tuple[int | None, int | None]:
    """Return bytes, and the milliseconds in which at least one of the transfers was under way."""
    if transfers is None:
        return None, None
    return sum(one.size for one in transfers), round(seconds_of(transfers) * 1000)


class Measuring:
    """Measures the rules that Snakemake runs in this process, and what goes from and to the storage for them."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Measure nothing yet; AWS Batch names job and attempt in the environment."""
        self._id = environment.get("AWS_BATCH_JOB_ID", "")
        self._attempt = int(environment.get("AWS_BATCH_JOB_ATTEMPT") or 1)
        self._ran: list[Ran] = []
        self._transfers: list[Transfer] = []
        self._workflow: Workflow | None = None

    def begin(self) -> None:
        """Measure from here on."""
        from snakemake.executors.local import Executor

        transfers.observe(self._transfers.append)
        usage.begin()
        Executor.cached_or_run = self._measured(Executor.cached_or_run)

    def _measured(self, run: Callable[..., None]) -> Callable[..., None]:
        @wraps(run)
        def measured(executor: Any, job: Job, *arguments: object) -> None:  # noqa: ANN401
            self._workflow = executor.workflow
            with usage.measured() as used:
                ran = Ran(job, used, _now(), failed=True)
                self._ran.append(ran)
                try:
                    run(executor, job, *arguments)
                    ran.failed = False
                finally:
                    ran.complete = _now()

        return measured

    def steps(self) -> list[Step]:
        """Return what was measured, by the rules' beginnings."""
        ran = sorted(self._ran, key=lambda one: one.start)
        if not self._transfers:
            return [one.step() for one in ran]
        readers: dict[str, list[Transfer]] = {}
        makers: dict[str, list[Transfer]] = {}
        for one in ran:
            one.fetched, one.stored = [], []
            for file in one.job.input:
                readers.setdefault(names.key(file), one.fetched)
            for file in [*one.job.output, *one.job.log, *filter(None, [one.job.benchmark])]:
                makers[names.key(file)] = one.stored
        for transfer in self._transfers:
            count = (readers if transfer.kind == FETCHED else makers).get(transfer.query)
            if count is not None:
                count.append(transfer)
        return [one.step() for one in ran]

    def store(self) -> None:
        """Store what was measured in the default storage; a job does not fail if that can't be done."""
        if not self._id or self._workflow is None:
            return
        thread = threading.Thread(target=self._store, args=(self._workflow,), daemon=True)
        thread.start()
        thread.join(PATIENCE)

    def _store(self, workflow: Workflow) -> None:
        prefix = str(workflow.storage_settings.default_storage_prefix or "").rstrip("/")
        with contextlib.suppress(Exception), tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "measured.json")
            file.write_bytes(pack_steps(self.steps()))
            query = f"{prefix}/{measured_name(self._id, self._attempt)}"
            stored = workflow.storage_registry.default_storage_provider.object(query)
            stored.set_local_path(file)
            stored.store_object()


def _now() -> int:
    return int(time.time() * 1000)
