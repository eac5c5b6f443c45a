"""The trigger that follows a run while its task waits in Airflow's triggerer, and ends the run if the task is ended."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any

from airflow.sdk import TaskInstanceState
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import BaseTrigger, TriggerEvent

from terraflow_airflow import ending, outcome
from terraflow_airflow import stack as stacks
from terraflow_airflow.aws import TROUBLE, Account
from terraflow_airflow.following import PATIENCE, Following, Look, Place
from terraflow_airflow.outcome import Outcome
from terraflow_airflow.stack import Stack

# Of an event: the head has begun, or the order has ended.
HEAD, ENDED = "head", "ended"
# Lines of the log that an event takes along: Airflow writes the trigger's log anew when the task is deferred again.
TAKEN = 500
# Seconds between the last line and the event. Airflow stores the trigger's log when it learns that the trigger is done,
# and lines that are on their way to it then are lost.
SETTLE = 3.0


class TerraflowRunTrigger(BaseTrigger):
    """Follows a run; its log lines go to the task's log. Fires when a head has begun, and when the order has ended.

    `place` is a following.Place as a mapping; `poll_interval` is the seconds between two looks.
    """

    def __init__(
        self,
        bucket: str,
        place: dict[str, Any],
        aws_conn_id: str | None,
        region_name: str | None,
        poll_interval: float,
    ) -> None:
        """Ask AWS nothing yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.bucket, self.place = bucket, place
        self.aws_conn_id, self.region_name, self.poll_interval = aws_conn_id, region_name, poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what makes another one of it, in whichever triggerer."""
        names = ("bucket", "place", "aws_conn_id", "region_name", "poll_interval")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again, in threads; the clients of AWS are not asynchronous."""
        # Airflow may not have stored yet that the task waits.
        await asyncio.sleep(self.poll_interval)
        following: Following | None = None
        since = time.monotonic()
        while following is None:
            try:
                following = await asyncio.to_thread(self._following)
            except TROUBLE as error:
                self.log.info("AWS does not answer, the run goes on: %s", error)
                if time.monotonic() - since >= PATIENCE:
                    why = f"AWS has not answered for half an hour: {error}"
                    lost = Outcome(outcome.LOST, why, str(self.place["head"]))
                    yield TriggerEvent({"kind": ENDED, "outcome": lost.mapping()})
                    return
                await asyncio.sleep(self.poll_interval)
        said: list[str] = []
        while True:
            found = await asyncio.to_thread(following.look)
            said = (said + found.lines)[-TAKEN:]
            for line in found.lines:
                self.log.info("%s", line)
            if event := self._event(found, said):
                await asyncio.sleep(SETTLE)
                yield TriggerEvent(event)
                return
            await asyncio.sleep(self.poll_interval)

    def _event(self, found: Look, said: list[str]) -> dict[str, Any] | None:
        if found.ended is not None:
            return {"kind": ENDED, "outcome": found.ended.mapping()}
        if found.head and found.head != self.place["head"]:
            return {"kind": HEAD, "head": found.head, "lines": said}
        return None

    async def on_kill(self) -> None:
        """End head and jobs of the run if somebody has ended the task, or its DAG run.

        Airflow also calls this in a triggerer whose triggers another one has taken over. The task waits still then, and
        the run goes on.
        """
        if await asyncio.to_thread(self._still_waits):
            self.log.info("The task waits in another triggerer, and run %s goes on.", self.place["name"])
            return
        self.log.info("The task was ended, and so is run %s.", self.place["name"])
        # The thread goes on to its end also where Airflow cancels this method.
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        def say(line: str) -> None:
            self.log.info("%s", line)

        ending.end(self._account, lambda: self._stack, self.place["name"], say)

    def _still_waits(self) -> bool:
        """Return whether the task is deferred; yes if Airflow does not say, since nobody can end a task then."""
        task: Any = self.task_instance
        try:
            states = RuntimeTaskInstance.get_task_states(
                dag_id=task.dag_id, task_ids=[task.task_id], run_ids=[task.run_id], map_index=task.map_index
            )
        except Exception as error:
            self.log.warning("Airflow does not say what became of the task: %s", error)
            return True
        return TaskInstanceState.DEFERRED in states.get(task.run_id, {}).values()

    @cached_property
    def _account(self) -> Account:
        return Account(self.aws_conn_id, self.region_name)

    @cached_property
    def _stack(self) -> Stack:
        return stacks.read(self._account.s3, self.bucket)

    def _following(self) -> Following:
        return Following(self._account, self._stack, Place(**self.place))
