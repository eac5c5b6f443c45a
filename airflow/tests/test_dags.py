"""The project's DAGs as Airflow reads them."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from terraflow_airflow.operator import TerraflowRunOperator
from terraflow_airflow.sheets import UploadedSheetTrigger

FOLDER = Path(__file__).resolve().parent.parent / "dags"
FILES = sorted(FOLDER.glob("*.py"))


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    bag = DagBag(dag_folder=str(FOLDER), known_pools={"default_pool", "terraflow"})
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_each_file_is_a_dag(dags: dict[str, Any]) -> None:
    assert (
        sorted(dags) == sorted(file.stem for file in FILES) == ["terraflow_inbox", "terraflow_nightly", "terraflow_run"]
    )


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_each_dag_says_what_it_is(dags: dict[str, Any], name: str) -> None:
    dag = dags[name]
    assert set(dag.tags) == {"terraflow", "genomics"}
    assert dag.doc_md.startswith("# ") and len(dag.doc_md) > 300
    assert dag.description and dag.catchup is False
    run = dag.get_task("run")
    assert (run.owner, run.pool, run.retries) == ("terraflow", "terraflow", 5)
    given = run.partial_kwargs if run.is_mapped else vars(run)
    assert given["bucket"] == "{{ var.value.terraflow_bucket }}"
    assert "terraflow_budget" in given["budget"]


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_the_scheduler_can_store_them(dags: dict[str, Any], name: str) -> None:
    stored = json.loads(json.dumps(DagSerialization.to_dict(dags[name])))
    DagSerialization.validate_schema(stored)
    again = DagSerialization.from_dict(stored)
    run = again.get_task("run")
    assert {link for link in run.extra_links} == {"Report", "Timeline", "CloudWatch", "AWS Batch"}


def test_what_starts_them(dags: dict[str, Any]) -> None:
    assert dags["terraflow_run"].schedule is None
    [asset] = dags["terraflow_inbox"].schedule
    [watcher] = asset.watchers
    assert isinstance(watcher.trigger, UploadedSheetTrigger)
    nightly = dags["terraflow_nightly"]
    assert (nightly.schedule, nightly.is_paused_upon_creation, nightly.max_active_runs) == ("0 1 * * *", True, 1)
    assert nightly.get_task("run").partial_kwargs["by"] == "clock"


def test_the_form_asks_for_all_that_a_run_needs(dags: dict[str, Any]) -> None:
    dag = dags["terraflow_run"]
    assert list(dag.params) == ["name", "sheet", "settings", "budget"]
    for name, param in ((name, dag.params.get_param(name)) for name in dag.params):
        assert param.description and param.schema["title"], name
    assert [task.task_id for task in dag.topological_sort()] == ["check", "run", "report"]
    run = dag.get_task("run")
    assert isinstance(run, TerraflowRunOperator) and run.deferrable


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("name", "cohort7", True),
        ("name", "a b", False),
        ("name", "x" * 41, False),
        ("sheet", "sample\tunit\n", True),
        ("settings", {"calling": {"ploidy": 1}}, True),
        ("settings", "ploidy", False),
        ("budget", 7.5, True),
        ("budget", None, True),
        ("budget", 0, False),
        ("budget", "20", False),
    ],
)
def test_the_form_refuses_what_no_run_can_have(dags: dict[str, Any], name: str, value: object, good: bool) -> None:
    param = dags["terraflow_run"].params.get_param(name)
    if good:
        assert param.resolve(value) == value
    else:
        with pytest.raises(ParamValidationError):
            param.resolve(value)


@pytest.mark.parametrize(
    ("params", "rendered"),
    [
        (
            {"name": "cohort", "sheet": "a\tb\n", "settings": {"calling": {"ploidy": 1}}, "budget": 7.5},
            ("cohort", "a\tb\n", '{"calling": {"ploidy": 1}}', "7.5"),
        ),
        ({"name": "007", "sheet": "", "settings": None, "budget": None}, ("007", "", "null", "")),
        # What a sheet holds is text, not a template.
        ({"name": "a", "sheet": "{{ 1 + 1 }}", "settings": None, "budget": 3}, ("a", "{{ 1 + 1 }}", "null", "3")),
    ],
)
def test_the_form_gets_into_the_order(dags: dict[str, Any], params: dict[str, Any], rendered: tuple[str, ...]) -> None:
    class Variables:
        terraflow_bucket = "lab-data"

        def get(self, _: str, default: str) -> str:
            return default

    run = dags["terraflow_run"].get_task("run")
    context: Any = {"params": params, "var": {"value": Variables()}}
    fields = (run.bucket, run.run_name, run.sheet, run.settings, run.budget)
    assert tuple(run.render_template(field, context) for field in fields) == ("lab-data", *rendered)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_dag_files_hold_no_logic(file: Path) -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.If, ast.For, ast.While, ast.Try)
    found = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, (*kinds, ast.comprehension))]
    assert found == []
