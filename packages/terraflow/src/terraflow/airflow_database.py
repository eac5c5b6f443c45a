"""Refuses to delete Airflow's database while it is protected: AWS would, after much else was gone."""

from collections.abc import Iterable, Mapping
from typing import Any

from terraflow.errors import UserError

KIND = "aws_db_instance"


def refuse_to_delete(changes: Iterable[Mapping[str, Any]]) -> None:
    """Raise UserError when a plan (`resource_changes` of `terraform show -json`) deletes or replaces it."""
    _refuse(
        change["change"]["before"]
        for change in changes
        if change["type"] == KIND and "delete" in change["change"]["actions"]
    )


def refuse_to_remove(resources: Iterable[Mapping[str, Any]]) -> None:
    """Raise UserError when it is among the resources of a state."""
    _refuse(resource["values"] for resource in resources if resource.get("type") == KIND)


def _refuse(databases: Iterable[Mapping[str, Any] | None]) -> None:
    names = [str(database["identifier"]) for database in databases if database and database.get("deletion_protection")]
    if names:
        raise UserError(
            f"Airflow's database {names[0]} is protected from deletion, nothing was changed. It holds what Airflow "
            "knows of its runs; results are in the bucket. To let it go, set airflow = { enabled = true, "
            "keep_database = false }, `make deploy`, and try again."
        )
