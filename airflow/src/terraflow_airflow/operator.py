"""The operator that starts a run, or finds it under way, follows its head, and ends it with the task."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Literal, NoReturn

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    TaskDeferralTimeout,
)

from terraflow_airflow import bring, ending, jobs, links, outcome, results
from terraflow_airflow import stack as stacks
from terraflow_airflow.aws import DEFAULT_CONNECTION, TROUBLE, Account
from terraflow_airflow.errors import OrderError
from terraflow_airflow.following import Following, Place
from terraflow_airflow.links import JobLink, LogLink, ReportLink, TimelineLink
from terraflow_airflow.order import Order, checked
from terraflow_airflow.outcome import Outcome
from terraflow_airflow.runs import Run
from terraflow_airflow.stack import Stack
from terraflow_airflow.trigger import ENDED, TerraflowRunTrigger

# Milliseconds of its log that is shown of a head that was under way before the task began.
EARLIER = 600_000


class TerraflowRunOperator(BaseOperator):
    """Starts run `run_name` as an upload of its sheet would, and follows it to its end.

    A run whose head is under way is followed, and no second head is started. A task that is ended, marked or cleared,
    or that takes longer than `execution_timeout`, ends head and jobs of the run, also while it is deferred.

    :param bucket: the stack's bucket
    :param run_name: up to 40 letters, digits, `-` and `_`
    :param sheet: text of the sample sheet; without one, `raw/NAME/samples.tsv` in the bucket is the sheet
    :param settings: settings that are added to the published configuration, as a mapping or as YAML
    :param budget: US dollars that the run may cost; without one, the stack's `inbox_budget`
    :param by: `clock` starts a run that has failed three times at most, and skips the task when nothing is due
    :param poll_interval: seconds between two looks
    """

    template_fields: Sequence[str] = (
        "bucket",
        "run_name",
        "sheet",
        "settings",
        "budget",
        "aws_conn_id",
        "region_name",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"settings": "json"}
    operator_extra_links = (ReportLink(), TimelineLink(), LogLink(), JobLink())
    ui_color = "#cfe8e4"

    def __init__(
        self,
        *,
        bucket: str,
        run_name: str,
        sheet: str | None = None,
        settings: Mapping[str, Any] | str | None = None,
        budget: float | str | None = None,
        by: Literal["airflow", "clock"] = "airflow",
        aws_conn_id: str | None = DEFAULT_CONNECTION,
        region_name: str | None = None,
        poll_interval: float = 15.0,
        deferrable: bool = True,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Ask AWS nothing yet."""
        super().__init__(**kwargs)
        self.bucket, self.run_name, self.sheet, self.settings, self.budget = bucket, run_name, sheet, settings, budget
        self.by, self.aws_conn_id, self.region_name = by, aws_conn_id, region_name
        self.poll_interval, self.deferrable = poll_interval, deferrable

    # What Airflow calls

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the run, or find it under way, and wait for its end."""
        place = self._begin(context)
        if self.deferrable:
            limit = self.execution_timeout
            self._defer(place, time.time() + limit.total_seconds() if limit else None)
        following = Following(self._account, self._stack, place)
        while True:
            time.sleep(self.poll_interval)
            found = following.look()
            for line in found.lines:
                self.log.info("%s", line)
            if found.head:
                self._push_links(context, found.head)
            if found.ended is not None:
                return self._ended(context, found.ended)

    def resume(
        self, context: Context, event: dict[str, Any], place: dict[str, Any], deadline: float | None
    ) -> dict[str, Any]:
        """Go on after an event of the trigger; `deadline` is when the task's time is over, in seconds since 1970."""
        if event["kind"] == ENDED:
            return self._ended(context, outcome.from_mapping(event["outcome"]))
        for line in event["lines"]:
            self.log.info("%s", line)
        self._push_links(context, event["head"])
        self._defer(Place(**{**place, "launcher": "", "head": event["head"]}), deadline)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:  # noqa: ANN401
        """End the run if the task's time has run out while it was deferred."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout as error:
            self.on_kill()
            raise AirflowFailException(
                f"Run {self.run_name} was ended, since it took longer than {self.execution_timeout}."
            ) from error

    def on_kill(self) -> None:
        """End head and jobs of the run."""
        ending.end(self._account, lambda: self._stack, self.run_name, lambda line: self.log.info("%s", line))

    # Its parts

    @cached_property
    def _account(self) -> Account:
        return Account(self.aws_conn_id, self.region_name or None)

    @cached_property
    def _stack(self) -> Stack:
        return stacks.read(self._account.s3, self.bucket)

    def _begin(self, context: Context) -> Place:
        """Bring what the order brings and start a launcher, unless a head or a launcher is under way."""
        try:
            order = checked(self.run_name, self.sheet, self.settings, self.budget)
            bring.limit(self._stack, order)
            place = self._attached(order) or self._started(order, again=context["ti"].try_number > 1)
        except OrderError as error:
            raise AirflowFailException(str(error)) from error
        self._push_links(context, place.head or place.launcher)
        return place

    def _attached(self, order: Order) -> Place | None:
        """Return the place of a head that is under way. Raise OrderError if it can't be the one that is asked for."""
        about = Run(self._account.s3, self.bucket, order.name).about()
        known = [about.head_job] if about else []
        heads = jobs.active_heads(self._account.batch, self._stack, order.name, known)
        heads = [job for job in heads if not jobs.is_being_ended(job)]
        if not heads:
            return None
        head = heads[0]["jobId"]
        if other := bring.differing(self._account.s3, self._stack, order):
            who = f", started by {about.who}" if about and about.who else ""
            raise OrderError(
                f"Run {order.name} is under way (Batch job {head}{who}), and in the bucket {' and '.join(other)} "
                "are not as given here. Nothing was started: wait for its end, or choose another name."
            )
        self.log.info("Run %s is under way: Batch job %s is followed.", order.name, head)
        return self._place(order, head=head, since=_now() - EARLIER)

    def _started(self, order: Order, *, again: bool) -> Place:
        for key in bring.bring(self._account.s3, self._stack, order, again=again):
            self.log.info("Written: s3://%s/%s", self.bucket, key)
        since = _now()
        others = jobs.active_launchers(self._account.batch, self._stack, order.name)
        found = [job["jobId"] for job in others if not jobs.is_being_ended(job)]
        launcher = found[0] if found else jobs.start_launcher(self._account.batch, self._stack, order, self.by)
        self.log.info("The launcher of run %s is Batch job %s.", order.name, launcher)
        return self._place(order, launcher=launcher, since=since)

    def _place(self, order: Order, *, launcher: str = "", head: str = "", since: int) -> Place:
        return Place(order.name, order.budget, self.by, launcher, head, since)

    def _defer(self, place: Place, deadline: float | None) -> NoReturn:
        self.defer(
            trigger=TerraflowRunTrigger(
                self.bucket, asdict(place), self.aws_conn_id, self.region_name or None, self.poll_interval
            ),
            method_name="resume",
            kwargs={"place": asdict(place), "deadline": deadline},
            timeout=None if deadline is None else timedelta(seconds=max(1.0, deadline - time.time())),
        )

    def _ended(self, context: Context, ended: Outcome) -> dict[str, Any]:
        """Return what the run has left, or raise what Airflow is to do about a run that is not done."""
        if ended.head_job:
            self._push_links(context, ended.head_job)
        left = results.of_run(self._account.s3, self.bucket, self.run_name, ended)
        for key in results.KEYS:
            context["ti"].xcom_push(key=key, value=left[key])
        said = ended.message or results.NO_WORDS
        if ended.state == outcome.DONE:
            self.log.info("Run %s is done: %s", self.run_name, left["results"])
            return left
        if ended.state == outcome.NOT_DUE:
            raise AirflowSkipException(said)
        text = f"Run {self.run_name}: {ended.state}. {said}"
        if ended.is_worth_another_try:
            raise AirflowException(text)
        raise AirflowFailException(text)

    def _push_links(self, context: Context, job: str) -> None:
        try:
            stack = self._stack
        except TROUBLE:
            # Nothing depends on the links.
            return
        try:
            streams = jobs.streams_of(jobs.describe(self._account.batch, [job]).get(job, {}))
        except TROUBLE:
            # They lead to less.
            streams = []
        found = links.addresses(stack, self.run_name, job, streams[-1] if streams else "")
        context["ti"].xcom_push(key=links.XCOM, value=found)


def _now() -> int:
    return round(time.time() * 1000)
