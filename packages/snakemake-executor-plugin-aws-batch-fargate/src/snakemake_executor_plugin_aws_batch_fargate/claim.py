"""The data of a run: a start that leaves the run's name to its default does not go on with another project's run.

Beside the run's lock lies a record of the data that its starts read: the files that no rule makes, by the rules that
read them. Neither folder nor user nor machine counts, so a checkout that moved, a colleague and a head elsewhere go on.
Only the rule that reads the most files tells projects apart: samples that come and go leave others in common there, and
another reference for the same reads changes nothing, while other reads have nothing in common, whatever the reference.
A run without a record is taken as one's own.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from snakemake_interface_common.exceptions import WorkflowError

from . import names, settings
from .untyped import Client, Workflow

NAME = ".run-data.json"
# How many files a message names.
EXAMPLES = 3
Data = Mapping[str, Iterable[str]]


def data_of(workflow: Workflow) -> dict[str, set[str]]:
    """Return the queries of files in storages that no rule makes, by the names of the rules that read them."""
    dag = workflow.dag
    found: dict[str, set[str]] = {}
    for job in dag.jobs:
        made = set().union(*dag.dependencies[job].values()) if dag.dependencies[job] else set()
        read = {names.key(file) for file in job.input if file not in made and getattr(file, "is_storage", False)}
        if read:
            found.setdefault(job.rule.name, set()).update(read)
    return found


def is_other(earlier: Data, ours: Data) -> bool:
    """Return whether two starts read different data: nothing in common in the rule that reads most.

    Both are hashes of queries, by rules.
    """
    shared = set(earlier) & set(ours)
    if not shared:
        return False
    union = {rule: len(set(earlier[rule]) | set(ours[rule])) for rule in shared}
    most = max(union.values())
    return all(set(earlier[rule]).isdisjoint(ours[rule]) for rule in shared if union[rule] == most)


def claim(workflow: Workflow, s3: Client, given: settings.ExecutorSettings, *, write: bool = True) -> None:
    """Record which data the run reads, unless `write` is off.

    Raises WorkflowError if a run of the default name has read different data.
    """
    found = data_of(workflow)
    if not found:
        return
    parts = urlsplit(str(workflow.storage_settings.default_storage_prefix))
    place = {"Bucket": parts.netloc, "Key": "/".join(filter(None, [parts.path.strip("/"), NAME]))}
    earlier = _read(s3, place)
    hashes: dict[str, list[str]] = {rule: sorted(map(_hash, queries)) for rule, queries in found.items()}
    known: dict[str, list[str]] = earlier.get("data", {})
    other = is_other(known, hashes)
    if other and given.run_name == settings.DEFAULT_RUN and not given.any_data:
        hint = given.run_hint or f"{settings.PREFIX}run-name and --default-storage-prefix"
        raise WorkflowError(
            f"s3://{place['Bucket']}/{place['Key'].rpartition('/')[0]} holds the run of another project, which read "
            f"{', '.join(earlier.get('examples', []))} (among others); this one reads {', '.join(_examples(found))}. "
            f"Nothing was submitted, written or deleted. Give this run a name of its own: {hint}. Or, if it is to take "
            f"the other's place, say so: {given.any_data_hint or settings.PREFIX + 'any-data'}."
        )
    if other:
        known = {}
    merged = {rule: sorted({*known.get(rule, []), *hashes.get(rule, [])}) for rule in sorted({*known, *hashes})}
    if write and merged != earlier.get("data"):
        body = {"examples": _examples(found), "data": merged}
        s3.put_object(**place, Body=json.dumps(body).encode(), ContentType="application/json")


def _read(s3: Client, place: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(s3.get_object(**place)["Body"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return {}
        raise
    except ValueError:
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("data", {}), dict) else {}


def _examples(found: Data) -> list[str]:
    """Return a few files of the rule that reads most."""
    return sorted(max(found.values(), key=lambda queries: len(set(queries))))[:EXAMPLES]


def _hash(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()[:12]
