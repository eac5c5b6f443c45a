"""Gives a configuration that `terraflow stage` writes its aligner and number of shards, where its author gives none."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from terraflow.costs.sizes import bytes_of_one
from terraflow.launch.proposal import Lane, Proposal, Site, propose
from terraflow_workflow.inputs.samples import Unit
from terraflow_workflow.inputs.settings import is_remote, load_schema

KEYS = (("alignment", "aligner"), ("reads", "shards"))
# The size of an S3 object; None if it can't be had.
SizeOf = Callable[[str, str], int | None]


def choose(
    own: dict[str, Any],
    config: dict[str, Any],
    earlier: Mapping[str, Any] | None,
    proposed: Callable[[], Proposal | None],
) -> list[str]:
    """Set both keys in what is written, `own`, and in the whole configuration; return notes about what was proposed.

    What the author says stays. So does what the file to write held before, `earlier`, and where it held nothing what
    that meant: a run that goes on with it isn't aligned anew. `proposed` is asked only if something is left.
    """
    notes: list[str] = []
    open_keys = []
    for section, key in KEYS:
        default = load_schema("config")["properties"][section]["properties"][key]["default"]
        if config[section][key] != default or key in (own.get(section) or {}):
            value = config[section][key]
        elif earlier is not None:
            value = (earlier.get(section) or {}).get(key, default)
        else:
            open_keys.append((section, key, default))
            continue
        _set(own, config, section, key, value)
    if not open_keys:
        return notes
    proposal = proposed() if config["reference"]["bwa_index"] == "build" else None
    for section, key, default in open_keys:
        value = default if proposal is None else getattr(proposal, key)
        _set(own, config, section, key, value)
        if proposal is not None and (reason := proposal.reasons.get(key)) and value != default:
            notes.append(f"{section}.{key}: {value} is proposed, and written: {reason}.")
    return notes


def of_inputs(units: Sequence[Unit], config: Mapping[str, Any], site: Site, size_of: SizeOf) -> Proposal | None:
    """Return what is proposed for reads and reference of these sizes; None if one of them can't be had."""
    bases = _amount(config["reference"]["fasta"], site.model.bytes_per_base, size_of)
    if bases is None:
        return None
    lanes = []
    for unit in units:
        reads = [_amount(path, site.model.bytes_per_read, size_of) for path in unit.fastqs]
        sizes = [_size(path, size_of) for path in unit.fastqs]
        if None in reads:
            return None
        lanes.append(Lane(sum(filter(None, reads)), sum(filter(None, sizes))))
    return propose(lanes, bases, site, config["reads"]["compression"])


def _set(own: dict[str, Any], config: dict[str, Any], section: str, key: str, value: object) -> None:
    own[section] = {**(own.get(section) or {}), key: value}
    config[section][key] = value


def _amount(path: str, each: Mapping[str, float], size_of: SizeOf) -> float | None:
    """Return how many reads or bases a file holds, by its size."""
    size = _size(path, size_of)
    return None if size is None else size / bytes_of_one(PurePosixPath(path).name, each)


def _size(path: str, size_of: SizeOf) -> int | None:
    if not is_remote(path):
        return Path(path).stat().st_size
    address = urlsplit(path)
    return size_of(address.netloc, address.path.lstrip("/")) if address.scheme == "s3" else None
