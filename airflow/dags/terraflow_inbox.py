"""# Uploaded sheets become runs

A sheet that is written as `raw/NAME/samples.tsv` in the bucket, after its reads, starts run `NAME`: once, however often
it is told of. A sheet that is changed during its run starts it once more when that has ended.

Airflow asks S3 each minute. Either this DAG or the stack's own upload rule (`inbox_budget`) is to start runs, not both:
Terraform refuses both for the stack's own Airflow. For another Airflow, leave this DAG paused where the rule is on.
"""

from datetime import timedelta

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG

from terraflow_airflow import sheets, tasks
from terraflow_airflow.operator import TerraflowRunOperator

with DAG(
    dag_id="terraflow_inbox",
    description="Starts a run of TerraFlow Genomics for each sheet that is uploaded",
    doc_md=__doc__,
    schedule=[sheets.asset()],
    catchup=False,
    tags=["terraflow", "genomics"],
    default_args={"owner": "terraflow", "retries": 5, "retry_delay": timedelta(minutes=2)},
) as dag:
    uploaded = PythonOperator(task_id="uploaded", python_callable=tasks.uploaded)
    TerraflowRunOperator.partial(task_id="run", bucket=tasks.BUCKET, budget=tasks.BUDGET, pool=tasks.POOL).expand(
        run_name=uploaded.output
    )
