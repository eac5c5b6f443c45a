"""Attempts of a run that a rule and a sample name, those that run included."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from snakemake_aws_common.record import attempt as attempts
from snakemake_aws_common.record.attempt import Attempt
from snakemake_aws_common.record.live import LiveJob
from terraflow import samples as names
from terraflow.errors import UserError
from terraflow.runs import words

SIMILAR = 5
Part = tuple[str, Mapping[str, str]]


@dataclass(frozen=True)
class Match:
    """An attempt that has ended, or a job that has not. Times are milliseconds since 1970."""

    native_id: str
    attempt: int | None
    # The rule, or the id of a group, with what tells it from others.
    title: str
    # How it does, or how it has ended.
    said: str
    failed: bool
    begin: int | None
    end: int | None
    # Empty if it has none, or if only Batch knows it.
    log_stream: str
    # Its rules with their wildcards: those that were asked for.
    parts: tuple[Part, ...]

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.attempt is None


def matches(
    ended: Iterable[Attempt], going: Iterable[LiveJob], rule: str | None, sample: str | None, job: str | None
) -> list[Match]:
    """Return all attempts of jobs of this rule (or group), sample and id, the newest first; `going` have not ended.

    Raise UserError, which lists names like it, if the run has no job of the rule, the sample or the id.
    """
    every: list[tuple[Attempt | LiveJob, tuple[Part, ...]]] = [
        *((one, tuple((step.process, step.wildcards) for step in one.steps)) for one in ended),
        *((one, tuple(one.steps)) for one in going),
    ]
    every = [(one, parts or ((one.process, one.wildcards),)) for one, parts in every]
    samples = names.names_of(wildcards for one, parts in every for wildcards in _wildcards(one, parts))
    if rule is not None:
        known = {name for one, parts in every for name in (one.process, *(name for name, _ in parts))}
        _refuse_unknown("rule", rule, known)
        every = [
            (one, tuple(part for part in parts if rule in (part[0], one.process)))
            for one, parts in every
            if rule == one.process or rule in [name for name, _ in parts]
        ]
    if sample is not None:
        served = [{names.sample_of(tags, samples) for tags in _wildcards(one, parts)} for one, parts in every]
        _refuse_unknown("sample", sample, {name for some in served for name in some if name is not None})
        every = [pair for pair, some in zip(every, served, strict=True) if sample in some]
    if job is not None:
        _refuse_unknown("job", job, {one.native_id for one, _ in every})
        every = [(one, parts) for one, parts in every if one.native_id == job]
    found = [_ended(one, parts) if isinstance(one, Attempt) else _going(one, parts) for one, parts in every]
    if not found:
        raise UserError("No job of the run is both of this rule and of this sample, or none was submitted yet.")
    return sorted(found, key=lambda one: (one.runs, one.end or one.begin or 0, one.attempt or 0), reverse=True)


def _wildcards(one: Attempt | LiveJob, parts: Sequence[Part]) -> Sequence[Mapping[str, str]]:
    return one.wildcards, *(tags for _, tags in parts)


def _refuse_unknown(kind: str, asked: str, known: set[str]) -> None:
    if asked in known:
        return
    near = difflib.get_close_matches(asked, known, SIMILAR) or sorted(known)[:SIMILAR]
    said = (
        f"There are {', '.join(near)}{' and others' if len(known) > len(near) else ''}." if near else "There is none."
    )
    raise UserError(f"No job of the run that was submitted so far is of {kind} {asked!r}. {said}")


def title_of(process: str, wildcards: Mapping[str, str]) -> str:
    """Return a rule with its wildcards: `bwa_mem (sample=a, unit=1)`."""
    tag = ", ".join(f"{name}={value}" for name, value in wildcards.items())
    return f"{process} ({tag})" if tag else process


def _ended(one: Attempt, parts: tuple[Part, ...]) -> Match:
    failed = one.status != attempts.COMPLETED
    code = f" with exit code {one.exit}" if one.exit else ""
    said = {attempts.COMPLETED: "done", attempts.ABORTED: "ended by a head or a person"}.get(one.status, "failed")
    why = f" ({one.reason})" if failed and one.reason else ""
    return Match(
        native_id=one.native_id,
        attempt=one.attempt,
        title=title_of(one.process, one.wildcards),
        said=f"{said}{code if failed else ''} {words.clock(one.complete)}{why}",
        failed=failed,
        begin=one.start,
        end=one.complete,
        log_stream=one.log_stream,
        parts=parts,
    )


def _going(one: LiveJob, parts: tuple[Part, ...]) -> Match:
    return Match(
        native_id=one.native_id,
        attempt=None,
        title=title_of(one.process, one.wildcards),
        said=f"{one.status} since {words.clock(one.since)}{f' ({one.reason})' if one.reason else ''}",
        failed=False,
        begin=one.since if one.status == "RUNNING" else None,
        end=None,
        log_stream="",
        parts=parts,
    )
