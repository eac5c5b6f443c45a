"""Names and tags of Batch jobs: readable, searchable, and the same when a run is started again."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import source_cache
from .untyped import Job, JobFile, Rule

# AWS Batch: up to 128 letters, digits, '-' and '_', the first a letter or digit.
LONGEST_NAME = 128
# AWS tags: up to 256 characters of these kinds.
LONGEST_TAG = 256


@dataclass(frozen=True)
class Tags:
    """The tags that jobs carry: `<prefix>run`, `<prefix>rule`, one for each of these wildcards, and those in `more`."""

    prefix: str = "snakemake:"
    wildcards: Collection[str] = ()
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """Hashes that tell a job from others: `outputs` of what it makes, `content` of how, and from which inputs.

    `part` is the hash of the jobs that are left of a group when the others were done before; empty for a whole group.
    """

    outputs: str
    content: str
    part: str = ""

    @property
    def suffix(self) -> str:
        """Return the end of the job's name."""
        return "-".join(filter(None, (self.outputs, self.content, self.part)))

    @property
    def whole(self) -> "Identity":
        """Return the identity of the job that does all of the group."""
        return replace(self, part="")


def _nothing(_: Job) -> list[str]:
    return []


def identity(
    run: str,
    job: Job,
    component: Sequence[Job] = (),
    inputs: Callable[[Job], Sequence[str]] = _nothing,
    caches: Sequence[str] = (),
) -> Identity:
    """Return the identity of a job or a group: the same for the same run, outputs, inputs, parameters and code.

    `component` are the group's jobs and those of the group that were done before; `inputs` describes those inputs of a
    job that no job makes; `caches` are folders whose names count for nothing. Neither the attempt nor the resources
    count, so a second attempt is still the same job.
    """

    def plain(text: str) -> str:
        for cache in caches:
            text = text.replace(cache, "source-cache")
        return text

    own = members(job)
    jobs = sorted(component or own, key=lambda member: (member.rule.name, _text(member.wildcards_dict)))
    content = [
        [
            member.rule.name,
            _text(member.wildcards_dict),
            sorted(plain(key(path)) for path in member.input),
            _text(member.non_derived_params, plain),
            (code := member.rule.shellcmd or member.rule.run_func_src) and plain(code),
            *_program(member.rule),
            *map(plain, inputs(member)),
        ]
        for member in jobs
    ]
    part = "" if len(own) == len(jobs) else _hash(_named(own))[:8]
    return Identity(outputs_hash(run, jobs), _hash(content)[:6], part)


def outputs_hash(run: str, jobs: Iterable[Job]) -> str:
    """Return the hash of what jobs make together."""
    return _hash([run, *_named(jobs)])[:12]


def _named(jobs: Iterable[Job]) -> list[str]:
    """Return the names of the outputs of jobs, or the names of the jobs if they have no outputs."""
    outputs = sorted(key(output) for member in jobs for output in member.output)
    return outputs or sorted(f"{member.rule.name} {_text(member.wildcards_dict)}" for member in jobs)


def _program(rule: Rule) -> list[str]:
    """Return the script, notebook or wrapper of a rule, and its checksum: Snakemake looks at its time only."""
    path = source_cache.program_path(rule)
    return [str(rule.script or rule.notebook or rule.wrapper), *([checksum(path)] if path else [])]


@functools.cache
def checksum(path: Path) -> str:
    """Return the SHA-256 of a file that is sent to workers, read once per run; empty if it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        # Its name may have wildcards.
        return ""


def members(job: Job) -> list[Any]:
    """Return the jobs of a group, or the job itself."""
    return list(job.jobs) if job.is_group() else [job]


def is_stored(path: JobFile) -> bool:
    """Return whether a file lies in a storage."""
    return bool(getattr(path, "is_storage", False))


def key(path: JobFile) -> str:
    """Return the query of a file in a storage, the path of any other."""
    return str(path.storage_object.query) if is_stored(path) else str(path)


def wildcards_of(job: Job) -> dict[str, str]:
    """Return the wildcards of a job, or those of a group that have one value in all its jobs that have them."""
    values: dict[str, set[str]] = {}
    for member in members(job):
        for name, value in member.wildcards_dict.items():
            values.setdefault(name, set()).add(str(value))
    return {name: found.pop() for name, found in values.items() if len(found) == 1}


def rule_of(job: Job) -> str:
    """Return the name of a job's rule, or the id of a group."""
    return str(job.groupid) if job.is_group() else str(job.rule.name)


def describe(job: Job) -> str:
    """Return rule and wildcards of a job, or id and wildcards of a group, for messages."""
    wildcards = ", ".join(f"{name}={value}" for name, value in wildcards_of(job).items())
    kind = "Group" if job.is_group() else "Rule"
    return f"{kind} {rule_of(job)}" + (f" ({wildcards})" if wildcards else "")


def job_name(run: str, job: Job, identity: Identity) -> str:
    """Return `<run>-<rule>-<wildcards>-<outputs>-<content>`, perhaps with `-<part>`, cut to what Batch takes."""
    readable = "-".join([run, rule_of(job), *wildcards_of(job).values()])
    legal = re.sub(r"[^A-Za-z0-9_-]+", "_", readable)
    return f"{legal[: LONGEST_NAME - len(identity.suffix) - 1]}-{identity.suffix}"


def identity_in(name: str) -> Identity | None:
    """Return the identity that `job_name` put into a name; None for other names."""
    found = re.search(r"-([0-9a-f]{12})-([0-9a-f]{6})(?:-([0-9a-f]{8}))?$", name)
    return Identity(found[1], found[2], found[3] or "") if found else None


def job_tags(run: str, job: Job, tags: Tags) -> dict[str, str]:
    """Return the tags of a job, for cost allocation."""
    named = {"run": run, "rule": rule_of(job)}
    values = wildcards_of(job)
    named |= {name: values[name] for name in tags.wildcards if values.get(name)}
    return {**{f"{tags.prefix}{name}": _tag(value) for name, value in named.items()}, **tags.more}


def _tag(value: str) -> str:
    return re.sub(r"[^\w +\-=._:/@]", "_", value)[:LONGEST_TAG]


def _same(text: str) -> str:
    return text


def _text(value: object, plain: Callable[[str], str] = _same) -> str:
    """Return the same text for equal values, in whatever order sets and dictionaries keep them.

    `plain` changes the texts in the value, before JSON writes their letters in another way.
    """
    if isinstance(value, Mapping):
        return json.dumps({plain(str(name)): _text(item, plain) for name, item in value.items()}, sort_keys=True)
    if isinstance(value, (set, frozenset)):
        return json.dumps(sorted(_text(item, plain) for item in value))
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return json.dumps([_text(item, plain) for item in value])
    if isinstance(value, str) and (text := plain(value)) != value:
        return repr(text)
    # The default representation of an object has its address, which differs in each process.
    return re.sub(r" at 0x[0-9a-f]+", "", plain(repr(value)))


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
