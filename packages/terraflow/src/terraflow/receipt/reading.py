"""Reads a receipt: the contents that it says the run's inputs and outputs had."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from snakemake_aws_common.conditional import MISSING, error_code
from terraflow.errors import UserError
from terraflow.fetching.objects import RECEIPT
from terraflow.receipt.facts import ETAG, PLAIN, STORED, Content
from terraflow.runs.find import Run

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True)
class Receipt:
    """Contents of outputs by their paths below the run, and of inputs by their addresses; None for one not looked at.

    `workflow` is the path of the workflow's file; `made` is when the receipt was made, in ISO 8601.
    """

    outputs: Mapping[str, Content]
    inputs: Mapping[str, Content | None]
    workflow: str
    made: str


def of_run(s3: "S3Client", run: Run) -> Receipt:
    """Read the receipt of a run. Raise UserError if it has none, or one that can't be understood."""
    try:
        body = s3.get_object(Bucket=run.bucket, Key=f"{run.prefix}/{RECEIPT}")["Body"].read()
    except ClientError as error:
        if error_code(error) not in MISSING:
            raise
        raise UserError(
            f"{run.name} has no receipt: a head in the cloud writes it at the end of a run. `terraflow verify "
            f"{run.name} --write` makes one of what lies there now."
        ) from None
    return parse(body, f"{run.address}/{RECEIPT}")


def parse(body: bytes, address: str) -> Receipt:
    """Return what a receipt says. Raise UserError, which names its address, if it is none of terraflow's."""
    try:
        entities = {one["@id"]: one for one in json.loads(body)["@graph"]}
        root = entities["./"]
        workflow = root["mainEntity"]["@id"]
        [action] = [one for one in entities.values() if one.get("instrument") == {"@id": workflow}]
        outputs = {unquote(path): _content(one) for path, one in _files(entities, action["result"])}
        inputs = {
            unquote(uri) if uri.startswith("s3://") else uri: _content(one) if "contentSize" in one else None
            for uri, one in _files(entities, action["object"])
        }
        return Receipt(outputs, inputs, unquote(workflow), root["datePublished"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{address} is not a receipt of terraflow's ({type(error).__name__}: {error}). `terraflow verify NAME "
            "--write` makes one of what lies there now."
        ) from error


def _files(entities: Mapping[str, Any], references: list[dict[str, str]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for reference in references:
        one = entities[reference["@id"]]
        if one["@type"] == "File":
            yield reference["@id"], one


def _content(entity: Mapping[str, Any]) -> Content:
    checksums = {name: str(entity[name]) for name in (*STORED, *PLAIN) if name in entity}
    return Content(int(entity["contentSize"]), entity[ETAG], checksums)
