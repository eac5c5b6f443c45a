"""# Each night, what is not done goes on

Looks through the sheets in the inbox (`raw/NAME/samples.tsv`), and starts the runs that are not done: those that were
not started, that lost their head, or that have failed, three times at most. Nothing is started for a run that a person
has stopped, or for a sheet that was refused, until the sheet is uploaded again.

Off until somebody switches it on.
"""

from datetime import timedelta

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG

from terraflow_airflow import tasks
from terraflow_airflow.operator import TerraflowRunOperator

with DAG(
    dag_id="terraflow_nightly",
    description="Starts the runs of TerraFlow Genomics that are not done",
    doc_md=__doc__,
    schedule="0 1 * * *",
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    tags=["terraflow", "genomics"],
    default_args={"owner": "terraflow", "retries": 5, "retry_delay": timedelta(minutes=2)},
) as dag:
    unfinished = PythonOperator(
        task_id="unfinished", python_callable=tasks.unfinished, op_kwargs={"bucket": tasks.BUCKET}
    )
    TerraflowRunOperator.partial(
        task_id="run", bucket=tasks.BUCKET, budget=tasks.BUDGET, pool=tasks.POOL, by="clock"
    ).expand(run_name=unfinished.output)
