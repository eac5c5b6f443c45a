"""Writes what an upload to the inbox is: raw/NAME/config.yaml, and last the sheet, as `terraflow stage --run` does."""

from collections.abc import Mapping
from typing import Any

import yaml

from terraflow_airflow import aws
from terraflow_airflow.errors import OrderError
from terraflow_airflow.order import Order
from terraflow_airflow.stack import Stack

# The first line of a configuration that was written here, and may be written here again.
OURS = "# Airflow wrote this: the published configuration with the settings of a run"


def bring(s3: Any, stack: Stack, order: Order, *, again: bool) -> list[str]:  # noqa: ANN401
    """Write what the order brings, and return the keys that were written, the sheet's last.

    A sheet that is written starts its run anew; `again` leaves objects alone that are there as they should be, as in
    another try of the same order. Raise OrderError for a configuration of somebody else that would be lost.
    """
    files = contents(s3, stack, order)
    if not order.sheet and aws.etag(s3, stack.bucket, order.sheet_key) is None:
        raise OrderError(
            f"s3://{stack.bucket}/{order.sheet_key} is missing: give a sheet, or upload one there. Nothing was started."
        )
    written = [key for key, body in files.items() if not (again and aws.read(s3, stack.bucket, key) == body)]
    for key in written:
        s3.put_object(Bucket=stack.bucket, Key=key, Body=files[key], ChecksumAlgorithm="SHA256")
    return written


def differing(s3: Any, stack: Stack, order: Order) -> list[str]:  # noqa: ANN401
    """Return the keys of what the order brings that are not there, or are there with another content."""
    return [key for key, body in contents(s3, stack, order).items() if aws.read(s3, stack.bucket, key) != body]


def contents(s3: Any, stack: Stack, order: Order) -> dict[str, bytes]:  # noqa: ANN401
    """Return what the order brings, by keys in the order in which they are to be written."""
    files: dict[str, bytes] = {}
    if order.settings:
        there = aws.read(s3, stack.bucket, order.config_key)
        if there is not None and not there.startswith(OURS.encode()):
            raise OrderError(
                f"s3://{stack.bucket}/{order.config_key} was written by somebody else, and would be lost. Put the "
                "settings there, or delete it, or choose another name. Nothing was started."
            )
        if stack.config is None:
            raise OrderError(
                "The stack has no configuration to which settings could be added: `terraflow stage` writes "
                f"config/aws.yaml, and `make deploy` publishes it. Or upload s3://{stack.bucket}/{order.config_key}. "
                "Nothing was started."
            )
        body = yaml.safe_dump(merged(stack.config, order.settings), sort_keys=False, allow_unicode=True, width=1000)
        files[order.config_key] = f"{OURS}.\n{body}".encode()
    if order.sheet:
        files[order.sheet_key] = order.sheet.encode()
    return files


def limit(stack: Stack, order: Order) -> float:
    """Return the US dollars that the run may cost. Raise OrderError if nobody has said it."""
    found = order.budget if order.budget is not None else stack.budget
    if found is None:
        raise OrderError("Budget: found none, and the stack has none for runs of Airflow. Nothing was started.")
    return found


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return one configuration of two, as Snakemake merges them: keys of sections are replaced one by one."""
    found = dict(below)
    for key, value in above.items():
        other = found.get(key)
        found[key] = merged(other, value) if isinstance(other, Mapping) and isinstance(value, Mapping) else value
    return found
