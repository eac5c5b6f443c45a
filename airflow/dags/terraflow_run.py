"""# Start a run

Fill in the form: the name of the run, its sheet, and what it may cost. `check` looks at the form, `run` starts the head
of the run and follows it, `report` says where the results are and what they cost.

- **Sheet**: the text of `samples.tsv`, with tabs. Left empty, the sheet is the one that lies in the bucket as
  `raw/NAME/samples.tsv`, which `terraflow stage --name NAME` and any upload bring there.
- **Settings** are added to the configuration that `make deploy` has published.
- A wrong sheet is refused in the workflow's own words, in the log of `run`. Files that are missing are looked for each
  hour, for a day.
- A run that is under way is followed, and nothing is started twice. Ending, failing or clearing `run` ends head and
  jobs; what is done stays, and the next start of the name goes on from there.
"""

from datetime import timedelta

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Param

from terraflow_airflow import tasks
from terraflow_airflow.operator import TerraflowRunOperator

with DAG(
    dag_id="terraflow_run",
    description="Starts a run of TerraFlow Genomics from a form, and follows it",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    tags=["terraflow", "genomics"],
    default_args={"owner": "terraflow", "retries": 5, "retry_delay": timedelta(minutes=2)},
    params={
        "name": Param(
            "",
            type="string",
            title="Name of the run",
            pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$",
            description="Up to 40 letters, digits, - and _. Results go to runs/NAME in the bucket.",
        ),
        "sheet": Param(
            None,
            type=["string", "null"],
            format="multiline",
            title="Sheet",
            description="Text of samples.tsv, with tabs; empty: raw/NAME/samples.tsv in the bucket.",
        ),
        "settings": Param(
            None,
            type=["object", "null"],
            title="Settings",
            description='Added to the published configuration, such as {"calling": {"ploidy": 1}}.',
        ),
        "budget": Param(
            None,
            type=["number", "null"],
            exclusiveMinimum=0,
            title="Budget",
            description="US dollars that the run may cost; empty: what the administrators have set.",
        ),
    },
) as dag:
    sheet = "{{ params.sheet or '' }}"
    settings = "{{ params.settings | tojson }}"
    budget = "{{ params.budget or var.value.get('terraflow_budget', '') }}"
    check = PythonOperator(
        task_id="check",
        python_callable=tasks.check,
        op_kwargs={
            "bucket": tasks.BUCKET,
            "name": "{{ params.name }}",
            "sheet": sheet,
            "settings": settings,
            "budget": budget,
        },
    )
    run = TerraflowRunOperator(
        task_id="run",
        bucket=tasks.BUCKET,
        run_name="{{ params.name }}",
        sheet=sheet,
        settings=settings,
        budget=budget,
        pool=tasks.POOL,
    )
    report = PythonOperator(task_id="report", python_callable=tasks.report, op_args=[run.output])
    check >> run >> report
