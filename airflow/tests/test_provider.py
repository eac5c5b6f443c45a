"""The package as a provider of Airflow, and the releases of Airflow that it works with."""

import importlib
import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import airflow
import jsonschema
import pytest
from airflow.triggers.base import BaseTrigger

import terraflow_airflow
from terraflow_airflow.operator import TerraflowRunOperator


def test_airflow_finds_the_provider() -> None:
    [entry] = [
        one for one in entry_points(group="apache_airflow_provider") if one.value.startswith("terraflow_airflow.")
    ]
    info = entry.load()()
    schema = Path(airflow.__file__).parent / "provider_info.schema.json"
    jsonschema.validate(info, json.loads(schema.read_text()))
    assert info["package-name"] == "terraflow-airflow"
    assert info["versions"] == [terraflow_airflow.__version__]
    modules = [name for kind in ("operators", "triggers") for one in info[kind] for name in one["python-modules"]]
    for module in modules:
        importlib.import_module(module)
    links = {f"{type(link).__module__}.{type(link).__name__}" for link in TerraflowRunOperator.operator_extra_links}
    assert set(info["extra-links"]) == links


def test_it_may_be_imported_before_airflow() -> None:
    # Airflow, while it is imported, reads the metadata of providers.
    command = [sys.executable, "-c", "import terraflow_airflow.order"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", ["3.2.0", "3.2.2", "2.11.0"])
def test_a_release_whose_triggers_do_not_learn_of_an_end_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(airflow, "__version__", version)
    with pytest.raises(RuntimeError) as error:
        importlib.reload(terraflow_airflow)
    assert f"needs Apache Airflow 3.3.0 or later, and this is {version}" in str(error.value)
    assert "would run on and cost money" in str(error.value)


@pytest.mark.parametrize("version", ["3.3.0", "3.3.0rc1", "3.10.1"])
def test_later_releases_are_taken(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(airflow, "__version__", version)
    importlib.reload(terraflow_airflow)


def test_this_airflow_tells_triggers_of_an_end() -> None:
    assert hasattr(BaseTrigger, "on_kill")
