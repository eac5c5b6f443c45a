"""How a head has ended: state, exit code and message, from the child's exit code and what the executor has written."""

from collections.abc import Mapping
from dataclasses import dataclass

from snakemake_aws_common.record import live as lives
from snakemake_aws_common.record.live import Live
from terraflow.heads import about as abouts

# How many failed jobs a message explains.
EXPLAINED = 3


@dataclass(frozen=True)
class Outcome:
    """State of the run, exit code of the head's container, and why, in words for the run's user."""

    state: str
    exit_code: int
    message: str = ""


def outcome_of(code: int, stopped: bool, left: Mapping[str, str], live: Live | None, log: str) -> Outcome:
    """Return how a head has ended.

    `code` is the child's exit code, `stopped` whether it was told to end, `left` the jobs that may still run, with the
    reason; `live` is what the executor wrote in this head's time, and `log` where Snakemake's log lies. Any code that
    is none of a head's has Batch start it again.
    """
    if code == abouts.EXIT_CODES[abouts.DONE]:
        return Outcome(abouts.DONE, code)
    if stopped or code == abouts.EXIT_CODES[abouts.STOPPED]:
        return Outcome(abouts.STOPPED, abouts.EXIT_CODES[abouts.STOPPED], _stopped(left))
    if code == abouts.EXIT_HELD:
        return Outcome(abouts.FAILED, code, "Another head has the run; this one left it to that one.")
    if code != abouts.EXIT_CODES[abouts.FAILED]:
        return Outcome(abouts.RUNNING, code if code > 0 else 128 - code, "")
    if live is not None and live.state == lives.OVER_BUDGET:
        return Outcome(abouts.OVER_BUDGET, abouts.EXIT_CODES[abouts.OVER_BUDGET], live.message)
    return Outcome(abouts.FAILED, code, _failed(live, log))


def _stopped(left: Mapping[str, str]) -> str:
    if not left:
        return "The head was told to end, and has ended its jobs."
    named = "\n".join(f"  {job}: {why}" for job, why in left.items())
    return f"The head was told to end. These jobs may still run, and cost money:\n{named}"


def _failed(live: Live | None, log: str) -> str:
    failures = live.failures if live is not None else ()
    if failures:
        more = len(failures) - EXPLAINED
        texts = [failure.text for failure in failures[:EXPLAINED]] + ([f"And {more} more jobs."] if more > 0 else [])
        return "\n".join(texts)
    return (live.message if live is not None else "") or f"Snakemake has failed; its log is {log}."
