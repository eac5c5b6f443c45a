"""Names and tags of Batch jobs: readable, searchable, and the same when a run is started again."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .outside import Job, Rule
from .outside import Path as JobFile

# AWS Batch: up to 128 letters, digits, '-' and '_', the first a letter or digit.
LONGEST_NAME = 128
# AWS tags: up to 256 characters of these kinds.
LONGEST_TAG = 256


@dataclass(frozen=True)
class Identity:
    """What tells a job from others: `outputs` which one it is, `content` what it does to make them.

    `part` stands for the jobs that are left of a group of which others were done before; empty if it is the whole.
    """

    outputs: str
    content: str
    part: str = ""

    @property
    def suffix(self) -> str:
        """The end of the job's name."""
        return "-".join(filter(None, (self.outputs, self.content, self.part)))

    @property
    def whole(self) -> "Identity":
        """That of the job that does all of the group."""
        return replace(self, part="")


def _nothing(_: Job) -> list[str]:
    return []


def identity(
    run: str, job: Job, component: Sequence[Job] = (), inputs: Callable[[Job], Sequence[str]] = _nothing
) -> Identity:
    """Of a job or a group of jobs. The same for the same run, outputs, inputs, parameters and code.

    `component` are the group's jobs and those of the group that were done before; `inputs` says of a job what those of
    its inputs are that no job makes. Neither the attempt nor the resources count, so a second attempt is still the same
    job.
    """
    own = members(job)
    jobs = sorted(component or own, key=lambda member: (member.rule.name, _text(member.wildcards_dict)))
    named = _named(jobs)
    content = [
        [
            member.rule.name,
            _text(member.wildcards_dict),
            sorted(key(path) for path in member.input),
            _text(member.non_derived_params),
            member.rule.shellcmd or member.rule.run_func_src,
            *_program(member.rule),
            *inputs(member),
        ]
        for member in jobs
    ]
    part = "" if len(own) == len(jobs) else _hash(_named(own))[:8]
    return Identity(_hash([run, *named])[:12], _hash(content)[:6], part)


def _named(jobs: Iterable[Job]) -> list[str]:
    """What jobs make; what they are if they make nothing."""
    outputs = sorted(key(output) for member in jobs for output in member.output)
    return outputs or sorted(f"{member.rule.name} {_text(member.wildcards_dict)}" for member in jobs)


def _program(rule: Rule) -> list[str]:
    """Which script, notebook or wrapper a rule has, and the checksum of a file: Snakemake looks at its time only."""
    named = str(rule.script or rule.notebook or rule.wrapper)
    folder = str(rule.basedir.get_path_or_uri(secret_free=True)) if rule.script or rule.notebook else ""
    return [named, checksum(Path(folder, named))] if folder and "://" not in folder + named else [named]


@functools.cache
def checksum(path: Path) -> str:
    """SHA-256 of a file that is sent to workers, as it is when it is first asked for; empty if it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        # Its name may have wildcards.
        return ""


def members(job: Job) -> list[Any]:
    """The jobs of a group, or the job itself."""
    return list(job.jobs) if job.is_group() else [job]


def is_stored(path: JobFile) -> bool:
    """Whether a file lies in a storage."""
    return bool(getattr(path, "is_storage", False))


def key(path: JobFile) -> str:
    """What a file is called wherever it lies: its query if it lies in a storage, else its path."""
    return str(path.storage_object.query) if is_stored(path) else str(path)


def wildcards_of(job: Job) -> dict[str, str]:
    """Wildcards of a job; of a group those on which all its jobs that have them agree."""
    values: dict[str, set[str]] = {}
    for member in members(job):
        for name, value in member.wildcards_dict.items():
            values.setdefault(name, set()).add(str(value))
    return {name: found.pop() for name, found in values.items() if len(found) == 1}


def rule_of(job: Job) -> str:
    """Name of the rule; of a group its id."""
    return str(job.groupid) if job.is_group() else str(job.rule.name)


def job_name(run: str, job: Job, identity: Identity) -> str:
    """`<run>-<rule>-<wildcards>-<outputs>-<content>`, with `-<part>` perhaps, within what Batch takes."""
    readable = "-".join([run, rule_of(job), *wildcards_of(job).values()])
    legal = re.sub(r"[^A-Za-z0-9_-]+", "_", readable)
    return f"{legal[: LONGEST_NAME - len(identity.suffix) - 1]}-{identity.suffix}"


def identity_in(name: str) -> Identity | None:
    """The identity that `job_name` put into a name; None for other names."""
    found = re.search(r"-([0-9a-f]{12})-([0-9a-f]{6})(?:-([0-9a-f]{8}))?$", name)
    return Identity(found[1], found[2], found[3] or "") if found else None


def job_tags(run: str, job: Job, more: Mapping[str, str]) -> dict[str, str]:
    """Tags for cost allocation: run, rule, the sample if there is one, and those of the settings."""
    tags = {"terraflow:run": run, "terraflow:rule": rule_of(job)}
    sample = wildcards_of(job).get("sample")
    if sample:
        tags["terraflow:sample"] = sample
    return {**{name: _tag(value) for name, value in tags.items()}, **more}


def _tag(value: str) -> str:
    return re.sub(r"[^\w +\-=._:/@]", "_", value)[:LONGEST_TAG]


def _text(value: object) -> str:
    """The same text for equal values, in whatever order sets and dictionaries keep them."""
    if isinstance(value, Mapping):
        return json.dumps({str(name): _text(item) for name, item in value.items()}, sort_keys=True)
    if isinstance(value, (set, frozenset)):
        return json.dumps(sorted(map(_text, value)))
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return json.dumps([_text(item) for item in value])
    # The default representation of an object has its address, which differs in each process.
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
