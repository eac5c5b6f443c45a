"""The end of a run: jobs are ended when it is interrupted, and nothing that nobody needs stays behind."""

import time

from . import cancellation, client
from .messages import counted
from .session import Session
from .status import Watch

# Seconds in which ended jobs are looked at, for the record, and the least that are left for ending them.
SEEN = 5.0
LEAST = 5.0
LEFT = "Batch jobs run on: they are left to whoever has the lock of the run."


def end_jobs(session: Session) -> None:
    """End all jobs that have not ended, within `cancellation.DEADLINE`, and name those that may still run.

    Snakemake's list may lack some; the ledger does not.
    """
    session.lock.give_up()
    if not session.lock.holds():
        session.logger.error(LEFT)
        return
    until = session.since_closed + cancellation.DEADLINE
    # A laptop may sleep between Ctrl-C and each order.
    hasty = session.lock.gated(client.FargateBatchClient(session.region, client.hasty()))
    lost = session.submitter.lost(hasty)
    live = session.ledger.live
    ids = session.ledger.to_end([*(job.job_id for job in session.earlier.rest()), *lost])
    if not ids:
        return
    session.logger.info(f"Ending {counted(len(ids), 'Batch job')}…")
    left = cancellation.terminate(hasty, ids, max(LEAST, until - time.monotonic()))
    session.ledger.end(ids, left)
    for job_id in set(ids) - set(left):
        session.earlier.forget(job_id)
    if left and not session.lock.holds():
        session.logger.error(LEFT)
    elif left:
        session.logger.error(
            f"{counted(len(left), 'Batch job')} may still run and cost money, since AWS Batch could not be asked to "
            f"end them ({next(iter(left.values()))}). End them with:\n"
            + "\n".join(
                f"  aws batch terminate-job --region {session.region} --reason interrupted --job-id {job_id}"
                for job_id in left
            )
        )
    else:
        session.logger.info("All of them are ended.")
    watch = Watch(hasty, 0, lambda _: None)
    session.journal.watch_end(watch, live, min(until, time.monotonic() + SEEN))
    session.journal.look_back(lambda: hasty, ids, session.target.tags.prefix)


def look_back(session: Session) -> None:
    """Record jobs that this head has ended, and those that earlier heads have left to nobody, at the end of a run."""
    ids = [*session.earlier.ended, *session.submitter.twins, *(job.job_id for job in session.earlier.rest())]
    session.journal.look_back(
        lambda: client.FargateBatchClient(session.region, client.brief()), ids, session.target.tags.prefix
    )


def leave(session: Session) -> None:
    """Name jobs of earlier heads that nobody needs, and remove the sources if no job needs them any more."""
    ended = session.ledger.ended_here
    unneeded = [job for job in session.earlier.rest() if job.job_id not in ended]
    if unneeded:
        session.logger.warning(
            "Batch jobs of an earlier start still ran when this one began, and do nothing that it needs: "
            f"{', '.join(f'{job.job_id} ({job.name})' for job in unneeded)}. "
            f"If you don't need them: aws batch terminate-job --region {session.region} --reason unneeded --job-id ID"
        )
    if session.ledger.has_live_jobs or unneeded or session.workflow.remote_execution_settings.immediate_submit:
        # Jobs that run on fetch the sources when they start.
        return
    if session.deployment.is_sent and session.lock.holds():
        session.deployment.remove(session.logger.warning)
