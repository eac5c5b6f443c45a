"""What the tasks of the project's DAGs do besides runs themselves; DAG files only put them together."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from terraflow_airflow import bring, jobs, results, sheets
from terraflow_airflow import stack as stacks
from terraflow_airflow.aws import DEFAULT_CONNECTION, Account
from terraflow_airflow.errors import OrderError
from terraflow_airflow.order import checked
from terraflow_airflow.runs import Run

# The project's DAGs: the pool of their runs, and expressions by which the stack's bucket and a run's limit are found.
POOL = "terraflow"
BUCKET = f"{{{{ var.value.{sheets.BUCKET} }}}}"
BUDGET = "{{ var.value.get('terraflow_budget', '') }}"


def check(
    bucket: str,
    name: str,
    sheet: str = "",
    settings: str = "",
    budget: str = "",
    aws_conn_id: str = DEFAULT_CONNECTION,
) -> dict[str, Any]:
    """Check a form before anything is written, and return what would be started.

    Raise AirflowFailException in the words of whoever has to change something. The sheet's content is checked by the
    launcher, which has the workflow.
    """
    account = Account(aws_conn_id)
    try:
        order = checked(name, sheet, settings, budget)
        stack = stacks.read(account.s3, bucket)
        brought = bring.contents(account.s3, stack, order)
        if not order.sheet and Run(account.s3, bucket, name).sheet_etag() is None:
            raise OrderError(f"Sheet: found none, and s3://{bucket}/{order.sheet_key} is not there either.")
        budget_of_run = bring.limit(stack, order)
        heads = jobs.active_heads(account.batch, stack, name)
        differing = bring.differing(account.s3, stack, order) if heads else []
        if differing:
            raise OrderError(
                f"Run {name} is under way (Batch job {heads[0]['jobId']}) with another {' and '.join(differing)}. Wait "
                "for its end, or choose another name."
            )
    except OrderError as error:
        raise AirflowFailException(str(error)) from error
    print(f"Run {name}: {'a head is under way and is followed' if heads else 'it is started'}")
    return {"name": name, "writes": list(brought), "budget": budget_of_run, "under_way": bool(heads)}


def report(left: Mapping[str, Any]) -> str:
    """Print and return what a run has left, for people; `left` is what TerraflowRunOperator returns."""
    text = results.text(left)
    print(text)
    return text


def names_of(events: Mapping[Any, Any] | None) -> list[str]:
    """Return the names of runs, each once, in events of uploaded sheets (`triggering_asset_events`)."""
    found = [event.extra.get("payload", event.extra) for some in (events or {}).values() for event in some]
    return list(dict.fromkeys(str(payload["name"]) for payload in found if "name" in payload))


def uploaded(triggering_asset_events: Mapping[Any, Any] | None = None) -> list[str]:
    """Return the names of the runs whose sheets were uploaded; Airflow passes the events by the argument's name."""
    return names_of(triggering_asset_events)


def unfinished(bucket: str, aws_conn_id: str = DEFAULT_CONNECTION) -> list[str]:
    """Return the names of runs in the inbox that are not done."""
    return sheets.unfinished(Account(aws_conn_id).s3, bucket)
